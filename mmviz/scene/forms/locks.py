"""The locks of a report below each other: which actor waits for each, and which one holds it.

It is the picture of memory of a stage that has a lock report: each lock is taken by the actor on
its left while that actor holds the one below, so a deadlock is read from row to row.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from mmviz.engine import Struct
from mmviz.engine.frame import named
from mmviz.kernel.sync.locks import WaitQueue
from mmviz.kernel.sync.rcu import Srcu
from mmviz.reading.lock_race import Allocation, Locks
from mmviz.scene.cards import Card, Row
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import ARRANGERS, Arranged, Picture
from mmviz.scene.marks import Box, Line, Mark, Text, shorten
from mmviz.scene.places import Places, Spot, row_at
from mmviz.scene.shapes import Shapes

WIDTH, LEFT, BOX = 84.0, 15.0, 39.0  # cells of the sheet, before a lock's box, and of the box
LEAST_APART, MOST_APART, HEIGHT = 1.4, 2.4, 1.3  # lines from a lock to the next, and of a box
LOW = 17.5  # lines of a sheet that needs no more
SAYS = {
    "owner": "held by {}",
    "writer": "held by {}",
    "readers": "read by {}",
    "waiting": "{} queues",
    "running": "runs in {}",
    "woken": "",
}
FREE = "free"


class Place(NamedTuple):
    """A lock, and where its box begins."""

    lock: Struct
    x: float
    y: float


def arranged(shapes: Shapes, _shown: Mapping[str, Card], top: float) -> Arranged | None:
    """Place the locks of a report below each other."""
    world = shapes.reach.world
    if not isinstance(world, Locks):
        return None
    locks = [lock for _, lock in world.locks.items()]
    cpus = [cpu for _, cpu in world.cpus.items()]
    low = top + 0.9
    room = (LOW - low - 1.3 * len(cpus)) / max(1, len(locks))
    apart = min(MOST_APART, max(LEAST_APART, room))
    places = [Place(lock, LEFT, low + apart * number) for number, lock in enumerate(locks)]
    after = low + apart * len(locks)
    cards: dict[str, Card] = {}
    spots: dict[str, Spot] = {}
    for lock, x, y in places:
        for path in _paths(lock):
            home = Card(path, "", lock, (Row(path, ""),))
            off = row_at(home, path, Spot(0.0, 0.0, 0)) - 0.5
            cards[path] = home
            spots[path] = Spot(x + BOX - home.width, y + 0.12 - off, 0)

    def drawn(_picture: Picture) -> Iterator[Part]:
        yield Part("locks:heads", partial(_heads, top))
        for place in places:
            yield Part(f"lock of a report:{place.lock.name}", partial(_lock, place))
            yield Part(f"holder:{place.lock.name}", partial(_holder, place))
            takers = {
                actor: tuple(takes)
                for actor, takes in world.takes.items()
                if place.lock.name in takes
            }
            yield Part(f"waits:{place.lock.name}", partial(_waiters, place, takers))
        for number, cpu in enumerate(cpus):
            yield Part(f"interrupts:{cpu.name}", partial(_cpu, cpu, after + 1.3 * number))

    height = after + 1.3 * len(cpus) + 0.4
    return Arranged(cards, Places(WIDTH, height, spots, {}), frozenset(cards), drawn)


ARRANGERS.append(arranged)


def _paths(lock: Struct) -> list[str]:
    """Return the fields that name actors, or tell whether a completion has come."""
    return [lock.path(str(key)) for key, _ in lock.fields() if key in SAYS]


def _heads(top: float, _look: Look) -> Iterator[Mark]:
    yield Text(1, top - 0.3, "waits", "label", key="head:waits")
    yield Text(LEFT, top - 0.3, "lock", "label", key="head:lock")
    yield Text(LEFT + BOX + 2, top - 0.3, "held", "label", key="head:held")


def _lock(place: Place, _look: Look) -> Iterator[Mark]:
    name, x, y = place.lock.name, place.x, place.y
    yield Box(x, y, BOX, HEIGHT, "card", f"object:{name}", round=0.25)
    yield Text(x + 1, y + 0.14, shorten(name, int(BOX - 5)), "value", True, key=f"title:{name}")


def _holder(place: Place, look: Look) -> Iterator[Mark]:
    """Draw who holds a lock, right of its box."""
    lock, x, y = place
    start = left = x + BOX + 2
    said = list(_said(lock, look))
    for path in set(_paths(lock)) - {path for path, _ in said}:
        yield Box(start - 0.5, y + 0.12, WIDTH - start, 1.05, "cell", f"cell:{path}", path, 0.15)
    for path, words in said:
        words = shorten(words, max(4, int(WIDTH - left - 1)))
        wide = len(words) + 1.0
        yield Box(left - 0.5, y + 0.12, wide, 1.05, "cell", f"cell:{path}", path, 0.15)
        yield Text(left, y + 0.14, words, "value", True, True, f"who:{path}", path)
        left += wide + 0.5
    if not said:
        free = "no reader" if isinstance(lock, Srcu) else FREE
        free = "not completed" if isinstance(lock, WaitQueue) else free
        path = _paths(lock)[0]
        yield Text(start, y + 0.14, free, "label", False, True, f"who:{path}", path)


def _said(lock: Struct, look: Look) -> Iterator[tuple[str, str]]:
    """Yield what each field of a lock says, where it says something."""
    for path in _paths(lock):
        value = look[path]
        if isinstance(lock, WaitQueue):
            if value:
                yield path, "completed"
        elif actors := sorted(named(value)):
            yield path, SAYS[path.rpartition(".")[2]].format(", ".join(actors))


def _waiters(place: Place, takers: Mapping[str, tuple[str, ...]], look: Look) -> Iterator[Mark]:
    """Draw the actors left of the lock that they take next, where another holds that lock."""
    lock, x, y = place
    if bool(list(_said(lock, look))) == isinstance(lock, WaitQueue):
        return  # it is free, or it is completed
    waits = []
    for actor, takes in takers.items():
        lines = look.at(actor).lines
        line = lines[-1].number - 1 if lines else len(takes)
        if line < len(takes) and takes[line] == lock.name:
            waits.append(actor)
    if waits:
        names = shorten(", ".join(waits), int(x - 4.5))
        yield Text(x - 4 - len(names), y + 0.14, names, "value", True, True, f"waits:{lock.name}")
        arrow = ((x - 3.4, y + 0.65), (x - 0.3, y + 0.65))
        yield Line(arrow, "arrow", True, f"arrow:waits:{lock.name}")


def _cpu(cpu: Struct, y: float, look: Look) -> Iterator[Mark]:
    """Draw whether a CPU takes interrupts, and is in one; or whether a task reclaims memory."""
    yield Text(LEFT, y, f"{cpu.name}:", "label", key=f"label:{cpu.name}")
    left = LEFT + len(cpu.name) + 2
    if isinstance(cpu, Allocation):
        fields = [("reclaims", "reclaims memory", "no reclaim")]
    else:
        fields = [("off", "off", "on"), ("interrupted", "a handler runs", "")]
    for name, if_so, if_not in fields:
        path = cpu.path(name)
        is_said = bool(look[path])
        words = if_so if is_said else if_not
        wide = max(len(words), 3) + 1.0
        yield Box(left - 0.5, y, wide, 1.05, "cell", f"cell:{path}", path, 0.15)
        yield Text(left, y, words, "value", is_said, True, f"field:{path}", path)
        left += wide + 0.5
