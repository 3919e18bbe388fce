"""The views, and which of them a case has.

A view is made once for a searched case, with a place for everything that its runs may show. From
then on it is a pure function of a run and of the cursor's frame.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from mmviz.engine import Frame, MmvizError, Run, UnknownName, table
from mmviz.engine.case import nearest
from mmviz.engine.text import members
from mmviz.scene import layout, objects, timeline
from mmviz.scene.causes import Causes, causes
from mmviz.scene.dot import NoGraphviz
from mmviz.scene.entry import EntryView, entry
from mmviz.scene.iommu import Iommus, iommu
from mmviz.scene.lifetime import Lifetime, lifetime
from mmviz.scene.listing import Listing
from mmviz.scene.locks import LockView, locks
from mmviz.scene.marks import Scene, Text, sheet, stacked
from mmviz.scene.memory import Memory, memory
from mmviz.scene.notifier import Notifier, notifier
from mmviz.scene.pagetable import PageTables, pagetable
from mmviz.scene.searched import SearchedCase
from mmviz.scene.unplaced import Unplaced
from mmviz.scene.words import caption


class View(Protocol):
    """One kind of picture of the runs of a case.

    Attributes:
        name: its name in `views=[…]`, "pagetable".
        title: its heading, "Page tables".
        looks_ahead: its picture of a frame also depends on later frames (their number, say).
        tips: a sentence for each key of marks that only this view has.
    """

    name: str
    title: str
    looks_ahead: bool

    @property
    def tips(self) -> Mapping[str, str]:
        """A sentence for each key that only this view has."""

    def scene(self, run: Run, k: int) -> Scene:
        """Return the picture of frame `k`; its size and places are the same for every `k`."""

    def text(self, run: Run, k: int) -> str:
        """Return the picture as plain text."""


class Timeline:
    """One column for each actor, time running down.

    Args:
        searched: the case.
        rooms: the possible heights of the sheet in rows; few, so that a growing run seldom moves
            the views below.
    """

    name, title, looks_ahead = "timeline", "Timeline", True
    tips: Mapping[str, str] = {}

    def __init__(self, searched: SearchedCase, rooms: Sequence[int] = ()) -> None:
        self.columns = timeline.columns(searched.reach)
        self.rooms = rooms
        self._room = lru_cache(maxsize=2)(self._find_room)  # once a run, not once a frame
        self._page: tuple[Frame | None, int, str] = (None, 0, "")

    def _find_room(self, last: Frame) -> float:
        frames = [*last.back()][::-1]
        rows = timeline.height(frames, self.columns)
        return next((room for room in self.rooms if rows <= room), rows)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw each step in the column of its actor."""
        return timeline.timeline(run.frames, k, self.columns, self._room(run.tip))

    def whole(self, run: Run, k: int) -> Scene:
        """Draw all steps on one sheet, as high as it needs; of a very long run, a large page."""
        return timeline.timeline(run.frames, k, self.columns, most=timeline.MOST_WHOLE)

    def text(self, run: Run, k: int) -> str:
        """Return the run as a table; of a long run, the cursor's page."""
        steps = run.tip.index
        first, last = timeline.page(steps, k)
        if (run.tip, first) != self._page[:2]:
            text = table(run, shown=slice(first, last + 1))
            if last + 1 - first < steps:  # str(player) is the whole run
                beyond = timeline.beyond(first, last, steps)
                text = text.rpartition("\n\n")[0] + f"\n{beyond}"
            self._page = (run.tip, first, text)
        return self._page[2]


class Objects:
    """Every object of the case as a card."""

    name, title, looks_ahead = "objects", "Objects", False
    tips: Mapping[str, str] = {}

    def __init__(self, searched: SearchedCase) -> None:
        self.plan = layout.plan(searched.reach)
        self.actors, self.witnesses = tuple(searched.case.actors), searched.witnesses

    def scene(self, run: Run, k: int) -> Scene:
        """Draw every object in its place."""
        frame = run.frames[k]
        return objects.objects(frame, self.plan, self.actors, self.witnesses.of_frame(frame))

    def text(self, run: Run, k: int) -> str:
        """Return the caption of the step."""
        return caption(run.frames[k])


VIEWS: dict[str, Callable[[SearchedCase], View | None]] = {
    "memory": memory,
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
    *(Memory, Timeline, Listing, Objects, EntryView, Iommus),
    *(Lifetime, PageTables, Notifier, LockView, Causes),
)
TITLES = {view.name: view.title for view in MADE}  # also of the views that a case lacks
FIRST = "memory"  # the view that a stage opens with
STILL = (
    "timeline",
    FIRST,
)  # those of a still picture; in a stage the code columns are the timeline
MOST_NAMES = 100  # in `views=[…]`
MOST_LIKE = 3  # names that `nearest` finds alike
INSTEAD = f"write views=['timeline', 'locks'], with any of {', '.join(VIEWS)}"


def every(searched: SearchedCase) -> dict[str, View]:
    """Return the views that a case has; one that lacks its layout says why."""
    made: dict[str, View | None] = {}
    for name, make in VIEWS.items():
        try:
            made[name] = make(searched)
        except NoGraphviz as missing:
            made[name] = Unplaced(name, TITLES[name], str(missing))
    return {name: view for name, view in made.items() if view is not None}


def known(wanted: str | Iterable[str]) -> list[str]:
    """Return the wanted names as they are spelled here, each once; one name alone is a list of it.

    Raises:
        UnknownName: no view has that name; the message suggests the nearest.
        MmvizError: `wanted` is neither a name nor a list of names.
    """
    return list(dict.fromkeys(_known(name) for name in _wanted(wanted)))


def _known(name: Any) -> str:
    """Return the view of a name; one that is like no other is told all that there are."""
    try:
        return nearest({name: name for name in VIEWS}, name, "view")
    except UnknownName as error:
        said, _, meant = str(error).partition("; did you mean ")
        if meant.count(",") < MOST_LIKE:
            raise
        raise UnknownName(f"{said}; there are {', '.join(VIEWS)}") from None


def _wanted(views: Any) -> Iterable[str]:
    """Return the names in what a reader wrote for `views`."""
    listed = [views] if isinstance(views, str) else views
    return members(listed, "views=", INSTEAD, MOST_NAMES)


def picture(views: Iterable[View], run: Run, k: int, whole: bool = True) -> Scene:
    """Return one sheet with frame `k` of a run in several views, each under its title.

    Args:
        views: the views.
        run: the run.
        k: the frame.
        whole: whether the timeline has all steps of the run, not the cursor's page of them.

    Raises:
        MmvizError: there is no view to draw.
    """
    drawn = []
    for view in views:
        title = Text(1, 0.2, view.title, "plain", bold=True)
        scene = view.whole if whole and isinstance(view, Timeline) else view.scene
        drawn += [sheet(len(view.title) + 2, 1.4, [title]), scene(run, k)]
    if not drawn:
        raise MmvizError(f"a picture needs one view or more; {INSTEAD}")
    return stacked(drawn, 0.4)
