"""PASID tables, page tables of processes, and the DMA that walks or, by a cache, skips them."""

from collections.abc import Iterator, Mapping, Sequence

from mmviz.engine import Struct
from mmviz.kernel.iommu.pasid import DmaQueue, Smmu, SvaDevice
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.scene.cards import ROW, TITLE
from mmviz.scene.forms.iommu_chosen import PAGES, SOURCE, TARGET
from mmviz.scene.forms.iommu_group import crumbling
from mmviz.scene.forms.iommu_plan import Plan
from mmviz.scene.forms.iommu_shapes import (
    bend,
    heading,
    joined,
    part_of,
    rows,
    straight,
    swing,
)
from mmviz.scene.layout import Route
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import Picture, end_of
from mmviz.scene.marks import Box, Flow, Line, Mark, Point, Text
from mmviz.scene.places import row_at
from mmviz.scene.reach import pointee

Way = tuple[Point, ...]
POINTS = 61  # of the longest way of a DMA


def page_table(plan: Plan, name: str) -> Iterator[Part]:
    """Yield a process's page table: a block that crumbles."""
    each = plan.cards[name]
    yield from crumbling(plan, name)
    path = each.struct.path("page")
    if any(row.path == path for row in each.rows):
        yield _bar(plan, name, path)


def _bar(plan: Plan, name: str, path: str) -> Part:
    """Return the bar at which a DMA bounces while a field leads nowhere."""
    each, spot = plan.cards[name], plan.spots[name]
    middle, edge = row_at(each, path, spot), spot.x + each.width
    stop = edge + 1.3

    def drawn(look: Look) -> Iterator[Mark]:
        shut = pointee(look[path]) is None
        stem = ((edge, middle), (stop, middle))
        yield Line(stem, "arrow" if shut else "clear", False, f"stub:{path}")
        bar = ((stop, middle - 0.5), (stop, middle + 0.5))
        yield Line(bar, "bar" if shut else "clear", False, f"bar:{path}")

    return Part(f"bar:{path}", drawn)


def pasid_table(plan: Plan, name: str) -> Iterator[Part]:
    """Yield an IOMMU's card: the PASID's entry in memory, and below it what its caches hold."""
    each, (x, y, _) = plan.cards[name], plan.spots[name]

    def body(_look: Look) -> Iterator[Mark]:
        yield Box(x, y, each.width, each.height, "card", f"object:{name}", round=0.25)
        yield Text(x + 0.8, y + 0.12, name, "value", True, False, f"title:{name}")
        kind = "PASID table"
        left = x + each.width - 0.8 - len(kind)
        yield Text(left, y + 0.12, kind, "label", False, False, f"kind:{name}")
        for index, row in enumerate(each.rows):
            if row.path == each.struct.path("entry"):
                at = y + TITLE + ROW * index
                yield Box(x + 0.3, at + 0.06, each.width - 0.6, 1.02, "quiet", f"entry:{row.path}")

    yield Part(f"object:{name}", body)
    yield from rows(each, y, lambda _look: x, plan.locks, plan.forms)
    if each.struct.path("entry") in {row.path for row in each.rows}:
        yield _bar(plan, name, each.struct.path("entry"))


def queue(plan: Plan, name: str, picture: Picture) -> Iterator[Part]:
    """Yield a device's queue; a badge says whether it starts new work."""
    each, (x, y, _) = plan.cards[name], plan.spots[name]
    path = each.struct.path("stopped")

    def body(look: Look) -> Iterator[Mark]:
        yield Box(x, y, each.width, each.height, "card", f"object:{name}", round=0.25)
        yield from heading(each, look, x, y, each.width)

    yield Part(f"object:{name}", body)
    yield from rows(each, y, lambda _look: x, plan.locks, plan.forms)
    if picture.reach.varies(path):
        yield _running(path, x + each.width - 0.5, y)


def _running(path: str, right: float, y: float) -> Part:
    def drawn(look: Look) -> Iterator[Mark]:
        stopped = look[path]
        role, left = ("ghost" if stopped else "good"), right - 8.4
        yield Box(left, y + 0.12, 8.4, 1.0, role, f"badge:{path}", round=0.5)
        yield Box(left, y + 0.12, 8.4, 1.0, "cell", f"cell:{path}", path, 0.5)
        word = "stopped" if stopped else "running"
        yield Text(left + 0.7, y + 0.12, word, role, False, True, f"field:{path}", path)

    return Part(f"badge:{path}", drawn)


