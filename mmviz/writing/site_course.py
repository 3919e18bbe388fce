"""A notebook of the course as a page of the site, on which each stage it shows plays.

The notebook is run when the site is built. What a stage is made of, its graph and its runs, is the
state of its widget, which is what the browser would get in a notebook.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmviz.engine import MmvizError
from mmviz.engine.html import escape
from mmviz.engine.text import quoted
from mmviz.writing.site_page import link, packed, page

WIDGET, HTML, PLAIN = "application/vnd.jupyter.widget-view+json", "text/html", "text/plain"
MARKDOWN = "text/markdown"
STATES = "application/vnd.jupyter.widget-state+json"
PLAYED = ("at", "named", "mode", "game", "height", "zoom", "notes", "hidden", "focus")
MEMORY = "memory"  # the view that needs no Python
SECONDS_A_CELL = 120
TIMED = re.compile(r" in [0-9.e+-]+ s\b")  # how long a search took; two builds are the same bytes
INSTEAD = "mm-instead"  # what a notebook shows where no widget runs
# Run after a cell that asks: it tells question and answers, and shows what was sealed.
OPENED = """
def _opened(asked):
    import json
    from IPython.display import display
    from mmviz import Predict
    if isinstance(asked, Predict):
        asked.skip()
        print(json.dumps(asked.question.json(answers=True)))
        for each in asked.children[1:]:
            display(each)
_opened(Out.get(len(In) - 2))
del _opened
"""
ASKS = "mmviz.Predict("
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
    book.cells = [each for cell in book.cells for each in _to_run(cell)]
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            book,
            timeout=SECONDS_A_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute(
                stderr=subprocess.DEVNULL,  # of the kernel, not of the cells
                env=os.environ | {"MMVIZ_PROGRESS": "off"},
            )
        except nbclient.exceptions.CellExecutionError as error:
            raise MmvizError(
                f"{quoted(notebook.name)}: a cell fails: {error.ename}: {error.evalue}"
            ) from None
    return _Making(notebook.stem, book).page()


def _to_run(cell: Any) -> Iterator[Any]:
    """Yield a cell of the course as the site runs it: what is for a teacher is left out."""
    import nbformat

    if "teacher" in cell.metadata.get("tags", ()):
        return
    yield cell
    if cell.cell_type == "code" and ASKS in cell.source:
        yield nbformat.v4.new_code_cell(OPENED)  # type: ignore[no-untyped-call]


class _Making:
    """The making of a page out of a notebook that has run."""

    def __init__(self, stem: str, book: Any) -> None:
        self.book, self.folder = book, f"course/{stem}"
        self.states: Mapping[str, Any] = (
            book.metadata.get("widgets", {}).get(STATES, {}).get("state", {})
        )
        self.files: dict[str, bytes] = {}
        self.debates: dict[str, str] = {}
        self.asked = ""  # the code of the question that comes next

    def page(self) -> CoursePage:
        """Return the page."""
        parts = []
        for cell in self.book.cells:
            if cell.cell_type == "markdown":
                parts.append(_written(cell.source))
            elif cell.cell_type == "code":
                parts.append(self._code(cell))
        body = "\n".join(parts)
        heading = re.search(r"<h1>(.*?)</h1>", body)
        title = re.sub(r"<[^>]+>", "", heading[1]) if heading else self.folder
        return CoursePage(f"{self.folder}.html", title, body, self.debates, self.files)

    def _code(self, cell: Any) -> str:
        """Return a cell of code with what it shows; an answer is folded."""
        if cell.source == OPENED:
            return self._question(cell)
        text = f'<pre class="code" tabindex="0"><code>{escape(cell.source)}</code></pre>'
        if ASKS in cell.source:  # whose text has what it seals
            self.asked = text
            return ""
        text += "".join(map(self._output, _joined(cell.outputs)))
        if "answer" not in cell.metadata.get("tags", ()):
            return text
        return f"<details><summary>Answer</summary>{text}</details>"

    def _question(self, cell: Any) -> str:
        """Return a question with its options, and folded the reasons and what it sealed."""
        outputs = _joined(cell.outputs)
        if not outputs:
            return self.asked
        asked = json.loads(outputs[0].text)
        given = "".join(f"<p><small>{escape(line)}</small></p>" for line in asked["given"])
        options = "".join(f"<li>{escape(each['text'])}</li>" for each in asked["options"])
        reasons = "".join(
            f"<li><strong>{'Right' if each['right'] else 'Wrong'}.</strong> "
            f"{escape(each['reason'])}</li>"
            for each in asked["options"]
        )
        shown = "".join(map(self._output, outputs[1:]))
        return (
            f"<div class='shown'>{given}<p>{escape(asked['question'])}</p>"
            f"<ol type='A'>{options}</ol></div>"
            f"<details><summary>Answer</summary><ol type='A'>{reasons}</ol>"
            f"{shown}{self.asked}</details>"
        )

    def _output(self, output: Any) -> str:
        """Return what a cell shows, as HTML."""
        if output.output_type == "stream":
            return _plain(output.text)
        data = output.get("data", {})
        state = self._state(data)
        if state.get("film"):
            return self._stage(state, data.get(HTML, ""))
        if state.get("outputs"):  # an Output, with what it shows
            return "".join(map(self._output, _nodes(state["outputs"])))
        thread = self._debate(state)
        if thread:
            mark = f"<!-- debate {len(self.debates)} -->"
            self.debates[mark] = thread
            return mark
        if MARKDOWN in data:
            return _written(data[MARKDOWN])
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


def _nodes(outputs: Iterable[Any]) -> list[Any]:
    """Return outputs of a widget's state in the form in which a cell has its own."""
    import nbformat

    return [nbformat.from_dict(dict(each)) for each in outputs]  # type: ignore[no-untyped-call]


def _written(text: str) -> str:
    """Return Markdown as HTML."""
    import mistune

    return str(mistune.create_markdown(escape=True, plugins=["table"])(text))


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
