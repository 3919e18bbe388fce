"""The learned model: states are packed integers, a step's body runs once per situation.

An actor's *location* (its program counter) is a place in its code, with the values of the variables
that the code below can still use (`mmviz.engine.liveness`).  What a step does depends only on the
slots it touches, so its effect is learned once for each combination of their values,
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

from threading import get_ident
from typing import Any

from mmviz.engine.bits import Bits, token, widen
from mmviz.engine.case import Case
from mmviz.engine.code_rules import check_code
from mmviz.engine.errors import HALF_LEARNED, ModelError, NotDeterministic, Oops
from mmviz.engine.in_two import in_two
from mmviz.engine.judge import Judge
from mmviz.engine.ledger import Ledger, copy_roots
from mmviz.engine.liveness import frames_of, lasts
from mmviz.engine.location import Location, Place, Waiting, lines_of
from mmviz.engine.piece import (
    ACTOR,
    NOW,
    RAISED,
    STEP,
    Piece,
    check_awaits,
    fault,
    forgotten,
    innermost,
    made,
    started,
    watch,
)
from mmviz.engine.step import Blocked, Effect, Machine, Mark, Step, Task, check_answer
from mmviz.engine.struct import Struct

UNMARKED = Mark(None, 0, (), ())
UNKNOWN = object()
PLAIN = frozenset((type(None), bool, int, str))


class Model:
    """A case, learned as far as it has been explored.

    Args:
        case: what to model.

    Attributes:
        actors: names, in the order declared.
        ledger: the world's slots.
        start: the packed initial state.
        idlers: the numbers of the actors that need not finish.
        internal: the slots the engine keeps for itself; no frame counts them as read or written.
        width: bits given to slots so far.
        version: grows when a slot takes a new value, or an actor a new location.
        bits, location_bits: how each slot, and each actor's location, lies in a packed state.
        locations: the known locations of each actor.
        places: for each actor, the locations at each place of its code.
        done: the location of each actor that has finished, None if it is not known to finish.
        complete: the bits of the threads' locations, and what they are when all have finished.
        table: for each actor the mask of its location, the row of each location, its number.
    """

    checks = True  # the code of the case, for slips that it shows

    def __init__(self, case: Case) -> None:
        watch()
        self.case = case
        self.actors = tuple(case.actors)
        self.index = {name: p for p, name in enumerate(self.actors)}
        self.idlers = {self.index[name] for name in case.daemons}
        roots = self.roots()
        self.world: Any = roots[0][1]
        self.tasks = [struct for _, struct in roots if isinstance(struct, Task)]
        self.ledger = Ledger(roots)
        if case.opens:
            self.ledger.opens, self.ledger.in_two = frozenset(case.opens), in_two
        if self.checks:
            check_code(case, self.ledger.structs)
        machine = roots[-1][1]
        self.complaints, self.dead = machine._at["complaints"], machine._at["dead"]
        self.internal = {self.complaints, self.dead, *(task._at["held"] for task in self.tasks)}
        self.width = 0
        self.bits = [Bits(value) for value in self.ledger.initial]
        self.location_bits = [Bits(None) for _ in self.actors]
        self.locations: list[dict[int, Location]] = [{} for _ in self.actors]
        self.places: list[dict[Any, Place]] = [{} for _ in self.actors]
        self.done: list[Location | None] = [None for _ in self.actors]
        self.table: list[tuple[int, dict[int, list[Any]], int]] = []
        self.complete = (0, -1)
        self.learned = self.version = 0
        for p, name in enumerate(self.actors):
            self.table.append((0, {}, p))
            try:
                self._enter(p, None, None)
            except ModelError as error:
                raise error.add(actor=name, schedule=()).with_traceback(None) from None
        self.start = 0
        self.judge = Judge(case, self.world, self.ledger, self.bits, self.complaints, self.cells)

    def roots(self) -> list[tuple[str, Struct]]:
        """Build the world and what the engine keeps beside it."""
        world = made(self.case.world)
        if not isinstance(world, Struct):
            hint = "; a return is missing" if world is None else ""
            raise ModelError(
                f"{self.case.name}: world() made a {type(world).__name__}, not a World{hint}. "
                f"Return an object of a class that is derived from World{_in(self.case.world)}"
            )
        deciders = self.case.environment
        tasks = [(name, Task(name=name, decides=name in deciders)) for name in self.actors]
        return [("", world), *tasks, ("", Machine())]

    # -- packing ---------------------------------------------------------------------------

    def pack(self, bits: Bits, value: Any) -> int:
        """Return the packed bits of a slot's value, giving the slot more room if it must."""
        known = len(bits.codes)
        packed, width = bits.pack(value, self.width)
        self.version += len(bits.codes) - known
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
        if parent is not None and (known := parent.nexts.get(token(answer))) is not None:
            return known
        path: list[Location] = []
        here = parent
        while here is not None:
            path.append(here)
            here = here.parent
        path.reverse()
        answers = [location.answer for location in path[1:]]
        if parent is not None:
            answers.append(answer)
        waiting, coroutine = self._replay(p, path, answers)
        self.ledger.whole = False
        if waiting is None:
            found = self.done[p]
            if found is None:
                found = self._new(p, Location(None, parent, answer, len(answers)))
        else:
            place = self.places[p].setdefault(waiting.place, Place())
            known = place.find(waiting)
            if known is None:
                known = Location(waiting.step, parent, answer, len(answers), waiting.lines)
                place.add(waiting, self._new(p, known))
                if coroutine is not None:
                    known.kept = coroutine, waiting.mark
            found = known
        if parent is not None:
            parent.nexts[token(answer)] = found
        self.ledger.whole = True
        return found

    def _after(self, p: int, location: Location, answer: Any) -> Location:
        """Return the location after a step of actor `p` with the result `answer`."""
        try:
            return self._enter(p, location, answer)
        except ModelError as error:
            error.mover = self.actors[p]  # the step is over; the code after it is to blame
            raise

    def _new(self, p: int, location: Location) -> Location:
        """Give a new location bits, and a row to learn."""
        if location.step is None:
            location.row[1][0] = None  # nothing to do, whatever the state
            self.done[p] = location
        known = self.locations[p]
        if not known:
            self.location_bits[p] = Bits(location)
        known[len(known)] = location
        packed = self.pack(self.location_bits[p], location)
        self.table[p] = (self.location_bits[p].mask, self.table[p][1], p)
        self.table[p][1][packed] = location.row
        self.complete = self._completed()
        return location

    def _replay(
        self, p: int, path: list[Location], answers: list[Any]
    ) -> tuple[Waiting | None, Any]:
        """Run the actor's coroutine from its start, sending it the results received so far.

        If a coroutine was kept at the last location of the path, it only receives the last result.

        Returns:
            What the actor waits for, None when it has finished; and the coroutine, None when it
            is not to be kept.
        """
        name = self.actors[p]
        marks: list[Mark] = []
        self.ledger.reader = name
        kept = path[-1].kept if path else None
        if kept is not None:
            path[-1].kept = None
            (coroutine, mark), begin = kept, len(answers)
            wants: Any = path[-1].step
        else:
            coroutine, mark, begin, wants = None, UNMARKED, 0, None
        since = mark.since
        keeps = False
        piece = Piece(ACTOR, self.ledger, marks=marks)
        thread = get_ident()
        before = NOW.get(thread)
        try:
            NOW[thread] = piece
            if coroutine is None:
                coroutine = started(self.case.actors[name], name, self.world)
            for i in range(begin, len(answers) + 1):
                if i:
                    self._same_step(p, path[i - 1].step, wants, i - 1)
                    since = (since, token(answers[i - 1]))
                wants = coroutine.send(answers[i - 1] if i else None)
                if marks:
                    mark, since = marks[-1], ()
                    marks.clear()
                if not isinstance(wants, Step):
                    raise ModelError(
                        f"{name} awaited {wants!r}; an actor awaits @atomic methods and other "
                        "async functions of the model, nothing else"
                    )
            piece.check()
            lines, frames = lines_of(coroutine), frames_of(coroutine)
            keeps = frames is not None and all(map(lasts, frames))
            called = "" if keeps else forgotten(v for f in frames or () for v in f.values.values())
            if called:
                raise ModelError(
                    f"{called}(…) is async and was called without await, so it does not run. "
                    f"Write: await {called}(…)",
                    line=innermost(lines),
                )
        except StopIteration:
            piece.check()
            if not path:
                check_awaits(name, coroutine)
            return None, None
        except RAISED as error:
            fault(piece, error, innermost(path[-1].lines) if path else None)
        finally:
            NOW[thread] = before
            if piece.overdue:
                piece.settle()
            if not keeps and coroutine is not None:
                self._close(name, coroutine)
        waiting = Waiting(wants, lines, frames, mark._replace(since=since))
        return waiting, coroutine if keeps else None

    def _close(self, name: str, coroutine: Any) -> None:
        try:
            coroutine.close()
        except RuntimeError:
            raise ModelError(
                f"{name} awaits in a `finally` or `with` block. An actor may be left at any step; "
                "write error paths as the kernel does, one after the other."
            ) from None

    def _same_step(self, p: int, expected: Step[Any] | None, got: Step[Any], after: int) -> None:
        if expected is None or expected is got:
            return
        if expected.signature != got.signature:
            raise NotDeterministic(
                f"{self.actors[p]} did {expected.label} after {after} answers, and {got.label} "
                "when it was given the same answers again. The usual cause is a random number, "
                "a clock, the order of a set, a variable outside the actor, or (after a mark) "
                "a value the mark forgot."
            )

    def execute(self, state: int, p: int, step: Step[Any]) -> Effect:
        """Run a step's guard and body in a state; the state itself does not change."""
        ledger, task = self.ledger, self.tasks[p]
        ledger.reader = self.actors[p]
        ledger.begin(self.cells(state))
        oops = blocked = False
        answer: Any = None
        piece = Piece(STEP, ledger, task)
        said = piece.said
        thread = get_ident()
        before = NOW.get(thread)
        try:
            NOW[thread] = piece
            answer = step.do()
            piece.check()
            if type(answer) not in PLAIN:
                check_answer(step, answer)
        except Blocked:
            blocked = True
        except Oops as stop:
            said.append((stop.bad_state, stop.text))
            oops = True
        except RAISED as error:
            fault(piece, error, innermost(self.location(state, p).lines))
        finally:
            NOW[thread] = before  # before any call, at which Ctrl-C could come in
            ledger.stepping = ledger.judging = False
            ledger.looking = ""
            if piece.overdue:
                piece.settle()
        if blocked:
            return Effect(ledger.reads | set(ledger.writes), {}, blocked=True)
        reads, writes = ledger.reads, ledger.writes
        if oops:
            reads, writes = reads | set(writes), {self.dead: True}
        if said:
            known: frozenset[str] = ledger.cells[self.complaints]
            reads = reads | {self.complaints}
            writes = {**writes, self.complaints: known | {bad_state for bad_state, _ in said}}
        effect = Effect(reads, writes, answer, said=tuple(said), oops=oops)
        after = None if oops else self._known_after(self.location(state, p), answer)
        return effect if after is None else self._at_return(effect, state, p, after)

    def _known_after(self, location: Location, answer: Any) -> Location | None:
        """Return the location that follows a result, None if it is not known yet."""
        return location.nexts.get(token(answer))

    def _at_return(self, effect: Effect, state: int, p: int, after: Location) -> Effect:
        """Complain if the actor has finished with this step and still holds a lock."""
        if after.step is not None or p in self.idlers or effect.returned:
            return effect
        effect.returned = True
        task, cells = self.tasks[p], self.cells(state)
        slot = task._at["held"]
        effect.reads = effect.reads | {slot}
        held = effect.writes.get(slot, cells[slot])
        if held:
            names = ", ".join(section.__dict__["name"] for section in held)
            said = ("returns_holding_lock", f"{task.name} finishes and still holds {names}")
            before = effect.writes.get(self.complaints, cells[self.complaints])
            effect.said = (*effect.said, said)
            effect.reads = effect.reads | {self.complaints}
            effect.writes = {**effect.writes, self.complaints: before | {said[0]}}
        return effect

    def learn(self, state: int, p: int) -> int | None:
        """Learn what actor `p` does in `state`: the delta to its successor, None if it is blocked.

        An Oops is never learned into the table, so the search comes back here each time.

        Raises:
            ModelError: the code breaks a rule, or the model was interrupted while it learned.
        """
        ledger = self.ledger
        with ledger.lock:
            if not ledger.whole:
                raise ModelError(HALF_LEARNED)
            try:
                return self._learn(state, p)
            except ModelError as error:
                ledger.whole = True
                location = self.location(state, p)
                step = "" if error.mover or location.step is None else location.step.label
                error.add(actor=self.actors[p], step=step, line=innermost(location.lines))
                error.state = state if error.state is None else error.state
                raise

    def _learn(self, state: int, p: int) -> int | None:
        location = self.location(state, p)
        if location.step is None:
            return None
        effect = self.execute(state, p, location.step)
        self.learned += not effect.oops
        ledger, row = self.ledger, location.row
        ledger.whole = False
        touched = effect.reads | set(effect.writes)
        widen(row, location.touched, touched, self.bits, location.others)
        if effect.blocked:
            row[1][state & row[0]] = None
            ledger.whole = True
            return None
        delta = self._change(state, effect)
        ledger.whole = True
        if effect.oops:
            known = len(location.others)
            location.others.add((state & row[0], None, ()))
            self.learned += len(location.others) - known  # it comes back here each time
            return delta
        after = self._after(p, location, effect.answer)
        ledger.whole = False
        if after.step is None and not effect.returned:
            effect = self._at_return(effect, state, p, after)
            touched = effect.reads | set(effect.writes)
            widen(row, location.touched, touched, self.bits, location.others)
            delta = self._change(state, effect)
        bits = self.location_bits[p]
        delta += self.pack(bits, after) - (state & bits.mask)
        row[1][state & row[0]] = delta
        ledger.whole = True
        return delta

    def _change(self, state: int, effect: Effect) -> int:
        """Return the difference that the writes of a step make to a packed state."""
        delta = 0
        for slot, value in effect.writes.items():
            bits = self.bits[slot]
            delta += self.pack(bits, value) - (state & bits.mask)
        return delta

    # -- stepping --------------------------------------------------------------------------

    def successor(self, state: int, p: int) -> int | None:
        """Return the state after actor `p` moves, or None when it is blocked or finished."""
        if state & self.bits[self.dead].mask:
            return None
        mask, rows, _ = self.table[p]
        row = rows[state & mask]
        touched, deltas = row
        delta = deltas.get(state & touched, UNKNOWN)
        if delta is UNKNOWN or row[0] != touched:  # another thread has widened the row meanwhile
            delta = self.learn(state, p)
        return None if delta is None else state + delta

    def may_write(self, actor: str, path: str) -> bool:
        """Tell whether some step of an actor, as far as the model has learned, changes a field.

        Args:
            actor: its name.
            path: the field's, "cpu.pte[0x1000]".
        """
        slot, p = self.ledger.paths.index(path), self.index[actor]
        mask, here = self.bits[slot].mask, self.location_bits[p].codes
        return any(
            delta and ((was + delta) ^ was) & mask
            for location in self.locations[p].values()
            if slot in location.touched
            for known, delta in (*location.row[1].items(), *(each[:2] for each in location.others))
            for was in [known | here[token(location)]]  # the delta leads to another location
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

    def told(self) -> list[int]:
        """Return the slots that a reader is told of.

        Left out are those that the engine keeps for itself, what it never changes of a task, and
        the fields in which the world names its objects once and for all.
        """
        kept = self.internal | {slot for task in self.tasks for slot in task._at.values()}
        names = {s for s in self.world._at.values() if isinstance(self.ledger.initial[s], Struct)}
        return [
            slot
            for slot, bits in enumerate(self.bits)
            if slot not in self.internal and (bits.mask or slot not in kept | names)
        ]

    def is_dead(self, state: int) -> bool:
        """Return whether an Oops has ended the run."""
        return bool(state & self.bits[self.dead].mask)

    def is_done(self, state: int, p: int) -> bool:
        """Return whether actor `p` has finished."""
        return self.location(state, p).step is None

    def is_deadlock(self, state: int) -> bool:
        """Return whether no actor can take a step, and not all that must have finished."""
        if self.is_dead(state) or self.is_complete(state):
            return False
        return all(self.successor(state, p) is None for p in range(len(self.actors)))

    def threads(self) -> list[int]:
        """Return the numbers of the actors that must finish."""
        return [p for p, name in enumerate(self.actors) if name not in self.case.daemons]

    def is_complete(self, state: int) -> bool:
        """Return whether every actor that must finish has finished."""
        mask, value = self.complete
        return state & mask == value

    def _completed(self) -> tuple[int, int]:
        """Return `complete`, as far as the locations are known."""
        mask = value = 0
        for p in self.threads():
            done, bits = self.done[p], self.location_bits[p]
            if done is None:
                return 0, -1  # not known to be possible
            mask |= bits.mask
            value |= bits.codes[token(done)]
        return mask, value

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


def _in(world: Any) -> str:
    """Return where a world is made, for a message; "" where the class itself is given."""
    name = getattr(world, "__name__", "")
    return "" if isinstance(world, type) or not name.isidentifier() else f", in {name}()"