def owners(plan: Plan) -> Iterator[Part]:
    """Yield the bars between processes and the page tables that they own, right below them."""
    for each in plan.cards.values():
        if isinstance(each.struct, MmStruct) and each.struct.pgd.name in plan.spots:
            yield _owner(plan, each.name, each.struct.pgd.name)


def _owner(plan: Plan, process: str, table: str) -> Part:
    x = plan.spots[process].x + plan.cards[process].width / 2
    top = plan.spots[process].y + plan.cards[process].height

    def drawn(_look: Look) -> Iterator[Mark]:
        way = ((x, top), (x, plan.spots[table].y))
        yield Line(way, "wire", False, f"owns:{process}")

    return Part(f"owns:{process}", drawn)


# -- arrows ------------------------------------------------------------------------------------


def own_paths(plan: Plan) -> Iterator[str]:
    """Yield the fields whose arrows `arrows` draws."""
    for each in plan.cards.values():
        if isinstance(each.struct, Smmu | DmaQueue | Pgd):
            yield from (row.path for row in each.rows)


def ways(plan: Plan, routes: Sequence[Route], led: Mapping[Route, Way]) -> dict[Route, Way]:
    """Return the paths of arrows, where those past a column keep clear of its cards.

    What a queue has in flight passes above the tables, its cached translation below them; that of
    an IOMMU passes below the page table that it saves a walk of.
    """
    made = dict(led)
    lanes = _lanes(plan, routes)
    pages = {route.target for route in lanes}
    for page in pages:
        there = [route for route in routes if route.target == page]
        there.sort(key=lambda route: (lanes.get(route, led[route][0][1]), route))
        step = plan.cards[page].height / (len(there) + 1)
        for at, route in enumerate(there):
            end = (plan.spots[page].x, plan.spots[page].y + step * (at + 1))
            if plan.spots[route.card].column < plan.spots[page].column:
                made[route] = _past(plan, route, lanes, led[route][0], end)
    return made


def _past(plan: Plan, route: Route, lanes: Mapping[Route, float], start: Point, end: Point) -> Way:
    """Return the path of an arrow to a page."""
    if route not in lanes:
        return swing(start, end)
    lane = lanes[route]
    before = plan.edges[plan.spots[route.card].column + 1][0] - 0.4
    behind = plan.edges[TARGET][1] + 0.4
    return joined(
        bend(start, (before, lane), 0.6),
        straight((before, lane), (behind, lane)),
        bend((behind, lane), end, 0.45),
    )


def _lanes(plan: Plan, routes: Sequence[Route]) -> dict[Route, float]:
    """Return the lines along which arrows pass the columns between their ends."""
    between = {name: spot for name, spot in plan.spots.items() if SOURCE < spot.column < PAGES}
    high = min((spot.y for spot in between.values()), default=0.0) - 0.55
    low = max((s.y + plan.cards[n].height for n, s in between.items()), default=0.0) + 0.55
    found: dict[str, float] = {}
    past = [each for each in routes if _passes(plan, each)]
    past.sort(key=lambda each: (-plan.spots[each.card].column, plan.spots[each.card].y, each.path))
    for route in past:
        if route.path in found:
            continue
        struct = plan.cards[route.card].struct
        if isinstance(struct, Smmu):
            found[route.path] = _gap(plan)
            low += 0.55 * (abs(found[route.path] - low) < 0.5)
        elif plan.floor or route.path == struct.path("inflight"):
            found[route.path] = max(high, plan.top + 0.1)
            high -= 0.55
        else:
            found[route.path] = min(low, plan.size[1] - 0.3)
            low += 0.55
    return {route: found[route.path] for route in past}


def _gap(plan: Plan) -> float:
    """Return the line right below the page table that an IOMMU's translation skips."""
    tables = [name for name, each in plan.cards.items() if isinstance(each.struct, Pgd)]
    column = [name for name, spot in plan.spots.items() if spot.column == TARGET]
    lows = [plan.spots[name].y + plan.cards[name].height for name in tables or column]
    return min(min(lows) + 0.55, plan.size[1] - 0.3)


