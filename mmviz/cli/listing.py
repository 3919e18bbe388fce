"""`mmviz list`: which cases there are, and what each declares."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mmviz.cli.output import beside
from mmviz.engine import Case, MmvizError, ModelError, UnknownName, nearest
from mmviz.engine.scenario import scenario_of
from mmviz.engine.text import quoted
from mmviz.kernel.provenance import provenance
from mmviz.kernel.releases import release, spelled
from mmviz.scenarios import broken, load, names
from mmviz.scenarios.link import is_link, linked_case
from mmviz.survey import family
from mmviz.survey.family import LARGEST


def select(words: Sequence[str]) -> list[Case]:
    """Return the cases that the words of a command line name, each once, in order.

    Args:
        words: "thread", "thread/race" or "thread/race:Case", or the path of a file,
            "my_race.py" or "my_race.py:Case", or a link; no word means everything.

    Raises:
        UnknownName: nothing has that name; the nearest is suggested.
        ModelError: a file that a word names cannot be read. One that belongs to a thread, or to
            everything, is passed over: see `unread`.
    """
    found: dict[tuple[str, str], Case] = {}
    for word in words:
        if not word.rpartition(":")[2]:
            raise UnknownName(
                f"{quoted(word)} names nothing; write a thread, thread/race, thread/race:Case, or "
                "nothing for everything"
            )
    for word in words or [""]:
        if is_link(word):
            linked = linked_case(word)
            found[linked.scenario, linked.name] = linked
            continue
        scenarios, case = _named(word)
        lost = broken() if len(scenarios) > 1 else {}
        for name in scenarios:
            if name not in lost:
                cases = (load(name).case(case),) if case else load(name).cases
                found |= {(name, each.name): each for each in cases}
    return list(found.values())


def unread(words: Sequence[str]) -> dict[str, ModelError]:
    """Return what is wrong with each file that the words name and that cannot be read."""
    given = [word for word in words if not is_link(word)] if words else [""]
    named = {name for word in given for name in _named(word)[0]}
    return {name: error for name, error in broken().items() if name in named}


def _named(word: str) -> tuple[list[str], str]:
    """Return the scenarios that a word names, "" all of them, and the case of it, "" for each.

    Raises:
        UnknownName: nothing has that name; the nearest is suggested.
    """
    where, _, case = word.partition(":")
    if not where:
        return list(names()), case
    if where.endswith(".py"):
        return [where], case
    known = {name: [name] for name in names()}
    threads: dict[str, list[str]] = {}
    for name in names():
        threads.setdefault(name.partition("/")[0], []).append(name)
    return nearest(known if case else known | threads, where.rstrip("/"), "scenario"), case


def member(words: Sequence[str], sizes: Sequence[str]) -> Case:
    """Return one member of a scenario's family of cases, "faults=3" for example.

    Raises:
        UnknownName: it is not one scenario, it has no family, or the family lacks that size.
        MmvizError: a size is not a number.
    """
    if len(words) != 1 or ":" in words[0]:
        raise UnknownName("--set goes with one scenario, and with no case of it")
    scenario = load(words[0])
    given = {}
    for word in sizes:
        name, _, size = word.partition("=")
        is_number = size.isascii() and size.isdigit() and len(size) == len(str(LARGEST))
        if not is_number or not 1 <= int(size) <= LARGEST:
            raise MmvizError(
                f"--set {quoted(word)}: a size is written NAME=N, N from 1 to {LARGEST}"
            )
        given[name] = int(size)
    return family.member(scenario, given)


def row(case: Case) -> dict[str, Any]:
    """Return what `--json` prints for a case before any search."""
    return {
        "scenario": case.scenario,
        "case": case.name,
        "id": case.id,
        "title": case.title,
        "actors": list(case.actors),
        "bad_states": list(case.bad_states),
        "expect": {bad_state: str(case.expect[bad_state]) for bad_state in case.bad_states},
        "kind": case.kind,
        "source": provenance(case).as_data(),
    }


def show_list(words: Sequence[str], as_json: bool, kernel: str = "") -> int:
    """Print the cases, with a release only those that it behaves like; return the exit status.

    A file that cannot be read is listed with what is wrong with it; then the status is 1.
    """
    cases = select(words)
    lost = unread(words)
    if kernel:
        cases = [case for case in cases if provenance(case).behaved_in(kernel)]
    if as_json:
        import json

        print(json.dumps([row(case) for case in cases], indent=1))
        return report_unread(lost)
    if not cases and kernel:
        print(f"No case here is known to have shipped in {spelled(release(kernel))}.")
    shown = ""
    for case in cases:
        if case.scenario != shown:
            print(end="\n" if shown else "")
            name, _, title = scenario_of(case).headline.partition(" ")
            print(*beside(f"{name} ", title, "  "), sep="\n")
            shown = case.scenario
        print(*beside(f"  {case.name:30} {case.id:12} ", case.title, " " * 6), sep="\n")
        for bad_state in case.bad_states:
            said = case.expect[bad_state] if case.is_held else ""
            print(f"      {said:9} {bad_state}")
    return report_unread(lost)


def report_unread(lost: Mapping[str, ModelError]) -> int:
    """Say on stderr what is wrong with the files that cannot be read; 1 if there are any."""
    for name, error in lost.items():
        print(f"{name} cannot be read: {error}", file=sys.stderr)
    return 1 if lost else 0
