"""The state space that questions are made from: the whole graph of a case, or runs of it."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any, NamedTuple

from mmviz.engine.case import Case
from mmviz.engine.errors import MmvizError, ModelError
from mmviz.engine.explore import uncollected
from mmviz.engine.frame import Frame, named
from mmviz.engine.graph import Graph
from mmviz.engine.learn import Model
from mmviz.engine.run import Run
from mmviz.engine.situation import EachValue
from mmviz.engine.step import Task
from mmviz.engine.text import spoken
from mmviz.lessons.question import Option, Question

MOST_STATES = 30_000  # of a case whose whole graph is built
WALKS, LONGEST_WALK = 30, 40  # runs taken at random, where the graph is too large; their steps
MOST_STEPS = 25  # of a run at whose end a question is asked
KEPT = 4  # cases whose graphs are kept
MOST_NEIGHBOURS, LARGEST_NEIGHBOUR = 4, 3_000  # cases of the same race, and their states
MOST_LETTERS = 60  # of a value in an option


class Move(NamedTuple):
    """A step that can be taken: from a state, by an actor, to a state; all by their numbers."""

    source: int
    actor: int
    target: int


class Space:
    """What is known of a case's states.

    Args:
        case: the case.
        max_states: above this many states the graph is not built, and `graph` is None.

    Attributes:
        case: the case.
        model: the case, learned.
        graph: every state and move; None where there are too many.
        kept: what a kind of question has found once and for all, by a name.
    """

    def __init__(self, case: Case, max_states: int = MOST_STATES) -> None:
        self.case, self.max_states = case, max_states
        self.model = Model(case)
        self.graph: Graph | None = None
        self.kept: dict[Any, Any] = {}
        self._shown: dict[int, EachValue[str]] = {}
        try:
            with uncollected():
                self.graph = Graph(case, max_states, model=self.model)
        except ModelError:
            raise
        except MmvizError:  # there are more states
            self.graph = None
        self.threads = frozenset(self.model.threads())
        self.environment = frozenset(case.environment)

    @property
    def actors(self) -> tuple[str, ...]:
        """The names of the actors."""
        return self.model.actors

    def moves(self, number: int) -> Iterator[Move]:
        """Yield the moves from a state of the graph."""
        assert self.graph is not None
        for actor, target in self.graph.moves(number):
            yield Move(number, actor, target)

    def way(
        self,
        start: int,
        wanted: Callable[[int], bool],
        through: Callable[[int], bool] = lambda _: True,
    ) -> tuple[str, ...] | None:
        """Return a shortest way from one state of the graph to another.

        Args:
            start: where it begins; a way of no step, where it is wanted itself.
            wanted: tells whether it may end in a state.
            through: tells whether it may pass a state.
        """
        came: dict[int, Move | None] = {start: None}
        queue = [start]
        for number in queue:
            if wanted(number):
                names: list[str] = []
                move = came[number]
                while move is not None:
                    names.append(self.actors[move.actor])
                    move = came[move.source]
                return tuple(reversed(names))
            if not through(number):
                continue
            for move in self.moves(number):
                if move.target not in came:
                    came[move.target] = move
                    queue.append(move.target)
        return None

    def from_here(self, start: int) -> list[int]:
        """Return the states of the graph that can be reached from one, itself included."""
        found, queue = {start}, [start]
        for number in queue:
            for move in self.moves(number):
                if move.target not in found:
                    found.add(move.target)
                    queue.append(move.target)
        return queue

    def run(self, schedule: Iterable[str]) -> Run:
        """Return a run of the case."""
        run = Run(self.case, self.model)
        for actor in schedule:
            run.step(actor)
        return run

    def number(self, frame: Frame) -> int:
        """Return the number of a frame's state in the graph."""
        assert self.graph is not None
        return self.graph.index[frame.state]

    def places(self, kind: str, interesting: Callable[[int], bool], rng: Random) -> Iterator[Run]:
        """Yield runs to states that are interesting, in a seeded order.

        Args:
            kind: under which the interesting states are kept.
            interesting: tells of a packed state whether a question may be asked there.
            rng: decides the order.
        """
        if self.graph is None:
            yield from self._walks(interesting, rng)
            return
        if kind not in self.kept:
            self.kept[kind] = [
                number
                for number, state in enumerate(self.graph.states)
                if self.graph.depth(number) <= MOST_STEPS and interesting(state)
            ]
        found: list[int] = self.kept[kind]
        for number in rng.sample(found, len(found)) if len(found) <= 200 else _some(found, rng):
            yield self.run(self.graph.run_to(number))

    def _walks(self, interesting: Callable[[int], bool], rng: Random) -> Iterator[Run]:
        """Yield the beginnings of random runs that end in interesting states."""
        for _ in range(WALKS):
            run, ends = Run(self.case, self.model), list[Run]()
            while run.tip.index < LONGEST_WALK and (enabled := run.enabled()):
                run.step(rng.choice(enabled))
                if run.tip.index <= MOST_STEPS and interesting(run.tip.state):
                    ends.append(run.fork())
            if ends:
                yield rng.choice(ends)

    # -- what may be told --------------------------------------------------------------------

    @cached_property
    def told(self) -> dict[int, str]:
        """The fields that a question may be about: slot -> path.

        They change in some run. A field that names an actor is not among them: it is a lock's, and
        the step on it says what it will hold.
        """
        model, own, actors = self.model, set[int](), set(self.actors)
        for struct in model.tasks:
            assert isinstance(struct, Task)
            own.update(struct._at.values())
        return {
            slot: model.ledger.paths[slot]
            for slot in model.told()
            if slot not in own
            and len(model.bits[slot].values) > 1
            and not any(named(each) & actors for each in model.bits[slot].values.values())
        }

    @cached_property
    def judged(self) -> frozenset[int]:
        """The fields that bad states look at."""
        assert self.graph is not None
        for state in self.graph.states:
            self.model.judge(state)
        return frozenset(self.model.judge.slots)

    def shown(self, state: int, slot: int) -> str:
        """Return a field's value as displayed."""
        known = self._shown.get(slot)
        if known is None:
            known = self._shown[slot] = EachValue(self.model, [slot], lambda _, each: spoken(each))
        return known.of(state)[0]

    def texts(self, slots: Sequence[int]) -> EachValue[str]:
        """Return what tells several fields' values as displayed, in the order of the slots."""
        key = "texts", tuple(slots)
        if key not in self.kept:
            self.kept[key] = EachValue(self.model, slots, lambda _, each: spoken(each))
        found: EachValue[str] = self.kept[key]
        return found

    def values(self, slot: int) -> list[str]:
        """Return the values that a field is known to take, as displayed, each once."""
        return list(dict.fromkeys(spoken(each) for each in self.model.bits[slot].values.values()))

    def blocked(self, state: int) -> list[int]:
        """Return the actors that have not finished and cannot step; not the environment."""
        model = self.model
        if model.is_dead(state):
            return []
        return [
            p
            for p, name in enumerate(model.actors)
            if name not in self.environment
            and not model.is_done(state, p)
            and model.successor(state, p) is None
        ]

    def enabled(self, state: int) -> list[int]:
        """Return the actors that can step."""
        return [p for p in range(len(self.actors)) if self.model.successor(state, p) is not None]


