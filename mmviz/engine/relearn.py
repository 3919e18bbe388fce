"""The second pass: what a search has learned is learned once more, and has to come out the same.

A fresh model of the same case, with a world of its own, goes through every learned location and
every learned row in another order: the deepest locations first, the latest rows first.  A row is
run in the initial state, overlaid with the values of the slots that it touches; what a row does not
touch must not matter.  A difference means that something beside the world has an influence: a
random number, a clock, the order of a set, a variable that an actor or a step keeps.  The verdicts
of such a search decide nothing.

It cannot see what changes too late or too rarely: a variable that is set once, before all that
reads it, has the same value in both passes; so has one that changes after this pass; and a random
number that hardly ever differs may well come out the same twice.  `mmviz.engine.code_rules` refuses
what the code shows.
"""

from collections.abc import Callable, Iterator
from typing import Any

from mmviz.engine.bits import SIMPLE, token
from mmviz.engine.case import Case
from mmviz.engine.errors import MmvizError, ModelError
from mmviz.engine.learn import Model
from mmviz.engine.location import Location
from mmviz.engine.step import Effect, Step
from mmviz.engine.struct import Struct

CAUSE = "a random number, a clock, the order of a set, or state outside the world"
LEAST_ROWS, MOST_ROUNDS = 32, 6  # a small model is learned several times, for a coin may fall alike


