"""Store buffers: what a CPU has stored waits in its buffer, and then goes to memory."""

from collections.abc import Callable, Iterator

from mmviz.engine import spoken
from mmviz.kernel.sync.store_buffer import Store, StoreBuffer
from mmviz.scene.cards import ROW, TITLE, pins, walk
from mmviz.scene.forms.entries import pte_words
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import OVERLAYS, Picture
from mmviz.scene.marks import Box, Mark, Point, Text, shorten
from mmviz.scene.places import rank, row_at
from mmviz.scene.reach import Reach
from mmviz.scene.shapes import Shape, shaped
from mmviz.scene.theme import CLEAR

LONGEST = 24  # characters of a store


@shaped.register
def _(buffer: StoreBuffer, reach: Reach) -> Shape:
    path = buffer.path("stores")
    most = max(len(stores) for stores in reach.values[path])
    words = [len(words_of(store, reach)) for stores in reach.values[path] for store in stores]
    return Shape(labels={path: None}, foot=most, width=max(words, default=0) + 3)


@rank.register
def _(buffer: StoreBuffer) -> float:
    return 1.0


def words_of(store: Store, reach: Reach) -> str:
    """Return a store in a few words: "refs = 1 + 1 pin"; with its object if it needs be."""
    path = store.on.path(store.field)
    last = path.rpartition(".")[2]
    alike = {path for path in _stored(reach) if path.rpartition(".")[2] == last}
    name = last if len(alike) == 1 else path
    if path.endswith(".refs"):
        value = pins(store.value)
    elif path.endswith(".pte"):
        value = pte_words(store.value)
    else:
        value = spoken(store.value)
    return shorten(f"{name} = {value}", LONGEST)


def _stored(reach: Reach) -> set[str]:
    """Return the fields that go through some store buffer."""
    return {
        store.on.path(store.field)
        for buffer in walk(reach.world)
        if isinstance(buffer, StoreBuffer)
        for stores in reach.values[buffer.path("stores")]
        for store in stores
    }


def stores(picture: Picture) -> Iterator[Part]:
    """Yield the slots of each store buffer, and each store that may wait there."""
    for buffer in walk(picture.reach.world):
        if not isinstance(buffer, StoreBuffer) or (place := picture.spot(buffer)) is None:
            continue
        card, spot = place
        path = buffer.path("stores")
        waiting = picture.reach.values[path]
        top = spot.y + TITLE + ROW * len(card.rows)
        slots = [(spot.x + 0.6, top + ROW * n) for n in range(max(map(len, waiting)))]
        if not slots:
            continue
        wide = card.width - 1.2

        def draw(
            look: Look, path: str = path, slots: list[Point] = slots, wide: float = wide
        ) -> Iterator[Mark]:
            del look
            x, y = slots[0]
            tall = ROW * len(slots)
            yield Box(x - 0.3, y - 0.02, wide + 0.6, tall, "cell", f"cell:{path}", path, 0.15)
            for number, (x, y) in enumerate(slots):
                key = f"slot:{path}:{number}"
                yield Box(x, y + 0.06, wide, 1.0, "ghost", key, round=0.15)

        yield Part(f"slots:{path}", draw)
        seen = {
            (store, at): None
            for each in waiting
            for index, store in enumerate(each)
            for at in [each[:index].count(store)]
        }
        for number, (store, at) in enumerate(seen):
            draw_one = _store(store, at, f"store:{path}:{number}", path, slots, wide, picture)
            yield Part(f"store:{path}:{number}", draw_one)


def _store(
    store: Store,
    occurrence: int,
    key: str,
    path: str,
    slots: list[Point],
    wide: float,
    picture: Picture,
) -> Callable[[Look], Iterator[Mark]]:
    """Return what draws a store: waiting in a slot, else a point: at its target if it is there."""
    target = store.on.path(store.field)
    last = (slots[-1][0] + wide / 2, slots[-1][1] + ROW / 2)
    goal = _goal(target, picture) or last
    words = words_of(store, picture.reach)

    def draw(look: Look) -> Iterator[Mark]:
        places = [index for index, each in enumerate(look[path]) if each == store]
        if len(places) > occurrence:
            x, y = slots[places[occurrence]]
            yield Box(x, y + 0.06, wide, 1.0, "head", key, path, 0.15)
            yield Text(x + 0.7, y + 0.06, words, "head", False, True, f"{key}:words")
            return
        x, y = goal if look[target] == store.value else last
        yield Box(x, y, 0, 0, "head", key, path, 0.15)
        yield Text(*slots[-1], words, CLEAR, False, True, f"{key}:words")

    return draw


def _goal(target: str, picture: Picture) -> Point | None:
    """Return where a field is: the middle of its row."""
    for card in picture.cards.values():
        if any(row.path == target for row in card.rows):
            spot = picture.places.spots[card.name]
            return (spot.x + card.width / 2, row_at(card, target, spot))
    return None


OVERLAYS.append(stores)
