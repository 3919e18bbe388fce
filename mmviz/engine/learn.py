"""The learned model: states are packed integers, a step's body runs once per situation.

An actor's *location* (its program counter) is the tuple of results received since its last
mark; its coroutine is never copied or inspected to tell locations apart.  What a step does depends
only on the slots it touches, so its effect is learned once for each combination of their values,
and is an integer *delta* from then on: `state + delta[state & touched]`.

A slot gets bits in the packed state only when a step first gives it a second value, and more when
it takes more values; new bits go on top, where every older state has zeros.  So a state that was
packed before stays the same integer.

A worked example
    Two slots of the world, and the location of the only actor, CPU0, as the third:

        class W(World):
            owner: str | None = None
            flag: bool = False

        async def cpu0(k):          # location L0: no result yet
            await k.lock()          # owner = "CPU0"
            await k.set()           # flag = True, at location L1
                                    # L2: done

    At the start no slot has a second value, so none has bits: the state is 0, and every mask is 0.

    1. CPU0 at L0 does lock().  It touches `owner`, whose second value, "CPU0", is number 1.
       One bit is enough for the numbers 0 and 1, and bit 0 is the lowest free one: `owner` gets the
       mask 0b0001, the *first widening* of `owner`.  The actor goes to L1, number 1 of its
       locations: they get the mask 0b0010.  The row of L0 learns that where `owner` is 0, the
       delta is 0b0001 + 0b0010 = 3.  State 0 -> 0b0011.
    2. CPU0 at L1 does set().  `flag` gets the mask 0b0100, and True is number 1.  The new location
       L2 is number 2, 0b10, and one bit does not hold it: the *second widening* of the locations
       takes bit 3, the next one free, so that their mask is 0b1010.  The low bit of number 2 goes
       to bit 1 and its high bit to bit 3: L2 is 0b1000.  The delta is 0b0100 for the flag, and
       0b1000 - 0b0010 for leaving L1: 0b1010.  State 0b0011 -> 0b1101.
    3. Bit by bit, 0b1101 reads: bit 0, `owner` is "CPU0"; bit 2, `flag` is True; bits 3 and 1 are 1
       and 0, number 2 of CPU0's locations: done.

    A second visit to L0 with `owner` free runs no code: 0 & 0b0001 is 0, the row says 3, and the
    successor is 0 + 3.  `tests/engine/test_learn.py` follows this example number by number.
"""

from collections.abc import Coroutine
from typing import Any

from mmviz.engine.bits import Bits, token, widen
from mmviz.engine.case import Case
from mmviz.engine.errors import LoopWithoutMark, ModelError, NotDeterministic, Oops
from mmviz.engine.judge import Judge
from mmviz.engine.ledger import Ledger, copy_roots
from mmviz.engine.location import Line, Location, lines_of
from mmviz.engine.step import Blocked, Effect, Machine, Step, Task, acting, listening
from mmviz.engine.struct import Struct

MAX_ANSWERS = 500  # without a mark; no race needs more
DONE = "done"


