"""Every door that takes a text, and what must hold whatever comes in.

The answer comes within a second of computing; what goes wrong is an MmvizError; nothing of the
text is run, imported or opened; what is printed has nothing that a terminal obeys; and what is
shown as HTML, SVG, Markdown, Mermaid or LaTeX has no markup of the text.
"""

import ast
import atexit
import io
import json
import os
import re
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar, NamedTuple

from hypothesis import strategies as st

import mmviz
from mmviz.cli import main, one_line
from mmviz.cli.new import new
from mmviz.cli.walk import as_data, read_schedule
from mmviz.engine import Case, atomic
from mmviz.engine import link as links
from mmviz.engine.struct import World
from mmviz.reading.reader import read
from mmviz.reading.skeleton import skeleton
from mmviz.scenarios.link import opened
from mmviz.scene.searched import SearchedCase
from mmviz.writing.saved import saved
from tests.fuzz.texts import LITMUS, MARK, MARKUP, large, mutants, nearly, samples, words
from tests.kernel.entry_cases import LOGS

SECONDS = 1.0  # of computing, for one text
TRIES = 3  # the collector of garbage may take a second, too
BLANKS = "\n\t\xa0"
MOST_STATES = 20_000  # of a report that is written in every form
RACE, CASE = "iommu_group/release_order", "DelistThenRelease"

# -- nothing of a text is run ----------------------------------------------------------------

OURS = tuple(
    os.path.realpath(path)
    for path in (
        Path(mmviz.__file__).parent,
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        "/proc/self",
    )
)
WATCHED = re.compile(
    r"(exec|compile|import|open|os\.(system|exec|fork|posix_spawn|remove|rename|mkdir)|subprocess\..*"
    r"|socket\..*|ctypes\..*|pickle\.find_class|shutil\..*|webbrowser\.open|urllib\.Request)$"
)
MADE = re.compile(r"<(?:lock report|diagram|litmus test)\b[^>]*\d+>")  # actors of numbered steps
PLAIN = re.compile(
    r"(?:\W|\d|\b(?:await|steps|k|at|if|else|async|def|actor|a|pass|True|False|None|not)\b)*"
)
_seen: list[str] | None = None


def _watch(event, arguments):
    if _seen is not None and WATCHED.match(event) and not _harmless(event, arguments):
        _seen.append(f"{event} {arguments!r:.300}")


def _harmless(event, arguments):
    """Tell whether an event is our own and has nothing of the text in it."""
    match event, *arguments:
        case "exec", CodeType() as code:
            made = MADE.fullmatch(code.co_filename) is not None and _is_numbered(code)
            return made or _is_ours(code.co_filename)
        case "compile", str() | bytes() as source, str() | bytes() as file:
            if _is_ours(os.fsdecode(file)):
                return True  # a module that is imported late
            text = source.decode() if isinstance(source, bytes) else source
            return PLAIN.fullmatch(text) is not None
        case "compile", _, _:
            return True  # a tree, whose code is looked at when it is run
        case "open", str() | bytes() | os.PathLike() as path, *_:
            return _is_ours(os.fsdecode(path))
        case "import", str() as name, *_:
            return name.partition(".")[0] in {"mmviz", "_bootlocale"} | sys.stdlib_module_names
    return False


def _is_ours(file):
    """Tell whether a file is of mmviz, of Python, or of a package."""
    return os.path.isabs(file) and os.path.realpath(file).startswith((*OURS, str(FILES)))


def _is_numbered(code):
    """Tell whether code has no name and no constant of a text: it takes numbered steps."""
    if not {*code.co_names, *code.co_varnames} <= {"steps", "k", "actor", "a", "at"}:
        return False
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if not _is_numbered(each):
                return False
        elif isinstance(each, str) and each not in {"actor", "a"}:
            return False
    return True


# The hook stays for as long as the process: tests of endless loops, which may be ended within it,
# must not be told that the loop is here. The engine leaves out what the interpreter brings.
_watch.__code__ = _watch.__code__.replace(co_filename="<frozen watch>")
sys.addaudithook(_watch)


@contextmanager
def watched(what):
    """Fail where something in the block runs, imports or opens what it should not."""
    global _seen
    _seen = []
    try:
        yield
    finally:
        found, _seen = _seen, None
    assert not found, f"{what}: {found[0]}"


