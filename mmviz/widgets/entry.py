"""A page-table entry that the reader brings: typed in, drawn, compared with another."""

from typing import Any, SupportsIndex

import ipywidgets
import traitlets

from mmviz.engine import MmvizError, UnknownName
from mmviz.engine.html import escape
from mmviz.engine.text import quoted
from mmviz.kernel.entries.coding import ARCHES, parse
from mmviz.kernel.entries.kinds import EntryError
from mmviz.kernel.entries.layout import LEVELS
from mmviz.kernel.x86.layout import RELEASES, layout
from mmviz.scene.entry_shown import EntryPicture, EntryPictures, entry
from mmviz.scene.theme import css
from mmviz.widgets.closing import close_parts
from mmviz.widgets.keyboard import keep_keys
from mmviz.widgets.shows import PutAway


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


class _Known(traitlets.Unicode[str, Any]):
    """One of some names: a level, an architecture."""

    def __init__(self, what: str, known: tuple[str, ...]) -> None:
        self.what, self.known = what, known
        super().__init__(known[0])

    def validate(self, obj: Any, value: Any) -> str:
        """Return the name."""
        if not isinstance(value, str) or value not in self.known:
            known = ", ".join(self.known)
            raise UnknownName(f"{self.what} is one of {known}, not {quoted(value)}")
        return str(value)


HINT = "0x…, or a line of a log"
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
    """The 64 bits of a page-table entry, explained as they are typed.

    What is typed stays, right or wrong; of a text that is no entry a sentence says what is wrong,
    and the last picture stays below it. Of bits that cannot occur, the picture says which are
    wrong and what they may have been.

    Args:
        value: the raw entry, 0xf7fffffffdb97400 or "0xf7ff_ffff_fdb9_7400", or a line of a log.
        kernel: "6.15" or "v6.15"; v3.10 to v7.1 are known; the newest if left out.
        after: the entry that took its place, "" for none.
        level: "pte", "pmd", "pud", "p4d" or "pgd".
        arch: "x86-64" or "arm64".

    Raises:
        UnknownName: the kernel, level or architecture is not known.

    Example:
        mmviz.Entry("0x8000000012345867", kernel="5.14", after="0xf7fffffffdb97402")
    """

    #: The raw entry as it was typed, and the one that took its place.
    value = _Typed()
    after = _Typed()
    #: The kernel release, "v6.15".
    kernel = _Release("v7.1")
    #: The level of the page tables, and the architecture.
    level = _Known("level", LEVELS)
    arch = _Known("arch", tuple(ARCHES))
    #: What is wrong with what was typed, "" for nothing.
    error = traitlets.Unicode()

    def __init__(
        self,
        value: SupportsIndex | str = "0xf7fffffffdb97400",
        kernel: str = "",
        after: SupportsIndex | str = "",
        level: str = "pte",
        arch: str = "x86-64",
    ) -> None:
        releases = [f"v{major}.{minor}" for major, minor in RELEASES]
        self.picture: EntryPicture | None = None
        self._bits = _box("entry", HINT)
        self._then = _box("then", "0x… or nothing")
        self._release = _choice("kernel", releases[::-1])
        self._level = _choice("level", list(LEVELS))
        self._arch = _choice("arch", list(ARCHES))
        self._wrong, self._shown = ipywidgets.HTML(), ipywidgets.HTML()
        choices = [self._release, self._level, self._arch]
        form = ipywidgets.HBox([self._bits, self._then, *choices])
        form.layout.flex_flow = "row wrap"
        self.reporter = keep_keys(form)
        written = {"value": _written(value), "after": _written(after), "level": level, "arch": arch}
        super().__init__([form, self._wrong, self._shown], kernel=layout(kernel).name, **written)
        self.add_class("mm-entry")
        self.add_class("mm-theme")
        boxes = {"value": self._bits, "after": self._then, "kernel": self._release}
        boxes |= {"level": self._level, "arch": self._arch}
        self._links = [traitlets.link((self, n), (box, "value")) for n, box in boxes.items()]
        self.observe(self._draw, list(boxes))
        self._draw()

    def _read(self, typed: str, after: str | None = None) -> EntryPicture:
        """Return what a text is; of a log, the entry that it is about."""
        chosen: dict[str, Any] = {"level": self.level, "arch": self.arch}
        found = entry(typed, self.kernel, after=after, **chosen)
        return found.telling if isinstance(found, EntryPictures) else found

    def _draw(self, _change: Any = None) -> None:
        """Show what was typed, or say what is wrong with it."""
        wrong = []
        after = self.after.strip() or None
        for box, typed in ((self._bits, self.value.strip()), (self._then, after or "0x0")):
            try:
                self._read(typed)
            except MmvizError as error:
                wrong.append(f"{box.description}: {error}")
        if not wrong:
            try:
                self.picture = self._read(self.value.strip(), after)
                self._shown.value = LOOK + self.picture._repr_html_()
            except MmvizError as error:
                wrong.append(str(error))
        self.error = "\n".join(wrong)
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
        level = f", level={self.level!r}" if self.level != LEVELS[0] else ""
        arch = f", arch={self.arch!r}" if self.arch != "x86-64" else ""
        return f"Entry({self.value!r}, kernel={self.kernel!r}{after}{level}{arch})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
            if self.picture is not None:
                bundle["text/html"] = self.picture._repr_html_()
        return bundle


def _box(label: str, hint: str) -> ipywidgets.Text:
    """Return a box to type in; Enter, or leaving it, says that all is typed."""
    box = ipywidgets.Text(description=label, placeholder=hint, continuous_update=False)
    box.layout.width, box.layout.max_width = "24em", "100%"
    return box


def _choice(label: str, options: list[str]) -> ipywidgets.Dropdown:
    """Return a box to choose from."""
    box = ipywidgets.Dropdown(options=options, description=label)
    box.layout.width, box.layout.max_width = "13em", "100%"
    box.style.description_width = "4em"
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
