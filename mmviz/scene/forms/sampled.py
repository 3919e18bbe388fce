"""What an actor has read and will compare or write back later, as a pill below the number.

A driver samples a sequence before it looks a page up; a task reads its CPU's counter and writes it
back. While the number still is what was read, the pill is green; once it has moved on, dashed.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from mmviz.engine import Model, Struct
from mmviz.engine.location import Location
from mmviz.kernel.sync.percpu import PerCpu
from mmviz.scene.cards import Card, walk
from mmviz.scene.forms.chips import chip
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import OVERLAYS, Picture
from mmviz.scene.marks import Mark
from mmviz.scene.places import row_at
from mmviz.scene.reach import Reach
from mmviz.scene.rooms import FEET, Foot
from mmviz.scene.samples import checked, sampled

Kept = dict[str, tuple[Struct, str, Any]]  # object -> it, the field, and the value that was read


def kept(location: Location) -> Kept:
    """Return what an actor that is at a location has read and not used yet."""
    before: list[Location] = [location]
    while (parent := before[-1].parent) is not None:
        before.append(parent)
    before.reverse()
    found: Kept = {}
    for here, after in pairwise(before):
        step = here.step
        if step is None:
            continue
        name, args = step.body.__name__, (*step.args, *step.kwargs.values())
        if isinstance(step.on, PerCpu):
            found.pop(step.on.name, None)
            if name == "this_cpu_read":
                found[step.on.name] = (step.on, "copy", after.answer)
        elif taken := sampled(step.on, name, args, after.answer):
            found[taken[0].name] = taken
        elif used := checked(step.on, name, args, after.answer):
            found.pop(used[0].name, None)
    return found if location.step is not None else {}


def _all(model: Model) -> dict[tuple[str, str], list[tuple[Struct, str, Any]]]:
    """Return (actor, object) -> whatever the actor may have read of it."""
    found: dict[tuple[str, str], list[tuple[Struct, str, Any]]] = {}
    for actor, locations in zip(model.actors, model.locations, strict=True):
        for location in locations.values():
            for name, sample in kept(location).items():
                found.setdefault((actor, name), []).append(sample)
    return found


def _holder(struct: Struct, key: str, cards: Mapping[str, Card]) -> str:
    """Return the card that shows what was read, "" for none."""
    path = struct.path(key)
    for card in cards.values():
        if any(row.path == path or row.path.startswith(f"{path}[") for row in card.rows):
            return card.name
    return ""


def _words(actor: str, value: Any) -> str:
    if value is None or isinstance(value, bool):
        return f"{actor} reads"
    return f"{actor} has read {getattr(value, 'seq', value)}"


def _feet(reach: Reach, model: Model | None, shown: Mapping[str, Card]) -> Iterator[Foot]:
    """Yield a line below each number for each actor that reads it."""
    for (actor, name), samples in (_all(model) if model is not None else {}).items():
        if card := _holder(*samples[0][:2], shown):
            wide = max(len(_words(actor, value)) for _, _, value in samples) + 5
            yield Foot(card, f"sample:{actor}:{name}", wide)


FEET.append(_feet)


def _overlays(picture: Picture) -> Iterator[Part]:
    """Yield what each actor has read."""
    model = picture.rooms.model
    if model is None:
        return
    for (actor, name), samples in _all(model).items():
        card = _holder(*samples[0][:2], picture.cards)
        if card and card not in picture.by_form:
            yield _sample(actor, name, samples[0], card, picture)


OVERLAYS.append(_overlays)


def _sample(
    actor: str, name: str, first: tuple[Struct, str, Any], holder: str, picture: Picture
) -> Part:
    """Return the pill of what one actor has read of one object; at first it is in the number."""
    _, key, value = first
    struct = next(each for each in walk(picture.reach.world) if each.name == name)
    path = struct.path(key)
    x, y = picture.foot(holder, f"sample:{actor}:{name}")
    card, spot = picture.cards[holder], picture.places.spots[holder]
    at = f"sample:{actor}:{name}"
    low = row_at(card, path, spot) - 0.575

    def now(look: Look) -> Any:
        if isinstance(struct, PerCpu):
            return look[struct.copy.path(look[struct.cpus.cpu.path(actor)])]
        return look[path]

    def draw(look: Look) -> Iterator[Mark]:
        known = kept(look.at(actor)).get(name)
        if known is None:
            yield from chip(at, x + 0.6, low, _words(actor, value), "clear")
            return
        is_fresh = _is_fresh(known[2], now(look), actor)
        yield from chip(at, x + 0.6, y, _words(actor, known[2]), "good" if is_fresh else "blocked")

    return Part(at, draw)


def _is_fresh(read: Any, now: Any, actor: str) -> bool:
    """Tell whether what was read is still there."""
    if isinstance(now, frozenset):
        return actor in now
    return bool(getattr(read, "seq", read) == now)
