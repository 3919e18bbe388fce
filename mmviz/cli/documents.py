"""The documents that are written by a search: each thread's debate, and what each line is for.

`python -m mmviz.cli.readme README.md` writes them into the folder assets beside the README.
"""

from collections.abc import Callable

from mmviz.scenarios import names
from mmviz.scenarios.catalogue import thread_of
from mmviz.scenarios.debate import debate, marked
from mmviz.scenarios.mutations import (
    BOTH,
    BREAKS,
    RACE,
    SPARE,
    UNEXPLAINED,
    Mutations,
    mutations_of,
)

WRITTEN = "<!-- written by `make readme` -->"
SUMMARY = ("scenario", "case", "lines", "break", "race's own", "in both", "spare, and why")
ABOUT = """# What each line is for

Each line of each case in which nothing goes wrong is left out in turn, and every interleaving is
searched again. A line *breaks* when something goes wrong without it. It is *the race's own* when
one of the scenario's failing cases needs it to fail: where it is left out nothing is at stake. It
is *in both* when a failing case has it too and fails in the same ways without it. What is left is
*spare*, and the scenario says why. `mmviz mutate thread/race` shows a case line by line."""


def documents() -> dict[str, Callable[[], str]]:
    """Return what writes each document, by the name of its file."""
    threads = dict.fromkeys(map(thread_of, names()))
    found = {debate_file(thread): _debate_of(thread) for thread in threads}
    return {**found, "mutations.md": mutation_table}


def debate_file(thread: str) -> str:
    """Return the name of the file that has a thread's debate."""
    return f"debate_{thread}.md"


def _debate_of(thread: str) -> Callable[[], str]:
    def write() -> str:
        text = debate(thread).markdown()
        return f"{WRITTEN}\n# The debate of {thread}, in order of time\n\n{text}\n"

    return write


def mutation_table() -> str:
    """Return, as Markdown, one row for each safe case of the catalogue, a table a thread.

    What is recorded of a spare line stands once, with the first case of a scenario that has it.
    """
    done = {name: mutations_of(name) for name in names()}
    found = [each for name in done for each in done[name]]
    counts = ", ".join(
        f"{sum(len(each.those(standing)) for each in found):,} {words}"
        for standing, words in (
            (BREAKS, "break something"),
            (RACE, "are the race's own"),
            (BOTH, "are in both"),
            (SPARE, "are spare, with a reason"),
            (UNEXPLAINED, "are not explained yet"),
        )
    )
    lines = [
        WRITTEN,
        ABOUT,
        "",
        f"{len(found)} safe cases, {sum(map(len, found)):,} lines: {counts}.",
    ]
    shown: set[tuple[str, str]] = set()
    for thread in dict.fromkeys(map(thread_of, done)):
        lines += ["", f"## {thread}", ""]
        lines += [f"| {' | '.join(SUMMARY)} |", "|---|---|---:|---:|---:|---:|---|"]
        for name in done:
            if thread_of(name) == thread:
                for each in done[name]:
                    numbers = (str(len(each.those(kind))) for kind in (BREAKS, RACE, BOTH))
                    cells = (marked(name), marked(each.case.name), str(len(each)), *numbers)
                    lines.append(f"| {' | '.join((*cells, _recorded(each, shown)))} |")
    return "\n".join(lines) + "\n"


def _recorded(found: Mutations, shown: set[tuple[str, str]]) -> str:
    """Return the spare lines of a case, each with its reason unless that was shown before."""
    parts = []
    for entry in dict.fromkeys((*found.those(SPARE), *found.those(UNEXPLAINED))):
        here = (found.case.scenario, entry.text)
        why = entry.why or UNEXPLAINED
        part = marked(entry.text if here in shown else f"{entry.text}: {why}")
        shown.add(here)
        parts.append(part)
    return "<br>".join(dict.fromkeys(parts))
