"""Where RID tables stand: their entries on the rows of the devices that use them."""

from mmviz.kernel.iommu.iommu import Device, Iommu
from mmviz.scene.cards import ROW, TITLE
from mmviz.scene.forms.iommu_chosen import TABLE, TARGET, exactly
from mmviz.scene.forms.iommu_plan import LANE, STEP, Plan, Table
from mmviz.scene.places import Spot

TOP, FOOT = 1.25, 1.1  # lines from the head of a table to its first entry; below the last entry


def tables(made: Plan) -> None:
    """Place the RID tables of a picture, and choose where the devices' wires begin.

    The notes of the upper devices will pass above the tables, those of the others below.
    """
    devices = _wires(made)
    forms = [each.struct for each in made.cards.values() if isinstance(each.struct, Iommu)]
    wanted = {}
    for each in forms:
        for path, rid in _paths(each).items():
            ends = [made.wires[name] for name, carried in devices.items() if carried == rid]
            wanted[path] = sum(ends) / len(ends) if ends else made.spots[each.name].y + 4
    forms.sort(key=lambda each: min((wanted[path] for path in _paths(each)), default=0.0))
    low = made.top + 0.9
    for each in forms:
        low = _place(made, each.name, wanted, low) + 0.8
    passing = LANE * (len(devices) - len(made.upper))
    over = max(0.0, low - 0.8 + 0.6 + passing - made.size[1])
    if over and forms:
        made.size = (made.size[0], made.size[1] + over)
    _clear(made, [each.name for each in forms])
    _centre(made)


def _paths(iommu: Iommu) -> dict[str, str]:
    """Return the paths of the entries of a table, each with its RID."""
    return {iommu.table.path(rid): str(rid) for rid in iommu.table}


def _wires(made: Plan) -> dict[str, str]:
    """Choose where wires begin; return the devices from the top, with the RIDs they carry."""
    found = {}
    for name in sorted(made.cards, key=lambda name: made.spots[name].y):
        struct = made.cards[name].struct
        if isinstance(struct, Device):
            found[name] = str(struct.rid)
    made.carried = found
    made.upper = set(list(found)[: (len(found) + 1) // 2])
    for name in found:
        each, y = made.cards[name], made.spots[name].y
        low = y + each.height - 0.8 if each.rows or each.foot else y + 1.0
        made.wires[name] = low if name in made.upper else y + 0.45
    return found


def _place(made: Plan, name: str, wanted: dict[str, float], start: float) -> float:
    """Place a table at or below a line; return where it ends."""
    each = made.cards[name]
    left, right = made.edges[TABLE]
    head = 1.5 + ROW * len(each.rows) + TOP
    paths = _paths(each.struct) if isinstance(each.struct, Iommu) else {}
    low = start + head
    entries = {}
    for path in sorted(paths, key=wanted.__getitem__):
        low = max(low, wanted[path])
        entries[path] = (paths[path], low)
        low += STEP
    first = next((y for _, y in entries.values()), low) - head
    last = max((y for _, y in entries.values()), default=low) + FOOT
    over = min(max(0.0, last + 1.2 - made.size[1]), first - start)
    entries = {path: (rid, y - over) for path, (rid, y) in entries.items()}
    first, last = first - over, last - over
    lines = int((last - first - TITLE) / ROW + 0.99) - len(each.rows)
    made.cards[name] = exactly(each, right - left)._replace(foot=lines)
    made.spots[name] = Spot(left, first, TABLE)
    made.tables[name] = Table(made.cards[name], left, first, right - left, last - first, entries)
    return last


def _centre(made: Plan) -> None:
    """Move what the tables lead to, as a whole, towards their height."""
    column = [name for name, spot in made.spots.items() if spot.column == TARGET]
    if not column or not made.tables:
        return
    first = min(made.spots[name].y for name in column)
    last = max(made.spots[name].y + made.cards[name].height for name in column)
    wanted = min(form.y for form in made.tables.values()) / 2
    wanted += max(form.y + form.h for form in made.tables.values()) / 2 - (first + last) / 2
    low, high = made.top + 0.3 - first, made.size[1] - 0.5 - last
    move = min(max(wanted * 0.7, min(low, 0.0)), max(high, 0.0))
    for name in column:
        made.spots[name] = made.spots[name]._replace(y=made.spots[name].y + move)


def _clear(made: Plan, forms: list[str]) -> None:
    """Move what else stands in the column of the tables below their notes, or above."""
    if not forms:
        return
    below = max(made.tables[name].y + made.tables[name].h for name in forms) + 1.9
    above = min(made.tables[name].y for name in forms) - 1.5
    for name, spot in made.spots.items():
        if spot.column != TABLE or name in forms:
            continue
        h = made.cards[name].height
        if below + h <= made.size[1] - 0.2 or above - h < made.top:
            made.spots[name] = spot._replace(y=below)
            below += h + 0.6
        else:
            above -= h
            made.spots[name] = spot._replace(y=above)
            above -= 0.6
        made.size = (made.size[0], max(made.size[1], made.spots[name].y + h + 0.4))
