"""Which final states are possible."""

from collections.abc import Callable, Iterator
from itertools import combinations, islice
from random import Random

from mmviz.engine.case import Case
from mmviz.engine.run import Run
from mmviz.engine.text import listed, several
from mmviz.lessons.question import Option, Question
from mmviz.lessons.questions_space import (
    LARGEST_NEIGHBOUR,
    Space,
    asked,
    fits,
    neighbours,
)

MOST_OPTIONS = 4
MOST_TRIED = 12  # sets of fields
MOST_VARIED, MOST_MOVED = 6, 4  # fields that sets are made of


def final_places(space: Space, rng: Random) -> Iterator[Run]:
    """Yield runs from whose end several final states can be reached."""
    if space.graph is None:
        return
    if rng.random() < 0.6:
        yield space.run(())
    yield from space.places("final", lambda state: len(space.enabled(state)) > 1, rng)


def ask_final(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask which final state is possible from here; None where that is not interesting."""
    if space.graph is None or not run.enabled():
        return None
    graph, model = space.graph, space.model
    here = space.number(run.tip)
    below = space.from_here(here)
    ends = [n for n in below if model.is_complete(graph.states[n])]
    if not ends or here in ends:
        return None
    for slots in _fields(space, ends, below, rng):
        if found := _ask_of(space, run, slots, ends, below, rng):
            return found
    return None


Values = tuple[str, ...]


def _fields(
    space: Space, ends: list[int], below: list[int], rng: Random
) -> Iterator[tuple[int, ...]]:
    """Yield sets of fields to ask about: some that differ at the ends of runs, some on the way."""
    varied, moved = _varying(space, ends, below)
    chosen = [
        slot
        for slots, most in ((varied, MOST_VARIED), (moved, MOST_MOVED))
        for slot in sorted(slots, key=lambda s: (s not in space.judged, rng.random()))[:most]
    ]
    sets = [
        each
        for size in (2, 1, 3)
        for each in combinations(sorted(chosen), size)
        if set(each) & set(varied) or not varied
    ]
    rng.shuffle(sets)
    yield from islice(sets, MOST_TRIED)


def _varying(space: Space, ends: list[int], below: list[int]) -> tuple[list[int], list[int]]:
    """Return the fields that differ at the ends of runs, and those that differ only before."""
    assert space.graph is not None
    states, texts = space.graph.states, space.texts(list(space.told))
    key = "varying", below[0]
    if key not in space.kept:
        found = []
        for numbers in (ends, below):
            columns = zip(*(texts.of(states[number]) for number in numbers), strict=True)
            held = zip(space.told, columns, strict=False)
            found.append([slot for slot, values in held if len(set(values)) > 1])
        space.kept[key] = found[0], [slot for slot in found[1] if slot not in found[0]]
    known: tuple[list[int], list[int]] = space.kept[key]
    return known


def _ask_of(
    space: Space, run: Run, slots: tuple[int, ...], ends: list[int], below: list[int], rng: Random
) -> Question | None:
    """Ask which values some fields can have together once all threads have finished."""
    assert space.graph is not None
    states, texts = space.graph.states, space.texts(slots)

    def values(number: int) -> Values:
        return tuple(texts.of(states[number]))

    at_end: dict[Values, int] = {}
    for number in ends:
        at_end.setdefault(values(number), number)
    elsewhere = any(held not in at_end for _, _, held in _ends_of_neighbours(space, slots))
    if len(at_end) < 2 and not elsewhere:
        return None
    wrong = _near(space, slots, values, at_end, below, rng)
    if len(wrong) < 2 or (len(at_end) < 2 and not any(other for _, _, other in wrong.values())):
        return None
    right = rng.choice(list(at_end))
    shown = [value for each in (right, *wrong) for value in each]
    if not all(fits(", ".join(each)) for each in (right, *wrong)) or any(" = " in v for v in shown):
        return None  # too long, or read as more fields than there are
    names = [space.told[slot] for slot in slots]
    threads = [name for p, name in enumerate(space.actors) if p in space.threads]
    way = space.way(space.number(run.tip), lambda n: n == at_end[right])
    assert way is not None
    ended = space.run((*run.schedule, *way))
    bad = listed(ended.violated)
    told = f"A shortest run to it takes {several(len(way), 'step')}" + (
        f"; it violates {bad} on its way." if bad else "."
    )
    options = [Option(_state(names, right), True, told, ended.schedule)]
    for each, (reason, passing, other) in wrong.items():
        because = _never_together(names, each, at_end)
        options.append(Option(_state(names, each), False, f"{because}{reason}", passing, other))
    begin = "From here on, which" if run.schedule else "Which"
    text = f"{begin} of these is possible once {listed(threads)} {_have(threads)} finished?"
    return asked("final", run, text, options, rng)


def _have(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _state(names: list[str], values: Values) -> str:
    return ", ".join(f"{name} = {each}" for name, each in zip(names, values, strict=True))


def _near(
    space: Space,
    slots: tuple[int, ...],
    values: Callable[[int], Values],
    at_end: dict[Values, int],
    below: list[int],
    rng: Random,
) -> dict[Values, tuple[str, tuple[str, ...] | None, Case | None]]:
    """Return combinations that no run from here ends with, each with a reason and a run."""
    first: dict[Values, int] = {}
    for number in reversed(below):  # the latest first
        first.setdefault(values(number), number)
    there = {held: (other, number) for other, number, held in _ends_of_neighbours(space, slots)}
    taken = [sorted({each[i] for each in (*at_end, *first)}) for i in range(len(slots))]
    mixed = (
        (*right[:i], value, *right[i + 1 :])
        for right in list(at_end)[:4]
        for i, held in enumerate(taken)
        for value in held
    )
    alone = [{right[i] for right in at_end} for i in range(len(slots))]

    def rank(each: Values) -> tuple[int, float]:
        is_near = all(value in alone[i] for i, value in enumerate(each))
        return -is_near - (each in there or each in first), rng.random()

    others = [each for each in dict.fromkeys((*there, *first, *mixed)) if each not in at_end]
    found: dict[Values, tuple[str, tuple[str, ...] | None, Case | None]] = {}
    for each in sorted(others, key=rank)[: MOST_OPTIONS - 1]:
        if each in there:
            other, number = there[each]
            assert other.graph is not None
            told = f" A run of the case {other.case.name} can end so."
            found[each] = told, other.graph.run_to(number), other.case
        elif each in first:
            assert space.graph is not None
            passing = space.graph.run_to(first[each])
            told = f" It can be so after {several(len(passing), 'step')}, but it does not stay so."
            found[each] = told, passing, None
        else:
            found[each] = "", None, None
    return found


def _ends_of_neighbours(space: Space, slots: tuple[int, ...]) -> list[tuple[Space, int, Values]]:
    """Return the values of some fields at the ends of neighbours' runs, with space and state."""
    if "neighbours" not in space.kept:
        spaces = (Space(each, LARGEST_NEIGHBOUR) for each in neighbours(space.case))
        space.kept["neighbours"] = [each for each in spaces if each.graph is not None]
    key = "neighbours", slots
    if key not in space.kept:
        space.kept[key] = [
            found for other in space.kept["neighbours"] for found in _ends_of(space, other, slots)
        ]
    ends: list[tuple[Space, int, Values]] = space.kept[key]
    return ends


def _ends_of(
    space: Space, other: Space, slots: tuple[int, ...]
) -> Iterator[tuple[Space, int, Values]]:
    """Yield the values of some fields at the ends of another case's runs, each with its state."""
    assert other.graph is not None
    paths = other.model.ledger.paths
    if not all(space.told[slot] in paths for slot in slots):
        return
    texts = other.texts([paths.index(space.told[slot]) for slot in slots])
    seen: set[Values] = set()
    for number, state in enumerate(other.graph.states):
        if other.model.is_complete(state):
            values = tuple(texts.of(state))
            if values not in seen:
                seen.add(values)
                yield other, number, values


def _never_together(names: list[str], each: Values, at_end: dict[Values, int]) -> str:
    """Return why no run ends with these values."""
    for i, value in enumerate(each):
        alone = {right[i] for right in at_end}
        if value not in alone:
            return f"{names[i]} is never {value} at the end: it is {_one_of(alone)}."
    for i, value in enumerate(each):
        for j, beside in enumerate(each):
            together = {right[j] for right in at_end if right[i] == value}
            if beside not in together:
                return f"Where {names[i]} = {value} at the end, {names[j]} is {_one_of(together)}."
    return "No run ends with all of these together."


def _one_of(values: set[str]) -> str:
    """Return values as a choice: "always 1", "0 or 1"."""
    if len(values) == 1:
        return f"always {min(values)}"
    shown = sorted(values)
    return " or ".join(shown) if len(shown) < 5 else f"one of {len(shown)} other values"
