"""What the last step did to a picture of a state, and what is wrong with it.

The browser does the same to the plain marks, in `marks.js`.
"""

from collections.abc import Collection, Iterable, Iterator

from mmviz.scene.marks import Box, Line, Mark, Text
from mmviz.scene.theme import CELL, CLEAR


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
            lights = {"now": now, "bad": bad, "read": read}
            role = next((light for light, fields in lights.items() if field in fields), CELL)
            yield mark._replace(role=role)
        elif isinstance(mark, Line) and field in bad:
            yield mark._replace(role="dangling")
        elif isinstance(mark, Text) and field in now:
            yield mark._replace(role="now")
        elif isinstance(mark, Text) and field in bad:
            yield mark._replace(role="bad")
        else:
            yield mark
