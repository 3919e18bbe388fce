"""The forms in which a run can be saved, and what each of them needs."""

from importlib.util import find_spec
from typing import NamedTuple

EXTRA = "pictures"  # of mmviz, with the packages that draw without a browser
LAYOUT = "graphviz"  # without it no picture is laid out
TYPST, PILLOW = "typst", "PIL"
INSTALL = {LAYOUT: "graphviz", TYPST: f"'mmviz[{EXTRA}]'", PILLOW: f"'mmviz[{EXTRA}]'"}


class Form(NamedTuple):
    """A form in which a run can be saved.

    Attributes:
        name: what it is, in words: "a picture".
        media: its media type.
        needs: the packages that it needs, as Python imports them.
        takes: which of the options of `saved` make a difference.
    """

    name: str
    media: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def text(self) -> bool:
        """Whether it is text, as UTF-8."""
        return self.media.startswith("text/") or self.media.endswith("xml")

    @property
    def lacks(self) -> str:
        """The sentence that says what is to be installed, "" where nothing is missing."""
        missing = [name for name in self.needs if find_spec(name) is None]
        if not missing:
            return ""
        install = " ".join(dict.fromkeys(INSTALL[name] for name in missing))
        return f"{self.name} needs {' and '.join(missing)}: pip install {install}"


PICTURE = ("at", "look", "views")
FORMS = {
    "html": Form("the stage as a page", "text/html", (LAYOUT,), ("at", "look")),
    "svg": Form("a picture that scales", "image/svg+xml", (LAYOUT,), PICTURE),
    "png": Form("a picture in pixels", "image/png", (LAYOUT, TYPST), PICTURE),
    "pdf": Form("a picture to print", "application/pdf", (LAYOUT, TYPST), PICTURE),
    "gif": Form("the run as an animation", "image/gif", (LAYOUT, TYPST, PILLOW), ("look", "views")),
    "txt": Form("a diagram for a mail", "text/plain", takes=("tabs", "brief")),
    "md": Form("a report in Markdown", "text/markdown", takes=("brief",)),
    "mmd": Form("a sequence diagram for Mermaid", "text/vnd.mermaid"),
    "tex": Form("a diagram in TikZ, for LaTeX", "text/x-tex"),
    "pml": Form("the case as Promela, for spin", "text/plain"),
}
