"""What the last step did to a picture of a state, and what is wrong with it.

The browser does the same to the plain marks, in `marks.js`.
"""

from collections.abc import Collection, Iterable, Iterator

from mmviz.scene.marks import Box, Mark, Text
from mmviz.scene.theme import CELL, CLEAR, SHAPES, THEMES

TILE = "tile"


def lit(
    marks: Iterable[Mark], now: Collection[str], read: Collection[str], bad: Collection[str]
) -> Iterator[Mark]:
    """Give marks the roles of what a step did to the fields they show.

    Args:
        marks: of a state, none of them lit.
        now: the paths of the fields that the step wrote; their cells turn yellow.
        read: of those that it read, and did not write.
        bad: of those whose disagreement is the violation.
    """
    for mark in marks:
        field = getattr(mark, "field", "")
        if not field or mark.role == CLEAR:
            yield mark
        elif isinstance(mark, Box) and mark.role == CELL:
            did = "now" if field in now else "read" if field in read else CELL
            yield mark._replace(role=wrong(did) if field in bad else did)
        elif isinstance(mark, Text) and field in bad:
            yield mark._replace(role=wrong("now" if field in now else mark.role), bold=True)
        elif field in bad and mark.role != TILE:
            is_solid = isinstance(mark, Box) and mark.role in SHAPES
            yield mark._replace(role="witnessbar" if is_solid else wrong(mark.role))
        elif isinstance(mark, Text) and field in now:
            yield mark._replace(role="now")
        else:
            yield mark


def wrong(role: str) -> str:
    """Return the role of a mark of some role whose field is wrong: just written, dashed, or not."""
    if role in ("now", "written"):
        return "witnessnow"
    known = THEMES["light"].get(role)
    return "witnessdash" if known is not None and known.dash else "witness"
