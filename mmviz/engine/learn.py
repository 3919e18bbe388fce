"""The learned model: states are packed integers, a step's body runs once per situation.

An actor's *position* is the tuple of answers it has heard since its last mark; its
coroutine is never copied or inspected to tell positions apart.  What a step does depends
only on the slots it touches, so its effect is learned once for each combination of their
values and is an integer *delta* from then on: `state + delta[state & touched]`.

A slot gets bits in the packed state only when a step first gives it a second value, and
more when it takes more values; new bits go on top, where every older state has zeros.
"""

from collections.abc import Coroutine
from typing import Any

from mmviz.engine.bits import Bits, token, widen
from mmviz.engine.case import Case
from mmviz.engine.errors import LoopWithoutMark, ModelError, NotDeterministic, Oops
from mmviz.engine.judge import Judge
from mmviz.engine.ledger import Ledger, copy_roots
from mmviz.engine.position import Line, Position, lines_of
from mmviz.engine.step import Blocked, Effect, Machine, Step, Task, acting, listening
from mmviz.engine.struct import Struct

MAX_ANSWERS = 500  # without a mark; no kernel story needs more
DONE = "done"


class Model:
    """A case, learned as far as it has been asked about.

    Args:
        case: what to model.

    Attributes:
        actors: names, in the order declared.
        ledger: the world's slots.
        start: the packed initial state.
        own: the slots the engine keeps for itself; no frame counts them as read or written.
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
        self.splats, self.dead = machine._at["splats"], machine._at["dead"]
        self.own = {self.splats, self.dead, *(task._at["held"] for task in self.tasks)}
        self.top = 0  # bits given so far
        self.bits = [Bits(value) for value in self.ledger.initial]
        self.where: list[Bits] = []
        self.positions: list[dict[Any, Position]] = []
        self.table: list[tuple[int, dict[int, list[Any]], int]] = []
        self.learned = 0
        for name in self.actors:
            self.where.append(Bits(None))
            self.positions.append({})
            self.table.append((0, {}, self.index[name]))
            self._enter(self.index[name], None, None)
        self.start = 0
        self.judge = Judge(self)

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
        packed, width = bits.pack(value, self.top)
        self.top += width
        return packed

    def cells(self, state: int) -> list[Any]:
        """Return the value of every slot in a packed state."""
        return [bits.values[state & bits.mask] for bits in self.bits]

    def position(self, state: int, p: int) -> Position:
        """Return where actor number `p` is."""
        bits = self.where[p]
        position: Position = bits.values[state & bits.mask]
        return position

    # -- learning --------------------------------------------------------------------------

    def _enter(self, p: int, parent: Position | None, answer: Any) -> Position:
        """Return the position reached from `parent` by hearing `answer`, learning it if new."""
        path: list[Position] = []
        here = parent
        while here is not None:
            path.append(here)
            here = here.parent
        path.reverse()
        answers = [position.answer for position in path[1:]]
        if parent is not None:
            answers.append(answer)
        key, step, lines = self._replay(p, path, answers)
        known = self.positions[p].get(key)
        if known is not None:
            if known.step is not None and step is not None:
                self._same_step(p, known.step, step, len(answers))
            return known
        new = Position(key, step, parent, answer, len(answers), lines)
        if step is None:
            new.row[1][0] = None  # finished: nothing to do, whatever the state
        self.positions[p][key] = new
        if parent is None:
            self.where[p] = Bits(new)
        packed = self.pack(self.where[p], new)
        self.table[p] = (self.where[p].mask, self.table[p][1], p)
        self.table[p][1][packed] = new.row
        return new

    def _replay(
        self, p: int, path: list[Position], answers: list[Any]
    ) -> tuple[Any, Step[Any] | None, tuple[Line, ...]]:
        """Run the actor's coroutine from its start, giving it the answers it has heard."""
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
                    key = (marks[-1],)
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
        """Run a step's guard and body in a state; nothing of the state changes."""
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
            said.append((stop.prop, stop.text))
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
            before: frozenset[str] = ledger.cells[self.splats]
            reads = reads | {self.splats}
            writes = {**writes, self.splats: before | {prop for prop, _ in said}}
        try:
            hash(answer)
        except TypeError:
            raise ModelError(
                f"{step.label} answered {answer!r}; an answer must be immutable, as a field is"
            ) from None
        return Effect(reads, writes, answer, said=tuple(said), oops=oops)

    def miss(self, state: int, p: int) -> int | None:
        """Learn what actor `p` does in `state`: the delta to its successor, None if it waits.

        An Oops is never learned into the table, so that the search meets it here each time.
        """
        position = self.position(state, p)
        if position.step is None:
            return None
        effect = self.execute(state, p, position.step)
        self.learned += 1
        row = position.row
        widen(row, position.touched, effect.reads | set(effect.writes), self.bits)
        if effect.blocked:
            row[1][state & row[0]] = None
            return None
        delta = 0
        for slot, value in effect.writes.items():
            bits = self.bits[slot]
            delta += self.pack(bits, value) - (state & bits.mask)
        if effect.oops:
            return delta
        after = self._enter(p, position, effect.answer)
        position.after.add(after)
        where = self.where[p]
        delta += self.pack(where, after) - (state & where.mask)
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
        delta = deltas[key] if key in deltas else self.miss(state, p)
        return None if delta is None else state + delta

    def is_dead(self, state: int) -> bool:
        """Return whether an Oops has ended the run."""
        return bool(state & self.bits[self.dead].mask)

    def is_done(self, state: int, p: int) -> bool:
        """Return whether actor `p` has finished."""
        return self.position(state, p).step is None

    def threads(self) -> list[int]:
        """Return the numbers of the actors that must finish."""
        return [p for p, name in enumerate(self.actors) if name not in self.case.daemons]

    def is_complete(self, state: int) -> bool:
        """Return whether every actor that must finish has finished."""
        return all(self.is_done(state, p) for p in self.threads())

    def violated(self, state: int) -> frozenset[str]:
        """Return the properties violated in a state, those judged at the end included."""
        found = self.judge(state)
        return found | self.judge.end(state) if self.is_complete(state) else found

    def copy(self, state: int) -> tuple[Any, dict[str, Task]]:
        """Return a free-standing world and the actors' tasks, as they are in a state."""
        roots = self.roots()
        copy_roots(roots, self.cells(state), self.ledger)
        tasks = {name: struct for name, struct in roots if isinstance(struct, Task)}
        return roots[0][1], tasks
