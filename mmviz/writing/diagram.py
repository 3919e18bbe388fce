"""A run as a race diagram fit for a commit message, which reads back to the same run."""

from collections.abc import Iterable

from mmviz.engine import MmvizError, Run
from mmviz.engine.text import short

WIDEST = 75  # columns of a commit message
APART = 8  # columns between the left edges of two actors, at least
IDLE = "// takes no step"


def drawn(run: Run, width: int = WIDEST, tabs: bool = False) -> str:
    """Return a run as a diagram: a column an actor, a row a step, in the order of time.

    A step that violates a bad state says so in a remark. `mmviz.diagram` reads it back.

    Args:
        run: the run.
        width: the most columns of a row.
        tabs: whether blanks are written as tabs, eight columns wide.

    Raises:
        MmvizError: the case has more actors than fit.
    """
    edges = _edges(run, width)
    names = list(edges)
    rows = [_row(edges.values(), names), _row(edges.values(), ["-" * len(each) for each in names])]
    moved = {frame.actor for frame in run.frames[1:]}
    rows += [" " * x + IDLE for name, x in edges.items() if name not in moved]
    before: frozenset[str] = frozenset()
    for frame in run.frames[1:]:
        x = edges[frame.actor]
        rows.append(" " * x + _step(frame.label, width - x))
        now = frozenset(frame.violated)
        for bad_state in sorted(now - before):
            x = min(x, max(0, width - len(bad_state) - 5))
            rows.append(" " * x + f"  // {bad_state}")
        before = now
    if run.deadlock:
        rows.append(f"// deadlock: {' and '.join(run.blocked())} wait")
    text = "\n".join(row.rstrip() for row in rows) + "\n"
    return "".join(f"{_tabbed(row)}\n" for row in text.splitlines()) if tabs else text


def _edges(run: Run, width: int) -> dict[str, int]:
    """Return where each actor's column begins.

    The actors stand in the case's order, if they fit; else those with long names of functions
    stand at the left, where they run past the next column's edge.
    """
    names = list(run.case.actors)
    wide = {name: len(IDLE) for name in names}
    for frame in run.frames[1:]:
        wide[frame.actor] = max(wide[frame.actor], _least(frame.label))
    for order in (names, sorted(names, key=lambda name: -wide[name])):
        last = len(order) - 1
        least = max(APART, max(map(len, order)) + 3)
        apart = max(least, min(36, (width - max(wide.values())) // max(last, 1)))
        if all(apart * k + wide[name] <= width for k, name in enumerate(order)):
            return {name: apart * k for k, name in enumerate(order)}
        apart = least
        if all(apart * k + wide[name] <= width for k, name in enumerate(order)):
            return {name: apart * k for k, name in enumerate(order)}
    raise MmvizError(f"{len(names)} actors do not fit into {width} columns")


def _least(label: str) -> int:
    name, bracket, _ = label.partition("(")
    return len(name) + (len("(...)") if bracket else 0)


def _step(label: str, room: int) -> str:
    """Return a step as it fits: with its arguments, or without them."""
    return label if len(label) <= room else f"{label.partition('(')[0]}(...)"


def _row(edges: Iterable[int], cells: Iterable[str]) -> str:
    row = ""
    for x, cell in zip(edges, cells, strict=True):
        row = row.ljust(x) + cell
    return row


def _tabbed(row: str) -> str:
    """Write the blanks before each piece of a row as tabs, as far as they reach a stop."""
    lead = len(row) - len(row.lstrip())
    return "\t" * (lead // 8) + " " * (lead % 8) + row[lead:]


def titled(run: Run) -> str:
    """Return the diagram with the line that replays it."""
    case = run.case
    name = f"{case.scenario}:{case.name}" if case.scenario else case.name
    return f"{drawn(run)}\n{name}, {short(run.schedule) or 'no step'}\n"
