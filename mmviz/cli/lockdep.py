"""`mmviz lockdep`: a lock report as a race, and whether the search deadlocks it."""

import json

from mmviz.cli.diagram import REFUSED, pasted
from mmviz.reading.lock_report import lockdep as judged


def lockdep(file: str, as_json: bool = False) -> int:
    """Print what a lock report says and what the search finds; the status is 1 when refused."""
    found = judged(pasted(file))
    print(json.dumps(found.json(), ensure_ascii=False) if as_json else found)
    return REFUSED if found.refused else 0
