"""Writes the README's table of races and verdicts, from a search run there and then.

`python -m mmviz.cli.readme README.md` replaces what stands between the two marks.
"""

import sys
from pathlib import Path

from mmviz.engine import Report, Verdict, explore
from mmviz.scenarios import load, names

BEGIN = "<!-- what follows is written by `make readme` -->"
END = "<!-- up to here -->"
GRAVEST = (Verdict.UNKNOWN, Verdict.ALWAYS, Verdict.SOMETIMES)


def verdict_table() -> str:
    """Search every case; return a Markdown table, one row a race."""
    lines = ["| race | what goes wrong, case by case | states |", "|---|---|--:|"]
    for name in names():
        scenario = load(name)
        reports = [explore(case) for case in scenario.cases]
        cells = "<br>".join(f"{report.case.name}: {in_short(report)}" for report in reports)
        states = sum(report.states for report in reports)
        lines.append(f"| **{scenario.title}**<br>`{name}` | {cells} | {states:,} |")
    return "\n".join(lines)


def in_short(report: Report) -> str:
    """Return what may go wrong in a case, the gravest first; "Never" when nothing may."""
    found = []
    for verdict in GRAVEST:
        named = [f"`{prop}`" for prop, each in report.verdicts.items() if each == verdict]
        if named:
            found.append(f"**{verdict}** {', '.join(named)}")
    if report.stuck is not None:
        found.append("**gets stuck**")
    if report.livelock is not None:
        found.append("**never ends**")
    return "; ".join(found) or "Never"


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
