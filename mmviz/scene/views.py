"""The kinds of picture there are, and which of them a case has something for.

A view is made once for a case, from its rehearsal: everything has its place before the curtain
rises. Then it is a pure function of a run and of the frame the cursor is on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from mmviz.engine import Frame, MmvizError, Run, table
from mmviz.engine.case import nearest
from mmviz.scene import layout, objects, timeline
from mmviz.scene.causes import Causes, causes
from mmviz.scene.entry import EntryView, entry
from mmviz.scene.iommu import Iommus, iommu
from mmviz.scene.lifetime import Lifetime, lifetime
from mmviz.scene.listing import Listing
from mmviz.scene.locks import LockView, locks
from mmviz.scene.marks import Scene, Text, sheet, stacked
from mmviz.scene.notifier import Notifier, notifier
from mmviz.scene.pagetable import PageTables, pagetable
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

    @property
    def tips(self) -> Mapping[str, str]:
        """A sentence for each key of its own."""

    def scene(self, run: Run, k: int) -> Scene:
        """Return the picture of frame `k`; of one size, and in the same places, for every `k`."""

    def text(self, run: Run, k: int) -> str:
        """Return what the picture says, as plain text."""


class Timeline:
    """Who did what.

    Args:
        rehearsal: of the case.
        rooms: sheets with room for so many rows are made, and none between: so a run that
            grows seldom moves what is below it.
    """

    name, title, looks_ahead = "timeline", "Timeline", True
    tips: Mapping[str, str] = {}

    def __init__(self, rehearsal: Rehearsal, rooms: Sequence[int] = ()) -> None:
        self.columns = timeline.columns(rehearsal.reach)
        self.rooms = rooms
        self._room = lru_cache(maxsize=2)(self._find_room)  # once a run, not once a frame
        self.told: tuple[Frame | None, int, str] = (None, 0, "")

    def _find_room(self, last: Frame) -> int:
        frames = [*last.back()][::-1]
        rows = timeline.height(last.index, frames)
        return next((room for room in self.rooms if rows <= room), rows)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw each step in the column of its actor."""
        return timeline.timeline(run.frames, k, self.columns, self._room(run.tip))

    def text(self, run: Run, k: int) -> str:
        """Return the run as a table; of a long one the page that the cursor is on."""
        steps = run.tip.index
        first, last = timeline.page(steps, k)
        if (run.tip, first) != self.told[:2]:
            told = table(run, shown=slice(first, last + 1))
            if last + 1 - first < steps:  # who wants all of it has str(player)
                beyond = timeline.beyond(first, last, steps)
                told = told.rpartition("\n\n")[0] + f"\n{beyond}"
            self.told = (run.tip, first, told)
        return self.told[2]


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
        return caption(run.frames[k])


VIEWS: dict[str, Callable[[Rehearsal], View | None]] = {
    "timeline": Timeline,
    "code": Listing,
    "objects": Objects,
    "entry": entry,
    "iommu": iommu,
    "lifetime": lifetime,
    "pagetable": pagetable,
    "notifier": notifier,
    "locks": locks,
    "causes": causes,
}
MADE: tuple[type[View], ...] = (
    *(Timeline, Listing, Objects, EntryView, Iommus),
    *(Lifetime, PageTables, Notifier, LockView, Causes),
)
TITLES = {view.name: view.title for view in MADE}  # also of those that a case has nothing for
ALWAYS = ("timeline", "code")
MACHINES = ("iommu", "pagetable")  # telling where they show at least half of what changes
OTHERS = ("notifier", "locks", "lifetime")  # telling where there is such a thing at all


def every(rehearsal: Rehearsal) -> dict[str, View]:
    """Return all views that have something to show of a case."""
    made = {name: make(rehearsal) for name, make in VIEWS.items()}
    return {name: view for name, view in made.items() if view is not None}


def usual(rehearsal: Rehearsal, there: Mapping[str, View]) -> list[str]:
    """Return the names of the views to begin with, of those a case has.

    Who did what, in which code; the most telling picture of what it is about; and the objects,
    unless that picture has everything that changes on them.
    """
    start = rehearsal.run()

    def fields(name: str) -> set[str]:
        drawn = there[name].scene(start, 0)
        return {box.key for box in drawn.boxes} | {line.key for line in drawn.lines}

    changing = {f"field:{path}" for path in rehearsal.reach.values if rehearsal.reach.varies(path)}
    changing &= fields("objects")
    machines = [name for name in MACHINES if name in there]
    shown = {name: changing & fields(name) for name in machines}
    telling = [name for name in machines if 2 * len(shown[name]) >= len(changing)]
    telling += [name for name in OTHERS if name in there]
    first = telling[:1]
    rest = [] if first and shown.get(first[0]) == changing else ["objects"]
    return [*ALWAYS, *first, *rest]


def known(wanted: Sequence[str]) -> list[str]:
    """Return the names asked for as they are written here, each once.

    Raises:
        UnknownName: there is no view of that name; the message suggests the nearest.
        MmvizError: it is no list of names.
    """
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise MmvizError(
            f"views={wanted!r} is no list: write views=['locks'], with any of {', '.join(VIEWS)}"
        )
    names = {name: name for name in VIEWS}
    return list(dict.fromkeys(nearest(names, name, "view") for name in wanted))


def picture(views: Iterable[View], run: Run, k: int) -> Scene:
    """Return one sheet with a run's frame `k` in several views, each under its title."""
    drawn = []
    for view in views:
        title = Text(1, 0.2, view.title, "plain", bold=True)
        drawn += [sheet(len(view.title) + 2, 1.4, [title]), view.scene(run, k)]
    return stacked(drawn, 0.4) if drawn else sheet(1, 1, ())
