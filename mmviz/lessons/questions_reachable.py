"""Whether a bad state is still possible, already unavoidable, or impossible."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from mmviz.engine.case import Case
from mmviz.engine.graph import Fate, Graph
from mmviz.engine.possible import possible
from mmviz.engine.run import Run
from mmviz.engine.text import several
from mmviz.lessons.question import Option, Question
from mmviz.lessons.questions_space import (
    LARGEST_NEIGHBOUR,
    Space,
    asked,
    in_step,
    neighbours,
    sentence,
    words,
)

IMPOSSIBLE = "No: no run from here reaches it"
POSSIBLE = "It depends: some runs from here reach it, others never do"
UNAVOIDABLE = "Yes: every run from here reaches it"


@dataclass
class Fates:
    """What can still become of each state with regard to one bad state.

    Attributes:
        fates: a `Fate` for each state.
        bad: whether it holds in a state.
        avoids: whether some run from a state completes, deadlocks or stops without it.
    """

    fates: bytearray
    bad: bytearray
    avoids: bytearray


def fates_of(space: Space, bad_state: str) -> Fates:
    """Return the fates of all states of a space that has a graph."""
    key = f"fates of {bad_state}"
    if key not in space.kept:
        graph, model = space.graph, space.model
        assert graph is not None
        bad = bytearray(bad_state in model.violated(state) for state in graph.states)
        fates = graph.fates_before([number for number, holds in enumerate(bad) if holds])
        space.kept[key] = Fates(fates, bad, _avoiding(graph, bad))
    found: Fates = space.kept[key]
    return found


def _avoiding(graph: Graph, bad: bytearray) -> bytearray:
    """Return whether some run from each state ends without the bad state.

    A run ends where it is complete, where the machine has stopped, and where no actor can step. One
    that only goes round a loop is not counted.
    """
    model, count = graph.model, len(graph.states)
    backwards: list[list[int]] = [[] for _ in range(count)]
    found, queue = bytearray(count), []
    for number, state in enumerate(graph.states):
        first, last = graph.offset[number], graph.offset[number + 1]
        for to in graph.target[first:last]:
            backwards[to].append(number)
        if not bad[number] and (first == last or model.is_complete(state)):
            found[number] = 1
            queue.append(number)
    for number in queue:
        for before in backwards[number]:
            if not found[before] and not bad[before]:
                found[before] = 1
                queue.append(before)
    return found


def reachable_places(space: Space, rng: Random) -> Iterator[Run]:
    """Yield runs at whose end the next step changes what is possible."""
    if space.graph is None:
        return
    for bad_state in _open_first(space, rng):
        key = f"turning {bad_state}"
        if key not in space.kept:
            space.kept[key] = Turning(space, bad_state)
        yield from space.places(f"reachable {bad_state}", space.kept[key], rng)


class Turning:
    """Tells of a state whether a step from it changes a bad state's fate, or one to it did."""

    def __init__(self, space: Space, bad_state: str) -> None:
        assert space.graph is not None
        self.space, self.graph = space, space.graph
        found = fates_of(space, bad_state)
        fates, self.bad = found.fates, found.bad
        self.turning = bytearray(len(fates))
        varied = len(set(fates)) > 1
        for number in range(len(fates)):
            for move in space.moves(number):
                if fates[move.target] != fates[number]:
                    self.turning[number] = self.turning[move.target] = 1
        if not varied and fates and not fates[0]:  # a safe case: where an actor is blocked
            for number, state in enumerate(self.graph.states):
                self.turning[number] = bool(space.blocked(state))

    def __call__(self, state: int) -> bool:
        """Tell whether a question is asked in a packed state."""
        number = self.graph.index[state]
        return bool(self.turning[number]) and not self.bad[number]


def _open_first(space: Space, rng: Random) -> list[str]:
    """Return the bad states, first those that only some runs of the case reach."""
    names = rng.sample(space.case.bad_states, len(space.case.bad_states))
    return sorted(names, key=lambda each: len(set(fates_of(space, each).fates)) < 2)


