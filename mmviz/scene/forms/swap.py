"""Slots of a swap device: one row each, with its content, its entries, and the cache's flag."""

from collections.abc import Callable, Iterator

from mmviz.engine import spoken
from mmviz.kernel.mm.swap import SwapInfo
from mmviz.scene.forms.flags import AIR, switch
from mmviz.scene.look import Look
from mmviz.scene.marks import Box, Mark, Text
from mmviz.scene.places import rank
from mmviz.scene.reach import Reach
from mmviz.scene.shapes import Form, Shape, shaped

CACHED, COUNT = "cached", 6  # the words of a slot whose folio is in the cache; cells of a count


@shaped.register
def _(info: SwapInfo, reach: Reach) -> Shape:
    labels: dict[str, str | None] = {}
    forms = {}
    caches = any(reach.varies(info.has_cache.path(slot)) for slot in info.has_cache)
    words = max(
        len(spoken(value)) for slot in info.data for value in reach.values[info.data.path(slot)]
    )
    for slot in info.data:
        content, count, cached = (
            fields.path(slot) for fields in (info.data, info.swap_map, info.has_cache)
        )
        labels |= {content: None, count: None, cached: None}
        if any(reach.varies(path) for path in (content, count, cached)):
            labels[content] = f"slot {slot}"
            wide = words + 1 + COUNT + caches * (len(CACHED) + AIR + 0.6)
            draw = _slot(content, count, cached if caches else "", words)
            forms[content] = Form(wide, draw)
    return Shape(keeps=frozenset(forms), labels=labels, forms=forms)


@rank.register
def _(info: SwapInfo) -> float:
    return 3.5


def _slot(
    content: str, count: str, cached: str, words: int
) -> Callable[[Look, float, float], Iterator[Mark]]:
    """Return what draws a slot: its content, "1 PTE" for the entries that name it, and a chip."""

    def draw(look: Look, x: float, y: float) -> Iterator[Mark]:
        yield Text(
            x, y + 0.08, spoken(look[content]), "value", False, True, f"field:{content}", content
        )
        x += words + 1
        yield Box(x - 0.4, y + 0.06, COUNT, 1.02, "cell", f"cell:{count}", count, 0.15)
        named = f"{look[count]} PTE"
        yield Text(x, y + 0.08, named, "value", False, True, f"field:{count}", count)
        if cached:
            x += COUNT
            at = (x, y + 0.08, len(CACHED) + AIR, 0.98)
            yield from switch(cached, CACHED, at, bool(look[cached]))

    return draw
