"""`mmviz litmus`: the final states of a litmus test, each with a shortest run."""

import json

from mmviz.cli.diagram import REFUSED, pasted
from mmviz.reading.litmus import litmus as judged


def litmus(file: str, model: str = "tso", as_json: bool = False) -> int:
    """Print what a litmus test asks and what the search finds; the status is 1 when refused."""
    found = judged(pasted(file), model)
    print(json.dumps(found.json(), ensure_ascii=False) if as_json else found)
    return REFUSED if found.refused else 0
