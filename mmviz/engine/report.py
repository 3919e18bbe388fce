"""Runs and results as plain text: the twin of every picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from mmviz.engine.case import Case, Verdict
from mmviz.engine.html import escape, html_table
from mmviz.engine.livelock import Lasso

if TYPE_CHECKING:
    from mmviz.engine.frame import Frame
    from mmviz.engine.run import Run


class Counterexample(NamedTuple):
    """Two runs that violate a property.

    Attributes:
        shortest: a schedule with the fewest steps.
        fewest_preemptions: a schedule that takes the CPU away as rarely as possible; it reads
            as a story, so the stage shows this one.
        preemptions: how often it does.
    """

    shortest: tuple[str, ...]
    fewest_preemptions: tuple[str, ...]
    preemptions: int

    def __repr__(self) -> str:
        return (
            f"shortest, {len(self.shortest)} steps: {short(self.shortest)}\n"
            f"fewest preemptions, {self.preemptions}: {short(self.fewest_preemptions)}"
        )


@dataclass(frozen=True)
class Report:
    """What a search found.

    Attributes:
        case: what was searched.
        verdicts: property -> verdict over all completed runs.
        states, transitions: how many there are.
        seconds: how long it took.
        size: bytes the states took, trace links included (an estimate).
        cut: why the search ended early, "" when nothing was cut off.
        stuck: a run into a deadlock, None when there is none.
        livelock: a fair run that never ends, None when there is none.
        livelock_checked: livelocks were looked for.
        counterexamples: violated property -> its two runs.
    """

    case: Case
    verdicts: dict[str, Verdict]
    states: int
    transitions: int
    seconds: float
    size: int
    cut: str
    stuck: Counterexample | None
    livelock: Lasso | None
    livelock_checked: bool
    counterexamples: dict[str, Counterexample] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every interleaving was judged."""
        return not self.cut

    @property
    def as_expected(self) -> bool:
        """Whether the search found what the case declares, counts included."""
        return not self.differences()

    def differences(self) -> list[str]:
        """Return one sentence for each thing that differs from what the case declares."""
        case, found = self.case, []
        for prop, verdict in self.verdicts.items():
            declared = case.expect.get(prop)
            if declared != verdict:
                found.append(f"{prop} is {verdict}, declared {declared or 'nowhere'}")
        if (self.stuck is not None) != case.stuck:
            found.append("a run gets stuck" if self.stuck else "no run gets stuck, as declared")
        if (self.livelock is not None) != case.livelock:
            found.append("a fair run never ends" if self.livelock else "no livelock, as declared")
        if case.states and case.states != self.states:
            found.append(f"{self.states} states, declared {case.states}")
        return found

    @property
    def small_print(self) -> str:
        """What the verdict rests on: bounds, memory model, anything cut off."""
        case = self.case
        actors = ", ".join(case.actors)
        parts = [
            f"{self.states:,} states and {self.transitions:,} transitions in {self.seconds:.3g} s",
            self.cut or "nothing cut off",
            f"actors: {actors}",
            f"memory: {case.memory_model}",
        ]
        if case.daemons:
            parts.append(f"may idle for ever: {', '.join(case.daemons)}")
        if not self.livelock_checked:
            parts.append("livelocks were not looked for")
        return "; ".join(parts)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (property, verdict, remark) for each property, then for stuck and livelock."""
        found = []
        for prop, verdict in self.verdicts.items():
            example = self.counterexamples.get(prop)
            remark = ""
            if example is not None:
                remark = (
                    f"shortest run {len(example.shortest)} steps; fewest preemptions "
                    f"{example.preemptions}, in {len(example.fewest_preemptions)} steps"
                )
            found.append((prop, str(verdict), remark))
        if self.stuck is not None:
            steps = len(self.stuck.shortest)
            found.append(("stuck", "Sometimes", f"nobody can move after {steps} steps"))
        if self.livelock is not None:
            steps = len(self.livelock.cycle)
            found.append(("livelock", "Sometimes", f"a fair loop of {steps} steps"))
        return found

    def __str__(self) -> str:
        lines = [f"{self.case.name} ({self.case.id}): {self.case.title}"]
        width = max(len(prop) for prop, _, _ in self.rows()) if self.rows() else 0
        for prop, verdict, remark in self.rows():
            lines.append(f"  {prop:{width}}  {verdict:9}  {remark}".rstrip())
        lines.append(f"  ({self.small_print})")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [(prop, sentence_of_row(self.case, prop), *rest) for prop, *rest in self.rows()]
        return (
            f'<div class="mm-report"><strong>{escape(self.case.title)}</strong>'
            + html_table(("what may go wrong", "in words", "verdict", ""), rows)
            + f"<small>{escape(self.small_print)}</small></div>"
        )


def sentence_of_row(case: Case, prop: str) -> str:
    """Return what a row of a report means, for people."""
    known = {
        "stuck": "Nobody can move, and somebody has not finished",
        "livelock": "Everybody gets turns, and it never ends",
    }
    return known.get(prop) or case.sentence(prop)


def table(run: "Run", width: int = 38, shown: slice = slice(1, None)) -> str:
    """Return a run as text: one column an actor, time running down.

    Each row says what the step did; a row in which a property breaks is marked; the last line
    is the one that replays the run.

    Args:
        run: what to print.
        width: characters a column.
        shown: which frames; by default every step.
    """
    actors = list(run.case.actors)
    lines = ["".join(f"{name:{width}}" for name in actors).rstrip()]
    lines.append("".join(f"{'-' * len(name):{width}}" for name in actors).rstrip())
    for frame in run.frames[shown]:
        indent = " " * (width * actors.index(frame.actor))
        lines += [indent + line for line in told(run, frame)]
    lines.append("")
    lines.append(replay_line(run.case, run.schedule))
    return "\n".join(lines)


def told(run: "Run", frame: "Frame") -> list[str]:
    """Return what a step did, a line for the step and one for each thing that came of it."""
    lines = [frame.label, *(f"  {change}" for change in frame.writes)]
    lines += [f"  !! {sentence}" for sentence in frame.log]
    return lines + [f"  !! {prop}: {run.case.sentence(prop)}" for prop in frame.violated]


def columns(run: "Run") -> str:
    """Return a run as an HTML table: one column an actor, time running down."""
    rows = []
    for frame in run.frames[1:]:
        cell = "\n".join(told(run, frame))
        row = [cell if name == frame.actor else "" for name in run.case.actors]
        rows.append((str(frame.index), *row))
    return html_table(("", *run.case.actors), rows) + f"<code>{escape(repr(run))}</code>"


def rests_on(reports: Iterable[Report]) -> str:
    """Return what the verdicts of several searches rest on: their memory models, and all runs."""
    memory = " or ".join(sorted({report.case.memory_model for report in reports}))
    return f"memory: {memory}; verdicts are over all completed runs of the model."


def replay_line(case: Case, schedule: Sequence[str]) -> str:
    """Return the one line of Python that replays a schedule."""
    where = f"find({case.scenario!r}, {case.name!r})" if case.scenario else case.name
    return f"replay({where}, {short(schedule)!r})"


def short(schedule: Sequence[str]) -> str:
    """Return a schedule as text, equal neighbours counted: "CPU0*3 CPU1"."""
    words: list[tuple[str, int]] = []
    for name in schedule:
        if words and words[-1][0] == name:
            words[-1] = (name, words[-1][1] + 1)
        else:
            words.append((name, 1))
    return " ".join(name if count == 1 else f"{name}*{count}" for name, count in words)


def spoken(value: Any) -> str:
    """Return a field's value as it is shown."""
    if value is None:
        return "none"
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, tuple | frozenset) and not hasattr(value, "_fields"):
        words = list(map(spoken, value))
        if isinstance(value, tuple):
            return f"({', '.join(words)})"
        return f"{{{', '.join(sorted(words))}}}"
    return str(value)