# -- nothing that is shown obeys the text ----------------------------------------------------


def is_printed(text):
    """Fail where a text has what a terminal obeys."""
    wrong = next((char for char in text if not char.isprintable() and char not in BLANKS), "")
    assert not wrong, f"{wrong!a} is printed in {text!a:.300}"


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    FINE: ClassVar = {
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "p",
        "strong",
        "code",
        "pre",
        "br",
    }
    FINE |= {"span", "em", "ul", "li", "ol", "small", "h3", "h4", "style"}
    DRAWN: ClassVar = {
        "svg",
        "rect",
        "text",
        "tspan",
        "path",
        "line",
        "g",
        "title",
        "desc",
        "defs",
        "marker",
    }
    DRAWN |= {"circle", "ellipse", "polygon", "polyline", "pattern", "clippath", "use", "style"}

    def __init__(self, fine):
        super().__init__()
        self.fine = fine

    def handle_starttag(self, tag, attributes):
        assert tag in self.fine, f"<{tag}>"
        for name, value in attributes:
            assert not name.startswith("on"), f"<{tag} {name}=>"
            assert MARK not in name, f"<{tag} {name}=>"
            assert name not in {"href", "src", "xlink:href"} or value.startswith("#"), value

    def handle_comment(self, data):
        raise AssertionError(f"<!--{data}-->")


def is_html(text, fine=Tags.FINE):
    """Fail where HTML has markup of the text."""
    is_printed(text)
    tags = Tags(fine)
    tags.feed(text)
    tags.close()


def is_markdown(text):
    """Fail where Markdown has a link, an image or HTML of the text."""
    is_printed(text)
    outside = re.sub(r"(?ms)^(`{3,}|~{3,}).*?^\1`*~*\s*$", "", text)  # a block of code is verbatim
    outside = re.sub(r"(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", "", outside)
    assert not re.search(r"(?<!\\)<[A-Za-z!/]", outside), outside
    assert not re.search(rf"(?<!\\)\]\([^)\n]*{MARK}", outside), outside


def is_latex(text):
    """Fail where LaTeX has a command of the text."""
    is_printed(text)
    text = re.sub(r"(?m)^%.*$|\$\\(?:rightarrow|times)\$", "", text)  # a remark, and our own signs
    assert f"\\input{{{MARK}" not in text
    assert f"\\def\\{MARK}" not in text
    assert not re.search(rf"(?m)^[^%\n]*(?<!\\)%{MARK}", text)
    assert not re.search(rf"(?<!\\)\$[^$\n]*{MARK}", text)


def is_mermaid(text):
    """Fail where Mermaid has a line of the text that is no message or note."""
    is_printed(text)
    assert "javascript:" not in text or not re.search(r"(?m)^\s*(?:click|link|links)\b", text)
    assert "%%{" not in text
    assert not re.search(rf"<[^>\n]*{MARK}", text), text


def is_diagram(text):
    """Fail where a diagram for a mail has what a terminal obeys."""
    is_printed(text)


FORMS = {
    "txt": is_diagram,
    "md": is_markdown,
    "mmd": is_mermaid,
    "tex": is_latex,
}


def shown(case, schedule):
    """Write a case in every form that is a text, and look at each."""
    searched = SearchedCase(case)
    for form, check in FORMS.items():
        try:
            check(saved(searched, " ".join(schedule), form).decode())
        except mmviz.MmvizError as error:
            is_printed(str(error))


# -- the doors -------------------------------------------------------------------------------


class Door(NamedTuple):
    """A place where a text comes in.

    Attributes:
        name: what it is.
        texts: what comes in.
        takes: what answers a text; it raises an MmvizError or returns what was understood.
        shows: what looks at the answer in each form that it has.
        share: how many of 1,000 texts come here.
        good: a text that is right; it is tried first, so that nothing is imported later.
    """

    name: str
    texts: st.SearchStrategy
    takes: Callable[[str], Any]
    shows: Callable[[Any], None]
    share: int
    good: str

    def ready(self):
        """Return the door, with a good text tried; fail where that is not answered."""
        list(mmviz.every_case())
        self.shows(self.takes(self.good))
        return self


