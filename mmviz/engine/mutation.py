"""Mutants: a case with one line removed, searched again.

`omissions(case)` removes each line at which an actor may wait, one at a time, for every actor that
runs it, and searches the mutant.

* A line whose answer is never used is skipped.
* A line whose answer is used always returns one fixed value, one of those that it can return in the
  case: a check that always passes, then one that never does.
* A line that takes a lock is removed together with the one that drops it; the one that drops it is
  also removed alone. (Both ends of an `async with` are one line anyway.)
* A line that calls another async function is removed as a whole if another line calls the
  same function; if none does, the lines of that function are removed one by one instead.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from mmviz.engine.case import Actor, Case
from mmviz.engine.errors import LoopWithoutMark, ModelError
from mmviz.engine.explore import uncollected
from mmviz.engine.ledger import moved
from mmviz.engine.livelock import find_livelock, find_waits
from mmviz.engine.location import lines_of
from mmviz.engine.places import Spot, Watched, passed, spot_of, spots, uses_answer, watched
from mmviz.engine.search import MAX_BYTES, MAX_STATES, Search
from mmviz.engine.step import Step
from mmviz.engine.struct import Struct

MOST_STATES = 50_000  # of a case without a line, or four times what it has with it, if that is more
MOST_SKIPPED = 200  # steps in a row; more means that the actor goes round a loop without a step
ENDLESS, BROKEN = "endless", "breaks the model"
CANNOT_GO_ON = (ModelError, AttributeError, LookupError, TypeError, ValueError, AssertionError)
STANDSTILL = {"deadlock", "livelock", ENDLESS, BROKEN}

Instead = Callable[[Any, Any, Step[Any], list[Struct]], tuple[Any] | None]


@dataclass(frozen=True)
class Omission:
    """A line removed from a case, and the result.

    Attributes:
        spot: the line.
        actors: those that run it.
        breaks: what goes wrong first without it: bad states, "deadlock", "livelock", "endless" (a
            loop in which something piles up) or "breaks the model" (the code cannot go on);
            empty when nothing does.
    """

    spot: Spot
    actors: tuple[str, ...]
    breaks: tuple[str, ...]


class QuickSearch(Search):
    """A search that ends soon after it has found enough.

    Args:
        case: the case.
        max_states: the most states to visit.
        enough: bad states and "deadlock" that are enough together; with none, any one is.
    """

    def __init__(self, case: Case, max_states: int, enough: frozenset[str]) -> None:
        self.enough = enough
        super().__init__(case, max_states, MAX_BYTES, None, None)

    @property
    def found(self) -> frozenset[str]:
        """What has gone wrong so far."""
        return frozenset(self.first) | ({"deadlock"} if self.deadlock is not None else set())

    @property
    def has_enough(self) -> bool:
        """Whether it may end."""
        return bool(self.found) and self.enough <= self.found

    def check_limits(self) -> None:
        """Check the limits, and end the search when it has found enough."""
        super().check_limits()
        if not self.cut and self.has_enough:
            self.cut = "enough went wrong"


ALL = frozenset({ENDLESS})  # which a search cannot find before it ends


def goes_wrong(
    case: Case, max_states: int = MAX_STATES, enough: frozenset[str] = ALL
) -> frozenset[str]:
    """Return what goes wrong in a case: bad states, "deadlock", "livelock"; "endless" if cut off.

    Args:
        case: the case.
        max_states: the most states to visit.
        enough: the search may end when it has found all of these; with none, when it has found any.

    Raises:
        ModelError: the case breaks a rule of the engine.
    """
    with uncollected():
        done = QuickSearch(case, max_states, enough)
    found = done.found
    if done.cut:
        return found if done.has_enough else found | {ENDLESS}
    livelock = find_livelock(done.model, done.parent)
    found |= {"livelock"} if livelock is not None else set()
    return found | ({"deadlock"} if find_waits(done.model, done.parent) else set())


def goes_wrong_without(
    case: Case, spot: Spot, model: Watched, enough: frozenset[str]
) -> Iterator[frozenset[str]]:
    """Yield what goes wrong without a line, once for each result that may stand in its place.

    Args:
        case: the case.
        spot: the line.
        model: the watched model of the case.
        enough: as `goes_wrong` takes it.
    """
    for mutant in mutants(case, spot, model):
        try:
            yield goes_wrong(mutant, max(MOST_STATES, 4 * model.states), enough)
        except LoopWithoutMark:
            yield frozenset({ENDLESS})
        except CANNOT_GO_ON:
            yield frozenset({BROKEN})  # the code cannot go on with the fixed result


def omissions(case: Case) -> tuple[Omission, ...]:
    """Remove each line of a case in turn.

    Args:
        case: one in which nothing goes wrong.

    Returns:
        One for each line, in the order they are written, the scenario's own file first.
    """
    known = watched(case)
    where = passed(known)
    return tuple(
        Omission(
            spot,
            tuple(known.actors[p] for p in sorted({p for p, _ in where[spot]})),
            tuple(sorted(breaks_without(case, spot, known))),
        )
        for spot in spots(known)
    )


def breaks_without(case: Case, spot: Spot, model: Watched) -> frozenset[str]:
    """Return what goes wrong first when a line is removed.

    Where several fixed results may stand in its place, one that violates a bad state is enough. A
    deadlock or a livelock counts only if no result is harmless: a redundant check that always fails
    would cause one, and one that always passes would not.
    """
    found: list[frozenset[str]] = []
    for each in goes_wrong_without(case, spot, model, frozenset()):
        found.append(each)
        if found[-1] - STANDSTILL:
            return found[-1] - STANDSTILL
    return frozenset().union(*found) if all(found) else frozenset()


def mutants(case: Case, spot: Spot, model: Watched) -> Iterator[Case]:
    """Yield the case without a line, once for each result that may stand in its place."""
    answers = 1
    if not spot.step or uses_answer(spot.line):
        answers = max(len(model.heard.get(at, "?")) for at in model.below(spot))
    for number in range(answers):
        instead = Forgetting(spot, model, number)
        actors = {
            name: actor if name in case.environment else without(actor, instead)
            for name, actor in case.actors.items()
        }
        yield replace(case, actors=actors, states=0)


def without(actor: Actor, instead: Instead) -> Actor:
    """Return an actor that skips some of its steps.

    Args:
        actor: the actor that skips nothing.
        instead: given the world, the actor's coroutine, its next step, and a list in which it may
            keep the structs it owes a step to, returns (the result to use instead,), or None when
            the step is taken.
    """
    return Forgetful(actor, instead).run


class Forgetful:
    """An actor that skips some of its steps: one object, so a location holds nothing of it twice.

    Args:
        actor, instead: as `without` takes them.
    """

    def __init__(self, actor: Actor, instead: Instead) -> None:
        self.actor, self.instead = actor, instead

    async def run(self, k: Any) -> None:
        """Run the actor."""
        code, heard, skipped = self.actor(k), None, 0
        owed: list[Struct] = []
        while True:
            try:
                step = code.send(heard)
            except StopIteration:
                return
            answer = self.instead(k, code, step, owed)
            if answer is None:
                heard, skipped = await step, 0
                continue
            (heard,) = answer
            skipped += 1
            if skipped > MOST_SKIPPED:
                raise LoopWithoutMark(f"{step.label} is skipped again and again")


class Forgetting:
    """Skips a line, and gives one of its results instead.

    Args:
        spot: the line.
        model: the watched model of the case.
        number: of the result, among those known from the line.
    """

    def __init__(self, spot: Spot, model: Watched, number: int) -> None:
        self.spot, self.model, self.number = spot, model, number

    def __call__(self, k: Any, code: Any, step: Step[Any], owed: list[Struct]) -> tuple[Any] | None:
        """Return (the result,) where the step is skipped, None where it is taken."""
        spot, model = self.spot, self.model
        if spot.step not in ("", step.body.__name__) and step.on not in owed:
            return None
        lines = lines_of(code)
        left_out = spot.covers(lines, step)
        if not left_out and step.on not in owed:
            return None
        at = spot_of(lines, step)
        known = list(model.heard.get(at, {None: None}).values())
        answer = known[self.number % len(known)]
        if at in model.drops and step.on in owed:
            owed.remove(step.on)
        elif not left_out:
            return None
        elif at in model.takes and answer is not False:  # what failed to take owes nothing
            owed.append(step.on)
        return (_in_world(answer, k, model),)


def _in_world(answer: Any, k: Any, model: Watched) -> Any:
    """Return a result from one world with its objects replaced by those of a twin world."""
    if answer is None or isinstance(answer, bool | int | str):
        return answer
    twins = zip(model.ledger.structs, k._ledger.structs, strict=True)
    return moved(answer, {id(struct): twin for struct, twin in twins})
