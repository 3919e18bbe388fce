"""Callbacks that travel from the mm to the driver and back, and invalidations that are open.

While an actor is in a driver's callback, a message with the name of the callback stands at the
driver's object; when the actor has left it, at the mm again, where it is not seen. From range_start
to range_end a shutter lies behind the page table that the range belongs to, with the actor's name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple
from weakref import WeakKeyDictionary, proxy

from mmviz.engine import Model, Struct
from mmviz.engine.added import added
from mmviz.engine.location import Location
from mmviz.kernel.hmm.hmm import Hmm, HmmMm
from mmviz.kernel.hmm.range import RangedHmm
from mmviz.kernel.mm.mm_count import MmCounts
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.interval import MmuIntervalNotifier
from mmviz.kernel.notifier.interval_seq import DeferringSubscriptions, IntervalSub
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions
from mmviz.kernel.notifier.users import CountedNotifier, NotifierList
from mmviz.kernel.notifier.walk import walk_notifiers
from mmviz.kernel.sync.locks import OwnedLock, QueuedRwSemaphore, RwSemaphore, SeqCount
from mmviz.kernel.sync.rcu import Srcu
from mmviz.kernel.sync.rculist import ListHead
from mmviz.scene.cards import Card
from mmviz.scene.forms.chips import chip
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import BACKDROPS, OVERLAYS, Picture
from mmviz.scene.marks import Box, Mark, Point, Text, shorten
from mmviz.scene.reach import Reach
from mmviz.scene.rooms import FEET, Foot
from mmviz.scene.windows import COMMON, OPS, Accounts

CORE = (MmuNotifierSubscriptions, NotifierList, HmmMm, MmCounts, DeferringSubscriptions)
DRIVERS = (
    (MmuNotifier, CountedNotifier, MmuIntervalNotifier, IntervalSub),
    (DevicePageTable,),
    (Hmm, RangedHmm),
)  # what a callback works on, the likeliest first
HMM_OPS = {"hmm_release"}  # of the mmu_notifier_ops of struct hmm, whose names are not the ops'
WALK = walk_notifiers.__name__  # calls what is on the list, whatever its name
SHARED = (PageTable, OwnedLock, RwSemaphore, QueuedRwSemaphore, SeqCount, Srcu, Page, ListHead)
OTHERS = (*SHARED, *CORE)

LONGEST = 22  # characters of a message


class Call(NamedTuple):
    """A callback that an actor may be in, and the object that it works on."""

    actor: str
    name: str
    card: str


class Calls:
    """The callbacks of a case, and the invalidations that its actors open.

    Attributes:
        actors: of the case.
        accounts: knows which functions are callbacks.
        every: the callbacks.
        gauges: fields that count open invalidations.
    """

    def __init__(self, model: Model, reach: Reach) -> None:
        self.actors = model.actors
        self.accounts = Accounts(reach, proxy(model))  # what is kept for a model must not keep it
        self.gauges = self.accounts.gauges
        known = {struct.name: struct for struct in self.accounts.structs}
        self._steps: dict[tuple[str, str], dict[str, Struct]] = {}
        for actor, locations in zip(model.actors, model.locations, strict=True):
            for location in sorted(locations.values(), key=lambda each: each.depth):
                if location.step is not None and (name := self._name(location)):
                    on = known.get(location.step.on.name)
                    if on is None:
                        continue
                    self._steps.setdefault((actor, name), {}).setdefault(on.name, on)
        self._open = {
            (path, actor): added(model, actor, path, gauge.open)
            for path, gauge in self.gauges.items()
            for actor in model.actors
        }

    def _name(self, location: Location) -> str:
        """Return the outermost callback on the stack of an actor."""
        if known := self.accounts.callback(location.lines):
            return known
        for outer, line in pairwise(location.lines):
            name = line.function
            is_op = any(name.endswith(f"_{op}") for op in OPS - COMMON) or name in HMM_OPS
            if outer.function == WALK or (is_op and not name.startswith(("mmu_", "mn_"))):
                return name
            if name == "callback" and self.accounts.ops >= COMMON:
                return name
        return ""

    def inside(self, location: Location) -> str:
        """Return the callback that an actor is in, "" for none; it must have taken a step."""
        return self._name(location) if location.depth and location.step is not None else ""

    def every(self, cards: Mapping[str, Card]) -> Iterator[Call]:
        """Yield the callbacks whose object has a card; an actor's are all at one card."""
        for actor in self.actors:
            steps = {name: on for (who, name), on in self._steps.items() if who == actor}
            structs = {struct.name: struct for on in steps.values() for struct in on.values()}
            if found := _driver(list(structs.values()), cards):
                yield from (Call(actor, name, found) for name in steps)

    def opener(self, path: str, actor: str, location: Location) -> bool:
        """Tell whether an actor has opened an invalidation, and not closed it."""
        return self._open.get((path, actor), {}).get(location, 0) > 0


