"""A run as a race diagram fit for a commit message, which reads back to the same run."""

from collections.abc import Iterable
from textwrap import wrap

from mmviz.engine import Frame, MmvizError, Run
from mmviz.engine.text import printable, short
from mmviz.writing.steps import NOTHING, Remark, needed, remarks, waits, who_waits

WIDEST = 75  # columns of a commit message
MAILED = 72  # columns at which mail is wrapped
APART, WIDEST_APART = 8, 36  # columns between the left edges of two actors
HANG = 3  # columns of a row that goes on
GLUE = "\N{NO-BREAK SPACE}"
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
        rows += [" " * x + part for part in _step(frame.label, width - x)]
        rows += _remarks(frame, x, width)
        for remark in said.get(frame.index, ()):
            rows.append(_offence(remark, x, width))
    if run.deadlock:
        for name, words in waits(run).items():
            rows += _beside(words, edges[name], width)
        rows.append(f"// deadlock: {who_waits(run)}")
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

    The actors stand in the case's order, if their steps fit, on a row each or wrapped; else those
    with long names of functions stand at the left, where they run past the next column's edge.
    """
    names = list(run.case.actors)
    for measure in (len, _wrapped, _least):
        wide = {name: len(IDLE) for name in names}
        for frame in run.frames[1:]:
            wide[frame.actor] = max(wide[frame.actor], measure(_words(frame.label)))
        for name, words in waits(run).items():
            longest = 0 if measure is _least else max(map(len, words.split()))
            wide[name] = max(wide[name], HANG + longest)
        for order in (names, sorted(names, key=lambda name: -wide[name])):
            rooms = [(width - wide[name]) // k for k, name in enumerate(order) if k]
            apart = min([WIDEST_APART, *rooms])
            least = max(APART, max(map(len, order)) + 3)
            if wide[order[0]] <= width and (apart >= least or len(order) == 1):
                return {name: apart * k for k, name in enumerate(order)}
    raise MmvizError(f"{len(names)} actors do not fit into {width} columns")


def _remarks(frame: Frame, x: int, width: int) -> list[str]:
    """Return what a diagram that was read says beside a step, as rows below it."""
    step = None if frame.before is None else frame.before.next.get(frame.actor)
    if step is None or not step.doc or not frame.model.case.is_drawing:
        return []
    words = step.doc if step.doc.startswith(("//", "/*", "#", "--", "<-")) else f"// {step.doc}"
    at = min(x + 2, max(0, width - len(words)))
    return [" " * at + words[:width]]


def _words(label: str) -> str:
    return printable(" ".join(label.split()))


def _least(label: str) -> int:
    name, bracket, _ = label.partition("(")
    return len(name) + (len("(...)") if bracket else 0)


def _wrapped(label: str) -> int:
    """Return the width of a step that is wrapped wherever it may be."""
    return max(len(part.rstrip()) + HANG * bool(k) for k, part in enumerate(_parts(label)))


def _parts(label: str) -> list[str]:
    """Return a step cut at its blanks within brackets, where a reader sees that it goes on."""
    parts, depth = [""], 0
    for char in label:
        depth += (char == "(") - (char == ")")
        parts[-1] += char
        if char == " " and depth > 0:
            parts.append("")
    found = [parts[0]]
    for part in parts[1:]:
        if part.startswith(("//", "#", "--", "/*")):  # would be read as a remark
            found[-1] += part
        else:
            found.append(part)
    return found


def _step(label: str, room: int) -> list[str]:
    """Return a step as it fits: on a row, wrapped, or without its arguments."""
    label = _words(label)
    if len(label) <= room:
        return [label]
    if _wrapped(label) <= room:
        rows = [""]
        for part in _parts(label):
            if len(f"{rows[-1]}{part}".rstrip()) > room:
                rows.append(" " * HANG)
            rows[-1] += part
        return rows
    if "(" not in label:
        return [f"{label[: room - 3]}..."]
    return [f"{label.partition('(')[0]}(...)"]


def _beside(words: str, x: int, width: int) -> list[str]:
    """Return a remark in a column, on as many rows as it needs."""
    at = min(x, max(0, width - HANG - max(map(len, words.split()))))
    rows = wrap(
        f"/*{GLUE}{words}",
        max(1, width - at - HANG),
        subsequent_indent=" " * HANG,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [" " * at + row.replace(GLUE, " ") for row in [*rows[:-1], f"{rows[-1]} */"]]


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
    if case.is_drawing:
        return f"{drawn(run, tabs=tabs, brief=brief)}\n{NOTHING}.\n"
    name = f"{case.scenario}:{case.name}" if case.scenario else case.name
    words = f"{name}, {short(run.schedule) or 'no step'}"
    line = "\n".join(_beside(words, 0, MAILED))  # a comment: no step, to one who reads it back
    return f"{drawn(run, tabs=tabs, brief=brief)}\n{line}\n"