def enter(door, text):
    """Hand a text to a door, and hold it to what must be; tell whether it was answered."""
    with watched(door.name):
        for _ in range(TRIES):
            said = found = None
            begin = time.thread_time()
            try:
                found = door.takes(text)
            except mmviz.MmvizError as error:
                said = one_line(str(error))
            took = time.thread_time() - begin
            if took < SECONDS:
                break
        if said is None:
            door.shows(found)
    assert took < SECONDS, f"{door.name}: {took:.1f} s of computing"
    assert said is None or len(said) <= 1_000
    is_printed(said or "")
    return said is None


def as_printed(found):
    """Look at what was understood, in each form that it has."""
    is_printed(str(found))
    is_html(found._repr_html_())
    json.dumps(found.json())


def shows_diagram(found):
    """Look at a diagram, and at the race that its steps make, which is code to be filled in."""
    as_printed(found)
    for node in ast.walk(tree_of(skeleton(found))):
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                assert all(MARK not in each.name for each in names)
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                assert name not in {"eval", "exec", "compile", "system", "__import__"}


def tree_of(text):
    """Parse code; the test does that, so it is not watched."""
    global _seen
    before, _seen = _seen, None
    try:
        return ast.parse(text)
    finally:
        _seen = before


def shows_lock_report(found):
    as_printed(found)
    if found.case is not None and found.report.states <= MOST_STATES:
        shown(found.case, found.schedule)


def shows_link(found):
    assert found.run.schedule == found.schedule
    is_printed(found.remark)


def shows_run(run):
    is_printed(str(run))
    is_html(run._repr_html_())
    json.dumps(as_data(run, run.tip.index))


def shows_entry(found):
    is_printed(str(found))
    is_html(found.svg(), Tags.DRAWN)


def shows_text(found):
    is_printed(str(found))


class Memory(World):
    """A world that holds what a reader wrote."""

    word: str = ""

    @atomic("toy")
    def store(self, word):
        """Write a word."""
        self.word = word


def own_race(text):
    """Return a race of a reader's own that says a text wherever a race may say one."""

    async def stores(k):
        await k.store(text)

    def is_wrong(k):
        return k.word == text

    is_wrong.__doc__ = text
    words = {"promise": text, "note": text, "memory": text, "id": text}
    actor = re.sub(r"[\s,*\[\]\"']", "", text)[:30] or "CPU0"
    return Case(
        name=text if text and text.isprintable() else "Own",
        title=text,
        world=Memory,
        actors={actor: stores},
        bad=(is_wrong,),
        **words,
    )


def shows_race(case):
    is_printed(str(case))
    is_html(case._repr_html_())
    report = mmviz.explore(case)
    is_printed(str(report))
    is_html(report._repr_html_())
    run = mmviz.replay(case, [*case.actors])
    shows_run(run)
    shown(case, run.schedule)
    is_html(saved(case, "", "svg").decode(), Tags.DRAWN)


FILES = Path(tempfile.mkdtemp(prefix="mmviz-fuzz-"))
atexit.register(shutil.rmtree, FILES, ignore_errors=True)


def own_file(text):
    """Return the race of a file whose name is a text."""
    name = re.sub(r"[/\0\ud800-\udfff]", "", text).encode()[:200].decode("utf-8", "ignore")
    file = FILES / f"{name}.py"
    file.write_text(race_of_ones_own(), "utf-8")
    return mmviz.load(str(file)).cases[0]


@cache
def race_of_ones_own():
    with redirect_stdout(io.StringIO()):
        new(str(FILES / "mine.py"))
    return (FILES / "mine.py").read_text("utf-8")


