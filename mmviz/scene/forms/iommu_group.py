"""Groups, devices, RID tables and domains: brackets, wires, entries, and blocks that crumble."""

from collections.abc import Iterable, Iterator

from mmviz.engine import Struct
from mmviz.kernel.iommu.iommu import Device, Domain
from mmviz.scene.cards import ROW, TITLE
from mmviz.scene.forms.iommu_chosen import TAG, Bracket, tags_on
from mmviz.scene.forms.iommu_plan import LANE, Plan, Table
from mmviz.scene.forms.iommu_shapes import (
    bend,
    block,
    chip,
    heading,
    joined,
    part_of,
    rows,
    straight,
    swing,
)
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import DEAD, Picture, called, end_of
from mmviz.scene.marks import Box, Flow, Line, Mark, Point, Text
from mmviz.scene.reach import pointee, structs_in

PORT = 0.5  # lines between two arrows that arrive side by side


# -- brackets ----------------------------------------------------------------------------------


def bracket(plan: Plan, name: str, picture: Picture) -> Iterator[Part]:
    """Yield an object around its members: two braces, its name, its references, its rows."""
    form, x, y, w, h = plan.frames[name]
    each = form.card
    struct = each.struct

    def braces(look: Look) -> Iterator[Mark]:
        role = "ghost" if end_of(struct, look) else "brace"
        for side, edge, inwards in (("left", x, 1.3), ("right", x + w, -1.3)):
            way = ((edge + inwards, y), (edge, y), (edge, y + h), (edge + inwards, y + h))
            yield Line(way, role, False, f"object:{name}:{side}", form.path)

    freed = struct.path("freed") if hasattr(type(struct), "freed") else ""

    def head(look: Look) -> Iterator[Mark]:
        ends = end_of(struct, look)
        room = w - 1.4
        yield Box(x + 0.4, y + 0.12, room, 1.05, "cell", f"cell:{form.path}", form.path, 0.15)
        if freed:
            yield Box(x + 0.4, y + 0.12, room, 1.05, "cell", f"cell:{freed}", freed, 0.15)
        role, title = ("ghost", f"{name}{DEAD} {ends}") if ends else ("value", name)
        yield Text(x + 0.9, y + 0.15, title, role, True, True, f"title:{name}", freed or form.path)

    yield Part(f"object:{name}", braces)
    yield Part(f"title:{name}", head)
    yield from rows(plan.cards[name], y, lambda _look: x, plan.locks, plan.forms)
    yield from _slots(plan, form)


def _slots(plan: Plan, form: Bracket) -> Iterator[Part]:
    """Yield the empty places of the members that may be outside."""

    def drawn(look: Look) -> Iterator[Mark]:
        listed = named(structs_in(look[form.path]))
        for name in form.members:
            each, spot = plan.cards[name], plan.spots[name]
            role = "clear" if name in listed else "ghost"
            yield Box(spot.x, spot.y, each.width, each.height, role, f"slot:{name}", round=0.25)

    if form.slides:
        yield Part(f"slots:{form.card.name}", drawn)


def named(structs: Iterable[Struct]) -> set[str]:
    """Return the names of objects."""
    return {struct.name for struct in structs}


def shifted(plan: Plan, name: str, look: Look) -> float:
    """Return how far an object has slid out of its bracket: it is not on the list."""
    path, out = plan.out.get(name, ("", 0.0))
    return out if out and name not in named(structs_in(look[path])) else 0.0


def member(plan: Plan, name: str, picture: Picture) -> Iterator[Part]:
    """Yield a card that slides: a device, a bond, or whatever else a bracket has."""
    each, (x, y, _) = plan.cards[name], plan.spots[name]
    struct = each.struct

    def body(look: Look) -> Iterator[Mark]:
        left = x + shifted(plan, name, look)
        role = "ghost" if end_of(struct, look) else "card"
        yield Box(left, y, each.width, each.height, role, f"object:{name}", round=0.25)
        yield from heading(each, look, left, y, each.width)

    yield Part(f"object:{name}", body)
    yield from rows(each, y, lambda look: x + shifted(plan, name, look), plan.locks, plan.forms)
    if isinstance(struct, Device) and picture.reach.varies(struct.path("priv")):
        low = y + TITLE + ROW * (len(each.rows) + each.foot - 1)

        def data(look: Look) -> Iterator[Mark]:
            left = x + shifted(plan, name, look) + 0.7
            path = struct.path("priv")
            has = bool(look[path])
            text = "driver data" if has else "no data"
            yield from chip(f"chip:{path}", path, text, left, low, 12.6, has)

        yield Part(f"chip:{struct.path('priv')}", data)


