"""Closed tables: for every location of every actor, each situation that its step can meet.

A search learns a step's effect only in the situations that it reaches.  Here the tables are closed
without visiting the states: a step runs once for each combination of *known* values of the slots
that it reads, new values and locations are added, until nothing is new.  The result is a superset
of what any run can meet, so that another checker can run on it, or a reduction can rest on it.

A step reads its slots one after the other, and which it reads next depends only on what it has
read.  So its situations form a tree, and a slot that the step does not look at costs nothing.

Two things keep the values few.  A slot that one actor alone writes is followed along that actor's
locations.  And a slot takes only values that a short search has seen, with a little room above
them unless that search was complete.  What lies beyond is *left out*: such a row says so, and
never looks like a step that is blocked.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mmviz.engine.bits import token
from mmviz.engine.case import Case, name_of
from mmviz.engine.diagram import Diagram, Diagrams
from mmviz.engine.errors import MmvizError, ModelError
from mmviz.engine.learn import Model
from mmviz.engine.location import Location
from mmviz.engine.step import Effect, Step

SAMPLE = 20_000  # states of the short search
WALK_EVERY = 50  # states: one random run for so many, where the short search does not see all
WALK_STEPS = 2_000
ROOM = 2  # values of a slot beyond those seen, where the short search was not complete
LOCATION_ROOM = 200  # the same for the locations of an actor
MOST_ROWS = 20_000  # of one location
MOST_JUDGED = 400_000  # situations of one bad state
NOT_MET = "was not met in the short search"
MOST_READS = 10_000  # in one step: on impossible values a list may go round in a circle

Situation = tuple[tuple[int, int], ...]
"""Slots and the number of the value that each has, in the order in which they are read."""


@dataclass(frozen=True)
class Row:
    """What a step does in one situation.

    Attributes:
        when: the situation; slots that are not in it do not matter.
        writes: slots and the number of the value that each gets, only where it may change.
        said: the complaints that the step raises.
        after: the number of the location that follows; None when blocked, left out or oops.
        blocked: the guard is false.
        oops: the machine stops; the writes are undone, and no location follows.
        left_out: why the effect is not known, "" when it is.
    """

    when: Situation
    writes: Situation = ()
    said: tuple[str, ...] = ()
    after: int | None = None
    blocked: bool = False
    oops: bool = False
    left_out: str = ""


@dataclass(eq=False)
class Node:
    """A tree of situations: a slot that is read, and what follows for each value; or a leaf.

    Attributes:
        slot: the slot that is read here.
        below: number of the value -> a node, or the leaf.
    """

    slot: int
    below: "dict[int, Node | Any]" = field(default_factory=dict)


@dataclass(eq=False)
class Table:
    """One location of one actor.

    Attributes:
        number: among the actor's locations, in the order in which they were found; 0 is the first.
        location: the step, and where it is in the code.
        rows: what the step does in each situation; empty when the actor has finished.
    """

    number: int
    location: Location
    rows: list[Row] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether the actor has finished."""
        return self.location.step is None

    @property
    def label(self) -> str:
        """The function of the step and its arguments, "" when the actor has finished."""
        step = self.location.step
        return "" if step is None else step.label


@dataclass(frozen=True)
class Judgement:
    """One bad state that is a predicate.

    Attributes:
        name: its name.
        at_end: it is judged only when every actor that must finish has finished.
        holds: whether it holds, as a diagram that ends with True or False; or with the reason
            where that is not known.
    """

    name: str
    at_end: bool
    holds: Diagram


