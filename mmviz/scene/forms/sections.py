"""Locks, read sections, and the gate of a grace period.

A lock of its own is a small card; its padlock is at home there, or with its holder. A reader is a
pill with the actor that reads. A grace period is a gate that stays shut while a reader is inside
that was inside when it began.
"""

from collections.abc import Iterable, Iterator, Mapping

from mmviz.engine import Model, Struct
from mmviz.engine.frame import named
from mmviz.kernel.sync.locks import OwnedLock, QueuedRwSemaphore, RwSemaphore
from mmviz.kernel.sync.rcu import Srcu, SrcuCallbacks
from mmviz.scene.cards import Card, can_be_freed, walk
from mmviz.scene.forms.chips import chip, listed, members
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import OVERLAYS, Picture, called
from mmviz.scene.marks import Box, Mark, Text
from mmviz.scene.places import row_at
from mmviz.scene.reach import Reach
from mmviz.scene.rooms import FEET, Foot
from mmviz.scene.shapes import Form, Shape, shaped

PAD = 2.4  # cells of a padlock at home
GATE = 5.4  # cells between the posts of a gate


# -- locks -------------------------------------------------------------------------------------


def _is_alone(lock: Struct) -> bool:
    """Tell whether a lock has a card of its own."""
    return "." not in lock.name or can_be_freed(lock)


def _lock(lock: Struct, reach: Reach, *keys: str) -> Shape:
    """Return the shape of a lock whose holders some fields name."""
    paths = [lock.path(key) for key in keys]
    if _is_alone(lock):
        freed = (lock.path("freed"),) if hasattr(type(lock), "freed") else ()
        room = len(lock.name) + len(" ✗ freed") * bool(freed) + PAD
        labels = dict.fromkeys(paths)
        return Shape(labels=labels, width=int(room + 0.99), title=(*freed, *paths))
    first = next((path for path in paths if reach.varies(path)), paths[0])
    holders = {" ".join(sorted(named(v))) for path in paths for v in reach.values[path]}
    wide = max(map(len, holders)) + PAD

    def draw(look: Look, x: float, y: float) -> Iterator[Mark]:
        names = " ".join(sorted(name for path in paths for name in named(look[path])))
        for path in paths:
            if path != first:  # below what the row says of the first
                yield Box(x, y + 0.98, wide, 0.1, "cell", f"cell:{path}", path)
        yield Text(x, y + 0.08, names, "held", False, True, f"field:{first}", first)

    return Shape(labels={p: None for p in paths if p != first}, forms={first: Form(wide, draw)})


@shaped.register
def _(lock: OwnedLock, reach: Reach) -> Shape:
    return _lock(lock, reach, "owner")


@shaped.register
def _(lock: RwSemaphore, reach: Reach) -> Shape:
    return _lock(lock, reach, "writer", "readers")


@shaped.register
def _(lock: QueuedRwSemaphore, reach: Reach) -> Shape:
    made = _lock(lock, reach, "writer", "readers")
    path = lock.path("waiting")
    names = [value for value in reach.values[path] if value]
    if not names:
        return made
    form = listed(path, names, lambda value, name: value == name, aside=False)
    return made._replace(labels={**made.labels, path: "waits"}, forms={**made.forms, path: form})


# -- read sections and grace periods -----------------------------------------------------------


def _waiters(srcu: Srcu, reach: Reach) -> list[str]:
    """Return who may have to wait for a reader."""
    pairs = {pair for value in reach.values[srcu.path("awaited")] for pair in value}
    return sorted({waiter for waiter, _ in pairs})


def _awaited(srcu: Srcu, waiter: str, reach: Reach) -> list[str]:
    """Return the readers that a grace period may have to wait for."""
    pairs = {pair for value in reach.values[srcu.path("awaited")] for pair in value}
    return sorted({reader for who, reader in pairs if who == waiter})


def _gate_width(waiter: str, readers: Iterable[str]) -> float:
    return 0.8 + len(waiter) + 1 + GATE + sum(len(reader) + 2.4 for reader in readers)


def _feet(reach: Reach, model: Model | None, shown: Mapping[str, Card]) -> Iterator[Foot]:
    """Yield a line for the gate of each grace period."""
    for srcu in walk(reach.world):
        if isinstance(srcu, Srcu) and srcu.name in shown:
            for waiter in _waiters(srcu, reach):
                wide = _gate_width(waiter, _awaited(srcu, waiter, reach))
                yield Foot(srcu.name, f"gate:{waiter}", wide)


