"""Flags of a page or of a device's entry, as chips below the rows: set, or only an outline."""

from collections.abc import Callable, Iterator

from mmviz.kernel.driver.atomic_access import AtomicAccess
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.scene.cards import ROW, TITLE, pins, walk
from mmviz.scene.forms.entries import ATOMICS, FOOT, entries_of
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import OVERLAYS, Picture
from mmviz.scene.marks import Box, Line, Mark, Text
from mmviz.scene.places import rank
from mmviz.scene.reach import Reach
from mmviz.scene.shapes import Shape, shaped

AIR = 1.4  # cells of a chip beside its words, and between two


@shaped.register
def _(page: Page, reach: Reach) -> Shape:
    refs, locked = page.path("refs"), page.path("locked")
    is_pinned = max(reach.values[refs]) >= GUP_PIN_COUNTING_BIAS
    flags = flags_of(page, reach)
    return Shape(
        keeps=frozenset({refs} if is_pinned else ()),
        labels={locked: None, **dict.fromkeys(map(page.path, flags))},
        words={refs: pins},
        foot=int(bool(flags)),
        width=max(
            len(page.name) + len(" ✗ free") + 3 * reach.varies(locked),
            int(sum(len(flag) + AIR + 0.6 for flag in flags)),
        ),
    )


@rank.register
def _(page: Page) -> float:
    return 3.0


def flags_of(page: Page, reach: Reach) -> list[str]:
    """Return the flags of a page that some step changes."""
    return [
        str(key)
        for key, value in page.fields()
        if isinstance(value, bool) and key != "freed" and reach.varies(page.path(key))
    ]


def chips(picture: Picture) -> Iterator[Part]:
    """Yield a chip for each flag of a page."""
    for page in walk(picture.reach.world):
        if isinstance(page, Page) and (place := picture.spot(page)) is not None:
            card, spot = place
            x, y = spot.x + 0.5, spot.y + TITLE + ROW * len(card.rows)
            for flag in flags_of(page, picture.reach):
                yield Part(f"flag:{page.path(flag)}", _chip(page.path(flag), flag, x, y))
                x += len(flag) + AIR + 0.6
    yield from _atomics(picture)


def _atomics(picture: Picture) -> Iterator[Part]:
    """Yield the chip of each device's entry that may allow atomic operations, beside its access."""
    for access in walk(picture.reach.world):
        path = access.path("exclusive")
        if not isinstance(access, AtomicAccess) or not picture.reach.varies(path):
            continue
        (entry,) = entries_of(access, picture.reach)
        for card in picture.cards.values():
            if any(row.path == entry.path for row in card.rows):
                spot = picture.places.spots[card.name]
                x, y = spot.x + len(entry.by) + FOOT, spot.y + TITLE + ROW * len(card.rows)
                yield Part(f"flag:{path}", _chip(path, ATOMICS, x, y))


def _chip(path: str, flag: str, x: float, y: float) -> Callable[[Look], Iterator[Mark]]:
    def draw(look: Look) -> Iterator[Mark]:
        yield from switch(path, flag, (x, y + 0.06, len(flag) + AIR, 1.0), bool(look[path]))

    return draw


def switch(
    path: str, words: str, at: tuple[float, float, float, float], is_set: bool
) -> Iterator[Mark]:
    """Draw a flag as a chip; cleared, its words are struck out, and no light fills its outline."""
    x, y, w, h = at
    role, (dx, dy) = ("head", (0.0, 0.0)) if is_set else ("ghost", (0.5, 0.13))
    yield Box(x, y, w, h, role, f"flag:{path}", path, 0.4)
    yield Box(x + dx, y + dy, w - 2 * dx, h - 2 * dy, "cell", f"cell:{path}", path, 0.4)
    yield Text(x + AIR / 2, y, words, role, False, True, f"field:{path}", path)
    left, right, middle = x + AIR / 2 - 0.2, x + w - AIR / 2 + 0.2, y + h / 2 + 0.05
    strike = ((left, middle), (right, middle))
    yield Line(strike, "clear" if is_set else "ghost", False, f"strike:{path}")


OVERLAYS.append(chips)
