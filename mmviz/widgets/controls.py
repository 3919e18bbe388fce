"""The parts of the stage that run in the browser: buttons and keys, and the code panel."""

import json
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from ipywidgets import Widget, widget_serialization

from mmviz.scene.theme import css

HERE = Path(__file__).parent
STYLE = css(".mm-theme") + (HERE / "stage.css").read_text("utf-8")


def _as_text(film: dict[str, Any], _widget: Widget) -> str:
    """Return a film as it travels."""
    return json.dumps(film, separators=(",", ":"))


def _from_text(text: str, _widget: Widget) -> Any:
    """Return the film that travelled as `text`."""
    return json.loads(text)


class Listing(anywidget.AnyWidget):
    """The code of the actors, with the line each would do next lit."""

    _esm = HERE / "listing.js"

    #: What there is to read: `{"actor", "lines": [str, ...]}` each.
    listings = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: What is lit, one for each listing: `{"line", "outer": [...], "role", "note"}`.
    lit = traitlets.List(traitlets.Dict()).tag(sync=True)


class Controls(anywidget.AnyWidget):
    """Buttons, keys, slider and status line, and the film they wind through.

    The browser sets `k` and, with it, the traits of `targets`. It tells Python neither:
    set `k` from Python and the browser follows, but do not read it back.
    """

    _esm = HERE / "controls.js"
    _css = STYLE

    #: The frame shown, 0 is the start.
    k = traitlets.Int(0).tag(sync=True)
    #: What the frames are drawn with, by the name the film has for it.
    targets = traitlets.Dict(value_trait=traitlets.Instance(Widget)).tag(
        sync=True, **widget_serialization
    )
    #: What each frame sets: see `mmviz.widgets.film.film`. It travels as one text, as looking
    #: through all of it for binary data, of which it has none, takes as long as making it.
    film = traitlets.Dict().tag(sync=True, to_json=_as_text, from_json=_from_text)
    #: A sentence for every frame; their number is the number of frames.
    captions = traitlets.List(traitlets.Unicode(), [""]).tag(sync=True)
    #: `{"words", "failure", "broken": step or -1}` for each promise.
    promises = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: For each frame who may be chosen: `{"actor", "does", "why", "enabled"}` each.
    choices = traitlets.List(traitlets.List(traitlets.Dict())).tag(sync=True)
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
    #: The run as a table of plain text, and the line that replays it.
    twin = traitlets.Unicode().tag(sync=True)
    #: Milliseconds a step when playing.
    pace = traitlets.Int(1200).tag(sync=True)
    #: How many messages have been answered.
    answers = traitlets.Int(0).tag(sync=True)
    #: What went wrong in a callback; shown to the reader.
    error = traitlets.Unicode().tag(sync=True)
    #: The browser has found all targets; buttons work from then on.
    ready = traitlets.Bool(False).tag(sync=True)