def _some(found: Sequence[int], rng: Random) -> Iterator[int]:
    for _ in range(200):
        yield rng.choice(found)


@dataclass
class Spaces:
    """The spaces of the cases asked about last, so that the next question costs little."""

    kept: "OrderedDict[int, Space]" = field(default_factory=OrderedDict)

    def of(self, case: Case, max_states: int) -> Space:
        """Return the space of a case."""
        known = self.kept.get(id(case))
        if known is None or known.case is not case or known.max_states != max_states:
            known = Space(case, max_states)
        if known.graph is None:
            return known  # what its model knows grows from question to question
        self.kept[id(case)] = known
        self.kept.move_to_end(id(case))
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return known


SPACES = Spaces()


def neighbours(case: Case) -> list[Case]:
    """Return a few other cases of the same race, first those declared to go wrong."""
    others = [each for each in case.race or () if each.name != case.name]
    others.sort(key=lambda each: all(verdict == "Never" for verdict in each.expect.values()))
    return others[:MOST_NEIGHBOURS]


# -- words ---------------------------------------------------------------------------------


def where(run: Run) -> str:
    """Return where a question is asked: "at the start", "after step 3"."""
    return f"after step {run.tip.index}" if run.tip.index else "at the start"


def given(run: Run) -> tuple[str, ...]:
    """Return what is known where a question is asked: the last step, and each actor's next one."""
    tip = run.tip
    if tip.index:
        lines = [f"After step {tip.index}, {tip.actor} {words(tip.label)}:"]
    else:
        lines = ["At the start:"]
    for name in run.case.actors:
        if name in run.case.environment:
            continue
        step = tip.next.get(name)
        lines.append(
            f"  {name} has finished" if step is None else f"  {name} is at {words(step.label)}"
        )
    return tuple(lines)


def fields_now(run: Run) -> list[str]:
    """Return what each field that changes in some run holds at the end of a run: "a.b = 1"."""
    space = SPACES.of(run.case, MOST_STATES)
    return [
        f"{path} = {spoken(run.tip.values[path])}"
        for path in space.told.values()
        if path in run.tip.values
    ]


def words(label: str) -> str:
    """Return a step's label on one line."""
    return " ".join(label.split())


def in_step(number: int) -> str:
    """Return since when: "since step 3", "from the start"."""
    return f"since step {number}" if number else "from the start"


def sentence(text: str) -> str:
    """Return a text as one sentence that ends with a full stop."""
    one = " ".join(text.split())
    return one if one.endswith((".", "?", "!")) else f"{one}."


def says(label: str, value: str) -> bool:
    """Tell whether the words of a step name a value, so that it is no answer to ask for."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", label) is not None


def fits(text: str) -> bool:
    """Tell whether a value can be shown in an option."""
    return 0 < len(text) <= MOST_LETTERS and text.isprintable()


def asked(kind: str, run: Run, text: str, options: list[Option], rng: Random) -> Question | None:
    """Return a question with its options in a seeded order; None if two of them read the same."""
    if len(options) < 2 or len({each.text for each in options}) < len(options):
        return None
    rng.shuffle(options)
    known = () if kind == "line" else given(run)  # a line is about whole runs
    return Question(kind, run.case, run.schedule, text, tuple(options), known)
