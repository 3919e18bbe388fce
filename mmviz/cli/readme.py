"""Writes the README's tables of races and verdicts, from a search run there and then.

`python -m mmviz.cli.readme README.md` replaces what stands between the two marks, and writes the
documents in assets beside it.
"""

import importlib
import sys
from pathlib import Path

from mmviz.cli.documents import debate_file, documents
from mmviz.engine import Report, Verdict, explore
from mmviz.scenarios import load, names

BEGIN = "<!-- what follows is written by `make readme` -->"
END = "<!-- up to here -->"


def verdict_table() -> str:
    """Search every case; return Markdown: a fold a thread, in it a table with one row a race."""
    threads: dict[str, list[str]] = {}
    for name in names():
        threads.setdefault(name.partition("/")[0], []).append(name)
    races = sum(map(len, threads.values()))
    cases = sum(len(load(name).cases) for name in names())
    lines = [f"{races} races, {cases} cases:", ""]
    for thread, found in threads.items():
        package = importlib.import_module(f"mmviz.scenarios.{thread}")
        what = (package.__doc__ or thread).partition("\n")[0]
        lines += [
            f"<details><summary><b>{thread}</b>: {what} ({len(found)} races)</summary>",
            "",
            "| race | goes wrong | Never goes wrong |",
            "|---|---|---|",
            *map(row, found),
            "",
            f"[The whole debate, proposal by proposal](assets/{debate_file(thread)})",
            "",
            "</details>",
            "",
        ]
    lines.append("[What each line of the cases that never go wrong is for](assets/mutations.md)")
    return "\n".join(lines)


def row(name: str) -> str:
    """Search the cases of a scenario; return its row of the table."""
    scenario = load(name)
    reports = [explore(case) for case in scenario.cases]
    groups: dict[str, list[str]] = {}
    for report in reports:
        groups.setdefault(gravest(report), []).append(report.case.name)
    right = ", ".join(groups.pop("", []))
    wrong = "<br>".join(f"*{word}*: {', '.join(cases)}" for word, cases in groups.items())
    states = sum(report.states for report in reports)
    return f"| {scenario.title}<br>`{name}`, {states:,} states | {wrong} | {right} |"


def gravest(report: Report) -> str:
    """Return the worst that the search says of a case; "" when nothing goes wrong."""
    found = set(report.verdicts.values())
    for verdict in (Verdict.UNKNOWN, Verdict.ALWAYS, Verdict.SOMETIMES):
        if verdict in found:
            return str(verdict)
    if report.stuck is not None:
        return "Stuck"
    return "Never ends" if report.livelock is not None else ""


def renewed(text: str) -> str:
    """Return the text with a new table between the marks.

    Raises:
        ValueError: the marks are not there.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the text has no place for the table: it needs {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{verdict_table()}\n{END}{tail}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text("utf-8")), "utf-8")
    for name, write in documents().items():
        (path.parent / "assets" / name).write_text(write(), "utf-8")
