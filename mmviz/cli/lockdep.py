"""`mmviz lockdep`: a lock report as a race, and whether the search deadlocks it."""

import json

from mmviz.cli.diagram import REFUSED, pasted, stage
from mmviz.reading.lock_report import lockdep as judged


def lockdep(file: str, as_json: bool = False, output: str | None = None) -> int:
    """Print what a lock report says and what the search finds, or write its stage to a file.

    Returns:
        The status: 1 when the report is refused.

    Raises:
        MmvizError: the file cannot be written.
    """
    found = judged(pasted(file))
    if output is not None and not found.refused:
        return stage(found, output)
    print(json.dumps(found.json(), ensure_ascii=False) if as_json else found)
    return REFUSED if found.refused else 0
