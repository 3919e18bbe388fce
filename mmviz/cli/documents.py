"""The documents that a search generates: all races, each thread's debate, the mutants.

`python -m mmviz.cli.documents assets` writes them into the folder assets.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from mmviz.engine import Report, Verdict, explore
from mmviz.engine.report import Outcome
from mmviz.kernel.provenance import provenance
from mmviz.scenarios import every_case, load, names
from mmviz.survey.catalogue import thread_of
from mmviz.survey.debate import debate
from mmviz.survey.markdown import marked
from mmviz.survey.mutations import (
    KILLED,
    RACE,
    REDUNDANT,
    UNDECIDED,
    UNEXPLAINED,
    Mutations,
    mutations_of,
)

WRITTEN = "<!-- written by `make documents` -->"
SINCE = "2022-10-01"  # the last of the five threads ends in September 2022
SUMMARY = (
    *("scenario", "case", "mutants", "killed", "the race itself"),
    *("not decisive", "redundant, and why"),
)
ABOUT = """# Why each line is needed

Each line of each case in which nothing goes wrong is removed in turn, and every interleaving of
this *mutant* is searched. A mutant is *killed* when something goes wrong in it; else it *survives*.
A surviving line is *the race itself* when one of the race's failing cases needs it to fail. It is
*not decisive* when a failing case has it too and fails in the same ways without it. Every other
surviving line is *redundant*, and a comment on it says why. `mmviz mutate thread/race`
shows a case line by line."""


def documents() -> dict[str, Callable[[], str]]:
    """Return the function that generates each document, by the name of its file."""
    threads = dict.fromkeys(map(thread_of, names()))
    found = {debate_file(thread): _debate_of(thread) for thread in threads}
    found["since_then.md"] = since_then
    return {"races.md": race_table, **found, "mutations.md": mutation_table}


def race_table() -> str:
    """Search every case; return, as Markdown, a table per thread with one row per race."""
    threads: dict[str, list[str]] = {}
    for name in names():
        threads.setdefault(thread_of(name), []).append(name)
    cases = sum(len(load(name).cases) for name in names())
    lines = [
        WRITTEN,
        "# All races and their verdicts",
        "",
        f"{len(names())} races, {cases} cases, each searched through every interleaving of its",
        "steps.  *Never*: no run goes wrong.  *Sometimes*: some do.",
        "*Always*: every run does, however it ends.",
        "*Deadlock*: in some run no actor can take a step, and not all have finished.",
        "*Livelock*: every actor keeps running, yet the run never completes.",
    ]
    for thread, found in threads.items():
        package = importlib.import_module(f"mmviz.scenarios.{thread}")
        what = (package.__doc__ or thread).partition("\n")[0]
        lines += [
            "",
            f"## {thread}",
            "",
            f"{what} {len(found)} races; [the whole debate]({debate_file(thread)}).",
            "",
            "| race | goes wrong | Never goes wrong |",
            "|---|---|---|",
            *map(row, found),
        ]
    return "\n".join(lines) + "\n"


def row(name: str) -> str:
    """Search the cases of a race; return its row of the table."""
    scenario = load(name)
    reports = [explore(case, partial=False) for case in scenario.cases]
    groups: dict[str, list[str]] = {}
    for report in reports:
        groups.setdefault(gravest(report), []).append(report.case.name)
    right = ", ".join(groups.pop("", []))
    wrong = "<br>".join(f"*{word}*: {', '.join(cases)}" for word, cases in groups.items())
    states = sum(report.states for report in reports)
    return f"| {scenario.title}<br>`{name}`, {states:,} states | {wrong} | {right} |"


def gravest(report: Report) -> str:
    """Return the worst finding of a case; "" when nothing goes wrong."""
    if report.outcome is Outcome.NOT_DECIDED:
        return str(Outcome.NOT_DECIDED).capitalize()
    found = set(report.verdicts.values())
    for verdict in (Verdict.ALWAYS, Verdict.SOMETIMES):
        if verdict in found:
            return str(verdict)
    if report.deadlock is not None:
        return "Deadlock"
    return "Livelock" if report.livelock is not None else ""


def debate_file(thread: str) -> str:
    """Return the name of the file that has a thread's debate."""
    return f"debate_{thread}.md"


def _debate_of(thread: str) -> Callable[[], str]:
    def write() -> str:
        text = debate(thread).markdown()
        return f"{WRITTEN}\n# The debate of {thread}, in chronological order\n\n{text}\n"

    return write


def since_then() -> str:
    """Search what was proposed or shipped after the five threads; return it in order of time."""
    later = [case for case in every_case() if provenance(case).when >= SINCE]
    text = debate(later).markdown()
    return f"{WRITTEN}\n# What happened since then, in chronological order\n\n{text}\n"


def mutation_table() -> str:
    """Return, as Markdown, a table per thread with one row for each safe case.

    The reason for a redundant line appears once, with the first case of a scenario that has it.
    """
    done = {name: mutations_of(name) for name in names()}
    found = [each for name in done for each in done[name]]
    counts = ", ".join(
        f"{sum(len(each.those(standing)) for each in found):,} {words}"
        for standing, words in (
            (KILLED, "killed"),
            (RACE, "the race itself"),
            (UNDECIDED, "not decisive"),
            (REDUNDANT, "redundant, with a reason"),
            (UNEXPLAINED, "unexplained"),
        )
    )
    lines = [
        WRITTEN,
        ABOUT,
        "",
        f"{len(found)} safe cases, {sum(map(len, found)):,} mutants: {counts}.",
    ]
    shown: set[tuple[str, str]] = set()
    for thread in dict.fromkeys(map(thread_of, done)):
        lines += ["", f"## {thread}", ""]
        lines += [f"| {' | '.join(SUMMARY)} |", "|---|---|---:|---:|---:|---:|---|"]
        for name in done:
            if thread_of(name) == thread:
                for each in done[name]:
                    numbers = (str(len(each.those(kind))) for kind in (KILLED, RACE, UNDECIDED))
                    cells = (marked(name), marked(each.case.name), str(len(each)), *numbers)
                    lines.append(f"| {' | '.join((*cells, _recorded(each, shown)))} |")
    return "\n".join(lines) + "\n"


def _recorded(found: Mutations, shown: set[tuple[str, str]]) -> str:
    """Return the redundant lines of a case, each with its reason unless that was shown before."""
    parts = []
    for entry in dict.fromkeys((*found.those(REDUNDANT), *found.those(UNEXPLAINED))):
        here = (found.case.scenario, entry.text)
        why = entry.why or UNEXPLAINED
        part = marked(entry.text if here in shown else f"{entry.text}: {why}")
        shown.add(here)
        parts.append(part)
    return "<br>".join(dict.fromkeys(parts))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, write in documents().items():
        (folder / name).write_text(write(), "utf-8")
