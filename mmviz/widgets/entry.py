"""A page-table entry that the reader brings: typed in, drawn, compared with another."""

from typing import Any, SupportsIndex

import ipywidgets
import traitlets

from mmviz.engine.html import escape
from mmviz.engine.text import quoted
from mmviz.kernel.x86.entry import parse
from mmviz.kernel.x86.kinds import EntryError
from mmviz.kernel.x86.layout import RELEASES, layout
from mmviz.scene.entry_shown import EntryPicture, entry
from mmviz.scene.theme import css
from mmviz.widgets.closing import close_parts
from mmviz.widgets.keyboard import keep_keys
from mmviz.widgets.shows import PutAway, displayed
from mmviz.widgets.still import shown


class _Typed(traitlets.Unicode[str, Any]):
    """A raw entry: what a person types, or an integer."""

    def validate(self, obj: Any, value: Any) -> str:
        """Return the text in the box."""
        return _written(value)


class _Release(traitlets.Unicode[str, Any]):
    """A kernel release whose entries are known."""

    def validate(self, obj: Any, value: Any) -> str:
        """Return its name, "v6.15"."""
        return layout(value).name


HINT = "0x… up to 16 digits"
LOOK = (  # a ground of its own: a dark page may colour neither labels nor boxes
    "<style>.mm-entry { background: var(--mm-paper); color: var(--mm-plain-text); "
    "--jp-widgets-label-color: var(--mm-plain-text); "
    "--jp-widgets-input-color: var(--mm-plain-text); "
    "--jp-widgets-input-background-color: var(--mm-plain-fill); "
    "--jp-widgets-input-border-color: var(--mm-plain-stroke); "
    "--jp-content-font-color1: var(--mm-plain-text); "
    "--jp-ui-font-color1: var(--mm-plain-text); --jp-layout-color0: var(--mm-paper); "
    "--jp-rendermime-table-row-background: var(--mm-plain-fill); "
    "--jp-rendermime-table-row-hover-background: var(--mm-read-fill) }</style>"
)


class Entry(PutAway, ipywidgets.VBox):
    """The 64 bits of an x86-64 page-table entry, explained as they are typed.

    What is typed stays, right or wrong; of a wrong value a sentence says what is wrong, and the
    last picture stays below it.

    Args:
        value: the raw entry, 0xf7fffffffdb97400 or "0xf7ff_ffff_fdb9_7400".
        kernel: "6.15" or "v6.15"; v5.7 to v6.16 are known.
        after: the entry that took its place, "" for none.

    Raises:
        UnknownName: the kernel is not known; the message suggests the nearest.

    Example:
        mmviz.Entry("0x8000000012345867", kernel="5.14", after="0xf7fffffffdb97402")
    """

    #: The raw entry as it was typed, and the one that took its place.
    value = _Typed()
    after = _Typed()
    #: The kernel release, "v6.15".
    kernel = _Release("v6.15")
    #: What is wrong with what was typed, "" for nothing.
    error = traitlets.Unicode()

    def __init__(
        self,
        value: SupportsIndex | str = "0xf7fffffffdb97400",
        kernel: str = "6.15",
        after: SupportsIndex | str = "",
    ) -> None:
        releases = [f"v{major}.{minor}" for major, minor in RELEASES]
        self.picture: EntryPicture | None = None
        self._bits = _box("entry", HINT)
        self._then = _box("then", "0x… or nothing")
        self._release = ipywidgets.Dropdown(options=releases[::-1], description="kernel")
        self._release.layout.width, self._release.layout.max_width = "15em", "100%"
        self._wrong, self._shown = ipywidgets.HTML(), ipywidgets.HTML()
        form = ipywidgets.HBox([self._bits, self._then, self._release])
        form.layout.flex_flow = "row wrap"
        self.reporter = keep_keys(form)
        written = {"value": _written(value), "after": _written(after)}
        super().__init__([form, self._wrong, self._shown], kernel=layout(kernel).name, **written)
        self.add_class("mm-entry")
        self.add_class("mm-theme")
        boxes = {"value": self._bits, "after": self._then, "kernel": self._release}
        self._links = [traitlets.link((self, n), (box, "value")) for n, box in boxes.items()]
        self.observe(self._draw, ["value", "after", "kernel"])
        self._draw()

    def _draw(self, _change: Any = None) -> None:
        """Show what was typed, or say what is wrong with it."""
        wrong = []
        try:
            entry(self.value.strip(), self.kernel)
        except EntryError as error:
            wrong.append(f"{self._bits.description}: {error}")
        after = self.after.strip() or None
        try:
            entry(after or "0x0", self.kernel)
        except EntryError as error:
            wrong.append(f"{self._then.description}: {error}")
        self.error = "\n".join(wrong)
        if not wrong:
            self.picture = entry(self.value.strip(), self.kernel, after=after)
            self._shown.value = LOOK + self.picture._repr_html_()
        still = f"The picture below is still of {self.picture.title}" if self.picture else ""
        self._wrong.value = _alert(f"{self.error}\n{still}".strip() if self.error else "")

    def close(self) -> None:
        """Take the entry off every page, with its boxes."""
        if self.comm is not None:
            self.unobserve_all()
            for link in self._links:
                link.unlink()
            close_parts(self)
        super().close()

    def __str__(self) -> str:
        shown = "" if self.picture is None else str(self.picture)
        return f"{self.error}\n{shown}".strip()

    def __repr__(self) -> str:
        after = f", after={self.after!r}" if self.after else ""
        return f"Entry({self.value!r}, kernel={self.kernel!r}{after})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
            if self.picture is not None:
                bundle["text/html"] = self.picture._repr_html_()
        return bundle

    def _ipython_display_(self) -> None:
        self.bring_back()
        displayed(self)
        shown(self)


def _box(label: str, hint: str) -> ipywidgets.Text:
    """Return a box to type in; Enter, or leaving it, says that all is typed."""
    box = ipywidgets.Text(description=label, placeholder=hint, continuous_update=False)
    box.layout.width, box.layout.max_width = "24em", "100%"
    return box


def _written(value: SupportsIndex | str) -> str:
    """Return a value as a person would type it; one that is wrong stays as it is."""
    if isinstance(value, str):
        return value
    try:
        return f"{parse(value):#018x}"
    except EntryError:
        return quoted(value)


def _alert(words: str) -> str:
    """Return what is wrong as HTML that is read out at once."""
    if not words:
        return ""
    look = (
        "background: var(--mm-bad-fill); color: var(--mm-bad-text); white-space: pre-wrap; "
        "border: 1px solid var(--mm-bad-stroke); border-radius: 0.3em; padding: 0.3em 0.6em"
    )
    style = f"<style>{css('.mm-theme')}</style>"
    return f'{style}<div class="mm-entry-error" role="alert" style="{look}">✗ {escape(words)}</div>'