class Model:
    """A case, learned as far as it has been explored.

    Args:
        case: what to model.

    Attributes:
        actors: names, in the order declared.
        ledger: the world's slots.
        start: the packed initial state.
        internal: the slots the engine keeps for itself; no frame counts them as read or written.
        width: bits given to slots so far.
        bits, location_bits: how each slot, and each actor's location, lies in a packed state.
        locations: the known locations of each actor.
        table: for each actor the mask of its location, the row of each location, its number.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.actors = tuple(case.actors)
        self.index = {name: p for p, name in enumerate(self.actors)}
        roots = self.roots()
        self.world: Any = roots[0][1]
        self.tasks = [struct for _, struct in roots if isinstance(struct, Task)]
        self.ledger = Ledger(roots)
        machine = roots[-1][1]
        self.complaints, self.dead = machine._at["complaints"], machine._at["dead"]
        self.internal = {self.complaints, self.dead, *(task._at["held"] for task in self.tasks)}
        self.width = 0
        self.bits = [Bits(value) for value in self.ledger.initial]
        self.location_bits: list[Bits] = []
        self.locations: list[dict[Any, Location]] = []
        self.table: list[tuple[int, dict[int, list[Any]], int]] = []
        self.learned = 0
        for name in self.actors:
            self.location_bits.append(Bits(None))
            self.locations.append({})
            self.table.append((0, {}, self.index[name]))
            self._enter(self.index[name], None, None)
        self.start = 0
        self.judge = Judge(case, self.world, self.ledger, self.bits, self.complaints, self.cells)

    def roots(self) -> list[tuple[str, Struct]]:
        """Build the world and what the engine keeps beside it."""
        world = self.case.world()
        if not isinstance(world, Struct):
            raise ModelError(
                f"{self.case.name}: world() made a {type(world).__name__}, not a World"
            )
        tasks = [(name, Task(name=name)) for name in self.actors]
        return [("", world), *tasks, ("", Machine())]

    # -- packing ---------------------------------------------------------------------------

    def pack(self, bits: Bits, value: Any) -> int:
        """Return the packed bits of a slot's value, giving the slot more room if it must."""
        packed, width = bits.pack(value, self.width)
        self.width += width
        return packed

    def cells(self, state: int) -> list[Any]:
        """Return the value of every slot in a packed state."""
        return [bits.values[state & bits.mask] for bits in self.bits]

    def location(self, state: int, p: int) -> Location:
        """Return the location of actor number `p`."""
        bits = self.location_bits[p]
        location: Location = bits.values[state & bits.mask]
        return location

    # -- learning --------------------------------------------------------------------------

    def _enter(self, p: int, parent: Location | None, answer: Any) -> Location:
        """Return the location reached from `parent` by the result `answer`, learning it if new."""
        path: list[Location] = []
        here = parent
        while here is not None:
            path.append(here)
            here = here.parent
        path.reverse()
        answers = [location.answer for location in path[1:]]
        if parent is not None:
            answers.append(answer)
        key, step, lines = self._replay(p, path, answers)
        known = self.locations[p].get(key)
        if known is not None:
            if known.step is not None and step is not None:
                self._same_step(p, known.step, step, len(answers))
            return known
        new = Location(key, step, parent, answer, len(answers), lines)
        if step is None:
            new.row[1][0] = None  # finished: nothing to do, whatever the state
        self.locations[p][key] = new
        if parent is None:
            self.location_bits[p] = Bits(new)
        packed = self.pack(self.location_bits[p], new)
        self.table[p] = (self.location_bits[p].mask, self.table[p][1], p)
        self.table[p][1][packed] = new.row
        return new

    def _replay(
        self, p: int, path: list[Location], answers: list[Any]
    ) -> tuple[Any, Step[Any] | None, tuple[Line, ...]]:
        """Run the actor's coroutine from its start, sending it the results received so far."""
        name = self.actors[p]
        marks: list[tuple[Any, ...]] = []
        self.ledger.reader = name
        coroutine: Any = self.case.actors[name](self.world)
        if not isinstance(coroutine, Coroutine):
            raise ModelError(
                f"{self.case.name}: actor {name} is not an async function of the world"
            )
        listening(marks)
        key: tuple[Any, ...] = ()
        lines: tuple[Line, ...] = ()
        try:
            wants = coroutine.send(None)
            for i in range(len(answers) + 1):
                if marks:
                    key = (token(marks[-1]),)
                    marks.clear()
                if not isinstance(wants, Step):
                    raise ModelError(
                        f"{name} awaited {wants!r}; an actor awaits @atomic methods and other "
                        "async functions of the model, nothing else"
                    )
                if i == len(answers):
                    break
                expected = path[i].step
                if expected is not None:
                    self._same_step(p, expected, wants, i)
                key = (*key, token(answers[i]))
                wants = coroutine.send(answers[i])
            lines = lines_of(coroutine)
        except StopIteration:
            return DONE, None, ()
        finally:
            listening(None)
            self._close(name, coroutine)
        if len(key) > MAX_ANSWERS:
            raise LoopWithoutMark(
                f"{name} has heard {MAX_ANSWERS} answers without a mark; it goes round a loop at "
                f"{lines[-1].function}, line {lines[-1].number}. Say mark('again', …) at the head "
                "of the loop, with the values the loop still needs."
            )
        return key, wants, lines

    def _close(self, name: str, coroutine: Any) -> None:
        try:
            coroutine.close()
        except RuntimeError:
            raise ModelError(
                f"{name} awaits in a `finally` or `with` block. An actor may be left at any step; "
                "write error paths as the kernel does, one after the other."
            ) from None

    def _same_step(self, p: int, expected: Step[Any], got: Step[Any], after: int) -> None:
        if expected.signature != got.signature:
            raise NotDeterministic(
                f"{self.actors[p]} did {expected.label} after {after} answers, and {got.label} "
                "when it was given the same answers again. The usual cause is a random number, "
                "a clock, the order of a set, a variable outside the actor, or (after a mark) "
                "a value the mark forgot."
            )

    def execute(self, state: int, p: int, step: Step[Any]) -> Effect:
        """Run a step's guard and body in a state; the state itself does not change."""
        ledger = self.ledger
        said: list[tuple[str, str]] = []
        ledger.reader = self.actors[p]
        ledger.begin(self.cells(state))
        acting(self.tasks[p], said)
        oops = blocked = False
        answer: Any = None
        try:
            answer = step.do()
        except Blocked:
            blocked = True
        except Oops as stop:
            said.append((stop.bad_state, stop.text))
            oops = True
        finally:
            acting(None, None)
            ledger.end()
        if blocked:
            return Effect(ledger.reads | set(ledger.writes), {}, blocked=True)
        reads, writes = ledger.reads, ledger.writes
        if oops:
            reads, writes = reads | set(writes), {self.dead: True}
        if said:
            before: frozenset[str] = ledger.cells[self.complaints]
            reads = reads | {self.complaints}
            writes = {**writes, self.complaints: before | {bad_state for bad_state, _ in said}}
        try:
            hash(answer)
        except TypeError:
            raise ModelError(
                f"{step.label} answered {answer!r}; an answer must be immutable, as a field is"
            ) from None
        return Effect(reads, writes, answer, said=tuple(said), oops=oops)

    def learn(self, state: int, p: int) -> int | None:
        """Learn what actor `p` does in `state`: the delta to its successor, None if it is blocked.

        An Oops is never learned into the table, so the search comes back here each time.
        """
        location = self.location(state, p)
        if location.step is None:
            return None
        effect = self.execute(state, p, location.step)
        self.learned += 1
        row = location.row
        widen(row, location.touched, effect.reads | set(effect.writes), self.bits)
        if effect.blocked:
            row[1][state & row[0]] = None
            return None
        delta = 0
        for slot, value in effect.writes.items():
            bits = self.bits[slot]
            delta += self.pack(bits, value) - (state & bits.mask)
        if effect.oops:
            return delta
        after = self._enter(p, location, effect.answer)
        location.after.add(after)
        bits = self.location_bits[p]
        delta += self.pack(bits, after) - (state & bits.mask)
        row[1][state & row[0]] = delta
        return delta

    # -- stepping --------------------------------------------------------------------------

    def successor(self, state: int, p: int) -> int | None:
        """Return the state after actor `p` moves, or None when it is blocked or finished."""
        if state & self.bits[self.dead].mask:
            return None
        mask, rows, _ = self.table[p]
        touched, deltas = rows[state & mask]
        key = state & touched
        delta = deltas[key] if key in deltas else self.learn(state, p)
        return None if delta is None else state + delta

    def may_write(self, actor: str, path: str) -> bool:
        """Tell whether some step of an actor, as far as the model has learned, changes a field.

        Args:
            actor: its name.
            path: the field's, "cpu.pte[0x1000]".
        """
        slot = self.ledger.paths.index(path)
        mask = self.bits[slot].mask
        return any(
            delta and ((was + delta) ^ was) & mask
            for location in self.locations[self.index[actor]].values()
            if slot in location.touched
            for was, delta in location.row[1].items()
        )

    def situation(self, state: int, actor: str, *paths: str) -> tuple[Any, ...]:
        """Return a key that is equal in two states when an actor and some fields are equal there.

        Returns:
            A key: the actor, its location, and the values of the fields.
        """
        p = self.index[actor]
        slots = (self.ledger.paths.index(path) for path in paths)
        values = (self.bits[slot].values[state & self.bits[slot].mask] for slot in slots)
        return (actor, self.location(state, p), *values)

    def is_dead(self, state: int) -> bool:
        """Return whether an Oops has ended the run."""
        return bool(state & self.bits[self.dead].mask)

    def is_done(self, state: int, p: int) -> bool:
        """Return whether actor `p` has finished."""
        return self.location(state, p).step is None

    def threads(self) -> list[int]:
        """Return the numbers of the actors that must finish."""
        return [p for p, name in enumerate(self.actors) if name not in self.case.daemons]

    def is_complete(self, state: int) -> bool:
        """Return whether every actor that must finish has finished."""
        return all(self.is_done(state, p) for p in self.threads())

    def violated(self, state: int) -> frozenset[str]:
        """Return the bad states violated in a state, those judged at the end included."""
        found = self.judge(state)
        return found | self.judge.end(state) if self.is_complete(state) else found

    def copy(self, state: int) -> tuple[Any, dict[str, Task]]:
        """Return an independent world and the actors' tasks, as they are in a state."""
        roots = self.roots()
        copy_roots(roots, self.cells(state), self.ledger)
        tasks = {name: struct for name, struct in roots if isinstance(struct, Task)}
        return roots[0][1], tasks
