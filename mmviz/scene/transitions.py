"""The diagram of the kinds of page-table entry and the transitions between them, laid out by dot.

If one function leads from many kinds to one (to "none"), their arrows meet at its name, so that
the name is there once.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import graphviz

from mmviz.kernel.entries.layout import Layout
from mmviz.kernel.x86.transitions import SAID, Place, places, transitions
from mmviz.scene.dot import best
from mmviz.scene.layout import CHAR, LINE
from mmviz.scene.marks import Box, Line, Point, Text
from mmviz.scene.theme import CLEAR

MANY = 3  # transitions that are joined, at least
NARROW, HIGH = 11.0, 2.3  # the least cells of a place: its name, and the entries in it
MARGIN = 0.6
LONGEST = 18  # characters of a function's name on one line
Mark = Box | Line | Text


class Way(NamedTuple):
    """From some places to one, by one of these functions."""

    sources: tuple[Place, ...]
    target: Place
    functions: tuple[str, ...]


class Diagram(NamedTuple):
    """The layout; places and names have their upper left corners, in cells.

    The lines of a way begin with the one to its target; then comes one from each source to the
    point where they meet. A way with one source has only one line.
    """

    at: Mapping[Place, Point]
    lines: Mapping[Way, tuple[tuple[Point, ...], ...]]
    names: Mapping[Way, Point]
    width: float
    height: float


def title(where: Layout) -> str:
    """Return the heading of a diagram."""
    return f"Kinds of entry on {where.name}, and the functions that change them"


def tips(where: Layout) -> dict[str, str]:
    """Return a sentence for each key of a diagram's marks."""
    found = {f"place:{each.value}": f"{SAID[each]}." for each in places(where)}
    files = {each.function: each.file for each in transitions(where)}
    for way in ways(where):
        functions = ", ".join(f"{name} ({files[name]})" for name in way.functions)
        found[_key(way)] = f"{' or '.join(way.sources)} → {way.target}: {functions}."
    return found


def ways(where: Layout) -> tuple[Way, ...]:
    """Return the transitions of a release; many with one function and one target are joined."""
    meeting: dict[tuple[str, Place], list[Place]] = defaultdict(list)
    for each in transitions(where):
        meeting[each.function, each.target].append(each.source)
    single: dict[tuple[Place, Place], list[str]] = defaultdict(list)
    found = []
    for (function, target), sources in meeting.items():
        if len(sources) >= MANY:
            found.append(Way(tuple(sources), target, (function,)))
        else:
            for source in sources:
                single[source, target].append(function)
    return (*(Way((s,), t, tuple(names)) for (s, t), names in single.items()), *found)


@cache
def diagram(where: Layout) -> Diagram:
    """Lay out the transitions of a release.

    Raises:
        NoGraphviz: the layout is not known, and there is no Graphviz.
    """
    known, drawn = places(where), ways(where)
    _, placed = best([_source(known, drawn)], lambda one: one.height)

    def cell(x: float, y: float) -> Point:
        return (x / CHAR + MARGIN, y / LINE + MARGIN / 2)

    def corner(centre: Point, width: float, height: float) -> Point:
        x, y = cell(*centre)
        return (x - width / 2, y - height / 2)

    at, names = {}, {}
    for node, centre in placed.nodes.items():
        kind, index = node[0], int(node[1:])
        if kind == "p":
            at[known[index]] = corner(centre, _wide(known[index]), HIGH)
        else:
            names[drawn[index]] = corner(centre, *_size(drawn[index]))
    lines: dict[Way, list[tuple[Point, ...]]] = defaultdict(list)
    for edge, points in placed.edges.items():
        number, _, turn = edge.partition("/")
        way = drawn[int(number)]
        moved = tuple(cell(x, y) for x, y in points)
        lines[way].append(moved[::-1] if turn == "back" else moved)
        if edge in placed.labels:
            names[way] = corner(placed.labels[edge], *_size(way))
    return Diagram(
        at,
        {way: tuple(found) for way, found in lines.items()},
        names,
        placed.width / CHAR + 2 * MARGIN,
        placed.height / LINE + MARGIN,
    )


def _wide(place: Place) -> float:
    """Return the width of a place in cells."""
    return max(NARROW, len(place.value) + 2.0)


def _names(way: Way) -> list[str]:
    """Return the names on a way; a long one takes two lines."""
    found = []
    for function in way.functions:
        cut = 0
        if len(function) > LONGEST:
            cuts = [at + 1 for at, letter in enumerate(function) if letter == "_"]
            cut = min(cuts, key=lambda at: max(at, len(function) - at + 1))
        found += [function[:cut], f" {function[cut:]}"] if cut else [function]
    return found


