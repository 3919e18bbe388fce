"""The parts of the stage that run in the browser: buttons and keys, and the code panel."""

import json
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from ipywidgets import Widget, widget_serialization

from mmviz.engine import MmvizError
from mmviz.scene.theme import css
from mmviz.widgets.canvas import fitted

HERE = Path(__file__).parent
PARTS = ("element.js", "frames.js", "tips.js", "twin.js", "controls.js")
STYLE = css(".mm-theme") + (HERE / "stage.css").read_text("utf-8") + fitted()


def _as_text(pictures: dict[str, Any], _widget: Widget) -> str:
    """Return the pictures as they travel."""
    return json.dumps(pictures, separators=(",", ":"), ensure_ascii=False)


def _from_text(text: str, _widget: Widget) -> Any:
    """Return the pictures that travelled as `text`."""
    return json.loads(text)


def complaint(widget: Widget, wrong: Exception) -> str:
    """Say in which widget something went wrong, and what; a mistake of ours by its kind, too."""
    kind = "" if isinstance(wrong, MmvizError) else f"{type(wrong).__name__}: "
    return f"{type(widget).__name__}: {kind}{wrong}"


class ListingPanel(anywidget.AnyWidget):
    """The code of the actors, with the line each would do next lit."""

    _esm = HERE / "listing.js"

    #: What there is to read: `{"actor", "lines": [str, ...]}` each.
    listings = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: What is lit, one for each listing: `{"line", "outer": [...], "role", "note"}`.
    lit = traitlets.List(traitlets.Dict()).tag(sync=True)


class Controls(anywidget.AnyWidget):
    """Buttons, keys, slider and status line, and the pictures of the run they step through.

    The browser sets `k` and, with it, the traits of `targets`. It tells Python neither:
    set `k` from Python and the browser follows, but do not read it back.
    """

    _esm = "\n".join((HERE / name).read_text("utf-8") for name in PARTS)
    _css = STYLE

    #: The frame shown, 0 is the start, and the last there is.
    k = traitlets.Int(0).tag(sync=True)
    last = traitlets.Int(0).tag(sync=True)
    #: What the frames are drawn with, by the names the pictures have for it: "timeline.fill".
    targets = traitlets.Dict(value_trait=traitlets.Instance(Widget)).tag(
        sync=True, **widget_serialization
    )
    #: What each frame sets: the `data` of a `mmviz.widgets.frames.FrameStore` a view, and of one of
    #: words, `{"caption", "choices", "tip"}`; a choice is `{"actor", "does", "why", "enabled"}`.
    #: It travels as one text, as looking through all of it for binary data, of which it has
    #: none, takes as long as making it. What is added to it later travels as a `piece`:
    #: `{"number", "kept", "stores"}`; a frame from `kept` on that is not in it is void.
    pictures = traitlets.Dict().tag(sync=True, to_json=_as_text, from_json=_from_text)
    piece = traitlets.Dict().tag(sync=True, to_json=_as_text, from_json=_from_text)
    #: What the frame shown says: `{"words": {...}, "timeline": {"twin": {"lines"}}, ...}`.
    now = traitlets.Dict().tag(sync=True)
    #: The views there are, `{"name", "title", "there"}` each, the names of those on screen, and
    #: what to say of those that were asked for and have nothing to show.
    views = traitlets.List(traitlets.Dict()).tag(sync=True)
    on_screen = traitlets.List(traitlets.Unicode()).tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    #: A sentence for each key of marks, "field:page 7.refs"; the browser adds those of steps.
    tips = traitlets.Dict().tag(sync=True)
    #: How large the type is, in hundredths of what it usually is.
    zoom = traitlets.Int(100).tag(sync=True)
    #: `{"words", "failure", "broken": step or -1}` for each promise.
    promises = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: Frames where playing stops, because something broke there.
    stops = traitlets.List(traitlets.Int()).tag(sync=True)
    #: What the reader is to bring about, what to say when done, and the step it was done in.
    goal = traitlets.Unicode().tag(sync=True)
    victory = traitlets.Unicode().tag(sync=True)
    won = traitlets.Int(-1).tag(sync=True)
    #: The runs tried so far, and the one shown.
    runs = traitlets.List(traitlets.Unicode()).tag(sync=True)
    run = traitlets.Int(0).tag(sync=True)
    #: What is shown: the story, and which case of it.
    title = traitlets.Unicode().tag(sync=True)
    subtitle = traitlets.Unicode().tag(sync=True)
    #: The memory model in a few words, and what the model leaves out.
    memory = traitlets.Unicode().tag(sync=True)
    limits = traitlets.Unicode().tag(sync=True)
    #: Milliseconds a step when playing.
    pace = traitlets.Int(1200).tag(sync=True)
    #: How many messages have been answered.
    answers = traitlets.Int(0).tag(sync=True)
    #: What went wrong in a callback; shown to the reader.
    error = traitlets.Unicode().tag(sync=True)
    #: The browser has found all targets; buttons work from then on.
    ready = traitlets.Bool(False).tag(sync=True)
