"""Accesses of CPUs and devices: from a pill on a card, through its entries, to what they name.

An access passes, bounces at a barrier or an empty socket, or falls where the page is free. A CPU
that has a TLB goes to the page at once while the TLB has the entry, past the table.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable, PmdTable
from mmviz.kernel.mm.tlb import Tlb
from mmviz.scene.forms.entries import Kind, is_walked, kind_of
from mmviz.scene.forms.pages import Port, bar_at, ports
from mmviz.scene.forms.ways import Way, bent, joined, long, padded
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import ACCESSES, Picture
from mmviz.scene.marks import Box, Flow, Mark, Text
from mmviz.scene.reach import pointee

LANDED = 0.97  # part of the way at which an access has reached a page
POINTS = 22  # of the longest way
UNDER = 0.54  # lines below the middle of a row, between it and the next


def accesses(picture: Picture) -> Iterator[Part]:
    """Yield where accesses start, and the ways that they take through the entries."""
    found = ports(picture)
    seen: set[str] = set()
    for port in found.values():
        if is_walked(port.entry, picture.reach):
            continue
        if port.card.name not in seen:
            seen.add(port.card.name)
            yield Part(f"source:{port.card.name}", _source(port))
        yield Part(f"access:{port.entry.path}", _access(port, found))


def _pill(port: Port) -> tuple[float, float, float]:
    """Return the left end, the top and the width of the start of an access."""
    wide = len(port.entry.by) + 3.6
    left = port.spot.x + (port.card.width - wide - 0.5 if port.out > 0 else 0.5)
    return left, port.foot - 0.5, wide


def _source(port: Port) -> Callable[[Look], Iterator[Mark]]:
    """Return what draws the start of the accesses through a card: a pill with a ball."""
    name, side = port.card.name, port.entry.side
    left, top, wide = _pill(port)

    def draw(look: Look) -> Iterator[Mark]:
        del look
        yield Box(left, top, wide, 1.0, "plain", f"access:{name}", round=0.5)
        yield Box(left + 0.7, top + 0.3, 0.98, 0.4, side, f"access:{name}:ball", round=0.2)
        yield Text(left + 2.4, top, port.entry.by, "label", key=f"access:{name}:words")

    return draw


def _access(port: Port, found: Mapping[str, Port]) -> Callable[[Look], Iterator[Mark]]:
    """Return what draws the way of an access through an entry, and through what that leads to."""
    entry = port.entry

    def draw(look: Look) -> Iterator[Mark]:
        value = look[entry.path]
        is_idle = bool(entry.while_set) and not look[entry.while_set]
        if is_idle or (not entry.faults and kind_of(value) is Kind.NONE):
            return
        last, ways = port, [_start(port)]
        hop = _next(port, value, found)
        if hop is not None:
            arrow = port.way(value)
            ways += _through(port, arrow, hop)
            last, value = hop, look[hop.entry.path]
        before, arrow = joined(*ways), last.way(value)
        whole = joined(before, arrow) if arrow else before
        bar = (long(before) + bar_at(arrow) * long(arrow)) / long(whole) if arrow else 1.0
        kind, page = kind_of(value), pointee(value)
        end, at = "pass", 1.0
        if arrow is None:
            end = "bounce"
        elif kind not in (Kind.WRITABLE, Kind.READ_ONLY):
            end, at = "bounce", bar
        elif isinstance(page, Page) and look[page.path("refs")] == 0:
            end, at = "fall", LANDED
        key = f"{entry.side}:{entry.path}"
        yield Flow(padded(whole, POINTS), entry.side, end, key, at)
        if kind is Kind.READ_ONLY and end == "pass":
            yield Flow(padded(whole, POINTS), entry.side, "bounce", f"{key}:write", bar)

    return draw


def _start(port: Port) -> Way:
    """Return the way from the start of an access to the entry: out of the card, and up."""
    left, top, wide = _pill(port)
    x, y = port.at
    beyond = x + 1.9 * port.out
    return (
        (left + wide if port.out > 0 else left, top + 0.5),
        (beyond, top + 0.5),
        (beyond, y),
        (x, y),
    )


def _through(port: Port, arrow: Way | None, hop: Port) -> list[Way]:
    """Return the way from an entry, along its arrow if it has one, through the row of the next."""
    x, y = hop.at
    edge = (x - hop.card.width * hop.out, y + UNDER)
    if arrow is None:
        to_row = [bent(port.at, edge)]
    else:
        (ax, ay), (ex, ey) = arrow[-1], edge
        to_row = [arrow, ((ax, ay), (ax - 1, ay), (ex - 1, ey), edge)]
    return [*to_row, (edge, (x, edge[1]), (x, edge[1]), (x, y))]


def _next(port: Port, value: Any, found: Mapping[str, Port]) -> Port | None:
    """Return the entry that comes next: where a TLB misses, and below an upper table."""
    table = pointee(value)
    tables = [other for other in found.values() if isinstance(other.entry.struct, PageTable)]
    if isinstance(port.entry.struct, Tlb) and table is None:
        address = port.entry.address
        return next((other for other in tables if other.entry.address == address), None)
    if isinstance(port.entry.struct, PmdTable) and isinstance(table, PageTable):
        return next((other for other in tables if other.entry.struct.name == table.name), None)
    return None


ACCESSES.append(accesses)
