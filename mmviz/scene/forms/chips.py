"""Chips: what is on a list, or in a queue, as a pill that slides off it.

A list is a bracket; what may be on it stands in the bracket, or beside it with a dashed outline.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from mmviz.engine import Struct
from mmviz.kernel.driver.umem_odp import UmemOdp
from mmviz.kernel.hmm.hmm import HmmMm
from mmviz.kernel.hmm.mirror import HmmMirror
from mmviz.kernel.hmm.range import RangedHmm
from mmviz.kernel.mm.mm_struct import MmStruct
from mmviz.kernel.notifier.interval import LateInterval
from mmviz.kernel.notifier.interval_seq import DeferringSubscriptions
from mmviz.kernel.notifier.users import NotifierList
from mmviz.kernel.sync.rculist import ListHead
from mmviz.kernel.sync.waitqueue import WaitQueueHead
from mmviz.kernel.sync.workqueue import DrainWait
from mmviz.scene.cards import can_be_freed
from mmviz.scene.look import Look
from mmviz.scene.machine import called, end_of
from mmviz.scene.marks import Box, Line, Mark, Text
from mmviz.scene.reach import Reach, structs_in
from mmviz.scene.shapes import Form, Shape, shaped

MOST = 30.0  # cells of a list with room beside it
AIR = 0.7  # cells between two chips

On = Callable[[Any, str], bool]  # a value, a member -> whether it is on the list


def chip(
    key: str, x: float, y: float, words: str, role: str, field: str = "", wide: float = 0.0
) -> Iterator[Mark]:
    """Draw a pill with words; with the role "clear" it only has a place."""
    width = wide or len(words) + 1.6
    seen = field if role != "clear" else ""  # what is not there is not lit
    yield Box(x, y + 0.12, width, 0.9, role, f"{key}:box", round=0.45)
    if seen:
        yield Box(x, y + 0.12, width, 0.9, "cell", f"{key}:cell", field, 0.45)
    yield Text(x + 0.8, y + 0.07, words, role, False, True, f"{key}:text", seen)


def bracket(key: str, x: float, y: float, wide: float) -> Iterator[Mark]:
    """Draw the two brackets of a list."""
    for side, left, inner in (("left", x, x + 0.5), ("right", x + wide, x + wide - 0.5)):
        points = ((inner, y + 0.08), (left, y + 0.08), (left, y + 1.06), (inner, y + 1.06))
        yield Line(points, "brace", False, f"{key}:{side}")


def members(path: str, reach: Reach) -> list[Struct]:
    """Return the objects that a list may have on it."""
    found = {struct.name: struct for value in reach.values[path] for struct in structs_in(value)}
    return list(found.values())


def listed(
    path: str,
    names: Collection[str],
    on: On,
    many: bool = False,
    structs: Collection[Struct] = (),
    aside: bool = True,
) -> Form:
    """Return a list in brackets, with room beside it for what is not on it.

    Args:
        path: the field that says what is on the list.
        names: of what may be on it.
        on: whether one is.
        many: it may have several of them at once.
        structs: those of the members that may be freed.
        aside: what is not on the list is seen beside it, if there is room.
    """
    widths = {name: len(_called(name, structs)) + 1.6 for name in names}
    inside = sum(widths.values()) + AIR * (len(widths) - 1) if many else max(widths.values())
    whole = inside + 1.2
    beside = sum(widths.values()) + AIR * len(widths)
    is_wide = whole + beside > MOST or not aside
    lives = {struct.name: struct for struct in structs if can_be_freed(struct)}

    def draw(look: Look, x: float, y: float) -> Iterator[Mark]:
        value = look[path]
        yield from bracket(f"list:{path}", x, y, whole)
        here, off = x + 0.6, x + whole + AIR
        for name, wide in widths.items():
            is_on = on(value, name)
            left = here if is_on else off
            if is_wide and not is_on:
                left = here + 1.5
            ended = bool(name in lives and end_of(lives[name], look))
            role = "held" if is_on else "clear" if is_wide else "ghost"
            role = "dangling" if is_on and ended else role
            yield from chip(f"on:{path}:{name}", left, y, _called(name, structs), role, path)
            if many:
                here += wide + AIR
            off += wide + AIR

    return Form(whole if is_wide else whole + beside, draw)


def _called(name: str, structs: Collection[Struct]) -> str:
    return next((called(struct) for struct in structs if struct.name == name), name)


def _pointed(path: str, reach: Reach) -> dict[str, Form]:
    """Return the form of a list with one member at most, that a field points at."""
    structs = members(path, reach)
    if not structs:
        return {}
    names = [struct.name for struct in structs]
    is_it: On = lambda value, name: getattr(value, "name", None) == name  # noqa: E731
    return {path: listed(path, names, is_it, structs=structs)}


def _flagged(path: str, name: str) -> dict[str, Form]:
    """Return the form of a list that a flag says something is on."""
    return {path: listed(path, [name], lambda value, _name: bool(value))}


@shaped.register(NotifierList)
@shaped.register(ListHead)
def _(head: Struct, reach: Reach) -> Shape:
    first = head.path("first")
    return Shape(labels={first: "list"}, forms=_pointed(first, reach))


@shaped.register
def _(mm: HmmMm, reach: Reach) -> Shape:
    notifier = mm.path("notifier")
    return Shape(labels={notifier: "notifier"}, forms=_pointed(notifier, reach))


@shaped.register
def _(interval: LateInterval, reach: Reach) -> Shape:
    tree = interval.path("in_tree")
    return Shape(labels={tree: "tree"}, forms=_flagged(tree, interval.name))


@shaped.register
def _(mirror: HmmMirror, reach: Reach) -> Shape:
    on_list = mirror.path("listed")
    return Shape(labels={on_list: "list"}, forms=_flagged(on_list, mirror.name))


def lists_of(struct: Struct, reach: Reach) -> dict[str, Form]:
    """Return the forms of the lists of an object that has other forms, too."""
    forms: dict[str, Form] = {}
    if isinstance(struct, DeferringSubscriptions):
        forms |= _pointed(struct.path("itree"), reach)
        forms |= _pointed(struct.path("deferred"), reach)
    if isinstance(struct, UmemOdp):
        forms |= _flagged(struct.path("in_tree"), struct.name)
    if isinstance(struct, HmmMm):
        forms |= _pointed(struct.path("notifier"), reach)
    if isinstance(struct, MmStruct):
        forms |= _flagged(struct.path("subscribed"), "driver")
    if isinstance(struct, RangedHmm) and (ranges := members(struct.path("ranges"), reach)):
        path = struct.path("ranges")
        names = [each.name for each in ranges]
        holds: On = lambda value, name: any(each.name == name for each in value)  # noqa: E731
        forms[path] = listed(path, names, holds, many=True)
    return forms


@shaped.register(WaitQueueHead)
@shaped.register(DrainWait)
def _(queue: Struct, reach: Reach) -> Shape:
    path = queue.path("waiters")
    names = sorted({name for value in reach.values[path] for name in value})
    if not names:
        return Shape()
    is_in: On = lambda value, name: name in value  # noqa: E731
    form = listed(path, names, is_in, many=True, aside=False)
    return Shape(labels={path: "asleep"}, forms={path: form})