FEET.append(_feet)


@shaped.register
def _(srcu: Srcu, reach: Reach) -> Shape:
    labels: dict[str, str | None] = {srcu.path("awaited"): None}
    forms: dict[str, Form] = {}
    readers = srcu.path("readers")
    everyone = sorted({name for value in reach.values[readers] for name in value})

    def draw(look: Look, x: float, y: float) -> Iterator[Mark]:
        names = " ".join(sorted(look[readers]))
        role = "held" if names else "label"
        yield Text(x, y + 0.08, names or "none", role, False, True, f"field:{readers}", readers)

    forms[readers] = Form(max(4, len(" ".join(everyone))) + 1, draw)
    if isinstance(srcu, SrcuCallbacks):
        path = srcu.path("callbacks")
        labels[path] = "to free"
        wide = max(sum(len(called(each)) + 2.3 for each in value) for value in reach.values[path])
        forms[path] = Form(wide, _nothing)
    return Shape(labels=labels, forms=forms)


def _nothing(_look: Look, _x: float, _y: float) -> Iterator[Mark]:
    return iter(())


def _overlays(picture: Picture) -> Iterator[Part]:
    """Yield the gates, and the objects that wait to be freed."""
    for srcu in walk(picture.reach.world):
        if not isinstance(srcu, Srcu) or srcu.name not in picture.cards:
            continue
        if srcu.name in picture.by_form:
            continue
        for waiter in _waiters(srcu, picture.reach):
            yield _gate(srcu, waiter, picture)
        if isinstance(srcu, SrcuCallbacks) and picture.reach.varies(srcu.path("callbacks")):
            for struct in members(srcu.path("callbacks"), picture.reach):
                yield _queued(srcu, struct, picture)


OVERLAYS.append(_overlays)


def _gate(srcu: Srcu, waiter: str, picture: Picture) -> Part:
    """Return the gate of a grace period: who waits, the bar, and whom it waits for."""
    x, y = picture.foot(srcu.name, f"gate:{waiter}")
    wide = picture.cards[srcu.name].width
    awaited, readers = srcu.path("awaited"), _awaited(srcu, waiter, picture.reach)
    key = f"gate:{srcu.name}:{waiter}"
    post = x + 0.8 + len(waiter) + 1

    def draw(look: Look) -> Iterator[Mark]:
        pairs = look[awaited]
        inside = [reader for who, reader in pairs if who == waiter]
        shut = bool(inside)
        yield Box(x + 0.3, y + 0.06, wide - 0.6, 1.02, "cell", f"{key}:cell", awaited, 0.15)
        ink = "held" if shut else "label"
        yield Text(x + 0.8, y + 0.08, waiter, ink, key=f"{key}:waiter", field=awaited)
        role = "pad" if shut else "padoff"
        yield Box(post, y + 0.14, 0.4, 0.86, role, f"{key}:post")
        yield Box(post + GATE - 1.4, y + 0.14, 0.4, 0.86, role, f"{key}:end")
        reach = GATE - 1.4 if shut else 0.5
        yield Box(post, y + 0.46, reach, 0.22, role, f"{key}:bar")
        left = post + GATE - 0.4
        for reader in readers:
            is_in = reader in inside
            at = left if is_in else left + 1.5
            yield from chip(f"{key}:{reader}", at, y, reader, "held" if is_in else "clear", awaited)
            left += len(reader) + 2.4

    return Part(key, draw)


def _queued(srcu: SrcuCallbacks, struct: Struct, picture: Picture) -> Part:
    """Return the chip of an object that is handed over to be freed: it leaves its card."""
    path = srcu.path("callbacks")
    card, spot = picture.cards[srcu.name], picture.places.spots[srcu.name]
    y = row_at(card, path, spot) - 0.575
    left = spot.x + 0.8 + card.label_width + 1
    home = picture.spot(struct)
    words = called(struct)

    def draw(look: Look) -> Iterator[Mark]:
        queue = look[path]
        before = 0.0
        for each in queue:
            if each is struct or each.name == struct.name:
                at = left + before
                yield from chip(f"queued:{srcu.name}:{struct.name}", at, y, words, "held", path)
                return
            before += len(called(each)) + 2.3
        right = picture.places.width - len(words) - 2.0
        at, low = (min(home[1].x + 0.5, right), home[1].y) if home else (left, y)
        key = f"queued:{srcu.name}:{struct.name}"
        yield from chip(key, at, low, words, "clear", path)

    return Part(f"queued:{srcu.name}:{struct.name}", draw)