# -- RID tables --------------------------------------------------------------------------------


def table(plan: Plan, name: str) -> Iterator[Part]:
    """Yield a RID table, whose rows are its entries."""
    form = plan.tables[name]
    x, y, w, h = form.x, form.y, form.w, form.h
    each = form.card

    def body(look: Look) -> Iterator[Mark]:
        yield Box(x, y, w, h, "card", f"object:{name}", round=0.25)
        yield Text(x + 0.8, y + 0.15, f"{name} table", "value", True, False, f"title:{name}")

    yield Part(f"object:{name}", body)
    yield from rows(each, y, lambda _look: x, plan.locks, plan.forms)
    for path, (rid, middle) in form.entries.items():
        yield _entry(form, path, rid, middle)


def _entry(form: Table, path: str, rid: str, middle: float) -> Part:
    """Return an entry: a RID, and where it leads; a bar stands where it leads nowhere."""
    x, w = form.x, form.w

    def drawn(look: Look) -> Iterator[Mark]:
        value = look[path]
        target = pointee(value)
        dead = target is not None and end_of(target, look)
        text = f"→ {called(target)}{DEAD if dead else ''}" if target is not None else f"⊘ {value}"
        yield Text(x + 0.8, middle - 1.6, rid, "label", key=f"label:{path}")
        yield Box(x + 0.5, middle - 0.6, w - 1, 1.4, "quiet", f"entry:{path}", round=0.15)
        yield Box(x + 0.5, middle - 0.6, w - 1, 1.2, "cell", f"cell:{path}", path, 0.15)
        yield Text(x + 1.2, middle - 0.48, text, "value", False, True, f"field:{path}", path)
        stop = x + w + 1.3
        stem = "clear" if target is not None else "arrow"
        yield Line(((x + w, middle), (stop, middle)), stem, False, f"stub:{path}")
        bar = ((stop, middle - 0.5), (stop, middle + 0.5))
        yield Line(bar, "clear" if target is not None else "bar", False, f"bar:{path}")

    return Part(f"field:{path}", drawn)


# -- domains -----------------------------------------------------------------------------------


def crumbling(plan: Plan, name: str) -> Iterator[Part]:
    """Yield a domain, or the page table of a process: a block that crumbles, and its rows."""
    each, (x, y, _) = plan.cards[name], plan.spots[name]
    struct = each.struct

    def body(look: Look) -> Iterator[Mark]:
        yield from block(name, x, y, each.width, each.height, bool(end_of(struct, look)))
        yield from heading(each, look, x, y, each.width)

    yield Part(f"object:{name}", body)
    yield from rows(each, y, lambda _look: x, plan.locks, plan.forms)


def tags(plan: Plan, picture: Picture) -> Iterator[Part]:
    """Yield the tags that groups put on the domains they name; they move from one to the other."""
    words: dict[str, str] = {}
    at: dict[tuple[str, str], float] = {}
    for name, each in plan.cards.items():
        if isinstance(each.struct, Domain):
            left = 0.6
            for path, word in tags_on(each, picture.reach):
                words[path], at[path, name] = word, left
                left += len(word) + TAG
    for path, word in words.items():
        yield _tag(plan, path, word, at)


