"""A notebook of the course as a page of the site, on which each stage it shows plays.

The notebook is run when the site is built. What a stage is made of, its graph and its runs, is the
state of its widget, which is what the browser would get in a notebook.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmviz.engine import MmvizError
from mmviz.engine.html import escape
from mmviz.engine.text import quoted
from mmviz.writing.site_page import link, packed, page

WIDGET, HTML, PLAIN = "application/vnd.jupyter.widget-view+json", "text/html", "text/plain"
STATES = "application/vnd.jupyter.widget-state+json"
PLAYED = ("at", "named", "mode", "game", "height", "zoom", "notes", "hidden", "focus")
MEMORY = "memory"  # the view that needs no Python
SECONDS_A_CELL = 120
TIMED = re.compile(r" in [0-9.e+-]+ s\b")  # how long a search took; two builds are the same bytes
INSTEAD = "mm-instead"  # what a notebook shows where no widget runs
LOST = re.compile(r"<style>\.mm-why .*?</style><p class='mm-why'>.*?</p>", re.DOTALL)


@dataclass(frozen=True)
class CoursePage:
    """A page of the course.

    Attributes:
        where: its path in the site.
        title: its first heading.
        body: HTML.
        debates: the threads whose debate it shows, each by what stands for it in the body.
        files: what its stages play, by path.
    """

    where: str
    title: str
    body: str
    debates: Mapping[str, str]
    files: dict[str, bytes] = field(repr=False)


def course_page(notebook: Path) -> CoursePage:
    """Run a notebook, and return its page.

    Args:
        notebook: its file.

    Raises:
        MmvizError: a cell fails.
    """
    import nbclient
    import nbformat

    book: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            book,
            timeout=SECONDS_A_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute(stderr=subprocess.DEVNULL)  # of the kernel, not of the cells
        except nbclient.exceptions.CellExecutionError as error:
            raise MmvizError(
                f"{quoted(notebook.name)}: a cell fails: {error.ename}: {error.evalue}"
            ) from None
    return _Making(notebook.stem, book).page()


class _Making:
    """The making of a page out of a notebook that has run."""

    def __init__(self, stem: str, book: Any) -> None:
        self.book, self.folder = book, f"course/{stem}"
        self.states: Mapping[str, Any] = (
            book.metadata.get("widgets", {}).get(STATES, {}).get("state", {})
        )
        self.files: dict[str, bytes] = {}
        self.debates: dict[str, str] = {}

    def page(self) -> CoursePage:
        """Return the page."""
        import mistune

        written = mistune.create_markdown(escape=True, plugins=["table"])
        parts = []
        for cell in self.book.cells:
            if cell.cell_type == "markdown":
                parts.append(str(written(cell.source)))
            elif cell.cell_type == "code":
                parts.append(self._code(cell))
        body = "\n".join(parts)
        heading = re.search(r"<h1>(.*?)</h1>", body)
        title = re.sub(r"<[^>]+>", "", heading[1]) if heading else self.folder
        return CoursePage(f"{self.folder}.html", title, body, self.debates, self.files)

    def _code(self, cell: Any) -> str:
        """Return a cell of code with what it shows; a solution is folded."""
        shown = "".join(map(self._output, _joined(cell.outputs)))
        text = f'<pre class="code" tabindex="0"><code>{escape(cell.source)}</code></pre>{shown}'
        if "solution" not in cell.metadata.get("tags", ()):
            return text
        return f"<details><summary>Solution</summary>{text}</details>"

    def _output(self, output: Any) -> str:
        """Return what a cell shows, as HTML."""
        if output.output_type == "stream":
            return _plain(output.text)
        data = output.get("data", {})
        state = self._state(data)
        if state.get("film"):
            return self._stage(state, data.get(HTML, ""))
        thread = self._debate(state)
        if thread:
            mark = f"<!-- debate {len(self.debates)} -->"
            self.debates[mark] = thread
            return mark
        html = data.get(HTML, "")
        if INSTEAD in html:
            return ""
        if html:
            kept = TIMED.sub("", LOST.sub("", html))
            return f'<div class="shown" tabindex="0" role="region" aria-label="Output">{kept}</div>'
        return _plain(data.get(PLAIN, ""))

    def _state(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the state of the widget that an output shows; of none, nothing."""
        known = self.states.get(data.get(WIDGET, {}).get("model_id", ""), {})
        state: Mapping[str, Any] = known.get("state", {})
        return state

    def _stage(self, state: Mapping[str, Any], still: str) -> str:
        """Return the place of a stage; a view that needs Python stands below it, drawn."""
        film = json.loads(state["film"])
        views = {each["name"]: each["title"] for each in film["head"]["views"]}
        film["head"]["views"] = [each for each in film["head"]["views"] if each["name"] == MEMORY]
        name = f"{self.folder}/{len(self.files)}.js"
        self.files[name] = packed(
            {each: state[each] for each in PLAYED if each in state} | {"film": film}
        )
        head = film["head"]
        label = f"{head['title']}, {head['case']}"
        made = (
            f'<section class="stage" aria-label="{escape(label)}" '
            f'data-file="{escape(name.partition("/")[2])}"><div class="place"></div>'
            '<p class="said" role="status"></p></section>'
        )
        asked = [each for each in (state.get("pane"), *state.get("pinned", ())) if each != MEMORY]
        if not asked or not still:
            return made
        words = ", ".join(f"“{views[each]}”" for each in asked if each in views)
        caption = f"<figcaption>{escape(words)}, at the end of the run</figcaption>"
        return f'{made}<figure tabindex="0">{caption}{still}</figure>'

    def _debate(self, state: Mapping[str, Any]) -> str:
        """Return the thread whose debate a widget shows; "" where it shows none."""
        for child in state.get("children", ()):
            table = self.states.get(str(child).removeprefix("IPY_MODEL_"), {}).get("state", {})
            found = re.fullmatch(r"thread (\w+)", str(table.get("asked", "")))
            if found:
                return found[1]
        return ""


def _joined(outputs: Iterable[Any]) -> list[Any]:
    """Return outputs, what was printed one after the other as one: it comes in pieces of chance."""
    found: list[Any] = []
    for each in outputs:
        if found and each.get("name") and each.get("name") == found[-1].get("name"):
            found[-1] = type(each)(each | {"text": found[-1]["text"] + each["text"]})
        else:
            found.append(each)
    return found


def _plain(text: str) -> str:
    return f'<pre class="out" tabindex="0">{escape(TIMED.sub("", text))}</pre>' if text else ""


def contents(pages: Iterable[CoursePage], there: Iterable[str]) -> bytes:
    """Return the page that lists the pages of the course."""
    where = "course/index.html"
    items = "".join(f"<li>{link(each.title, each.where, where)}</li>" for each in pages)
    body = (
        f"<h1>The course</h1>\n<ol>{items}</ol>\n<p>Code is shown as it ran; on a stage you step "
    )
    body += "and choose yourself. To run the code and judge fixes of your own, open the same "
    body += "notebooks with <code>mmviz lab</code>.</p>"
    return page(where, "The course · mmviz", body, there)


def finished(made: CoursePage, body: str, pages: list[CoursePage], there: Iterable[str]) -> bytes:
    """Return a page of the course in its frame, with links to those before and after it."""
    at = pages.index(made)
    around = [pages[n] for n in (at - 1, at + 1) if 0 <= n < len(pages)]
    links = " · ".join(link(each.title, each.where, made.where) for each in around)
    more = f'<nav aria-label="Pages of the course"><p>{links}</p></nav>'
    return page(made.where, f"{made.title} · mmviz", f"{body}\n{more}", there, stage=True)
