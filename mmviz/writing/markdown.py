"""A run as a report in Markdown, for a mail, an issue or a page of notes."""

import re
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


def report(searched: SearchedCase, run: Run, brief: bool = False) -> str:
    """Return a run with what it shows, how to replay it, its sources and its small print."""
    return "\n".join(_lines(searched, run, brief)) + "\n"


def _lines(searched: SearchedCase, run: Run, brief: bool) -> Iterator[str]:
    case, scenario = run.case, scenario_of(run.case)
    name = f"{case.scenario}:{case.name}" if case.scenario else case.name
    yield f"### {plain(scenario.title or name)}"
    yield ""
    yield f"Case {coded(name)}: {plain(case.title or 'no title')}"
    yield ""
    if promise := case.promise or scenario.promise:
        yield f"What must hold: {plain(promise)}"
        yield ""
    yield fenced(drawn(run, brief=brief), "text")
    yield ""
    for sentence in verdict(run):
        yield f"- {plain(sentence)}"
    yield f"- All interleavings: {plain(str(searched.report).splitlines()[0])}."
    yield ""
    yield "It is replayed by"
    yield ""
    if case.scenario:
        yield fenced(f'mmviz replay {case.scenario} {case.name} "{short(run.schedule)}"', "sh")
    else:
        yield fenced(replay_line(case, run.schedule), "python")
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
