"""Results: what a search found."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from mmviz.engine.case import DEADLOCK, LIVELOCK, Case, Verdict
from mmviz.engine.html import escape, html_table
from mmviz.engine.text import short


class Counterexample(NamedTuple):
    """Two runs that violate a bad state.

    Attributes:
        shortest: a schedule with the fewest steps.
        fewest_preemptions: a schedule with as few preemptions as possible; it is the easiest to
            follow, so the stage shows this one.
        preemptions: how many it has; -1 after a search that was cut off, which looked for none.
    """

    shortest: tuple[str, ...]
    fewest_preemptions: tuple[str, ...]
    preemptions: int

    def __repr__(self) -> str:
        return (
            f"shortest, {len(self.shortest)} steps: {short(self.shortest)}\n"
            f"fewest preemptions, {self.preemptions}: {short(self.fewest_preemptions)}"
        )


class Lasso(NamedTuple):
    """A run that never completes, although every actor keeps running.

    Attributes:
        prefix: the schedule that leads to the loop.
        cycle: the schedule that goes round once.
        state: the packed state in which the loop begins.
    """

    prefix: tuple[str, ...]
    cycle: tuple[str, ...]
    state: int


@dataclass(frozen=True)
class Report:
    """What a search found.

    Attributes:
        case: what was searched.
        verdicts: bad state -> verdict over all runs.
        states, transitions: how many there are.
        seconds: how long it took.
        size: bytes the states took, trace links included (an estimate).
        cut: why the search ended early, "" when nothing was cut off.
        deadlock: a run into a deadlock, None when there is none.
        livelock: a run that never completes under strong fairness, None when there is none.
        livelock_checked: livelocks were looked for.
        counterexamples: violated bad state -> its two runs.
    """

    case: Case
    verdicts: dict[str, Verdict]
    states: int
    transitions: int
    seconds: float
    size: int
    cut: str
    deadlock: Counterexample | None
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
        case, found = self.case, [f"the search was cut off: {self.cut}"] if self.cut else []
        for bad_state, verdict in self.verdicts.items():
            declared = case.expect.get(bad_state)
            if declared != verdict:
                found.append(f"{bad_state} is {verdict}, declared {declared or 'nowhere'}")
        if (self.deadlock is not None) != case.deadlock:
            found.append(
                "some run deadlocks"
                if self.deadlock
                else "no run deadlocks, although one is declared"
            )
        if (self.livelock is not None) != case.livelock:
            found.append(
                "some run is a livelock"
                if self.livelock
                else "no livelock, although one is declared"
            )
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
            parts.append(f"may idle forever: {', '.join(case.daemons)}")
        if not self.livelock_checked:
            parts.append("livelocks were not looked for")
        return "; ".join(parts)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (name, verdict, remark) for each bad state, then for deadlock and livelock."""
        found = []
        for bad_state, verdict in self.verdicts.items():
            example = self.counterexamples.get(bad_state)
            remark = ""
            if example is not None:
                remark = f"shortest run {len(example.shortest)} steps"
                if example.preemptions >= 0:
                    remark += f"; fewest preemptions {example.preemptions}"
                    remark += f", in {len(example.fewest_preemptions)} steps"
            found.append((bad_state, str(verdict), remark))
        if self.deadlock is not None:
            steps = len(self.deadlock.shortest)
            found.append(("deadlock", "Sometimes", f"no actor can step after {steps} steps"))
        if self.livelock is not None:
            steps = len(self.livelock.cycle)
            found.append(("livelock", "Sometimes", f"a fair loop of {steps} steps"))
        return found

    def __str__(self) -> str:
        lines = [self.case.headline]
        width = max(len(bad_state) for bad_state, _, _ in self.rows()) if self.rows() else 0
        for bad_state, verdict, remark in self.rows():
            lines.append(f"  {bad_state:{width}}  {verdict:9}  {remark}".rstrip())
        lines.append(f"  ({self.small_print})")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [
            (bad_state, sentence_of_row(self.case, bad_state), *rest)
            for bad_state, *rest in self.rows()
        ]
        return (
            f'<div class="mm-report"><strong>{escape(self.case.title)}</strong>'
            + html_table(("what may go wrong", "in words", "verdict", ""), rows)
            + f"<small>{escape(self.small_print)}</small></div>"
        )


def sentence_of_row(case: Case, bad_state: str) -> str:
    """Return the sentence that explains a row of a report."""
    known = {
        "deadlock": DEADLOCK,
        "livelock": LIVELOCK,
    }
    return known.get(bad_state) or case.sentence(bad_state)


def rests_on(reports: Iterable[Report]) -> str:
    """Return what the verdicts of several searches rest on: their memory models, and all runs."""
    memory = " or ".join(sorted({report.case.memory_model for report in reports}))
    return f"memory: {memory}; verdicts are over all runs of the model."
