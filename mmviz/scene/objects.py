"""The kernel's objects in one frame; the fields that the step wrote or read are highlighted."""

from collections.abc import Collection, Iterator, Sequence

from mmviz.engine import Frame
from mmviz.scene.cards import ROW, TITLE, Card, Row, can_be_freed, dangles, gone, value_text
from mmviz.scene.layout import MARGIN, Plan
from mmviz.scene.lit import wrong
from mmviz.scene.marks import Box, Line, Point, Scene, Text, sheet
from mmviz.scene.reach import leads_to
from mmviz.scene.theme import CLEAR, WITNESS

BOLD = WITNESS | {"written", "held", "dangling"}
HATCH, SLANT = 4.0, 2.0  # cells between the strokes across a freed object, and their slant


def objects(
    frame: Frame, plan: Plan, actors: Sequence[str] = (), bad: Collection[str] = ()
) -> Scene:
    """Draw every object of a frame in its place.

    Args:
        frame: the world after a step, and what the step read and wrote.
        plan: the layout, the same for all frames.
        actors: their names; a field that contains one is shown as held.
        bad: the paths of the fields whose disagreement is a violation.
    """
    marks: list[Box | Line | Text] = []
    for card in plan.cards:
        marks += _card(card, frame, plan.at[card.name], actors, bad)
    marks += _arrows(frame, plan, bad)
    low = plan.height - len(plan.notes) - 0.3
    marks += [Text(MARGIN, low + n, note, "quiet") for n, note in enumerate(plan.notes)]
    return sheet(plan.width, plan.height, marks)


def _card(
    card: Card, frame: Frame, at: Point, actors: Sequence[str], bad: Collection[str]
) -> Iterator[Box | Line | Text]:
    """Draw one object."""
    x, y = at
    is_gone = gone(card.struct, frame.values)
    written = {change.field for change in frame.writes}
    role = "ghost" if is_gone else "plain"
    yield Box(x, y, card.width, card.height, role, f"object:{card.name}")
    if can_be_freed(card.struct):
        for index, row in enumerate(card.rows):
            idle = is_gone and _role(row, frame, actors, written, role, bad) == role
            yield from _hatched(
                x, y + TITLE + ROW * index, card.width, ROW, y, "hatch" if idle else CLEAR
            )
    ends = card.struct.path("freed")
    top = "written" if ends in written else "ghost" if is_gone else "head"
    top = wrong(top) if ends in bad else top
    yield Box(x, y, card.width, TITLE, top, f"object:{card.name}")
    yield Text(x + 1, y + 0.1, card.name, top, bold=True)
    after = x + 1 + len(card.name) + 1
    yield Text(after, y + 0.1, is_gone or card.kind, top, bool(is_gone), can_be_freed(card.struct))
    for index, row in enumerate(card.rows):
        yield from _row(card, row, frame, (x, y + TITLE + ROW * index), actors, written, role, bad)


def _row(
    card: Card,
    row: Row,
    frame: Frame,
    at: Point,
    actors: Sequence[str],
    written: set[str],
    idle: str,
    bad: Collection[str],
) -> Iterator[Box | Text]:
    """Draw one field of an object."""
    x, y = at
    role = _role(row, frame, actors, written, idle, bad)
    lit = CLEAR if role == idle else role
    yield Box(x + 0.3, y + 0.1, card.width - 0.6, 1, lit, f"field:{row.path}")
    yield Text(x + 1, y + 0.1, row.label, role)
    words = value_text(row, frame, card.value_width)
    left = x + 1 + card.label_width + 2
    yield Text(left, y + 0.1, words, role, role in BOLD, row.live)


def _role(
    row: Row,
    frame: Frame,
    actors: Sequence[str],
    written: set[str],
    idle: str,
    bad: Collection[str],
) -> str:
    """Return the role of a field: wrong, written, else read, dangling, held, else idle."""
    if row.path in bad:
        return wrong(
            "written" if row.path in written else "dangling" if dangles(row, frame) else ""
        )
    if row.path in written:
        return "written"
    if row.path in frame.reads:
        return "read"
    if dangles(row, frame):
        return "dangling"
    return "held" if _holds(frame.values[row.path], actors) else idle


def _holds(value: object, actors: Sequence[str]) -> bool:
    """Tell whether a value names an actor: a lock's owner, or its readers."""
    if isinstance(value, tuple | frozenset):
        return any(_holds(part, actors) for part in value)
    return isinstance(value, str) and value in actors


def _arrows(frame: Frame, plan: Plan, bad: Collection[str]) -> Iterator[Line]:
    """Draw every possible reference in its place; only the present ones are visible."""
    written = {change.field for change in frame.writes}
    names = {card.struct.name: card.name for card in plan.cards}
    structs = [card.struct for card in plan.cards]
    for route, points in plan.routes.items():
        target = leads_to(frame.values[route.path], structs)
        if target is None or names.get(target.name) != route.target:
            role = CLEAR
        elif gone(target, frame.values):
            role = "dangling"
        else:
            role = "written" if route.path in written else "link"
        if role != CLEAR and route.path in bad:
            role = wrong("dangling" if role == "dangling" else "")
        yield Line(points, role, arrow=True, key=f"field:{route.path}")


def _hatched(x: float, y: float, w: float, h: float, top: float, role: str) -> Iterator[Line]:
    """Draw slanting strokes across a strip of a card; they continue from strip to strip."""
    start = x - SLANT * (y + h - top) % HATCH - SLANT * h
    while start < x + w:
        left, right = max(start, x), min(start + SLANT * h, x + w)
        if right - left > 0.2:
            low, high = ((start + SLANT * h - at) / SLANT for at in (left, right))
            yield Line(((left, y + low), (right, y + high)), role)
        start += HATCH
