"""`mmviz mutate`: remove each line of the safe cases, and report why it is needed."""

import sys
from collections.abc import Sequence
from typing import Any

from mmviz.cli.listing import row, select
from mmviz.scenarios.link import is_link
from mmviz.survey.mutations import (
    UNEXPLAINED,
    Mutations,
    mutations,
    mutations_of,
    stale_comments,
)


def mutate(words: Sequence[str], as_json: bool) -> int:
    """Print what breaks without each line of the cases that the words name.

    A case that goes wrong as it is has no line that keeps it safe: it is skipped, and reported
    only when it was named.

    Returns:
        1 when a redundant line is unexplained, or an explanation is stale.
    """
    named = [word.rpartition("/")[2].partition(":") for word in words]
    if len(words) == 1 and (named[0][1] or is_link(words[0])):
        (case,) = select(words)
        found = [mutations(case.scenario, case.name)]
    else:
        cases = {(case.scenario, case.name) for case in select(words)}
        found = [
            each
            for scenario in dict.fromkeys(case.scenario for case in select(words))
            for each in mutations_of(scenario)
            if (scenario, each.case.name) in cases
        ]
    unexplained = sum(len(each.those(UNEXPLAINED)) for each in found)
    wrong = [] if words else stale_comments()
    if as_json:
        import json

        print(json.dumps([as_data(each) for each in found], indent=1))
    else:
        for each in found:
            print(f"{each}\n")
        print(
            f"{len(found)} safe cases, {sum(map(len, found))} mutants; {unexplained} unexplained."
        )
    for line in sorted(wrong):
        print(line, file=sys.stderr)
    return 1 if unexplained or wrong else 0


def as_data(found: Mutations) -> dict[str, Any]:
    """Return a case's lines as `--json` prints them."""
    return row(found.case) | {
        "lines": [
            {
                "function": entry.omission.spot.line.function,
                "line": entry.text,
                "actors": list(entry.omission.actors),
                "breaks": list(entry.omission.breaks),
                "standing": entry.standing,
                "why": entry.why,
            }
            for entry in found
        ]
    }
