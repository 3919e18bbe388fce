"""Runs as plain text and HTML, one column per actor: the text twin of the timeline."""

from collections.abc import Sequence
from typing import Protocol

from mmviz.engine.case import Case
from mmviz.engine.errors import MmvizError
from mmviz.engine.frame import Frame
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.text import expected, index, printable, quoted, replay_line

WIDEST = 1_000  # characters of a column
FRAMES = "write slice(1, 5) for steps 1 to 4"


class Told(Protocol):
    """The part of a run that a table needs."""

    @property
    def case(self) -> Case:
        """The case that was run."""

    @property
    def frames(self) -> Sequence[Frame]:
        """The start, and the world after each step."""

    @property
    def schedule(self) -> tuple[str, ...]:
        """Which actor took each step."""


def table(run: Told, width: int = 38, shown: slice = slice(1, None)) -> str:
    """Return a run as text: one column per actor, time running down.

    Each row says what the step did; a row that violates a bad state is marked; the last line
    replays the run.

    Args:
        run: what to print.
        width: characters per column.
        shown: which frames; by default every step.

    Raises:
        MmvizError: it is not a run, or the width or the frames are nothing of the kind.
    """
    wide = index(width, "the width of a column")
    if not 0 < wide <= WIDEST:
        raise MmvizError(f"the width of a column is 1 to {WIDEST} characters, not {quoted(width)}")
    wanted = expected(shown, slice, "which frames are shown", FRAMES)
    if not hasattr(type(run), "frames"):
        raise MmvizError(
            f"a table is of a run, not of {quoted(run)}; write "
            "mmviz.table(mmviz.replay(case, 'CPU0*3 CPU1'))"
        )
    try:
        frames = [frame for frame in run.frames[wanted] if frame.actor]
    except (TypeError, ValueError):
        raise MmvizError(f"{quoted(shown)} does not say which frames are shown; {FRAMES}") from None
    actors = list(run.case.actors)
    lines = ["".join(f"{name:{wide}}" for name in actors).rstrip()]
    lines.append("".join(f"{'-' * len(name):{wide}}" for name in actors).rstrip())
    for frame in frames:
        indent = " " * (wide * actors.index(frame.actor))
        lines += [indent + line for line in told(run, frame)]
    lines.append("")
    lines.append(replay_line(run.case, run.schedule))
    return printable("\n".join(lines))


def told(run: Told, frame: Frame) -> list[str]:
    """Return what a step did: one line for the step and one for each effect."""
    lines = [frame.label, *(f"  {change}" for change in frame.writes)]
    lines += [f"  !! {sentence}" for sentence in frame.log]
    return lines + [
        f"  !! {bad_state}: {run.case.sentence(bad_state)}" for bad_state in frame.violated
    ]


def columns(run: Told) -> str:
    """Return a run as an HTML table: one column per actor, time running down."""
    rows = []
    for frame in run.frames[1:]:
        cell = "\n".join(told(run, frame))
        row = [cell if name == frame.actor else "" for name in run.case.actors]
        rows.append((str(frame.index), *row))
    return verbatim(
        html_table(("step", *run.case.actors), rows)
        + f"<code>{escape(replay_line(run.case, run.schedule))}</code>"
    )
