"""Struct hmm's pointer to its mm, which no step changes, so that the model has no field for it.

It is drawn where the mm may be freed: whether struct hmm then still points there is the question.
"""

from collections.abc import Iterator, Mapping

from mmviz.engine import Model
from mmviz.kernel.hmm.hmm import Hmm, HmmMm
from mmviz.scene.cards import Card, walk
from mmviz.scene.forms.ways import bent
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import DEAD, OVERLAYS, Picture, end_of
from mmviz.scene.marks import Line, Mark, Text
from mmviz.scene.reach import Reach, structs_in
from mmviz.scene.rooms import FEET, Foot
from mmviz.scene.shapes import ends

KEY = "mm"


def _pairs(reach: Reach, shown: Mapping[str, Card]) -> Iterator[tuple[Card, Card]]:
    """Yield each struct hmm that is shown, with the mm that names it and may be freed."""
    for mm in walk(reach.world):
        if isinstance(mm, HmmMm) and mm.name in shown and ends(mm, reach):
            named = {t.name for v in reach.values[mm.path("hmm")] for t in structs_in(v)}
            for each in shown.values():
                if isinstance(each.struct, Hmm) and each.struct.name in named:
                    yield each, shown[mm.name]


def feet(reach: Reach, _model: Model | None, shown: Mapping[str, Card]) -> Iterator[Foot]:
    """Yield a line for the pointer on the card of struct hmm."""
    for each, mm in list(_pairs(reach, shown)):
        yield Foot(each.struct.name, KEY, each.label_width + len(f"→ {mm.name}{DEAD}") + 2)


def pointers(picture: Picture) -> Iterator[Part]:
    """Yield the pointer of each struct hmm to its mm."""
    for each, mm in _pairs(picture.reach, picture.cards):
        yield _pointer(each, mm, picture)


def _pointer(each: Card, mm: Card, picture: Picture) -> Part:
    spots, path = picture.places.spots, f"{each.name}.{KEY}"
    (x, y), to = picture.foot(each.name, KEY), spots[mm.name]
    is_left = to.x < x
    start = (x if is_left else x + each.width, y + 0.57)
    end = (to.x + (mm.width if is_left else 0), to.y + mm.height - 0.5)
    is_beside = to.column != spots[each.name].column

    def drawn(look: Look) -> Iterator[Mark]:
        is_gone = bool(end_of(mm.struct, look))
        yield Text(x + 0.8, y + 0.08, KEY, "label", key=f"label:{path}")
        left = x + 0.8 + max(each.label_width, len(KEY)) + 1
        words = f"→ {mm.name}{DEAD if is_gone else ''}"
        yield Text(left, y + 0.08, words, "value", False, True, f"field:{path}")
        if is_beside and not end_of(each.struct, look):
            role = "dangling" if is_gone else "arrow"
            yield Line(bent(start, end), role, True, f"arrow:{path}", curved=True)

    return Part(f"arrow:{path}", drawn)


FEET.append(feet)
OVERLAYS.append(pointers)
