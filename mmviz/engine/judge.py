"""Judging: which bad states a state violates, evaluated once per combination of values read."""

from collections.abc import Callable
from typing import Any

from mmviz.engine.bits import Bits, widen
from mmviz.engine.case import Case, name_of
from mmviz.engine.ledger import Ledger


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
        row: [mask of the slots any bad state looks at, {their packed values: those that hold}].
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
        self.row: list[Any] = [0, {}]
        self._slots: set[int] = set()

    def __call__(self, state: int) -> frozenset[str]:
        """Return the bad states violated in a state, without those judged at the end."""
        row = self.row
        known: frozenset[str] | None = row[1].get(state & row[0])
        if known is None:
            known, reads = self._ask(state, at_end=False)
            widen(row, self._slots, reads, self.bits)
            row[1][state & row[0]] = known
        return known

    def end(self, state: int) -> frozenset[str]:
        """Return the bad states that are judged at the end and violated in this state."""
        return self._ask(state, at_end=True)[0]

    def reads(self, state: int, bad_state: str) -> set[int]:
        """Return the slots that a bad state reads in a state; a complaint reads none."""
        self.ledger.begin(self.cells(state), judging=True)
        try:
            for each in self.case.bad:
                if callable(each) and name_of(each) == bad_state:
                    each(self.world)
            return self.ledger.reads
        finally:
            self.ledger.end()

    def _ask(self, state: int, at_end: bool) -> tuple[frozenset[str], set[int]]:
        ledger = self.ledger
        ledger.reader = "a bad state"
        ledger.begin(self.cells(state), judging=True)
        try:
            found = {
                name_of(bad_state)
                for bad_state in self.case.bad
                if callable(bad_state)
                and getattr(bad_state, "at_end", False) == at_end
                and bad_state(self.world)
            }
            ledger.reads.add(self.complaints)
            if not at_end:
                found |= ledger.cells[self.complaints]
            return frozenset(found), ledger.reads
        finally:
            ledger.end()
