"""Where widgets are shown: what a cell that is run again leaves behind is put away.

A page keeps each widget that the kernel has open, and saves it with the notebook. When a cell is
run again, its output goes, and the widgets that it showed before are open without a place. One of
them is put away when the cell has run to its end, if it was never displayed elsewhere, no page has
a view of it, and no other widget refers to it. It comes back when it is displayed again.

JupyterLab and Notebook say which cell runs, in the metadata of the request. Where a front end does
not, nothing is put away.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from weakref import WeakSet

from IPython import get_ipython
from ipywidgets import Output, Widget
from ipywidgets.widgets.widget import _instances as open_widgets

from mmviz.widgets.still import shown

SEEN: Final = "seen"  # what a page tells when it has a view of a widget
UNSEEN: Final = "unseen"  # and when it has none
MOST_PAGES, LONGEST_PAGE = 100, 100  # that report to one widget; letters of a page's name


class Places:
    """Where a widget is shown.

    Attributes:
        cells: in whose outputs, by their ids; "" for one that is not known.
        run: the request to run a cell that displayed it last.
        pages: that have a view of it.
        is_left: a later run of its only cell did not display it.
    """

    def __init__(self) -> None:
        self.cells: set[str] = set()
        self.run = ""
        self.pages: set[str] = set()
        self.is_left = False

    def told(self, page: str, is_seen: bool) -> None:
        """Take from a page that it shows the widget, or shows it no more."""
        if is_seen and len(self.pages) < MOST_PAGES:
            self.pages.add(page)
        elif not is_seen:
            self.pages.discard(page)


_shown: dict[str, "WeakSet[Any]"] = {}
"""The widgets that each cell has displayed."""

_watched: "WeakSet[Any]" = WeakSet()
"""The shells that tell when a cell has run."""


class PutAway:
    """What a widget needs that is made of others, to be put away and to come back.

    Attributes:
        reporter: the part whose code on the page tells whether the page shows the widget.
        unseen: parts that no trait has.
    """

    reporter: Any
    unseen: Sequence[Any] = ()
    _away: Sequence[Any] = ()

    @property
    def places(self) -> Places:
        """Where the widget is shown."""
        found: Places = self.__dict__.setdefault("places of a widget", Places())
        return found

    def put_away(self) -> None:
        """Take the widget off every page until it is shown again; nothing of it is lost."""
        if not self._away:
            self._away = (*parts_of(self), self)
            for part in reversed(self._away):
                taken_off(part)

    def bring_back(self) -> None:
        """Open a widget again that was put away."""
        for part in self._away:
            if part is not self and hasattr(part, "bring_back"):
                part.bring_back()
            else:
                part.open()
        self._away = ()

    def _ipython_display_(self) -> None:
        self.bring_back()
        displayed(self)
        shown(self)


def taken_off(widget: Any) -> None:
    """Take a widget off every page, so that it can be opened again."""
    if _places_of(widget) is not None and not isinstance(widget, PutAway):
        widget.put_away()  # a stage, which has more to do
        return
    Widget.close(widget)
    widget.__dict__.pop("_repr_mimebundle_", None)  # which ipywidgets takes with the rest


def displayed(widget: Any) -> None:
    """Note that the running cell displays a widget."""
    cell, run = _running()
    places: Places = widget.places
    reporter = getattr(widget, "reporter", None)
    if reporter is not None and not places.cells:
        reporter.on_msg(lambda _part, message, _data: reported(widget, message))
    places.cells.add(cell)
    places.run, places.is_left = run, False
    shell = get_ipython()
    if cell and shell is not None:
        _shown.setdefault(cell, WeakSet()).add(widget)
        if shell not in _watched:
            _watched.add(shell)
            shell.events.register("post_run_cell", _ran)


def reported(widget: Any, message: Any) -> bool:
    """Take what a page tells of a widget; tell whether the message was of that kind."""
    if not isinstance(message, Mapping):
        return False
    asked, page = (message.get(name) for name in ("ask", "page"))
    if asked not in (SEEN, UNSEEN) or not isinstance(page, str) or len(page) > LONGEST_PAGE:
        return False
    widget.places.told(page, asked == SEEN)
    _put_away_if_unseen(widget)
    return True


def _ran(_result: Any) -> None:
    """After a cell: put away what its earlier runs displayed."""
    cell, run = _running()
    for widget in list(_shown.get(cell, ())):
        places: Places = widget.places
        if places.run != run and places.cells == {cell}:
            places.is_left = True
            _put_away_if_unseen(widget)


def _put_away_if_unseen(widget: Any) -> None:
    """Put a widget away that a later run of its cell has replaced, and that is not used."""
    places: Places = widget.places
    if places.is_left and widget.comm is not None and not places.pages and not _is_used(widget):
        widget.put_away()


def parts_of(widget: Any) -> list[Any]:
    """Return what a widget is made of, each part after its own parts.

    A stage that was displayed by itself is no part.
    """
    found: dict[Any, None] = {}

    def walk(owner: Any) -> None:
        for part in _referred(owner):
            if part is widget or part in found or getattr(part, "comm", None) is None:
                continue
            places = _places_of(part)
            if places is None:
                walk(part)
            if places is None or not places.cells:
                found[part] = None

    walk(widget)
    return list(found)


def _places_of(widget: Any) -> Places | None:
    found = getattr(widget, "places", None)
    return found if isinstance(found, Places) else None


def _is_used(widget: Any) -> bool:
    """Tell whether another open widget refers to a widget or to a part of it."""
    mine = {widget, *(() if not isinstance(widget, PutAway) else parts_of(widget))}
    for other in list(open_widgets.values()):
        if other in mine:
            continue
        if isinstance(other, Output) and str(widget.model_id) in str(other.outputs):
            return True
        if any(part in mine for part in _referred(other)):
            return True
    return False


def _referred(widget: Any) -> Iterator[Any]:
    """Yield the widgets that a widget has in its traits, those of lists and mappings, too."""
    yield from getattr(widget, "unseen", ())
    for value in list(getattr(widget, "_trait_values", {}).values()):
        if isinstance(value, Widget):
            yield value
        elif isinstance(value, tuple | list):
            yield from (each for each in value if isinstance(each, Widget))
        elif isinstance(value, dict):
            yield from (each for each in value.values() if isinstance(each, Widget))


def _running() -> tuple[str, str]:
    """Return the id of the cell that is running, and of the request to run it; "" for none."""
    kernel = getattr(get_ipython(), "kernel", None)
    parent = getattr(kernel, "get_parent", lambda _channel: None)("shell")
    cell, run = (
        _known(_known(parent, "metadata"), "cellId"),
        _known(_known(parent, "header"), "msg_id"),
    )
    return (cell, run) if isinstance(cell, str) and isinstance(run, str) else ("", "")


def _known(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, dict) else None
