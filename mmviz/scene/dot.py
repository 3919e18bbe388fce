"""Graphviz's dot: a place for each node, and a path for each edge.

The package carries the layouts of the catalogue's own cases, so that these need no Graphviz; they
are found by a hash of all that dot would be given. Any other text is laid out by the Graphviz in
pygraphviz, in this process; without pygraphviz, by `dot` on PATH.
"""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mmviz.scene.marks import Point

CARRIED = Path(__file__).with_name("layouts.json")
PART = 10  # parts of a point that coordinates are rounded to
SAMPLES = 10  # points on each piece of a spline
SECONDS = 60  # that `dot` may take


class NoGraphviz(RuntimeError):
    """No Graphviz is installed that can lay out a graph."""


class Placed(NamedTuple):
    """A graph as dot laid it out, in points from its upper left corner.

    Attributes:
        width, height: the size of the whole.
        nodes: the centre of each node, by its name.
        edges: points along each edge, by its id; an edge without an id is left out.
        labels: the centre of the label of each edge that has one, by its id.
    """

    width: float
    height: float
    nodes: dict[str, Point]
    edges: dict[str, tuple[Point, ...]]
    labels: dict[str, Point]


def best(texts: Sequence[str], cost: Callable[[Placed], Any]) -> tuple[int, Placed]:
    """Return the number of the DOT source whose layout costs least, and this layout.

    Raises:
        NoGraphviz: the layout is not known, and there is no Graphviz.
    """
    known = layouts()
    key = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:20]
    if key not in known:
        found = [_numbers(json.loads(_drawn(text))) for text in texts]
        number = min(range(len(found)), key=lambda number: cost(_placed(*found[number])))
        known[key] = [number, *found[number]]
    number, *numbers = known[key]
    return number, _placed(*numbers)


@cache
def layouts() -> dict[str, list[Any]]:
    """Return the known layouts, by a hash of the DOT sources: those carried, then those made."""
    found: dict[str, list[Any]] = json.loads(CARRIED.read_text("utf-8"))
    return found


def written() -> str:
    """Return the known layouts as the text of the file that carries them, each on a line."""
    lines = (
        f"{json.dumps(key)}:{json.dumps(layout, separators=(',', ':'))}"
        for key, layout in sorted(layouts().items())
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _numbers(picture: dict[str, Any]) -> list[Any]:
    """Return what `_placed` needs of dot's JSON: whole numbers, y from the upper edge."""
    _, _, right, top = map(float, picture["bb"].split(","))

    def parts(text: str) -> list[int]:
        words = (word.partition(",") for word in text.partition(";")[0].split())
        pairs = ((float(x), top - float(y)) for x, _, y in words)
        return [round(number * PART) for pair in pairs for number in pair]

    nodes = [node for node in picture.get("objects", ()) if "pos" in node]  # the others are ranks
    edges = [edge for edge in picture.get("edges", ()) if "id" in edge]
    return [
        *(round(right * PART), round(top * PART)),
        {node["name"]: parts(node["pos"]) for node in nodes},
        {edge["id"]: parts(edge["pos"]) for edge in edges},
        {edge["id"]: parts(edge["lp"]) for edge in edges if "lp" in edge},
    ]


def _placed(
    width: int,
    height: int,
    nodes: dict[str, list[int]],
    edges: dict[str, list[int]],
    labels: dict[str, list[int]],
) -> Placed:
    def points(numbers: Sequence[int]) -> list[Point]:
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return [(x / PART, y / PART) for x, y in pairs]

    return Placed(
        width / PART,
        height / PART,
        {name: points(numbers)[0] for name, numbers in nodes.items()},
        {name: _sampled(points(numbers)) for name, numbers in edges.items()},
        {name: points(numbers)[0] for name, numbers in labels.items()},
    )


def _sampled(controls: Sequence[Point]) -> tuple[Point, ...]:
    """Return points along a spline of cubic Bezier curves."""
    found = [controls[0]]
    for index in range(0, len(controls) - 3, 3):
        piece = controls[index : index + 4]
        found += [_on_curve(piece, n / SAMPLES) for n in range(1, SAMPLES + 1)]
    return tuple(found)


def _on_curve(controls: Sequence[Point], t: float) -> Point:
    """Return the point at `t`, from 0 to 1, of a cubic Bezier curve."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return (
        sum(w * x for w, (x, _) in zip(weights, controls, strict=True)),
        sum(w * y for w, (_, y) in zip(weights, controls, strict=True)),
    )


def _drawn(text: str) -> str:
    """Run dot on a DOT source and return its JSON.

    Raises:
        NoGraphviz: neither pygraphviz nor `dot` on PATH can do it.
    """
    try:
        import pygraphviz
    except ImportError:
        return _drawn_by_program(text)
    graph = pygraphviz.AGraph(string=text)
    try:
        return str(graph.draw(format="json", prog="dot").decode("utf-8"))
    finally:
        graph.close()


def _drawn_by_program(text: str) -> str:
    program = shutil.which("dot")
    if program is None:
        raise NoGraphviz(
            "This needs Graphviz, which is not installed here: pip install pygraphviz, "
            "or put Graphviz's program dot on PATH"
        )
    try:
        done = subprocess.run(
            [program, "-Tjson"],
            input=text,
            capture_output=True,
            encoding="utf-8",
            check=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoGraphviz(
            f"This needs Graphviz, and {program} does not work ({type(error).__name__}): "
            "pip install pygraphviz, or install Graphviz anew"
        ) from error
    return done.stdout