def _tag(plan: Plan, path: str, word: str, at: dict[tuple[str, str], float]) -> Part:
    """Return the tag of one field."""
    group = path.rpartition(".")[0]
    home = (0.0, plan.top)
    if group in plan.spots:
        home = (plan.spots[group].x + 0.8, plan.spots[group].y + TITLE)

    def drawn(look: Look) -> Iterator[Mark]:
        target = pointee(look[path])
        each = plan.cards.get(target.name) if target is not None else None
        (x, y), role, text = home, "clear", ""
        if each is not None and target is not None and (path, each.name) in at:
            spot = plan.spots[each.name]
            low = TITLE + ROW * (len(each.rows) + each.foot - 1) + 0.1
            x, y = spot.x + at[path, each.name], spot.y + low
            role, text = ("ghost" if end_of(target, look) else "head"), word
        yield Box(x, y, len(word) + 1.4, 1.0, role, f"tag:{path}", path, 0.3)
        cell = "clear" if role == "clear" else "cell"
        yield Box(x, y, len(word) + 1.4, 1.0, cell, f"cell:tag:{path}", path, 0.3)
        ink = "value" if role == "clear" else role
        yield Text(x + 0.7, y, text, ink, False, True, f"tag:{path}:text", path)

    return Part(f"tag:{path}", drawn)


# -- pointers and accesses ---------------------------------------------------------------------


def ports(plan: Plan, picture: Picture) -> dict[tuple[str, str], float]:
    """Return where an arrow arrives at a domain: (path of its field, name of the domain) -> y.

    Notes that pass above the table arrive at the top, those that pass below at the bottom.
    """
    found: dict[tuple[str, str], float] = {}
    devices = sorted(plan.wires, key=lambda name: plan.spots[name].y)
    upper = [plan.cards[n].struct.path("domain") for n in devices if n in plan.upper]
    lower = [plan.cards[n].struct.path("domain") for n in devices if n not in plan.upper]
    entries = [
        path
        for form in plan.tables.values()
        for path, _ in sorted(form.entries.items(), key=lambda entry: entry[1][1])
    ]
    for name, each in plan.cards.items():
        if isinstance(each.struct, Domain):
            y, h = plan.spots[name].y, each.height
            for index, path in enumerate(upper):
                found[path, name] = y + 0.45 + min(PORT, h / 8) * index
            for index, path in enumerate(reversed(lower)):
                found[path, name] = y + h - 0.45 - min(PORT, h / 8) * index
            step = min(0.9, h * 0.3 / max(1, len(entries) - 1))
            for index, path in enumerate(entries):
                found[path, name] = y + h / 2 + step * (index - (len(entries) - 1) / 2)
    return found


def notes(plan: Plan, picture: Picture) -> Iterator[Part]:
    """Yield drivers' notes: dotted arrows that go round the tables of the hardware."""
    ends = ports(plan, picture)
    devices = sorted(plan.wires, key=lambda name: plan.spots[name].y)
    forms = list(plan.tables.values())
    upper = [name for name in devices if name in plan.upper]
    lower = [name for name in devices if name not in plan.upper]
    for name in devices:
        path = plan.cards[name].struct.path("domain")
        if path not in picture.reach.values or not forms:
            continue
        if name in plan.upper:
            lane = min(form.y for form in forms) - 0.5 - LANE * (len(upper) - 1 - upper.index(name))
        else:
            lane = max(form.y + form.h for form in forms) + 0.5 + LANE * lower.index(name)
        yield _note(plan, name, path, lane, ends)


def _note(
    plan: Plan, name: str, path: str, lane: float, ends: dict[tuple[str, str], float]
) -> Part:
    """Return a device's note."""
    each, spot = plan.cards[name], plan.spots[name]
    index = next((n for n, row in enumerate(each.rows) if row.path == path), 0)
    start = spot.y + (
        TITLE + ROW * (index + 0.5) if each.rows else 0.4 if name in plan.upper else 1.0
    )
    first = next(iter(plan.tables.values()))
    before, behind = first.x - 0.6, first.x + first.w + 0.6

    def drawn(look: Look) -> Iterator[Mark]:
        target = pointee(look[path])
        if target is None or (path, target.name) not in ends:
            return
        left = spot.x + each.width + shifted(plan, name, look)
        turn = max(left, before - 4.0)
        end = plan.spots[target.name].x, ends[path, target.name]
        way = joined(
            straight((left, start), (turn, start)),
            bend((turn, start), (before, lane)),
            straight((before, lane), (behind, lane)),
            bend((behind, lane), end, 0.78),
        )
        role = "dangling" if end_of(target, look) else "note"
        yield Line(way, role, True, f"arrow:{path}", path, curved=True)

    return Part(f"arrow:{path}", drawn)


