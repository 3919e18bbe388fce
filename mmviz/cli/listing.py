"""`mmviz list`: which cases there are, and what each declares."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mmviz.engine import Case, MmvizError, UnknownName, nearest
from mmviz.kernel.provenance import provenance
from mmviz.kernel.releases import release, spelled
from mmviz.scenarios import load, names

LARGEST = 9  # of a size; the search grows exponentially with it


def select(words: Sequence[str]) -> list[Case]:
    """Return the cases that the words of a command line name, each once, in order.

    Args:
        words: "thread", "thread/race" or "thread/race:Case"; no word means everything.

    Raises:
        UnknownName: nothing has that name; the nearest is suggested.
    """
    known = {name: [name] for name in names()}
    threads: dict[str, list[str]] = {}
    for name in names():
        threads.setdefault(name.partition("/")[0], []).append(name)
    found: dict[tuple[str, str], Case] = {}
    for word in words or names():
        where, _, case = word.partition(":")
        for name in nearest(known if case else known | threads, where.rstrip("/"), "scenario"):
            cases = (load(name).case(case),) if case else load(name).cases
            found |= {(name, each.name): each for each in cases}
    return list(found.values())


def member(words: Sequence[str], sizes: Sequence[str]) -> Case:
    """Return one member of a scenario's family of cases, "faults=3" for example.

    Raises:
        UnknownName: it is not one scenario, it has no family, or the family lacks that size.
        MmvizError: a size is not a number.
    """
    if len(words) != 1 or ":" in words[0]:
        raise UnknownName("--set goes with one scenario, and with no case of it")
    scenario = load(words[0])
    family = getattr(scenario.module, "family", None)
    if family is None:
        raise UnknownName(f"{scenario.name} has no sizes to set")
    known = {
        name: name
        for name, parameter in inspect.signature(family).parameters.items()
        if parameter.annotation is int and name != "states"
    }
    given = {}
    for word in sizes:
        name, _, size = word.partition("=")
        if not size.isdigit() or not 1 <= int(size) <= LARGEST:
            raise MmvizError(f"--set {word}: a size is written NAME=N, N from 1 to {LARGEST}")
        given[nearest(known, name, "size")] = int(size)
    case: Case = family(**given)
    return replace(case, scenario=scenario.name, promise=scenario.promise)


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
    """Print the cases, with a release only those that it behaves like; return the exit status."""
    cases = select(words)
    if kernel:
        cases = [case for case in cases if provenance(case).behaved_in(kernel)]
    if as_json:
        import json

        print(json.dumps([row(case) for case in cases], indent=1))
        return 0
    if not cases:
        print(f"No case here is known to have shipped in {spelled(release(kernel))}.")
    shown = ""
    for case in cases:
        if case.scenario != shown:
            print(f"{'' if not shown else chr(10)}{case.scenario}: {load(case.scenario).title}")
            shown = case.scenario
        print(f"  {case.name:30} {case.id:12} {case.title}")
        for bad_state in case.bad_states:
            print(f"      {case.expect[bad_state]:9} {bad_state}")
    return 0
