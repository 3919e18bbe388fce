"""The order in which locks are taken: a graph laid out once, and the uses of each order."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import graphviz

from mmviz.scene.dot import Placed, best
from mmviz.scene.held import LockState, Order, Use
from mmviz.scene.layout import CHAR, LINE, ROOM
from mmviz.scene.marks import Box, Line, Point, Text, shorten
from mmviz.scene.theme import CLEAR

MOST_ORDERS = 10  # lines of text; the others are counted
NODE = 1.3  # height of a lock's box in lines
ROW = 1.35
LIST = 46.0  # cells that the text needs beside the graph
NAME = 26

NO_ORDER = "no actor takes a lock while it holds another"

Marks = Iterator[Box | Line | Text]


class Drawing(NamedTuple):
    """The graph of all possible orders, and room for their uses.

    Attributes:
        orders: all possible orders.
        at: the upper left corner of each lock's box, and its width.
        ways: the line of each order.
        width, height: the size of the whole, in cells.
        beside: where the text begins: right of the graph, or below it.
    """

    orders: tuple[Order, ...]
    at: dict[str, tuple[float, float, float]]
    ways: dict[Order, tuple[Point, ...]]
    width: float
    height: float
    beside: Point

    def marks(self, state: LockState, k: int, y: float, width: float) -> Marks:
        """Draw the orders used so far, below line `y`."""
        if not self.orders:
            yield Text(1, y, f"Lock order: {NO_ORDER}", "quiet")
            return
        ring = set(cycle(state.orders))
        yield Text(1, y, "Lock order so far", "plain", bold=True)
        used = {name for order in state.orders for name in order}
        broken = {name for order in ring for name in order}
        for name, (x, top, wide) in self.at.items():
            role = "bad" if name in broken else "head" if name in used else CLEAR
            yield Box(x, y + top, wide, NODE, role, "locks:order")
            yield Text(x + 1, y + top + 0.15, shorten(name, NAME), role, role == "bad")
        for order, way in self.ways.items():
            uses = state.orders.get(order, ())
            role = CLEAR
            if uses:
                only_wants = all(use.wants for use in uses)
                role = "bad" if order in ring else "blocked" if only_wants else "link"
            yield Line(tuple((px, y + py) for px, py in way), role, True)
        x, top = self.beside
        rows = [*self._messages(state, ring)]
        for number in range(self._rows):
            role, words, step = rows[number] if number < len(rows) else (CLEAR, "", 0)
            key = f"step:{step}" if step else ""
            yield Box(x, y + top, width - x - 1, ROW - 0.1, role, key)
            words = shorten(words, int(width - x) - 3)
            yield Text(x + 1, y + top + 0.1, words, role, role == "bad", True)
            top += ROW

    @property
    def _rows(self) -> int:
        return min(len(self.orders), MOST_ORDERS) + 2

    def _messages(self, state: LockState, ring: set[Order]) -> Iterator[tuple[str, str, int]]:
        """Yield a line for each order used, and one for a cycle: (role, words, step)."""
        if ring:
            actors = list(dict.fromkeys(use.actor for order in ring for use in state.orders[order]))
            disagree = "takes them in both orders" if len(actors) == 1 else "disagree on the order"
            names = " and ".join(sorted(actors))
            latest = max(state.orders[order][0].step for order in ring)
            yield "bad", f"✗ cycle: {names} {disagree}", latest
        used = sorted(state.orders.items(), key=lambda pair: (pair[0] not in ring, pair[1][0].step))
        for order, uses in used[:MOST_ORDERS]:
            role = "bad" if order in ring else "plain"
            yield role, f"{order.outer} → {order.inner}: {_uses(uses)}", uses[0].step
        if len(used) > MOST_ORDERS:
            yield "quiet", f"… {len(used) - MOST_ORDERS} more orders", 0

    def lines(self, state: LockState) -> list[str]:
        """Return the orders used so far in words."""
        if not self.orders:
            return [f"lock order: {NO_ORDER}"]
        lines = [words for _, words, _ in self._messages(state, set(cycle(state.orders)))]
        return ["lock order so far:" + " none" * (not lines), *(f"  {words}" for words in lines)]


def _uses(uses: Sequence[Use]) -> str:
    """Return which actors used an order, and when each first did."""
    return ", ".join(
        f"{use.actor} {'wants' if use.wants else 'takes'} it in step {use.step}" for use in uses
    )


def drawing(orders: Sequence[Order]) -> Drawing:
    """Lay out all possible orders, in the lower of two layouts that fits.

    Raises:
        NoGraphviz: the layout is not known, and there is no Graphviz.
    """
    if not orders:
        return Drawing((), {}, {}, 0, 1.2, (0, 0))
    orders = sorted(orders)

    def cost(placed: Placed) -> tuple[float, float]:
        drawn = _read(placed, orders)
        return max(drawn.width, ROOM), drawn.height

    _, placed = best([_source(orders, ranks) for ranks in ("LR", "TB")], cost)
    return _read(placed, orders)


def _names(orders: Iterable[Order]) -> dict[str, float]:
    """Return the locks, each with the width of its box."""
    names = (name for order in orders for name in order)
    return {name: min(len(name), NAME) + 2.0 for name in names}


def _source(orders: Sequence[Order], ranks: str) -> str:
    """Return the DOT source: a box for each lock."""
    graph = graphviz.Digraph(
        graph_attr={"rankdir": ranks, "nodesep": "0.2", "ranksep": "0.4"},
        node_attr={"shape": "box", "fixedsize": "true", "label": ""},
    )
    wide = _names(orders)
    index = {name: str(number) for number, name in enumerate(wide)}
    for name, node in index.items():
        size = {"width": str(wide[name] * CHAR / 72), "height": str(NODE * LINE / 72)}
        graph.node(node, **size)
    for number, order in enumerate(orders):
        graph.edge(index[order.outer], index[order.inner], id=str(number), dir="none")
    return str(graph.source)


def _read(placed: Placed, orders: Sequence[Order]) -> Drawing:
    """Return the drawing that dot laid out."""
    head = 1.6
    wide = _names(orders)
    names = list(wide)

    def cell(x: float, y: float) -> Point:
        return (x / CHAR + 1, y / LINE + head)

    at: dict[str, tuple[float, float, float]] = {}
    for node, centre in placed.nodes.items():
        name = names[int(node)]
        x, y = cell(*centre)
        at[name] = (x - wide[name] / 2, y - NODE / 2, wide[name])
    ways = {
        orders[int(number)]: tuple(cell(x, y) for x, y in points)
        for number, points in placed.edges.items()
    }
    width, height = placed.width / CHAR + 2, placed.height / LINE + head + 0.3
    rows = (min(len(orders), MOST_ORDERS) + 2) * ROW
    if width + LIST <= ROOM:
        return Drawing(
            tuple(orders), at, ways, ROOM - 2, max(height, head + rows), (width + 1, head)
        )
    return Drawing(tuple(orders), at, ways, max(width, 90), height + rows, (1, height))


def cycle(used: Iterable[Order]) -> tuple[Order, ...]:
    """Return orders that form a cycle, () for none."""
    ahead: dict[str, list[str]] = {}
    for order in used:
        ahead.setdefault(order.outer, []).append(order.inner)
    for start in ahead:
        paths: list[tuple[str, ...]] = [(start,)]
        seen: set[str] = set()
        for path in paths:
            for name in ahead.get(path[-1], ()):
                if name == start:
                    ring = (*path, start)
                    return tuple(Order(*pair) for pair in pairwise(ring))
                if name not in seen:
                    seen.add(name)
                    paths.append((*path, name))
    return ()