def ask_reachable(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask whether a bad state can still happen; None where that is told already, or not decided."""
    if space.graph is None or not run.enabled():
        return None
    broken = run.tip.broken
    here = space.number(run.tip)
    names = [each for each in _open_first(space, rng) if each not in broken]
    for bad_state in names:
        found = fates_of(space, bad_state)
        if found.fates[here] == Fate.POSSIBLE and not found.avoids[here]:
            continue  # only an endless run would avoid it
        if not any(found.fates) and not _failing(space, bad_state):
            continue  # this race never has it
        options = _fate_options(space, run, bad_state, found)
        text = (
            f"{sentence(space.case.sentence(bad_state))} Can this bad state ({bad_state}) still "
            "be reached?"
        )
        return asked("reachable", run, text, options, rng)
    return None


def _failing(space: Space, bad_state: str) -> tuple[Case, tuple[str, ...]] | None:
    """Return a neighbour of the case that reaches a bad state, with a shortest run."""
    key = f"failing {bad_state}"
    if key not in space.kept:
        space.kept[key] = None
        for other in neighbours(space.case):
            if bad_state in other.bad_states:
                answer = possible(other, bad_state, LARGEST_NEIGHBOUR)
                if answer.schedule is not None:
                    space.kept[key] = other, answer.schedule
                    break
    found: tuple[Case, tuple[str, ...]] | None = space.kept[key]
    return found


def _fate_options(space: Space, run: Run, bad_state: str, found: Fates) -> list[Option]:
    here, schedule = space.number(run.tip), run.schedule
    fate = Fate(found.fates[here])
    there = space.way(here, lambda n: bool(found.bad[n])) if fate else None
    spared = _spared(space, here, found) if found.avoids[here] else None
    reaches = None if there is None else (*schedule, *there)
    avoids = None if spared is None else (*schedule, *spared)
    since = _since(space, run, found)
    if fate is Fate.IMPOSSIBLE:
        sibling, other = _sibling(space, run, found, since), None
        told = _impossible(space, run, found, since)
        if sibling is None and (failing := _failing(space, bad_state)):
            other, sibling = failing
            told += f" In the case {other.name} it can happen."
        return [
            Option(IMPOSSIBLE, True, told, avoids),
            Option(POSSIBLE, False, f"No run from here reaches it. {told}", sibling, other),
            Option(UNAVOIDABLE, False, f"No run from here reaches it. {told}", avoids),
        ]
    assert there is not None
    assert reaches is not None
    ahead = _next_steps(space, reaches, len(schedule))
    short = f"A shortest run to it takes {several(len(there), 'step')} more: {ahead}."
    if fate is Fate.POSSIBLE:
        assert spared is not None
        assert avoids is not None
        ends = f"{_ends(space, avoids)} without it."
        turns = _turns(space, here, found)
        return [
            Option(POSSIBLE, True, f"{short} Another run {ends}{turns}", reaches),
            Option(IMPOSSIBLE, False, short, reaches),
            Option(UNAVOIDABLE, False, f"One run from here {ends}{turns}", avoids),
        ]
    told = f"{short} No run from here avoids it, in whatever order the actors step."
    if since:
        frame = run.frames[since]
        told += f" So it is since step {since}, {frame.actor} {words(frame.label)}."
    else:
        told += " So it is from the start of this case."
    return [
        Option(UNAVOIDABLE, True, told, reaches),
        Option(POSSIBLE, False, told, reaches),
        Option(IMPOSSIBLE, False, short, reaches),
    ]


def _turns(space: Space, here: int, found: Fates) -> str:
    """Return which next step decides what becomes of a state; "" where none does."""
    decided = {Fate.IMPOSSIBLE: list[str](), Fate.UNAVOIDABLE: list[str]()}
    for move in space.moves(here):
        fate = Fate(found.fates[move.target])
        if fate in decided:
            decided[fate].append(space.actors[move.actor])
    return "".join(
        f" If {' or '.join(names)} goes next, it is {fate.name.lower()}."
        for fate, names in decided.items()
        if names
    )


def _next_steps(space: Space, schedule: tuple[str, ...], begin: int) -> str:
    """Return the first steps of a run after step `begin`."""
    frames = space.run(schedule).frames[begin + 1 :]
    told = [f"{frame.actor} {words(frame.label)}" for frame in frames[:3]]
    return ", then ".join(told) + (" …" if len(frames) > 3 else "")


def _ends(space: Space, schedule: tuple[str, ...]) -> str:
    """Return how a run ends, as a verb: "completes"."""
    run = space.run(schedule)
    if space.model.is_complete(run.tip.state):
        return "completes"
    return "stops in an Oops" if space.model.is_dead(run.tip.state) else "ends in a deadlock"


def _spared(space: Space, here: int, found: Fates) -> tuple[str, ...] | None:
    """Return a shortest way from a state to the end of a run that avoids the bad state."""
    assert space.graph is not None
    graph, model = space.graph, space.model

    def is_end(number: int) -> bool:
        is_last = graph.offset[number] == graph.offset[number + 1]
        return not found.bad[number] and (is_last or model.is_complete(graph.states[number]))

    return space.way(here, is_end, lambda number: bool(found.avoids[number]))


def _since(space: Space, run: Run, found: Fates) -> int:
    """Return the step since which the fate is what it is at the end of a run; 0: the start."""
    fates = [found.fates[space.number(frame)] for frame in run.frames]
    return next((k + 1 for k in range(len(fates) - 2, -1, -1) if fates[k] != fates[-1]), 0)


def _impossible(space: Space, run: Run, found: Fates, since: int) -> str:
    """Return since when a bad state is impossible."""
    assert space.graph is not None
    if since:
        frame = run.frames[since]
        return (
            f"Step {since}, {frame.actor} {words(frame.label)}, has made it impossible: before it, "
            "another order could still lead there."
        )
    count = len(space.graph.states)
    return f"It is impossible {in_step(0)}: none of the {count:,} states of this case violates it."


def _sibling(space: Space, run: Run, found: Fates, since: int) -> tuple[str, ...] | None:
    """Return a run that leaves this one before the bad state is impossible, and reaches it."""
    if not since:
        return None
    before = run.frames[since - 1]
    way = space.way(space.number(before), lambda n: bool(found.bad[n]))
    return None if way is None else (*run.schedule[: since - 1], *way)
