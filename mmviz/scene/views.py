"""The kinds of picture there are, and which of them a case has something for.

A view is made once for a case, from its rehearsal: everything has its place before the curtain
rises. Then it is a pure function of a run and of the frame the cursor is on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mmviz.engine import Run, table
from mmviz.engine.case import nearest
from mmviz.scene import layout, objects, timeline
from mmviz.scene.entry import entry
from mmviz.scene.iommu import iommu
from mmviz.scene.lifetime import lifetime
from mmviz.scene.marks import Scene
from mmviz.scene.pagetable import pagetable
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.words import caption


class View(Protocol):
    """One kind of picture of the runs of a case.

    Attributes:
        name: what `views=[…]` calls it, "pagetable".
        title: what stands over it, "Page tables".
        looks_ahead: its picture of a frame depends on later frames, too (their number, say).
        tips: a sentence for each key of marks that only this view has.
    """

    name: str
    title: str
    looks_ahead: bool
    tips: Mapping[str, str]

    def scene(self, run: Run, k: int) -> Scene:
        """Return the picture of frame `k`; of one size, and in the same places, for every `k`."""

    def text(self, run: Run, k: int) -> str:
        """Return what the picture says, as plain text."""


class Timeline:
    """Who did what."""

    name, title, looks_ahead = "timeline", "Timeline", True
    tips: Mapping[str, str] = {}

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.columns = timeline.columns(rehearsal.reach)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw each step in the column of its actor."""
        return timeline.timeline(run.frames, k, self.columns)

    def text(self, run: Run, k: int) -> str:
        """Return the run as a table."""
        return table(run)


class Objects:
    """Every object of the case as a card."""

    name, title, looks_ahead = "objects", "Objects", False
    tips: Mapping[str, str] = {}

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.plan = layout.plan(rehearsal.reach)
        self.actors = tuple(rehearsal.case.actors)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw every object in its place."""
        return objects.objects(run.frames[k], self.plan, self.actors)

    def text(self, run: Run, k: int) -> str:
        """Return what the step did."""
        return caption(run.frames[k], len(run.schedule))


VIEWS: dict[str, Callable[[Rehearsal], View | None]] = {
    "timeline": Timeline,
    "objects": Objects,
    "entry": entry,
    "iommu": iommu,
    "lifetime": lifetime,
    "pagetable": pagetable,
}


def views(rehearsal: Rehearsal, wanted: Sequence[str]) -> dict[str, View]:
    """Return the views asked for, those left out that have nothing to show of this case.

    Raises:
        UnknownName: there is no view of that name; the message suggests the nearest.
    """
    made = {name: nearest(VIEWS, name, "view")(rehearsal) for name in wanted}
    return {name: view for name, view in made.items() if view is not None}
