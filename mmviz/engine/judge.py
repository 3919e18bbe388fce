"""Judging: which properties are violated in a state, asked once for each situation."""

from typing import TYPE_CHECKING, Any

from mmviz.engine.bits import widen
from mmviz.engine.case import name_of

if TYPE_CHECKING:
    from mmviz.engine.learn import Model


class Judge:
    """Says which properties a state violates; those judged at the end only by `end`.

    Args:
        model: whose states are judged.

    Attributes:
        row: [mask of the slots any property looks at, {their packed values: the violated}].
    """

    def __init__(self, model: "Model") -> None:
        self.model = model
        self.row: list[Any] = [0, {}]
        self._slots: set[int] = set()

    def __call__(self, state: int) -> frozenset[str]:
        """Return the properties violated in a state, without those judged at the end."""
        row = self.row
        known: frozenset[str] | None = row[1].get(state & row[0])
        if known is None:
            known, reads = self._ask(state, at_end=False)
            widen(row, self._slots, reads, self.model.bits)
            row[1][state & row[0]] = known
        return known

    def end(self, state: int) -> frozenset[str]:
        """Return the properties that are judged at the end and violated in this state."""
        return self._ask(state, at_end=True)[0]

    def reads(self, state: int, prop: str) -> set[int]:
        """Return the slots that a property looks at in a state; a complaint looks at none."""
        model = self.model
        model.ledger.begin(model.cells(state), judging=True)
        try:
            for each in model.case.bad:
                if callable(each) and name_of(each) == prop:
                    each(model.world)
            return model.ledger.reads
        finally:
            model.ledger.end()

    def _ask(self, state: int, at_end: bool) -> tuple[frozenset[str], set[int]]:
        model = self.model
        ledger, bad = model.ledger, model.case.bad
        ledger.reader = "a property"
        ledger.begin(model.cells(state), judging=True)
        try:
            found = {
                name_of(prop)
                for prop in bad
                if callable(prop) and getattr(prop, "at_end", False) == at_end and prop(model.world)
            }
            ledger.reads.add(model.splats)
            if not at_end:
                found |= ledger.cells[model.splats]
            return frozenset(found), ledger.reads
        finally:
            ledger.end()
