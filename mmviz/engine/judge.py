"""Judging: which bad states a state violates, evaluated once per combination of values read."""

from collections.abc import Callable
from threading import get_ident
from typing import Any

from mmviz.engine.bits import Bits, widen
from mmviz.engine.case import Case, name_of
from mmviz.engine.errors import HALF_LEARNED, ModelError
from mmviz.engine.ledger import Ledger
from mmviz.engine.piece import BAD_STATE, NOW, RAISED, Line, Piece, fault
from mmviz.engine.step import not_a_bool
from mmviz.engine.struct import Struct


class Judge:
    """Tells which bad states hold in a state; `end` judges those that count only at the end.

    Args:
        case: whose bad states.
        world: the world that the ledger keeps.
        ledger: the slots of the world.
        bits: how each slot lies in a packed state.
        complaints: the slot of the complaints that steps have raised.
        cells: returns the value of every slot in a packed state.

    Attributes:
        predicates: the bad states that are functions of the world.
        ends, always: those of them that are judged at the end, and the others.
        row: [mask of the slots any bad state looks at, {their packed values: those that hold}].
        slots: those slots.
        dropped: (key, bad states, slots in the key) of `row` before it was widened.
        may_wait: the objects in which something may be under way at the end of a run.
    """

    def __init__(
        self,
        case: Case,
        world: Any,
        ledger: Ledger,
        bits: list[Bits],
        complaints: int,
        cells: Callable[[int], list[Any]],
    ) -> None:
        self.case, self.world, self.ledger = case, world, ledger
        self.bits, self.complaints, self.cells = bits, complaints, cells
        self.predicates = [each for each in case.bad if callable(each)]
        self.ends = [each for each in self.predicates if getattr(each, "at_end", False)]
        self.always = [each for each in self.predicates if not getattr(each, "at_end", False)]
        self.row: list[Any] = [0, {}]
        self.slots: set[int] = set()
        self.dropped: set[Any] = set()
        self.may_wait = [
            struct
            for struct in ledger.structs
            if type(struct).unfinished is not Struct.unfinished
            and any(getattr(bad_state, "at_end", False) for bad_state in case.bad)
        ]

    def __call__(self, state: int) -> frozenset[str]:
        """Return the bad states violated in a state, without those judged at the end."""
        row = self.row
        known: frozenset[str] | None = row[1].get(state & row[0])
        if known is None:
            ledger = self.ledger
            with ledger.lock:
                if not ledger.whole:
                    raise ModelError(HALF_LEARNED)
                known, reads = self._ask(state, at_end=False)
                ledger.whole = False
                widen(row, self.slots, reads, self.bits, self.dropped)
                row[1][state & row[0]] = known
                ledger.whole = True
        return known

    def end(self, state: int) -> frozenset[str]:
        """Return the bad states that are judged at the end and violated in this state."""
        with self.ledger.lock:
            return self._ask(state, at_end=True)[0]

    def reads(self, state: int, bad_state: str) -> set[int]:
        """Return the slots that a bad state reads in a state; a complaint reads none."""
        return self.ask(state, bad_state)[1]

    def ask(self, state: int, bad_state: str) -> tuple[bool, set[int]]:
        """Return whether a bad state holds in a state, and the slots that it reads.

        A complaint reads none, and does not hold.
        """
        asked = [each for each in self.predicates if name_of(each) == bad_state]
        with self.ledger.lock:
            found, reads = self._look(state, asked)
        return bool(found), reads

    def witness(self, state: int, bad_state: str) -> Any:
        """Return what the author of a bad state names as its witnesses, None for nothing."""
        asked = [each for each in self.predicates if name_of(each) == bad_state]
        named = getattr(asked[0], "witness", None) if asked else None
        if not callable(named):
            return named
        told: list[Any] = []

        def look(world: Any) -> bool:
            told.append(named(world))
            return True

        look.__name__ = f"witness of {bad_state}"
        with self.ledger.lock:
            self._look(state, [look])
        return told[0]

    def _ask(self, state: int, at_end: bool) -> tuple[frozenset[str], set[int]]:
        found, reads = self._look(state, self.ends if at_end else self.always, at_end)
        reads.add(self.complaints)
        if not at_end:
            found |= self.ledger.cells[self.complaints]
        return frozenset(found), reads

    def _look(
        self, state: int, predicates: list[Callable[[Any], bool]], at_end: bool = False
    ) -> tuple[set[str], set[int]]:
        """Return which of some bad states hold in a state, and the slots that they read."""
        ledger, found, asked = self.ledger, set(), ""
        ledger.reader = BAD_STATE
        ledger.begin(self.cells(state), judging=True)
        piece = Piece(BAD_STATE, ledger)
        thread = get_ident()
        before = NOW.get(thread)
        line = None
        try:
            NOW[thread] = piece
            for words in filter(None, (each.unfinished() for each in self.may_wait if at_end)):
                raise ModelError(f"a bad state is judged at the end, but {words}")
            for each in predicates:
                asked, line = name_of(each), line_of_function(each)
                holds = each(self.world)
                if holds is True:
                    found.add(asked)
                elif holds is not False:
                    piece.check()
                    raise ModelError(
                        f"it returned {not_a_bool(holds)}. A bad state returns True or False: "
                        "compare with a value (… is not None, … > 0), or write bool(…)",
                        line=line,
                    )
            piece.check()
            return found, ledger.reads
        except RAISED as error:
            try:
                fault(piece, error, line)
            except ModelError as told:
                told.add(step=f"the bad state {asked}()" if asked else "")
                told.state = state
                raise
        finally:
            NOW[thread] = before  # before any call, at which Ctrl-C could come in
            ledger.stepping = ledger.judging = False
            ledger.looking = ""
            if piece.overdue:
                piece.settle()


def line_of_function(function: Callable[..., Any]) -> Line | None:
    """Return where a function begins; None if it is not written in Python."""
    code = getattr(function, "__code__", None)
    return None if code is None else (code.co_filename, code.co_name, code.co_firstlineno)