def _size(way: Way) -> tuple[float, float]:
    """Return the width and height of the names on a way, in cells."""
    names = _names(way)
    return max(map(len, names)), len(names)


def _source(known: Sequence[Place], drawn: Sequence[Way]) -> str:
    """Return the DOT source: "present" on the left, "none" on the right."""
    graph = graphviz.Digraph(
        graph_attr={"rankdir": "LR", "nodesep": "0.12", "ranksep": "0.03"},
        node_attr={"shape": "plain"},
        edge_attr={"dir": "none"},
    )
    number = {place: f"p{index}" for index, place in enumerate(known)}
    ends = (Place.PRESENT, Place.NONE)
    order = [Place.PRESENT, *(each for each in Place if each not in ends), Place.NONE]
    rank = {place: index for index, place in enumerate(order)}
    for place in sorted(known, key=rank.__getitem__):
        graph.node(number[place], label=_blank(_wide(place), HIGH))
    for index, way in enumerate(drawn):
        width, height = _size(way)
        if len(way.sources) > 1:
            graph.node(f"h{index}", label=_blank(width + 0.3, height))
            graph.edge(f"h{index}", number[way.target], id=f"{index}/")
            for source in way.sources:
                graph.edge(number[source], f"h{index}", id=f"{index}/{number[source]}")
            continue
        pair = [way.sources[0], way.target]
        back = rank[pair[0]] > rank[pair[1]]
        name = f"{index}/back" if back else f"{index}/"
        a, b = (number[end] for end in (reversed(pair) if back else pair))
        graph.edge(a, b, id=name, label=_blank(width + 0.3, height))
    return str(graph.source)


def _blank(width: float, height: float) -> str:
    """Return an empty label of a size in cells."""
    return (
        '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>'
        f'<TD FIXEDSIZE="TRUE" WIDTH="{round(width * CHAR)}" HEIGHT="{round(height * LINE)}">'
        "</TD></TR></TABLE>>"
    )


def draw(
    plan: Diagram, here: Mapping[Place, Sequence[str]], taken: tuple[Place, Place] | None, at: Point
) -> Iterator[Mark]:
    """Draw the places and the ways between them.

    Args:
        plan: the layout.
        here: the entries in each place, "parent"; such places are highlighted.
        taken: the transition that the last step made.
        at: the upper left corner of the diagram on the sheet.
    """
    dx, dy = at
    for way, lines in plan.lines.items():
        role = _role(way.sources, way.target, here, taken)
        meeting = len(way.sources) > 1
        ends = (None, *way.sources) if meeting else (None,)
        for source, points in zip(ends, lines, strict=True):
            mine = role if source is None else _role((source,), way.target, here, taken)
            moved = tuple((x + dx, y + dy) for x, y in points)
            yield Line(moved, LINES[mine], arrow=source is None, key=_key(way))
        x, y = plan.names[way]
        width, height = _size(way)
        lit = "written" if role == "written" else CLEAR
        yield Box(x + dx - 0.4, y + dy, width + 0.8, height, lit, _key(way))
        for index, name in enumerate(_names(way)):
            yield Text(x + dx, y + dy + index, name, role)
    for place, (x, y) in plan.at.items():
        inside, room = here.get(place, ()), int(_wide(place)) - 4
        came = taken is not None and taken[1] is place and taken[0] is not place
        role = "written" if came else "held" if inside else "plain"
        yield Box(x + dx, y + dy, _wide(place), HIGH, role, f"place:{place.value}")
        yield Text(x + dx + 1, y + dy + 0.1, place.value, role, bold=True)
        names = ", ".join(inside)
        if len(names) > room:
            names = f"{len(inside)} here"
        names = f"● {names}" if names else ""
        yield Text(x + dx + 1, y + dy + 1.15, names, role, bool(inside), live=True)


LINES = {"written": "written", "plain": "link", "quiet": "quiet"}


def _role(
    sources: Sequence[Place],
    target: Place,
    here: Mapping[Place, Sequence[str]],
    taken: tuple[Place, Place] | None,
) -> str:
    """Return the role of a way: just taken, possible for an entry, or neither."""
    if taken is not None and taken[0] in sources and taken[1] is target:
        return "written"
    return "plain" if any(source in here for source in sources) else "quiet"


def _key(way: Way) -> str:
    """Return the key of a way: its ends."""
    return f"way:{'+'.join(way.sources)}>{way.target}"
