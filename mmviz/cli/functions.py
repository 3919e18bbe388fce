"""The functions of each race of the catalogue, by which a diagram is recognised.

`python -m mmviz.cli.functions` learns the races and writes them anew.
"""

import json
from typing import Any

from mmviz.reading.case_code import CaseCode
from mmviz.reading.recognise import INDEX, LEARNED
from mmviz.scenarios import load, names


def functions(race: str) -> dict[str, Any]:
    """Return the names of a race's cases, and each function with the cases (as bits) it is in."""
    found: dict[str, int] = {}
    cases = load(race).cases
    for number, case in enumerate(cases):
        for own in CaseCode(case, LEARNED).functions.values():
            for function in own:
                found[function] = found.get(function, 0) | 1 << number
    return {"cases": [case.name for case in cases], "functions": dict(sorted(found.items()))}


def written() -> str:
    """Return the file, a race a line."""
    lines = [f"{json.dumps(race)}: {json.dumps(functions(race))}" for race in names()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    INDEX.write_text(written(), "utf-8")
