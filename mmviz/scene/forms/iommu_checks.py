"""The situations that a sanity check judges, as one table: a row each, a column for each field."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from mmviz.kernel.iommu.group_check import Situation
from mmviz.scene.cards import Card
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import Arranged, Picture
from mmviz.scene.marks import Box, Line, Mark, Text, shorten
from mmviz.scene.places import Places, Spot
from mmviz.scene.shapes import Shapes

WIDTH, LINE, MOST = 80.0, 1.5, 38  # cells; lines of a row; characters of a name
COLUMNS: tuple[tuple[str, str, float, Callable[[Any], str]], ...] = (
    ("domain", "domain", 10.5, lambda value: str(value or "none")),
    ("owner_cnt", "owners", 7.5, str),
    ("last", "last", 5.5, lambda value: "last" if value else "no"),
    ("external", "by", 7.5, lambda value: "driver" if value else "core"),
    ("legal", "legal", 6.5, lambda value: "yes" if value else "no"),
)  # field, head, cells, words


def arranged(_shapes: Shapes, shown: dict[str, Card], top: float) -> Arranged | None:
    """Place situations in a table; None where anything else is shown."""
    if not shown or not all(isinstance(each.struct, Situation) for each in shown.values()):
        return None
    spots = {
        name: Spot(1.0, top + 1.6 + LINE * at, 0) for at, name in enumerate(sorted_by_way(shown))
    }
    height = max(18.0, top + 1.6 + LINE * (len(shown) + 1))
    places = Places(WIDTH, height, spots, {})
    return Arranged(shown, places, frozenset(shown), _parts)


def sorted_by_way(shown: dict[str, Card]) -> list[str]:
    """Return the names, those that the core releases first."""

    def external(name: str) -> bool:
        struct = shown[name].struct
        return isinstance(struct, Situation) and struct.external

    return sorted(shown, key=external)


def _parts(picture: Picture) -> Iterator[Part]:
    """Yield the head of the table and its rows."""
    names = list(picture.places.spots)
    first = min(max(map(len, names), default=0), MOST) + 3.0
    lefts = list(accumulate((wide for _, _, wide, _ in COLUMNS), initial=first))
    top = min(spot.y for spot in picture.places.spots.values())

    def head(_look: Look) -> Iterator[Mark]:
        yield Text(1.8, top - 1.35, "situation", "label", key="head:name")
        for (key, words, _, _), left in zip(COLUMNS, lefts, strict=False):
            yield Text(left + 0.8, top - 1.35, words, "label", key=f"head:{key}")
        rule = ((1.0, top - 0.2), (WIDTH - 1.0, top - 0.2))
        yield Line(rule, "brace", False, "head:rule")

    yield Part("head", head)
    for name, spot in picture.places.spots.items():
        yield Part(f"object:{name}", partial(_row, picture, name, spot.y, lefts))


def _row(
    picture: Picture, name: str, y: float, lefts: Sequence[float], look: Look
) -> Iterator[Mark]:
    """Draw one situation."""
    struct = picture.cards[name].struct
    yield Box(1.0, y + 0.05, WIDTH - 2, LINE - 0.1, "plain", f"object:{name}", round=0.2)
    yield Text(1.8, y + 0.22, shorten(name, MOST), "value", True, False, f"title:{name}")
    for (key, _, wide, worded), x in zip(COLUMNS, lefts, strict=False):
        path = struct.path(key)
        value = look[path]
        yield Box(x + 0.2, y + 0.15, wide - 0.4, LINE - 0.3, "cell", f"cell:{path}", path, 0.15)
        role = "value" if key != "legal" else "good" if value else "bad"
        if key == "legal":
            chip = (x + 0.4, y + 0.2, len(worded(value)) + 1.0, LINE - 0.4)
            yield Box(*chip, role, f"chip:{path}", round=0.4)
        yield Text(x + 0.8, y + 0.22, worded(value), role, False, False, f"field:{path}", path)
