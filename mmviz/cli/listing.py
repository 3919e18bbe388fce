"""`mmviz list`: which cases there are, and what each declares."""

import json
from collections.abc import Sequence
from typing import Any

from mmviz.engine import Case, nearest
from mmviz.scenarios import load, names


def select(words: Sequence[str]) -> list[Case]:
    """Return the cases that the words of a command line name, each once, in order.

    Args:
        words: "thread", "thread/race" or "thread/race:Case"; no word means everything.

    Raises:
        UnknownName: nothing is called so; the nearest is suggested.
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


def row(case: Case) -> dict[str, Any]:
    """Return what `--json` says of a case before any search."""
    return {
        "scenario": case.scenario,
        "case": case.name,
        "id": case.id,
        "title": case.title,
        "actors": list(case.actors),
        "properties": list(case.properties),
        "expect": {prop: str(case.expect[prop]) for prop in case.properties},
    }


def show_list(words: Sequence[str], as_json: bool) -> int:
    """Print the cases, and return the exit status."""
    cases = select(words)
    if as_json:
        print(json.dumps([row(case) for case in cases], indent=1))
        return 0
    shown = ""
    for case in cases:
        if case.scenario != shown:
            print(f"{'' if not shown else chr(10)}{case.scenario}: {load(case.scenario).title}")
            shown = case.scenario
        print(f"  {case.name:30} {case.id:12} {case.title}")
        for prop in case.properties:
            print(f"      {case.expect[prop]:9} {prop}")
    return 0