def _passes(plan: Plan, route: Route) -> bool:
    """Tell whether an arrow leads from a queue or an IOMMU past a column."""
    source, target = plan.spots[route.card], plan.spots[route.target]
    is_ours = isinstance(plan.cards[route.card].struct, Smmu | DmaQueue)
    return is_ours and target.column > source.column + 1 and target.column > TARGET


def arrows(plan: Plan, picture: Picture) -> Iterator[Part]:
    """Yield the arrows of entries, of the caches' copies of them, and of what is in flight."""
    found: dict[str, dict[str, Way]] = {}
    for route, way in picture.places.routes.items():
        found.setdefault(route.path, {})[route.target] = way
    last = sorted(plan.cards.values(), key=lambda each: isinstance(each.struct, DmaQueue))
    for each in last:  # a DMA under way above what it went along
        if isinstance(each.struct, Smmu | DmaQueue | Pgd):
            for row in each.rows:
                if row.path in found:
                    yield _arrow(each.struct, row.path, found[row.path], plan, picture)


def _arrow(
    struct: Struct, path: str, found: Mapping[str, Way], plan: Plan, picture: Picture
) -> Part:
    """Return one arrow: black of an entry, grey of a cached copy, green of a DMA under way.

    A DMA under way has the way that it took.
    """
    is_entry = isinstance(struct, Pgd) or path == struct.path("entry")
    role = "arrow" if is_entry else "link"
    if isinstance(struct, DmaQueue) and path == struct.path("inflight"):
        role = "dma"

    def drawn(look: Look) -> Iterator[Mark]:
        target = pointee(look[path])
        if target is not None and target.name in found:
            ends, way = "dangling" if end_of(target, look) else role, found[target.name]
            if isinstance(struct, DmaQueue) and path == struct.path("inflight"):
                walk = _walked(plan, struct, picture, look) or way
                way = (walk[0],) * (POINTS - len(walk)) + walk
            yield Line(way, ends, True, f"arrow:{path}", path, curved=True)

    return Part(f"arrow:{path}", drawn)


# -- accesses ----------------------------------------------------------------------------------


def wires(plan: Plan) -> Iterator[Part]:
    """Yield the wire from each queue to the IOMMU that translates for it."""
    for each in plan.cards.values():
        if isinstance(each.struct, DmaQueue) and each.struct.smmu.name in plan.spots:
            yield _wire(plan, each.name, each.struct.smmu.name)


def _wire(plan: Plan, name: str, smmu: str) -> Part:
    def drawn(_look: Look) -> Iterator[Mark]:
        yield Line(_to_smmu(plan, name, smmu), "wire", False, f"wire:{name}", curved=True)

    return Part(f"wire:{name}", drawn)


def _to_smmu(plan: Plan, name: str, smmu: str) -> Way:
    """Return the way of a request from a device to the IOMMU."""
    each, spot, to = plan.cards[name], plan.spots[name], plan.spots[smmu]
    return swing((spot.x + each.width, spot.y + 0.65), (to.x, to.y + 0.65))


def _under(plan: Plan, name: str, path: str, start: Point) -> Way:
    """Return the way through a card, from a point of its left edge, below the words of a row."""
    each, spot = plan.cards[name], plan.spots[name]
    row, right = row_at(each, path, spot), spot.x + each.width
    low = row + 0.56
    return joined(
        bend(start, (spot.x + 0.9, low), 0.4),
        straight((spot.x + 0.9, low), (right - 1.2, low)),
        bend((right - 1.2, low), (right, row)),
    )


def accesses(plan: Plan, picture: Picture) -> Iterator[Part]:
    """Yield the way of each queue's DMA; a DMA that has been translated no longer asks."""
    for each in plan.cards.values():
        if isinstance(each.struct, DmaQueue) and each.struct.smmu.name in plan.spots:
            yield _access(plan, each.struct, picture)


def _access(plan: Plan, queue: DmaQueue, picture: Picture) -> Part:
    key = f"dma:{queue.name}"

    def drawn(look: Look) -> Iterator[Mark]:
        found = _found(plan, queue, picture, look)
        if found is not None:
            way, end = found
            yield _flow(way, end, key)

    return Part(key, drawn)