def _driver(structs: Sequence[Struct], cards: Mapping[str, Card]) -> str:
    """Return the card of the object that a callback works on."""
    shown = [struct for struct in structs if _card(struct, cards)]
    for kinds in DRIVERS:
        for struct in shown:
            if isinstance(struct, kinds):
                return _card(struct, cards)
    own = [each for each in shown if not isinstance(each, OTHERS)]
    tables = [card.name for card in cards.values() if isinstance(card.struct, DevicePageTable)]
    return _card(own[0], cards) if own else next(iter([*tables, *map(_of(cards), shown)]), "")


def _of(cards: Mapping[str, Card]) -> Callable[[Struct], str]:
    return lambda struct: _card(struct, cards)


def _card(struct: Struct, cards: Mapping[str, Card]) -> str:
    """Return the name of the card that shows an object, "" for none."""
    if struct.name in cards:
        return struct.name
    paths = {struct.path(key) for key, _ in struct.fields()}
    return next(
        (name for name, card in cards.items() if any(row.path in paths for row in card.rows)), ""
    )


_KEPT: WeakKeyDictionary[Model, Calls] = WeakKeyDictionary()


def calls(model: Model, reach: Reach) -> Calls:
    """Return the callbacks of a case; they are found once."""
    if model not in _KEPT:
        _KEPT[model] = Calls(model, reach)
    return _KEPT[model]


def _words(actor: str, name: str) -> str:
    """Return what the message of a callback says; "invalidate_" goes where there is no room."""
    name = name.removeprefix("hmm_")
    if len(f"{name}() {actor}") > LONGEST:
        name = name.removeprefix("invalidate_")
    return shorten(f"{name}() {actor}", LONGEST)


# -- room --------------------------------------------------------------------------------------


def _feet(reach: Reach, model: Model | None, shown: Mapping[str, Card]) -> Iterator[Foot]:
    """Yield a line for each message on the cards of drivers, and for each window."""
    if model is None:
        return
    found = calls(model, reach)
    rooms: dict[tuple[str, str], float] = {}
    for call in found.every(shown):
        wide = len(_words(call.actor, call.name)) + 4.2
        at = (call.card, call.actor)
        rooms[at] = max(rooms.get(at, 0), wide)
    for (card, actor), wide in rooms.items():
        yield Foot(card, f"call:{actor}", wide)
    if (card := _ranged(found, shown)) and found.gauges:
        wide = max(len(_open_words(found.actors)), 16) + 2
        yield Foot(card, "window", min(wide, 26))


FEET.append(_feet)


def _ranged(found: Calls, shown: Mapping[str, Card]) -> str:
    """Return the card of the page table that invalidations are about, or of what counts them."""
    for struct in found.accounts.structs:
        if isinstance(struct, PageTable) and (name := _card(struct, shown)):
            return name
    for path in found.gauges:
        for card in shown.values():
            if any(row.path == path for row in card.rows):
                return card.name
    return ""


def _open_words(actors: Sequence[str]) -> str:
    return f"{' '.join(actors)} invalidates" if len(actors) == 1 else " ".join(actors)


# -- windows -----------------------------------------------------------------------------------


