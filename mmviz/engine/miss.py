"""The nearest miss: a reachable state that is one field away from a bad state.

A case that no run breaks may still come near. In each state every field that a bad state reads, or
that the next step of an actor reads, is given each other value that it has in some run. Where the
state would be bad then, or the step would complain, it is a miss; and the fewer steps lie between
this state and one in which the field has that value, the nearer it is.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from mmviz.engine.case import Case
from mmviz.engine.errors import ModelError
from mmviz.engine.graph import Graph
from mmviz.engine.learn import Model
from mmviz.engine.situation import doing
from mmviz.engine.text import several, spoken

MOST_MISSES = 5_000  # states in which a miss is looked for, the nearest to the start first
MOST_TRIED = 4_000  # steps that are tried with one field changed
MOST_PAIRS = 200  # fields and values whose nearest states are looked for
FAR = 1 << 60


class Miss(NamedTuple):
    """A state that is one field away from a bad state.

    Attributes:
        schedule: a shortest run to it.
        bad_state: what it would be.
        path: the field.
        now, needed: the value that the field has, and the one that it would need, in words.
        away: steps to a state in which it has that value, whichever way.
        text: a sentence.
    """

    schedule: tuple[str, ...]
    bad_state: str
    path: str
    now: str
    needed: str
    away: int
    text: str


def distances(graph: Graph, wanted: Iterable[int], both: bool = False) -> list[int]:
    """Return how many steps each state is away from the nearest of some; `FAR` for no way.

    Args:
        graph: the states.
        wanted: their numbers.
        both: go along moves in both directions.
    """
    before: list[list[int]] = [[] for _ in graph.states]
    for number in range(len(graph.states)):
        for _, after in graph.moves(number):
            before[after].append(number)
            if both:
                before[number].append(after)
    away = [FAR] * len(graph.states)
    queue = list(wanted)
    for number in queue:
        away[number] = 0
    for number in queue:
        for one in before[number]:
            if away[one] == FAR:
                away[one] = away[number] + 1
                queue.append(one)
    return away


def near_miss(graph: Graph, wanted: Callable[[str], bool] = lambda _name: True) -> Miss | None:
    """Return the state that comes nearest to a bad state; None if none is one field away.

    Args:
        graph: all states of a case, none of which is bad.
        wanted: which bad states count.
    """
    found = [each for each in _candidates(graph) if wanted(each[0])]
    pairs = dict.fromkeys((slot, packed) for _, _, slot, packed, _ in found)
    away = {pair: distances(graph, _with(graph, *pair), True) for pair in [*pairs][:MOST_PAIRS]}
    told = _told(graph.model.case)

    def rank(each: Candidate) -> tuple[int, bool, int, int]:
        name, number, slot, packed, _ = each
        is_race = len(set(graph.run_to(number))) > 1  # one actor alone comes near by itself
        return told.get(name, 2), not is_race, away[slot, packed][number], number

    best = min((each for each in found if each[2:4] in away), key=rank, default=None)
    if best is None:
        return None
    name, number, slot, packed, step = best
    steps = away[slot, packed][number]
    if steps >= FAR:
        return None
    model, state = graph.model, graph.states[number]
    bits, path = model.bits[slot], model.ledger.paths[slot]
    now, needed = spoken(bits.values[state & bits.mask]), spoken(bits.values[packed])
    schedule = graph.run_to(number)
    after = f"after {several(len(schedule), 'step')}" if schedule else "at the start"
    then = f"{step} would be" if step else "this would be"
    text = (
        f"Nearest miss, {after}: {path} is {now}. Were it {needed}, {then} "
        f"{name.replace('_', ' ')}; a state in which it is {needed} is "
        f"{several(steps, 'step')} away."
    )
    return Miss(schedule, name, path, now, needed, steps, text)


Candidate = tuple[str, int, int, int, str]  # bad state, state, slot, packed value, step


def _candidates(graph: Graph) -> Iterator[Candidate]:
    """Yield the states that would be bad, or whose next step would be, with one field changed."""
    model = graph.model
    tried: set[Any] = set()
    for number, state in enumerate(graph.states[:MOST_MISSES]):
        slots = model.judge.slots - {model.complaints}
        for slot, packed, changed in _changed(model, state, slots):
            for name in _bad(model, changed):
                yield name, number, slot, packed, ""
        for p in range(len(model.actors)):
            key = doing(model, state, p) if model.successor(state, p) is not None else None
            if key is not None and key not in tried and len(tried) < MOST_TRIED:
                tried.add(key)
                yield from _complaining(model, number, state, p)


def _complaining(model: Model, number: int, state: int, p: int) -> Iterator[Candidate]:
    """Yield the fields whose change would make the next step of an actor complain."""
    step = model.location(state, p).step
    assert step is not None
    reads = model.execute(state, p, step).reads - model.internal
    for slot, packed, changed in _changed(model, state, reads):
        try:
            effect = model.execute(changed, p, step)
        except ModelError:
            continue  # no run has these values together
        for name in dict.fromkeys(name for name, _ in effect.said):
            yield name, number, slot, packed, f"{model.actors[p]}'s {step.label}"


def _changed(model: Model, state: int, slots: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """Yield slots, each with another value that it has in some run, and the state with it."""
    for slot in sorted(slots):
        bits = model.bits[slot]
        here = state & bits.mask
        for packed in list(bits.values):
            if packed != here:
                yield slot, packed, state - here + packed


def _bad(model: Model, state: int) -> Iterable[str]:
    try:
        return sorted(model.violated(state))
    except ModelError:
        return ()  # no run has these values together


def _with(graph: Graph, slot: int, packed: int) -> list[int]:
    """Return the numbers of the states in which a slot has a value."""
    mask = graph.model.bits[slot].mask
    return [number for number, state in enumerate(graph.states) if state & mask == packed]


def _told(case: Case) -> dict[str, int]:
    """Return the rank of each bad state: first what other cases of the race break."""
    others = [each for each in case.race or () if isinstance(each, Case)]
    broken = {
        name for each in others for name, verdict in each.expect.items() if verdict != "Never"
    }
    return {name: 0 if name in broken else 1 for name in case.bad_states}