class Closure:
    """The closed tables of a case.

    Args:
        case: what to close.
        sample: how many states the short search may visit; 0 for none.
        room: how many values a slot may take beyond those seen, where that search was cut off.

    Attributes:
        model: the case; its ledger names the slots.
        sampled: the short search was complete, so that every value and location is known.
        values: for each slot its values; value 0 is the initial one.
        tables: for each actor its locations.
        judgements: the bad states that are predicates.
        diagrams: makes the diagrams of the judgements.
        left_out: in words, what was left out; such a row may or may not be met by a run.

    Raises:
        MmvizError: a step or a bad state has too many situations to write down.
    """

    def __init__(self, case: Case, *, sample: int = SAMPLE, room: int = ROOM) -> None:
        self.case = case
        self.model = _Probed(case)
        self.sampled = self.model.sample(sample)
        self.room = 0 if self.sampled else room
        self.values = [list(bits.values.values()) for bits in self.model.bits]
        self._codes = [
            {token(value): number for number, value in enumerate(values)} for values in self.values
        ]
        self._most = [len(values) + self.room for values in self.values]
        self.tables: list[list[Table]] = []
        self._numbers: dict[Location, int] = {}
        self._most_locations: list[int] = []
        for p, known in enumerate(self.model.locations):
            self.tables.append([])
            for location in known.values():
                self._number(p, location)
            self._most_locations.append(len(known) + (0 if self.sampled else LOCATION_ROOM))
        self._trees: dict[Table, Node | Row | None] = {}
        self._writers: dict[int, set[int]] = defaultdict(set)
        self._here: dict[Table, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._left: dict[str, None] = {}
        self._count: dict[Table, int] = defaultdict(int)
        self._met: set[Table] = set()  # with the situations that the short search has met, only
        self._close()
        for p, tables in enumerate(self.tables):
            for table in tables:
                table.rows = list(self._rows(p, table))
        self.diagrams = Diagrams()
        self.judgements = [self._judge(each) for each in case.bad if callable(each)]
        self.left_out = tuple(self._left)

    # -- what the tables say ---------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether the tables hold every situation that a run can meet."""
        return self.sampled or not self.left_out

    def known(self, p: int, number: int, slot: int) -> list[int]:
        """Return the numbers of the values that a slot may have while an actor is at a location."""
        return self._known(p, self.tables[p][number], slot)

    def situations(self) -> int:
        """Return how many rows there are."""
        return sum(len(table.rows) for tables in self.tables for table in tables)

    def future(self, p: int, number: int) -> tuple[frozenset[int], frozenset[int]]:
        """Return the slots that an actor may read and write from a location on.

        Its own step at that location is included.  The sets are supersets of what any run does
        where `complete` is true.

        Args:
            p: the number of the actor.
            number: the number of the location.
        """
        reads: set[int] = set()
        writes: set[int] = set()
        ahead = [number]
        for each in ahead:  # grows while we walk it
            for row in self.tables[p][each].rows:
                reads.update(slot for slot, _ in row.when)
                writes.update(slot for slot, _ in row.writes)
                if row.after is not None and row.after not in ahead:
                    ahead.append(row.after)
        return frozenset(reads), frozenset(writes)

    # -- closing ---------------------------------------------------------------------------

    def _close(self) -> None:
        """Grow every tree until no value and no location is new."""
        for tables in self.tables:
            self._here[tables[0]] = defaultdict(lambda: {0})
        changed = True
        while changed:
            changed = False
            for p, tables in enumerate(self.tables):
                for table in tables:  # grows while we walk it
                    if table.done or table not in self._here:
                        continue
                    before = self.model.executed
                    if table not in self._met:
                        try:
                            self._trees[table] = self._grow(p, table, self._trees.get(table), ())
                        except _TooMany:
                            self._met.add(table)
                            self._trees[table] = self._meet(p, table)
                    changed |= self.model.executed > before
                    changed |= self._pass_on(p, table)

    def _grow(self, p: int, table: Table, node: Node | Row | None, when: Situation) -> Node | Row:
        """Return the tree with a branch for each value that is known by now."""
        if node is None:
            self._count[table] += 1
            if self._count[table] > MOST_ROWS:
                raise _TooMany
            node = _chain(self._run(p, table, when), len(when))
        if isinstance(node, Node):
            for number in self._known(p, table, node.slot):
                branch = (*when, (node.slot, number))
                node.below[number] = self._grow(p, table, node.below.get(number), branch)
        return node

    def _known(self, p: int, table: Table, slot: int) -> list[int]:
        """Return the values that a slot may have when an actor is at a location."""
        if self._writers[slot] == {p}:
            return sorted(self._here[table][slot])
        return list(range(len(self.values[slot])))

    def _meet(self, p: int, table: Table) -> Node | Row:
        """Return the tree of the situations that the short search has met."""
        tree: Node | Row | None = None
        for state in self.model.visited:
            if self.model.location(state, p) is not table.location:
                continue
            codes = zip(self._codes, self.model.cells(state), strict=True)
            numbers = {slot: of[token(value)] for slot, (of, value) in enumerate(codes)}
            if tree is None:
                tree = _chain(self._run(p, table, (), numbers), 0)
            node: Node | Row = tree
            when: Situation = ()
            while isinstance(node, Node):
                number = numbers[node.slot]
                when = (*when, (node.slot, number))
                if number not in node.below:
                    node.below[number] = _chain(self._run(p, table, when, numbers), len(when))
                node = node.below[number]
        if tree is None:
            raise self._too_many(p, table)
        return tree

    def _run(
        self, p: int, table: Table, when: Situation, others: Mapping[int, int] | None = None
    ) -> Row:
        """Execute a step in a situation.

        Args:
            p: the number of the actor.
            table: where it is.
            when: the situation.
            others: the values of the slots that are not in it; by default the first one that
                each may have here.
        """
        model, step = self.model, table.location.step
        assert step is not None
        firsts = {slot: min(known) for slot, known in self._here[table].items() if known}
        own = {slot: n for slot, n in firsts.items() if self._writers[slot] == {p}}
        numbers = {**(own if others is None else others), **dict(when)}
        cells = {slot: self.values[slot][number] for slot, number in numbers.items()}
        effect: Effect | None = None
        why = ""
        try:
            effect = model.probe(p, table.location, step, cells)
        except Exception as error:  # the step's own code, on values that may never meet
            why = _raised(error)
        known = {slot for slot, _ in when}
        when += tuple((slot, numbers.get(slot, 0)) for slot in model.order if slot not in known)
        if effect is None:
            return Row(when, left_out=why)
        try:
            return self._row(p, table, when, effect)
        except Exception as error:  # the actor's own code, on a result that it may never receive
            return Row(when, left_out=_raised(error))

    def _row(self, p: int, table: Table, when: Situation, effect: Effect) -> Row:
        said = tuple(dict.fromkeys(bad_state for bad_state, _ in effect.said))
        if effect.blocked:
            return Row(when, blocked=True)
        if effect.oops:
            return Row(when, said=said, oops=True)
        was = dict(when)
        writes = []
        for slot, value in effect.writes.items():
            if slot == self.model.complaints:
                continue
            self._writers[slot].add(p)
            number = self._admit(slot, value)
            if number is None:
                path = self.model.ledger.paths[slot]
                return Row(when, left_out=f"gives {path} a value that was not seen")
            if was.get(slot) != number:
                writes.append((slot, number))
        after = self.model.enter(p, table.location, effect.answer)
        number = self._number(p, after)
        if number is None:
            return Row(when, left_out="leads to a location that was not seen")
        return Row(when, tuple(sorted(writes)), said, number)

    def _admit(self, slot: int, value: Any) -> int | None:
        """Return the number of a value, None if it is left out."""
        codes, key = self._codes[slot], token(value)
        if key not in codes:
            if len(codes) >= self._most[slot]:
                return None
            codes[key] = len(codes)
            self.values[slot].append(value)
        return codes[key]

    def _number(self, p: int, location: Location) -> int | None:
        """Return the number of a location, None if it is left out."""
        if location not in self._numbers:
            tables = self.tables[p]
            if len(self._most_locations) > p and len(tables) >= self._most_locations[p]:
                return None
            self._numbers[location] = len(tables)
            tables.append(Table(len(tables), location))
        return self._numbers[location]

    def _pass_on(self, p: int, table: Table) -> bool:
        """Hand the values of the slots that this actor alone writes to the next locations."""
        own = [slot for slot, writers in self._writers.items() if writers == {p}]
        here, changed = self._here[table], False
        for row in self._rows(p, table):
            if row.after is None:
                continue
            when, writes = dict(row.when), dict(row.writes)
            there = self._here[self.tables[p][row.after]]
            for slot in own:
                number = writes.get(slot, when.get(slot))
                found = here[slot] if number is None else {number}
                if not found <= there[slot]:
                    there[slot] |= found
                    changed = True
        return changed

    def _rows(self, p: int, table: Table) -> Iterator[Row]:
        """Yield the rows of a tree, those of values that the slot has not here left out."""
        stack: list[tuple[Node | Row | None, Situation]] = [(self._trees.get(table), ())]
        while stack:
            node, when = stack.pop()
            if isinstance(node, Node):
                slot = node.slot
                for number in reversed(self._known(p, table, slot)):
                    after = (*when, (slot, number))
                    if number in node.below:
                        stack.append((node.below[number], after))
                    elif table in self._met:
                        stack.append((Row(after, left_out=NOT_MET), after))
            elif node is not None:
                if node.left_out:
                    where = f"{self.model.actors[p]} at {table.label}"
                    self._left[f"{where}: {node.left_out}"] = None
                yield node

    def _too_many(self, p: int, table: Table) -> MmvizError:
        figures = ", ".join(
            f"{self.model.ledger.paths[slot]} ({len(self.values[slot])})"
            for slot, _ in self._run(p, table, ()).when
            if len(self.values[slot]) > 1
        )
        return MmvizError(
            f"{self.case.name}: {self.model.actors[p]} at {table.label} has more than "
            f"{MOST_ROWS:,} situations, and the short search met none of them. It reads "
            f"these slots (with so many values): {figures}. Divide the step, give its slots "
            "fewer values, or let the short search visit more states."
        )

    # -- bad states ------------------------------------------------------------------------

    def _judge(self, bad_state: Callable[[Any], bool]) -> Judgement:
        """Return in which situations a predicate holds."""
        name, model, asked = name_of(bad_state), self.model, self.model.executed

        def grow(when: Situation) -> Diagram:
            if model.executed - asked > MOST_JUDGED:
                raise MmvizError(
                    f"{self.case.name}: {name} has more than {MOST_JUDGED:,} situations. Divide "
                    "the bad state, or give the slots that it reads fewer values."
                )
            cells = {slot: self.values[slot][number] for slot, number in when}
            found: bool | str
            try:
                found = model.ask(bad_state, cells)
            except Exception as error:
                found = _raised(error)
            if len(model.order) == len(when):
                return found
            slot = model.order[len(when)]
            return self.diagrams.choice(
                slot, tuple(grow((*when, (slot, n))) for n in range(len(self.values[slot])))
            )

        return Judgement(name, bool(getattr(bad_state, "at_end", False)), grow(()))


class _TooMany(Exception):
    """A step has too many situations."""


def _chain(row: Row, known: int) -> Node | Row:
    """Return the tree that has one row only, below the first slots that are known."""
    node: Node | Row = row
    for slot, number in reversed(row.when[known:]):
        node = Node(slot, {number: node})
    return node


def _raised(error: Exception) -> str:
    return " ".join(f"raises {type(error).__name__}: {error}".split()).removesuffix(":")


class _Cells(list[Any]):
    """The values of all slots; it notes the order in which a step reads them."""

    def __init__(self, values: list[Any], order: list[int]) -> None:
        super().__init__(values)
        self.order, self.known, self.reads = order, set(order), 0

    def __getitem__(self, slot: Any) -> Any:
        self.reads += 1
        if self.reads > MOST_READS:
            raise ModelError(f"a step read more than {MOST_READS:,} times; it may never end")
        if slot not in self.known:
            self.known.add(slot)
            self.order.append(slot)
        return super().__getitem__(slot)


class _Probed(Model):
    """A model whose steps can be executed on values that no state has.

    Attributes:
        order: the slots that the latest step or bad state has read, in that order.
        executed: how many were executed.
        visited: the states that the short search has visited.
    """

    def __init__(self, case: Case) -> None:
        self._cells: _Cells | None = None
        self.order: list[int] = []
        self.executed = 0
        self.visited: dict[int, None] = {}
        super().__init__(case)

    def cells(self, state: int) -> list[Any]:
        """Return the value of every slot: in a packed state, or in the situation probed."""
        return super().cells(state) if self._cells is None else self._cells

    def _situation(self, known: Mapping[int, Any]) -> _Cells:
        values = list(self.ledger.initial)
        for slot, value in known.items():
            values[slot] = value
        self.executed += 1
        self.order = []
        return _Cells(values, self.order)

    def probe(
        self, p: int, location: Location, step: Step[Any], known: Mapping[int, Any]
    ) -> Effect:
        """Execute a step where some slots have the given values, and all others their first."""
        at = self.start + self.pack(self.location_bits[p], location)
        self._cells = self._situation(known)
        try:
            return self.execute(at, p, step)
        finally:
            self._cells = None
            if self.complaints in self.order:  # what was said before is not the step's to know
                self.order.remove(self.complaints)

    def ask(self, bad_state: Callable[[Any], bool], known: Mapping[int, Any]) -> bool:
        """Return whether a bad state holds where some slots have the given values."""
        self.ledger.reader = "a bad state"
        self.ledger.begin(self._situation(known), judging=True)
        try:
            if getattr(bad_state, "at_end", False):
                for words in filter(None, (each.unfinished() for each in self.judge.may_wait)):
                    raise ModelError(f"judged at the end, but {words}")
            return bool(bad_state(self.world))
        finally:
            self.ledger.end()

    def enter(self, p: int, location: Location, answer: Any) -> Location:
        """Return the location that a result leads to."""
        return self._enter(p, location, answer)

    def sample(self, most: int) -> bool:
        """Visit states breadth first, then along random runs; return whether those were all."""
        seen = self.visited
        queue = [self.start] if most else []
        seen.update(dict.fromkeys(queue))
        actors = range(len(self.actors))
        for state in queue:  # grows while we walk it
            for p in actors:
                after = self.successor(state, p)
                if after is not None and after not in seen:
                    seen[after] = None
                    queue.append(after)
            if len(queue) > most:
                break
        else:
            return bool(most)
        random = Random(0)
        for _ in range(max(1, most // WALK_EVERY) if most else 0):
            state = self.start
            for _ in range(WALK_STEPS):
                nexts = [each for p in actors if (each := self.successor(state, p)) is not None]
                if not nexts:
                    break
                state = random.choice(nexts)
                seen[state] = None
        return False