def _windowed(picture: Picture) -> tuple[Calls, str] | None:
    """Return the calls of a case whose open invalidations are shown, and the card they are at."""
    model = picture.rooms.model
    found = calls(model, picture.reach) if model is not None else None
    name = _ranged(found, picture.cards) if found is not None else ""
    if found is None or not found.gauges or not name or name in picture.by_form:
        return None
    return found, name


def _windows(picture: Picture) -> Iterator[Part]:
    """Yield the shutter of the invalidations that are open."""
    shown = _windowed(picture)
    if shown is None:
        return
    found, name = shown
    card, spot = picture.cards[name], picture.places.spots[name]

    def draw(look: Look) -> Iterator[Mark]:
        is_open = any(gauge.open(look[path]) for path, gauge in found.gauges.items())
        wide = card.width + 1.4 if is_open else 0.0
        role = "window" if is_open else "clear"
        yield Box(spot.x - 0.7, spot.y - 0.4, wide, card.height + 0.8, role, "window", round=0.4)

    yield Part("window", draw)


def _openers(picture: Picture) -> Iterator[Part]:
    """Yield the names of the actors that have an invalidation open."""
    shown = _windowed(picture)
    if shown is None:
        return
    found, name = shown
    x, y = picture.foot(name, "window")
    room = picture.cards[name].width - 1.0

    def draw(look: Look) -> Iterator[Mark]:
        opened = [path for path, gauge in found.gauges.items() if gauge.open(look[path])]
        actors = [
            actor
            for actor in picture.actors
            if opened and any(found.opener(path, actor, look.at(actor)) for path in opened)
        ]
        words = f"{' '.join(actors)} invalidates" if actors else "invalidation"
        if len(words) + 2 > room:
            words = " ".join(actors)
        field = next(iter(found.gauges))
        role = "held" if opened else "clear"
        yield from chip("window:by", x + 0.5, y, words[: int(room) - 2], role, field)

    yield Part("window:by", draw)


BACKDROPS.append(_windows)


# -- messages ----------------------------------------------------------------------------------


def _messages(picture: Picture) -> Iterator[Part]:
    """Yield the message of each actor that may call a driver."""
    yield from _openers(picture)
    model = picture.rooms.model
    if model is None:
        return
    found = calls(model, picture.reach)
    at: dict[str, dict[str, Point]] = {}
    for call in found.every(picture.cards):
        place = picture.foot(call.card, f"call:{call.actor}")
        at.setdefault(call.actor, {})[call.name] = place
    x, y = _home(found, picture)
    for actor, places in at.items():
        right = picture.places.width - max(len(_words(actor, name)) for name in places) - 2.5
        yield _message(found, actor, places, (min(x, right), y))


def _home(found: Calls, picture: Picture) -> Point:
    """Return where a message is that is not under way: at the mm."""
    for struct in found.accounts.structs:
        if isinstance(struct, CORE) and (name := _card(struct, picture.cards)):
            card, spot = picture.cards[name], picture.places.spots[name]
            return (spot.x + card.width / 2, spot.y + card.height / 2 - 0.5)
    name = _ranged(found, picture.cards)
    if name:
        spot = picture.places.spots[name]
        return (spot.x + 1, spot.y + 0.2)
    return (1.0, 1.0)


def _message(found: Calls, actor: str, places: Mapping[str, Point], home: Point) -> Part:
    """Return the message of one actor, at the driver while it is in the callback."""
    key = f"call:{actor}"
    longest = max((_words(actor, name) for name in places), key=len)

    def draw(look: Look) -> Iterator[Mark]:
        name = found.inside(look.at(actor))
        if name not in places:
            yield from _pill(key, *home, longest, "clear")
        else:
            x, y = places[name]
            yield from _pill(key, x + 0.6, y, _words(actor, name), "message")

    return Part(key, draw)


def _pill(key: str, x: float, y: float, words: str, role: str) -> Iterator[Mark]:
    """Draw a message: a pill with the flap of an envelope."""
    yield Box(x, y + 0.1, len(words) + 2.0, 0.94, role, f"{key}:box", round=0.2)
    yield Text(x + 1.0, y + 0.07, words, role, True, True, f"{key}:text")


OVERLAYS.append(_messages)