def find_difference(model: Model, ask: Callable[[], None] = lambda: None) -> str:
    """Return how a model differs when it is learned again, "" if it comes out the same.

    Args:
        model: a case, as far as a search has learned it; it is not changed.
        ask: called for every location and row; an error that it raises ends the pass.

    Returns:
        A sentence with the actor, the step, the line, and what came out first and then.
    """
    rows = sum(len(location.row[1]) for known in model.locations for location in known.values())
    rounds = min(MOST_ROUNDS, max(1, LEAST_ROWS // max(1, rows)))
    try:
        for _ in range(rounds):
            _Twin(model, ask).compare()
    except Different as different:
        return str(different)
    return ""


class Different(ModelError):
    """The model came out differently; the message is the sentence for the report."""


class _Fresh(Model):
    """A model whose steps run in the cells they are given, not in a packed state.

    Attributes:
        now: the value of every slot.
        here: the location of the actor that steps, in the learned model; None before.
        back: the id of an object -> its counterpart in the learned model.
    """

    checks = False

    def __init__(self, case: Case) -> None:
        self.now: list[Any] = []
        self.here: Location | None = None
        self.back: dict[int, Struct] = {}
        super().__init__(case)

    def cells(self, state: int) -> list[Any]:
        """Return the value of every slot, whatever the state."""
        return self.now

    def location(self, state: int, p: int) -> Location:
        """Return the location of the actor that steps, whatever the state."""
        return super().location(state, p) if self.here is None else self.here

    def _known_after(self, location: Location, answer: Any) -> Location | None:
        return super()._known_after(location, _moved(answer, self.back))

    def _after(self, p: int, location: Location, answer: Any) -> Location:
        if self.here is None:
            return super()._after(p, location, answer)
        return location.nexts.get(token(_moved(answer, self.back)), location)


class _Twin:
    """A learned model beside a fresh model of the same case.

    Args:
        model: the learned model.
        ask: called for every location and row.

    Attributes:
        fresh: the fresh model.
        there, back: the id of an object in one world -> its counterpart in the other.
    """

    def __init__(self, model: Model, ask: Callable[[], None]) -> None:
        self.model, self.ask = model, ask
        try:
            self.fresh = _Fresh(model.case)
        except Exception as error:
            raise Different(f"the model cannot be built a second time: {_told(error)}") from None
        ours, theirs = model.ledger.structs, self.fresh.ledger.structs
        self._check_world()
        self.there = {id(one): two for one, two in zip(ours, theirs, strict=True)}
        self.back = {id(two): one for one, two in zip(ours, theirs, strict=True)}
        self.fresh.back = self.back
        for slot, value in enumerate(model.ledger.initial):
            again = self.fresh.ledger.initial[slot]
            if token(_moved(value, self.there)) != token(again):
                path = model.ledger.paths[slot]
                raise Different(
                    f"world() made {path} = {value!r} first, and {again!r} when it was called "
                    f"again: {CAUSE}"
                )
        self.start = list(self.fresh.ledger.initial)

    def _check_world(self) -> None:
        """Check that world() makes the same objects each time."""
        one, two = self.model.ledger, self.fresh.ledger
        ours = [(type(struct).__qualname__, struct.name) for struct in one.structs]
        theirs = [(type(struct).__qualname__, struct.name) for struct in two.structs]
        if ours == theirs and one.paths == two.paths:
            return
        lists = (ours, theirs) if ours != theirs else (one.paths, two.paths)
        only = [_named(each) for each in lists[0] if each not in lists[1]]
        then = [_named(each) for each in lists[1] if each not in lists[0]]
        first, again = (", ".join(each[:3]) or "the same in another order" for each in (only, then))
        raise Different(
            f"world() did not make the same objects when it was called again: {first} first, and "
            f"then {again}: {CAUSE}"
        )

    def compare(self) -> None:
        """Go through all locations, rows and judgements.

        Raises:
            Different: one comes out differently.
        """
        for p in reversed(range(len(self.model.actors))):
            seen: set[int] = set()
            known = sorted(self.model.locations[p].values(), key=lambda location: -location.depth)
            for location in known:
                self.ask()
                if id(location) not in seen:
                    path = list(_path(location))
                    steps = self._follow(p, path)
                    for each, step in reversed(list(zip(path, steps, strict=True))):
                        if id(each) not in seen and step is not None:
                            self._compare_rows(p, each, step)
                        seen.add(id(each))
        self._compare_judge()

    # -- locations -------------------------------------------------------------------------

    def _follow(self, p: int, path: list[Location]) -> list[Step[Any] | None]:
        """Run a fresh actor along a path; return the step that it takes at each location."""
        fresh, name = self.fresh, self.model.actors[p]
        fresh.ledger.reader = name
        coroutine: Any = fresh.case.actors[name](fresh.world)
        steps: list[Step[Any] | None] = []
        try:
            for location in path:
                answer = _moved(location.answer, self.there)
                try:
                    step = coroutine.send(answer if steps else None)
                except StopIteration:
                    step = None
                except MmvizError as error:
                    raise self._different(p, location, f"raised an error: {_told(error)}") from None
                except Exception as error:
                    raise self._different(p, location, f"raised {_told(error)}") from None
                if not self._is_same(location.step, step):
                    before = f", after {_label(steps[-1])}" if steps else ""
                    raise self._different(
                        p,
                        location,
                        f"the actor came to {_label(location.step)} first{before}, and to "
                        f"{_label(step)} when it was given the same results again",
                    )
                steps.append(step)
        finally:
            coroutine.close()
        return steps

    def _is_same(self, one: Step[Any] | None, two: Any) -> bool:
        """Tell whether a step of the model and one of the fresh model are the same."""
        if one is None or not isinstance(two, Step):
            return one is two
        simple = all(type(each) in SIMPLE for each in one.args)
        if one.body is two.body and simple and not one.kwargs and not two.kwargs:
            same = one.args == two.args and [*map(type, one.args)] == [*map(type, two.args)]
            return same and self.there.get(id(one.on), one.on) is two.on
        return (
            one.body.__qualname__ == two.body.__qualname__
            and _moved(one.on, self.there) is two.on
            and token(_moved(one.args, self.there)) == token(two.args)
            and token(_moved((*one.kwargs.items(),), self.there)) == token((*two.kwargs.items(),))
        )

    # -- rows ------------------------------------------------------------------------------

    def _compare_rows(self, p: int, location: Location, step: Step[Any]) -> None:
        """Run a step in every situation in which it was learned."""
        model, fresh = self.model, self.fresh
        bits = [(slot, model.bits[slot]) for slot in location.touched]
        here = model.location_bits[p].codes[token(location)]
        mask, fresh.here = model.location_bits[p].mask, location
        for key, delta in reversed(list(location.row[1].items())):
            self.ask()
            cells = fresh.now = list(self.start)
            for slot, each in bits:
                cells[slot] = _moved(each.values[key & each.mask], self.there)
            effect = self._execute(p, location, step)
            if delta is None or effect.blocked:
                if delta is not None or not effect.blocked:
                    first = "blocked" if delta is None else "not blocked"
                    then = "blocked" if effect.blocked else "not blocked"
                    raise self._changed(p, location, "the step was", first, then)
                continue
            after = (here | key) + delta
            if effect.oops:
                raise self._changed(p, location, "the step", "went on", "ended the run")
            reached = model.location_bits[p].values[after & mask]
            answer = token(_moved(effect.answer, self.back))
            if location.nexts.get(answer) is not reached:
                told = [result for result, there in location.nexts.items() if there is reached]
                first = " or ".join(repr(_value(result)) for result in told)
                raise self._changed(p, location, "the step returned", first, repr(effect.answer))
            for slot, each in bits:
                if slot not in effect.writes and not (after ^ key) & each.mask:
                    continue
                was = _moved(each.values[after & each.mask], self.there)
                now = effect.writes.get(slot, cells[slot])
                if was is not now and token(was) != token(now):
                    what = f"the step left {model.ledger.paths[slot]} as"
                    raise self._changed(p, location, what, repr(was), repr(now))

    def _execute(self, p: int, location: Location, step: Step[Any]) -> Effect:
        """Run a step of the fresh model, which may touch only what it touched before."""
        try:
            effect = self.fresh.execute(0, p, step)
        except Exception as error:
            raise self._different(p, location, f"the step raised {_told(error)}") from None
        if not (effect.reads <= location.touched and effect.writes.keys() <= location.touched):
            more = (effect.reads | effect.writes.keys()) - location.touched
            paths = ", ".join(sorted(self.model.ledger.paths[slot] for slot in more))
            raise self._different(
                p, location, f"the step used {paths} when it was learned again, and not before"
            )
        return effect

    # -- bad states ------------------------------------------------------------------------

    def _compare_judge(self) -> None:
        """Judge every situation again that the bad states were judged in."""
        model, fresh = self.model, self.fresh
        bits = [(slot, model.bits[slot]) for slot in model.judge.slots]
        ends = []
        for key, found in reversed(list(model.judge.row[1].items())):
            self.ask()
            cells = fresh.now = list(self.start)
            for slot, each in bits:
                cells[slot] = _moved(each.values[key & each.mask], self.there)
            try:
                again, reads = fresh.judge._ask(0, at_end=False)
            except Exception as error:
                raise Different(f"a bad state raised {_told(error)} when judged again") from None
            if again != found or not reads <= model.judge.slots:
                raise _judged(found, again)
            ends.append((cells, self._end(cells)))
        for cells, found in ends:
            if (again := self._end(cells)) != found:
                raise _judged(found, again)

    def _end(self, cells: list[Any]) -> frozenset[str]:
        """Return the bad states that would hold if the run ended in some cells."""
        self.fresh.now = cells
        try:
            return self.fresh.judge.end(0)
        except Exception:  # no run ends like this
            return frozenset()

    # -- words -----------------------------------------------------------------------------

    def _changed(self, p: int, location: Location, what: str, first: str, then: str) -> Different:
        sentence = f"{what} {first} first and {then} when it was learned again, in the same state"
        return self._different(p, location, sentence)

    def _different(self, p: int, location: Location, what: str) -> Different:
        line = location.lines[-1] if location.lines else None
        label = location.step.label if location.step is not None else ""
        return Different(f"{what}: {CAUSE}", actor=self.model.actors[p], step=label, line=line)


def _path(location: Location) -> Iterator[Location]:
    """Yield the locations from the start to a location, along its first history."""
    path: list[Location] = []
    here: Location | None = location
    while here is not None:
        path.append(here)
        here = here.parent
    return reversed(path)


def _moved(value: Any, place: dict[int, Struct]) -> Any:
    """Return a value with the objects of one world replaced by those of the other."""
    if type(value) in SIMPLE:
        return value
    if isinstance(value, Struct):
        return place.get(id(value), value)
    if isinstance(value, tuple | frozenset):
        make = getattr(value, "_make", type(value))  # a NamedTuple has its own
        return make(_moved(part, place) for part in value)
    return value


def _judged(first: frozenset[str], then: frozenset[str]) -> Different:
    names = ", ".join(sorted(first ^ then))
    if not names:
        return Different(f"a bad state looked at more when it was judged again: {CAUSE}")
    held = "held" if first - then else "did not hold"
    return Different(
        f"the bad state {names} {held} first, and came out differently when it was judged again "
        f"in the same state: {CAUSE}"
    )


def _label(step: Any) -> str:
    if step is None:
        return "its end"
    return str(step.label) if isinstance(step, Step) else repr(step)


def _value(result: Any) -> Any:
    """Return the value of a token, as far as it shows it."""
    return result[1] if isinstance(result, tuple) and len(result) == 2 else result


def _named(each: Any) -> str:
    return each if isinstance(each, str) else f"{each[1] or 'the world'} ({each[0]})"


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, MmvizError) else f"{type(error).__name__}: {error}"