def _flow(way: Way, end: str, key: str) -> Flow:
    """Return the access along a way; one that falls does so as soon as it is there."""
    if end != "fall":
        return Flow(way, "dma", end, key, 1.0)
    x, y = way[-1]
    whole = joined(way, straight((x, y), (x + 0.5, y)))
    return Flow(whole, "dma", "fall", key, part_of(way, whole))


def _found(plan: Plan, queue: DmaQueue, picture: Picture, look: Look) -> tuple[Way, str] | None:
    """Return the way of a queue's DMA, and how it ends; None if it does none."""
    inflight = queue.path("inflight")
    if (page := pointee(look[inflight])) is not None:
        walk = _walked(plan, queue, picture, look)
        if walk is not None:
            x, y = walk[-1]
            if end_of(page, look):
                return walk, "fall"
            return joined(walk, straight((x, y), (x + 0.5, y))), "pass"
        return _along(plan, [], inflight, queue.name, picture, look)
    if look[queue.path("stopped")]:
        return None
    if isinstance(queue, SvaDevice) and look[queue.path("atc")] is not None:
        return _along(plan, [], queue.path("atc"), queue.name, picture, look)
    smmu = queue.smmu
    into = _to_smmu(plan, queue.name, smmu.name)
    for key in ("iotlb", "cached_entry", "entry"):
        path = smmu.path(key)
        if pointee(look[path]) is not None:
            through = _under(plan, smmu.name, path, into[-1])
            return _along(plan, [into, through], path, smmu.name, picture, look)
    through = _under(plan, smmu.name, smmu.path("entry"), into[-1])
    x, y = through[-1]
    return joined(into, through, straight((x, y), (x + 1.1, y))), "bounce"


def _walked(plan: Plan, queue: DmaQueue, picture: Picture, look: Look) -> Way | None:
    """Return the way that a DMA in flight took through the tables, as long as it leads there.

    None if the device had the translation itself, or if no entry or copy leads there any more.
    """
    page, smmu, routes = pointee(look[queue.path("inflight")]), queue.smmu, picture.places.routes
    has_own = isinstance(queue, SvaDevice) and pointee(look[queue.path("atc")]) is not None
    if page is None or has_own or smmu.name not in plan.spots:
        return None
    into = _to_smmu(plan, queue.name, smmu.name)
    for key in ("entry", "cached_entry", "iotlb"):
        path = smmu.path(key)
        target = pointee(look[path])
        route = routes.get(Route(smmu.name, path, target.name)) if target is not None else None
        if target is None or route is None:
            continue
        ways = [into, _under(plan, smmu.name, path, into[-1]), route]
        if isinstance(target, Pgd):
            table, path = target.name, target.path("page")
            target = pointee(look[path])
            below = routes.get(Route(table, path, target.name)) if target is not None else None
            if target is None or below is None:
                continue
            ways += [_under(plan, table, path, route[-1]), below]
        if target.name == page.name:
            return joined(*ways)
    return None


def _along(
    plan: Plan, into: Sequence[Way], path: str, source: str, picture: Picture, look: Look
) -> tuple[Way, str] | None:
    """Follow a pointer to a page, through a page table if there is one between."""
    ways = list(into)
    target = pointee(look[path])
    while target is not None:
        route = picture.places.routes.get(Route(source, path, target.name))
        if route is None:
            return (joined(*ways), "pass") if ways else None
        ways.append(route)
        if end_of(target, look):
            return joined(*ways), "fall"
        if not isinstance(target, Pgd):
            x, y = route[-1]
            return joined(*ways, straight((x, y), (x + 0.5, y))), "pass"
        source, path = target.name, target.path("page")
        if not any(row.path == path for row in plan.cards[source].rows):
            return joined(*ways), "bounce" if pointee(look[path]) is None else "pass"
        ways.append(_under(plan, source, path, route[-1]))
        if pointee(look[path]) is None:
            x, y = ways[-1][-1]
            return joined(*ways, straight((x, y), (x + 1.1, y))), "bounce"
        target = pointee(look[path])
    return None
