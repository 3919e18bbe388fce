"""`mmviz litmus`: the final states of a litmus test, each with a shortest run."""

import json

from mmviz.cli.diagram import REFUSED, pasted, stage
from mmviz.reading.litmus import litmus as judged


def litmus(file: str, model: str = "tso", as_json: bool = False, output: str | None = None) -> int:
    """Print what a litmus test asks and what the search finds, or write its stage to a file.

    Returns:
        The status: 1 when the test is refused.

    Raises:
        MmvizError: the file cannot be written.
    """
    found = judged(pasted(file), model)
    if output is not None and not found.refused:
        return stage(found, output)
    print(json.dumps(found.json(), ensure_ascii=False) if as_json else found)
    return REFUSED if found.refused else 0
