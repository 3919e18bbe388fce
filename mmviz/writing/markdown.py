"""A run as a report in Markdown, for a mail, an issue or a page of notes."""

import re
import shlex
from collections.abc import Iterator

from mmviz.engine import Run, short
from mmviz.engine.scenario import scenario_of
from mmviz.engine.text import printable, replay_line
from mmviz.kernel.provenance import provenance
from mmviz.scene.searched import SearchedCase
from mmviz.survey.markdown import coded, marked
from mmviz.writing.diagram import drawn
from mmviz.writing.steps import verdict

WORD = re.compile(r"(.*?)([.,;:!?]*)")  # and the signs that end a sentence or a part of it
CODE = re.compile(r"[\\`*_\[\]{}<>|$~&@]|#\d|://|www\.|\(\)")


def report(searched: SearchedCase, run: Run, brief: bool = False, origin: str = "") -> str:
    """Return a run with what it shows, how to replay it, its sources and its small print.

    Args:
        searched: the case.
        run: the run.
        brief: as `mmviz.writing.diagram.drawn` takes it.
        origin: the Python that makes the case of a text, "" where it was not read in one.
    """
    return "\n".join(_lines(searched, run, brief, origin)) + "\n"


def _lines(searched: SearchedCase, run: Run, brief: bool, origin: str) -> Iterator[str]:
    case, scenario = run.case, scenario_of(run.case)
    name = f"{case.scenario}:{case.name}" if case.scenario else case.name
    yield f"### {plain(scenario.title or name)}"
    yield ""
    yield f"Case {coded(name)}: {plain(case.title or 'no title')}"
    yield ""
    if not case.is_drawing and (promise := case.promise or scenario.promise):
        yield f"What must hold: {plain(promise)}"
        yield ""
    yield fenced(drawn(run, brief=brief), "text")
    yield ""
    for sentence in verdict(run):
        yield f"- {plain(sentence)}"
    if case.is_drawing:
        return
    yield f"- All interleavings: {plain(str(searched.report).splitlines()[0])}."
    yield ""
    yield "It is replayed by"
    yield ""
    if case.scenario:
        words = ("mmviz", "replay", case.scenario, case.name, short(run.schedule))
        yield fenced(shlex.join(words), "sh")
    else:
        got = f"case = {origin}\n" if origin else ""
        yield fenced(f"{got}{replay_line(case, run.schedule, remark=not origin)}", "python")
    yield ""
    source = provenance(case)
    said = [source.era, source.when, source.evidence]
    yield f"Source: {plain(', '.join(part for part in said if part))}"
    yield ""
    limits = f"memory is {plain(case.memory_model)}. {plain(scenario.simplified)}"
    yield f"Small print: {limits.rstrip()}"


def fenced(text: str, language: str) -> str:
    """Return lines as a block of code, in which nothing is a sign."""
    lines = printable(text).rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", lines)), default=0))
    return f"{fence}{language}\n{lines}\n{fence}"


def plain(text: str) -> str:
    """Return text as a part of a line, in which every sign stands for itself.

    A word of code becomes code, as do addresses, numbers of issues and names of persons: a page
    makes no link of them and calls on no person.
    """
    return " ".join(map(_word, text.split()))


def _word(word: str) -> str:
    found = WORD.fullmatch(word)
    core, end = found.groups() if found else (word, "")
    return (coded(core).replace(r"\|", "|") if CODE.search(core) else marked(core)) + end
