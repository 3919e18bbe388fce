"""A run as a race diagram fit for a commit message, which reads back to the same run."""

from collections.abc import Iterable

from mmviz.engine import Frame, MmvizError, Run
from mmviz.engine.text import printable, short
from mmviz.writing.steps import Remark, needed, remarks

WIDEST = 75  # columns of a commit message
APART = 8  # columns between the left edges of two actors, at least
IDLE, ELIDED = "// takes no step", "..."


def drawn(run: Run, width: int = WIDEST, tabs: bool = False, brief: bool = False) -> str:
    """Return a run as a diagram: a column an actor, a row a step, in the order of time.

    A step that violates a bad state says so in a remark, and so do the two accesses whose race
    decides it. `mmviz.diagram` reads it back.

    Args:
        run: the run.
        width: the most columns of a row.
        tabs: whether blanks are written as tabs, eight columns wide.
        brief: whether "..." stands for the steps that did not lead to what goes wrong.

    Raises:
        MmvizError: the case has more actors than fit.
    """
    edges = _edges(run, width)
    names = list(edges)
    rows = [_row(edges.values(), names), _row(edges.values(), ["-" * len(each) for each in names])]
    moved = {frame.actor for frame in run.frames[1:]}
    rows += [" " * x + IDLE for name, x in edges.items() if name not in moved]
    said, kept = remarks(run), needed(run) if brief else None
    last = ""  # the actor whose steps were left out just before
    for frame in run.frames[1:]:
        x = edges[frame.actor]
        if kept is not None and frame.index not in kept:
            rows += [] if last == frame.actor else [" " * x + ELIDED]
            last = frame.actor
            continue
        last = ""
        rows.append(" " * x + _step(frame.label, width - x))
        rows += _remarks(frame, x, width)
        for remark in said.get(frame.index, ()):
            rows.append(_offence(remark, x, width))
    if run.deadlock:
        rows.append(f"// deadlock: {' and '.join(run.blocked())} wait")
    text = "\n".join(row.rstrip() for row in rows) + "\n"
    return "".join(f"{_tabbed(row)}\n" for row in text.splitlines()) if tabs else text


def _offence(remark: Remark, x: int, width: int) -> str:
    """Return the row below a step that offends: the bad state, or what is raced for."""
    if remark.bad:
        return " " * min(x + 2, max(0, width - len(remark.words) - 3)) + f"// {remark.words}"
    words = f"// race: {remark.words}"
    room = width - x - 2
    return " " * (x + 2) + (words if len(words) <= room else "// race")


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


def _remarks(frame: Frame, x: int, width: int) -> list[str]:
    """Return what a diagram that was read says beside a step, as rows below it."""
    step = None if frame.before is None else frame.before.next.get(frame.actor)
    if step is None or not step.doc or frame.model.case.kind != "diagram":
        return []
    words = step.doc if step.doc.startswith(("//", "/*", "#", "--", "<-")) else f"// {step.doc}"
    at = min(x + 2, max(0, width - len(words)))
    return [" " * at + words[:width]]


def _least(label: str) -> int:
    name, bracket, _ = label.partition("(")
    return len(name) + (len("(...)") if bracket else 0)


def _step(label: str, room: int) -> str:
    """Return a step as it fits: with its arguments, or without them; always on one line."""
    label = printable(" ".join(label.split()))
    if "(" not in label:
        return label if len(label) <= room else f"{label[: room - 3]}..."
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


def titled(run: Run, tabs: bool = False, brief: bool = False) -> str:
    """Return the diagram with the line that replays it."""
    case = run.case
    name = f"{case.scenario}:{case.name}" if case.scenario else case.name
    return f"{drawn(run, tabs=tabs, brief=brief)}\n{name}, {short(run.schedule) or 'no step'}\n"