def pointers(plan: Plan, picture: Picture) -> Iterator[Part]:
    """Yield the hardware's pointers: from the entries of RID tables to domains."""
    ends = ports(plan, picture)
    for form in plan.tables.values():
        for path, (_, middle) in form.entries.items():
            yield _pointer(plan, form, path, middle, ends)


def _pointer(
    plan: Plan, form: Table, path: str, middle: float, ends: dict[tuple[str, str], float]
) -> Part:
    def drawn(look: Look) -> Iterator[Mark]:
        target = pointee(look[path])
        if target is not None and (path, target.name) in ends:
            end = plan.spots[target.name].x, ends[path, target.name]
            role = "broken" if end_of(target, look) else "arrow"
            way = swing((form.x + form.w, middle), end)
            yield Line(way, role, True, f"arrow:{path}", path, curved=True)

    return Part(f"arrow:{path}", drawn)


def wires(plan: Plan, picture: Picture) -> Iterator[Part]:
    """Yield, for each device, the wire that leads to the table's entry for its RID."""
    for name in plan.wires:
        for form in plan.tables.values():
            rid = plan.carried[name]
            path = next((path for path, (of, _) in form.entries.items() if of == rid), "")
            if path:
                yield _wire(plan, name, form, path)


def _to_entry(plan: Plan, name: str, form: Table, path: str, look: Look) -> tuple[Point, ...]:
    """Return the way from a device to the entry of its RID."""
    spot = plan.spots[name]
    left = spot.x + plan.cards[name].width + shifted(plan, name, look)
    turn = form.x - 4.0
    start, end = plan.wires[name], form.entries[path][1]
    return joined(straight((left, start), (turn, start)), bend((turn, start), (form.x, end)))


def _wire(plan: Plan, name: str, form: Table, path: str) -> Part:
    def drawn(look: Look) -> Iterator[Mark]:
        way = _to_entry(plan, name, form, path, look)
        yield Line(way, "wire", False, f"wire:{name}", curved=True)

    return Part(f"wire:{name}", drawn)


def accesses(plan: Plan, picture: Picture) -> Iterator[Part]:
    """Yield the way of each device's DMA: by its RID to a domain's page tables, or to a bar."""
    ends = ports(plan, picture)
    for name in plan.wires:
        for form in plan.tables.values():
            rid = plan.carried[name]
            path = next((path for path, (of, _) in form.entries.items() if of == rid), "")
            if path:
                yield _access(plan, name, form, path, ends)


def _below(form: Table, row: float) -> tuple[Point, ...]:
    """Return the way through an entry, below its words."""
    left, right, low = form.x, form.x + form.w, row + 0.5
    return joined(
        bend((left, row), (left + 1.4, low)),
        straight((left + 1.4, low), (right - 1.4, low)),
        bend((right - 1.4, low), (right, row)),
    )


def _access(
    plan: Plan, name: str, form: Table, path: str, ends: dict[tuple[str, str], float]
) -> Part:
    def drawn(look: Look) -> Iterator[Mark]:
        into = _to_entry(plan, name, form, path, look)
        row, right = form.entries[path][1], form.x + form.w
        target = pointee(look[path])
        if target is None or (path, target.name) not in ends:
            whole = joined(into, _below(form, row), straight((right, row), (right + 1.1, row)))
            yield Flow(whole, "dma", "bounce", f"dma:{name}", 1.0)
            return
        spot, port = plan.spots[target.name], ends[path, target.name]
        there = joined(into, _below(form, row), swing((right, row), (spot.x, port)))
        whole = joined(there, straight((spot.x, port), (spot.x + 0.5, port)))
        if end_of(target, look):
            yield Flow(whole, "dma", "fall", f"dma:{name}", part_of(there, whole))
        else:
            yield Flow(whole, "dma", "pass", f"dma:{name}", 1.0)

    return Part(f"dma:{name}", drawn)
