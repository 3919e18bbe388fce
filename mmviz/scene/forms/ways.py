"""The ways of arrows and accesses: Bézier curves, in cells."""

from itertools import pairwise
from math import hypot

from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Point

STEPS = 12  # straight pieces that a curve is measured by

Way = tuple[Point, ...]  # an end, two controls, an end, …


def bent(start: Point, end: Point) -> Way:
    """Return two curves from one point to another, level at both ends."""
    (x0, y0), (x1, y1) = start, end
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    quarter = (x1 - x0) / 4
    return (
        start,
        (x0 + quarter, y0),
        (middle[0] - quarter / 2, middle[1] - (y1 - y0) / 5),
        middle,
        (middle[0] + quarter / 2, middle[1] + (y1 - y0) / 5),
        (x1 - quarter, y1),
        end,
    )


def joined(*ways: Way) -> Way:
    """Return ways one after the other; each begins where the one before it ends."""
    return ways[0] + tuple(point for way in ways[1:] for point in way[1:])


def padded(way: Way, points: int) -> Way:
    """Return a way of so many points, so that it can become any other of as many."""
    return way + (way[-1],) * (points - len(way))


def on(way: Way, part: float) -> Point:
    """Return the point at a part of the length of a way."""
    points = _sampled(way)
    goal = part * points[-1][2]
    for (x0, y0, a), (x1, y1, b) in pairwise(points):
        if b >= goal and b > a:
            t = (goal - a) / (b - a)
            return (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t)
    return way[-1]


def long(way: Way) -> float:
    """Return the length of a way, in em."""
    return _sampled(way)[-1][2]


def _sampled(way: Way) -> list[tuple[float, float, float]]:
    """Return points on a way, each with its distance from the start, in em."""
    found = [(*way[0], 0.0)]
    for start in range(0, len(way) - 1, 3):
        ends = way[start : start + 4]
        for step in range(1, STEPS + 1):
            u = step / STEPS
            v = 1 - u
            weights = (v * v * v, 3 * v * v * u, 3 * v * u * u, u * u * u)
            x = sum(w * point[0] for w, point in zip(weights, ends, strict=True))
            y = sum(w * point[1] for w, point in zip(weights, ends, strict=True))
            x0, y0, so_far = found[-1]
            found.append((x, y, so_far + hypot((x - x0) * CELL_WIDTH, (y - y0) * CELL_HEIGHT)))
    return found
