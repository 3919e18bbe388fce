"""Leaving lines out: what goes wrong in a case that has forgotten one of its lines.

`omissions(case)` leaves out each line at which an actor may wait, one at a time, for everybody who
comes there, and searches again.

* A line whose answer nobody uses is skipped.
* A line whose answer is used hears, for good, one of the answers that it can hear in the case:
  a check that always passes, then one that never does.
* A line that takes a lock is left out together with the one that drops it; the dropping is left
  out alone too. (Both ends of an `async with` are one line anyway.)
* A line that calls another async function is left out with all that is done there, if somebody
  comes there by another line as well; if nobody does, the lines of that function stand for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from mmviz.engine.case import Actor, Case
from mmviz.engine.errors import LoopWithoutMark, ModelError
from mmviz.engine.explore import MAX_BYTES, MAX_STATES, Search
from mmviz.engine.ledger import moved
from mmviz.engine.livelock import find_livelock
from mmviz.engine.places import Spot, Watched, passed, spot_of, spots, uses_answer, watched
from mmviz.engine.position import lines_of
from mmviz.engine.step import Step
from mmviz.engine.struct import Struct

MOST_STATES = 5_000  # of a case without a line, or four times what it has with it, if that is more
MOST_SKIPPED = 200  # steps in a row; more means that the actor goes round a loop without a step
ENDLESS, BROKEN = "endless", "breaks the model"
STANDSTILL = {"stuck", "livelock", ENDLESS, BROKEN}

Instead = Callable[[Any, Step[Any]], tuple[Any] | None]


@dataclass(frozen=True)
class Omission:
    """A line left out of a case, and what came of it.

    Attributes:
        spot: the line.
        actors: who comes there.
        breaks: what goes wrong first without it: properties, "stuck", "livelock", "endless" (a
            loop in which something piles up) or "breaks the model" (the code cannot go on);
            empty when nothing does.
    """

    spot: Spot
    actors: tuple[str, ...]
    breaks: tuple[str, ...]


class QuickSearch(Search):
    """A search that ends soon after something went wrong."""

    def look_up(self) -> None:
        """Mind the limits, and whether something went wrong."""
        super().look_up()
        if not self.cut and (self.first or self.stuck is not None):
            self.cut = "something went wrong"


def goes_wrong(
    case: Case, max_states: int = MAX_STATES, search: type[Search] = Search
) -> frozenset[str]:
    """Return what goes wrong in a case: properties, "stuck", "livelock", and "endless" if cut off.

    Raises:
        ModelError: the case breaks a rule of the engine.
    """
    done = search(case, max_states, MAX_BYTES, None, None)
    found = set(done.first) | ({"stuck"} if done.stuck is not None else set())
    if done.cut:
        quick = found and search is QuickSearch
        return frozenset(found if quick else {*found, ENDLESS})
    livelock, waits = find_livelock(done.model, done.parent)
    found |= {"livelock"} if livelock is not None else set()
    return frozenset(found | ({"stuck"} if waits is not None else set()))


def goes_wrong_without(
    case: Case, spot: Spot, model: Watched, search: type[Search] = Search
) -> Iterator[frozenset[str]]:
    """Yield what goes wrong without a line, once for each answer that may be heard in its place."""
    for mutant in mutants(case, spot, model):
        try:
            yield goes_wrong(mutant, max(MOST_STATES, 4 * model.states), search)
        except LoopWithoutMark:
            yield frozenset({ENDLESS})
        except (ModelError, AttributeError, LookupError, TypeError, ValueError, AssertionError):
            yield frozenset({BROKEN})  # the code cannot go on with what it has (not) heard


def omissions(case: Case) -> tuple[Omission, ...]:
    """Leave out each line of a case in turn.

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
    """Return what goes wrong first when a line is left out.

    Where several answers may be heard in its place, one that breaks a property is enough. That
    somebody waits for ever, or goes round for ever, counts only if no answer is harmless: of a
    check that is for nothing, "always in vain" would do that, and "always fine" would not.
    """
    found: list[frozenset[str]] = []
    for each in goes_wrong_without(case, spot, model, QuickSearch):
        found.append(each)
        if found[-1] - STANDSTILL:
            return found[-1] - STANDSTILL
    return frozenset().union(*found) if all(found) else frozenset()


def mutants(case: Case, spot: Spot, model: Watched) -> Iterator[Case]:
    """Yield the case without a line, once for each answer that may be heard in its place."""
    answers = 1
    if not spot.step or uses_answer(spot.line):
        answers = max(len(model.heard.get(at, "?")) for at in model.below(spot))
    for number in range(answers):
        forgetting = _forgetting(spot, model, number)
        actors = {name: without(actor, forgetting) for name, actor in case.actors.items()}
        yield replace(case, actors=actors, states=0)


def without(actor: Actor, forgetting: Callable[[Any], Instead]) -> Actor:
    """Return an actor that forgets some of its steps.

    Args:
        actor: the actor that forgets nothing.
        forgetting: given the world; returns what tells of the coroutine and the step it waits for
            (the answer that is heard instead,), or None when the step is done after all.
    """

    async def forgetful(k: Any) -> None:
        code, heard, skipped, instead = actor(k), None, 0, forgetting(k)
        while True:
            try:
                step = code.send(heard)
            except StopIteration:
                return
            answer = instead(code, step)
            if answer is None:
                heard, skipped = await step, 0
                continue
            (heard,) = answer
            skipped += 1
            if skipped > MOST_SKIPPED:
                raise LoopWithoutMark(f"{step.label} is skipped again and again")

    return forgetful


def _forgetting(spot: Spot, model: Watched, number: int) -> Callable[[Any], Instead]:
    """Return what forgets a place and hears the answer of that number, for `without`."""

    def begin(k: Any) -> Instead:
        owed: list[Struct] = []

        def instead(code: Any, step: Step[Any]) -> tuple[Any] | None:
            left_out = spot.covers(code, step)
            if not left_out and step.on not in owed:
                return None
            at = spot_of(lines_of(code), step)
            if at in model.drops and step.on in owed:
                owed.remove(step.on)
            elif not left_out:
                return None
            elif at in model.takes:
                owed.append(step.on)
            known = list(model.heard.get(at, {None: None}).values())
            return (_in_world(known[number % len(known)], k, model),)

        return instead

    return begin


def _in_world(answer: Any, k: Any, model: Watched) -> Any:
    """Return an answer known from one world as it would be in another one of the same kind."""
    if answer is None or isinstance(answer, bool | int | str):
        return answer
    twins = zip(model.ledger.structs, k._ledger.structs, strict=True)
    return moved(answer, {id(struct): twin for struct, twin in twins})