def shows_file(case):
    """Look at what is said of a file's race on the command line."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        assert main(["list", case.scenario]) in (0, 2)
    is_printed(printed.getvalue())
    is_html(case._repr_html_())


def replays(text):
    return mmviz.replay(mmviz.find(RACE, CASE), text)


def replays_json(text):
    case = mmviz.find(RACE, CASE)
    return mmviz.replay(case, read_schedule(case, text))


def finds(text):
    scenario, _, case = text.partition(":")
    return mmviz.find(scenario if not scenario.endswith(".py") else f"{scenario}_", case or text)


def asks(text):
    return mmviz.possible(mmviz.find(RACE, CASE), text, 2_000)


def explains(text):
    value, _, kernel = text.partition("@")
    return mmviz.entry(value, kernel or "6.15")


def looks_for(text):
    words, _, thread = text.partition("@")
    return mmviz.catalogue(words, thread=thread)


def signed(bodies):
    """Return a strategy of links that are whole, whatever they say."""
    plain = bodies.map(lambda body: body.encode("ascii", "replace").decode())
    return plain.map(lambda body: f"mmviz:{body}.{links._letters(body, links.CHECKED)}")


def _doors():
    case = mmviz.find(RACE, CASE)
    texts = [mmviz.link(case, " ".join(["CPU0*3", "CPU1*4"][:n]), n) for n in range(3)]
    mails = [f"Hi,\n> {text}\n" for text in texts]
    bodies = [text[len("mmviz:") : -links.CHECKED - 1] for text in texts]
    yield Door("link", mutants(mails, 3), opened, shows_link, 210, texts[0])
    yield Door("whole link", signed(mutants(bodies, 2)), opened, shows_link, 60, texts[1])

    good = ["CPU0*3", "CPU0 CPU0, CPU0", "CPU0*3 CPU1*4", ""]
    known = [*case.actors, "CPU0*3", "CPU1*4", "CPU0*", "*3", "*99999", "CPU0 CPU1*2", ", ", " "]
    yield Door("schedule", nearly(good, known), replays, shows_run, 170, good[0])
    good = ['["CPU0"]', '["CPU0", "CPU0"]', "CPU0*2", "[]"]
    known = ['["CPU0"', ', "CPU1"', "]", "[", "{", '"', "null", "1e400", "CPU0", ",", ":", "\\u"]
    yield Door("schedule in JSON", nearly(good, known), replays_json, shows_run, 130, good[0])

    good = [f"{RACE}:{CASE}", f"{RACE}:B1/n5", "hmm/mm_without_grab:NoGrab"]
    known = [*mmviz.names()[:6], RACE, CASE, ":", "/", ".py", "..", "~", "B1/n3", "@", "hmm"]
    yield Door("name", nearly(good, known), finds, shows_text, 190, good[0])
    yield Door("catalogue", words(known), looks_for, shows_text, 3, "mutex")
    good = ["0x8000000000000067@6.15", "0xffff800000000867@5.3", "-1@6.15", "0b101", "7"]
    known = ["0x", "8000000000000067", "0b1", "ff", "@", "6.15", "5.3", "-", "_", "'", "1e5", "\n"]
    yield Door("entry", nearly(good, known), explains, shows_entry, 130, good[0])
    logs = [log for log, *_ in LOGS]
    yield Door("entries of a log", mutants(logs, 3), mmviz.entry, shows_entry, 25, logs[0])
    good = ["CPU0 is done", "group.refs == 0", "not (deadlock or use_after_free)"]
    good += ["device_attached_to_freed_domain and CPU1 is done", "domain V.freed == yes"]
    known = [*good, " and ", " or ", "not ", "(", ")", "deadlock", "'", "==", "<", "0"]
    yield Door("condition", nearly(good, known), asks, shows_text, 40, good[0])

    texts = samples("diagrams")
    mailed = next(text for text in texts if "iommu" in text)
    yield Door("diagram", mutants(texts), read, shows_diagram, 40, texts[0])
    yield Door("diagram, judged", mutants(texts, 3), mmviz.diagram, as_printed, 8, mailed)
    yield Door("large diagram", large(texts), read, shows_diagram, 2, texts[0])
    texts = samples("reports")
    yield Door("lock report", mutants(texts), mmviz.lockdep, shows_lock_report, 15, texts[0])
    yield Door("large lock report", large(texts), mmviz.lockdep, as_printed, 2, texts[0])
    yield Door("litmus test", mutants(LITMUS), mmviz.litmus, as_printed, 20, LITMUS[0])
    yield Door("large litmus test", large(LITMUS), mmviz.litmus, as_printed, 2, LITMUS[0])

    known = [*MARKUP, "a", " ", "CPU0", "_", "\\", "\n"]
    yield Door("own race", words(known), own_race, shows_race, 12, "fault")
    yield Door("own file", words(["my_race", " ", "-x", "a"]), own_file, shows_file, 4, "my_race")


DOORS = tuple(_doors())
