"""Memory as a machine: the objects of a case, in the order in which an access passes them."""

from collections.abc import Mapping

from mmviz.engine import Run
from mmviz.reading.lock_race import Locks
from mmviz.scene.forms import FORMS
from mmviz.scene.lit import lit
from mmviz.scene.look import Look
from mmviz.scene.machine import parts, picture
from mmviz.scene.marks import Mark, Scene, sheet
from mmviz.scene.searched import SearchedCase
from mmviz.scene.words import caption

assert FORMS  # importing them has registered what classes add to the picture


class Memory:
    """The picture of memory of every state of a case.

    Attributes:
        parts: from the bottom to the top.
        size: of the sheet, in cells.
    """

    name, title, looks_ahead = "memory", "Memory", False
    tips: Mapping[str, str] = {}

    def __init__(self, searched: SearchedCase) -> None:
        self.model, self.witnesses = searched.model, searched.witnesses
        self.picture = picture(searched.reach, tuple(searched.case.actors), searched.model)
        self.parts = list(parts(self.picture))
        if searched.case.is_drawing:
            self.title = "Diagram"
        elif isinstance(searched.reach.world, Locks):
            self.title = "Lock report"
        self.size = (self.picture.places.width, self.picture.places.height)

    def variants(self, state: int) -> list[int]:
        """Return the number of each part's drawing in a packed state."""
        look = Look(self.model, state, self.witnesses)
        return [part.number(look) for part in self.parts]

    def marks(self, state: int) -> list[Mark]:
        """Return the marks of a packed state, from the bottom to the top, nothing lit."""
        numbers = self.variants(state)
        return [
            mark
            for part, number in zip(self.parts, numbers, strict=True)
            for mark in part.drawn[number]
        ]

    def scene(self, run: Run, k: int) -> Scene:
        """Draw frame `k`, with what its step did, and what is wrong."""
        frame = run.frames[k]
        marks = self.marks(frame.state)
        written = {change.field for change in frame.writes}
        bad = self.witnesses.of_frame(frame)
        return sheet(*self.size, lit(marks, written, set(frame.reads) - written, bad))

    def text(self, run: Run, k: int) -> str:
        """Return the caption of the step."""
        return caption(run.frames[k])


def memory(searched: SearchedCase) -> Memory:
    """Return the picture of memory of a case; every case has one."""
    return Memory(searched)
