"""Results: what a search found."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, NoReturn

from mmviz.engine import case as cases
from mmviz.engine.case import Case, Verdict, name_of, nearest
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.text import printable, short

# The ways in which a maximal run can end; see `mmviz.engine.case.Verdict`.
COMPLETES, OOPS, DEADLOCK, LIVELOCK = "completes", "oops", "deadlock", "livelock"
NOT_JUDGED, NOT_DECIDED = "Not judged", "Not decided"
NO_RUN_COMPLETES = "no run completes"


class Outcome(StrEnum):
    """What a search says of a case as a whole."""

    SAFE = "safe"
    GOES_WRONG = "goes wrong"
    DEADLOCKS = "deadlocks"
    LIVELOCKS = "livelocks"
    NOT_DECIDED = "not decided"


class Counterexample(NamedTuple):
    """Two runs that violate a bad state.

    Attributes:
        shortest: a schedule with the fewest steps.
        fewest_preemptions: a schedule with as few preemptions as possible; it is the easiest to
            follow, so the stage shows this one.
        preemptions: how many it has; -1 where a limit ended the search for such a run.
    """

    shortest: tuple[str, ...]
    fewest_preemptions: tuple[str, ...]
    preemptions: int

    def __repr__(self) -> str:
        shortest = f"shortest, {len(self.shortest)} steps: {short(self.shortest)}"
        if self.preemptions < 0:
            return shortest
        calm = f"fewest preemptions, {self.preemptions}: {short(self.fewest_preemptions)}"
        return f"{shortest}\n{calm}"


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

    A report is neither true nor false: ask `safe`, `as_expected` or `outcome`.

    Attributes:
        case: what was searched.
        verdicts: bad state -> verdict over all runs.
        states, transitions: how many there are.
        seconds: how long it took, without learning the model a second time.
        again_seconds: how long that took.
        size: bytes that the search took (an estimate).
        cut: why the search ended early, "interrupted" for example; "" when nothing was cut off.
        deadlock: a run into a deadlock, None when there is none.
        livelock: a run that never completes under strong fairness, None when there is none.
        livelock_checked: livelocks were looked for everywhere, or there can be none.
        counterexamples: violated bad state -> its two runs.
        ends: the ways in which a maximal run can end, as far as the search found them:
            "completes", "oops", "deadlock", "livelock".
        devices_go_on: in that deadlock devices can still step, but no thread ever can.
        undecided: why the model decides nothing, "" normally: learned a second time, it behaved
            differently.
        missing: a sentence for each answer that a limit left out.
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
    ends: frozenset[str] = frozenset()
    devices_go_on: bool = False
    undecided: str = ""
    missing: tuple[str, ...] = ()
    again_seconds: float = 0.0

    def __bool__(self) -> NoReturn:
        """Refuse to be a condition.

        Raises:
            TypeError: always; the message says what to write.
        """
        raise TypeError(
            "a report is neither true nor false. Write report.safe (nothing goes wrong, no "
            "deadlock, no livelock, nothing cut off) or report.as_expected (all is as the case "
            "declares)"
        )

    @property
    def complete(self) -> bool:
        """Whether every interleaving was judged."""
        return not self.cut

    @property
    def safe(self) -> bool:
        """Whether it is certain that nothing goes wrong.

        Every bad state is Never, there is no deadlock and no livelock, nothing was cut off and
        nothing is undecided, and livelocks were looked for or cannot exist.
        """
        return self.outcome is Outcome.SAFE

    @property
    def outcome(self) -> Outcome:
        """What the search says of the case as a whole; the gravest comes first."""
        if self.undecided:
            return Outcome.NOT_DECIDED
        if self.counterexamples:
            return Outcome.GOES_WRONG
        if self.deadlock is not None:
            return Outcome.DEADLOCKS
        if self.livelock is not None:
            return Outcome.LIVELOCKS
        never = all(verdict is Verdict.NEVER for verdict in self.verdicts.values())
        return Outcome.SAFE if never and not self.doubt else Outcome.NOT_DECIDED

    @property
    def headline(self) -> str:
        """The outcome in one line, with every finding: "goes wrong: lost_update Sometimes"."""
        outcome = self.outcome
        if outcome is Outcome.NOT_DECIDED:
            return f"{outcome}: {self.doubt}"
        parts = []
        if self.counterexamples:
            found = ", ".join(
                f"{bad_state} {verdict}"
                for bad_state, verdict in self.verdicts.items()
                if bad_state in self.counterexamples
            )
            parts.append(f": {found}")
        for word, verdict in ((DEADLOCK, self.deadlock_verdict), (LIVELOCK, self.livelock_verdict)):
            if verdict not in (Verdict.NEVER, Verdict.UNKNOWN):
                every = " in every run" if verdict is Verdict.ALWAYS else ""
                also = f"; also {word}s" if parts else ""
                parts.append(also + every)
        return f"{outcome}{' (search cut)' if self.cut else ''}{''.join(parts)}"

    @property
    def doubt(self) -> str:
        """Why not everything is known, "" if it is: undecided, cut off, or answers missing."""
        if self.undecided:
            return self.undecided
        if self.cut:
            return cut_off(self.cut)
        return "; ".join(self.missing)

    @property
    def completes(self) -> bool:
        """Whether some run completes, as far as the search found."""
        return COMPLETES in self.ends

    @property
    def deadlock_verdict(self) -> Verdict:
        """Never, Sometimes, or Always: every maximal run deadlocks; Unknown of a cut search."""
        return self._verdict_of(DEADLOCK, self.deadlock is not None)

    @property
    def livelock_verdict(self) -> Verdict:
        """Never, Sometimes, or Always: every maximal run is a livelock; Unknown if not looked."""
        return self._verdict_of(LIVELOCK, self.livelock is not None)

    def _verdict_of(self, end: str, found: bool) -> Verdict:
        certain = not self.cut and not self.missing
        if found:
            only = certain and self.livelock_checked and self.ends == {end}
            return Verdict.ALWAYS if only else Verdict.SOMETIMES
        known = not self.cut and (end == DEADLOCK or self.livelock_checked)
        return Verdict.NEVER if known else Verdict.UNKNOWN

    def said(self, bad_state: str) -> str:
        """Return the verdict on a bad state as every table prints it.

        It is the verdict, or "Not judged" where a bad state counts only in a completed run and no
        run completes, or "Not decided" in an undecided report.

        Raises:
            UnknownName: the case is not judged by that bad state; the nearest is suggested.
        """
        known = {name: name for name in self.verdicts}
        bad_state = nearest(known, bad_state, "bad state")
        if self.undecided:
            return NOT_DECIDED
        verdict = self.verdicts[bad_state]
        judged = verdict is not Verdict.NEVER or self.completes or not self._is_at_end(bad_state)
        return str(verdict) if judged else NOT_JUDGED

    def _is_at_end(self, bad_state: str) -> bool:
        return any(
            name_of(each) == bad_state and getattr(each, "at_end", False) for each in self.case.bad
        )

    @property
    def as_expected(self) -> bool:
        """Whether the search found what the case declares, counts included."""
        return not self.differences()

    def differences(self, counts: bool = True) -> list[str]:
        """Return one sentence for each thing that differs from what the case declares.

        A case that declares nothing, in a race that declares nothing, is compared with nothing;
        that a search was cut off, or decided nothing, is said of every case.

        Args:
            counts: compare the number of states, too.
        """
        case, found = self.case, [cut_off(self.cut)] if self.cut else []
        found += [f"not decided: {self.undecided}"] if self.undecided else []
        if not case.is_held:
            return found
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
        if counts and case.states and case.states != self.states:
            found.append(f"{self.states} states, declared {case.states}")
        return found

    @property
    def small_print(self) -> str:
        """What the verdict rests on: bounds, memory model, anything cut off."""
        case = self.case
        actors = ", ".join(case.actors)
        parts = [
            f"{self.states:,} states and {self.transitions:,} transitions in {self.seconds:.3g} s",
            cut_off(self.cut) if self.cut else "nothing cut off",
            f"actors: {actors}",
            f"memory: {case.memory_model}",
        ]
        if case.daemons:
            parts.append(f"may idle forever: {', '.join(case.daemons)}")
        if not self.completes and not self.cut:
            parts.append(NO_RUN_COMPLETES)
        return "; ".join((*parts, *self.missing))

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (name, verdict, remark) for each bad state, then for deadlock and livelock."""
        found = []
        for bad_state in self.verdicts:
            example, word = self.counterexamples.get(bad_state), self.said(bad_state)
            remark = NO_RUN_COMPLETES if word == NOT_JUDGED else ""
            if example is not None:
                remark = f"shortest run {len(example.shortest)} steps"
                if example.preemptions >= 0:
                    remark += f"; fewest preemptions {example.preemptions}"
                    remark += f", in {len(example.fewest_preemptions)} steps"
            found.append((bad_state, word, remark))
        if self.deadlock is not None:
            steps = len(self.deadlock.shortest)
            which = "only devices can step" if self.devices_go_on else "no actor can step"
            found.append((DEADLOCK, str(self.deadlock_verdict), f"{which} after {steps} steps"))
        if self.livelock is not None:
            steps = len(self.livelock.cycle)
            found.append((LIVELOCK, str(self.livelock_verdict), f"a fair loop of {steps} steps"))
        return found

    def __str__(self) -> str:
        lines = [self.headline, self.case.headline]
        width = max(len(bad_state) for bad_state, _, _ in self.rows()) if self.rows() else 0
        for bad_state, verdict, remark in self.rows():
            lines.append(f"  {bad_state:{width}}  {verdict:10}  {remark}".rstrip())
        lines += [f"  not as declared: {each}" for each in self.surprises]
        lines.append(f"  ({self.small_print})")
        return printable("\n".join(lines))

    def __repr__(self) -> str:
        return str(self)

    @property
    def surprises(self) -> list[str]:
        """What differs from the verdicts that the case declares, in a search that decides them."""
        return [] if self.cut or self.undecided else self.differences(counts=False)

    def _repr_html_(self) -> str:
        rows = [
            (bad_state, sentence_of_row(self.case, bad_state), *rest)
            for bad_state, *rest in self.rows()
        ]
        surprises = [f"<p>Not as declared: {escape(each)}</p>" for each in self.surprises]
        return verbatim(
            f"<strong>{escape(self.headline)}</strong>"
            f"<p>{escape(self.case.headline)}</p>"
            + html_table(("what may go wrong", "in words", "verdict", "steps"), rows)
            + "".join(surprises)
            + f"<small>{escape(self.small_print)}</small>",
            "mm-report",
        )


def sentence_of_row(case: Case, bad_state: str) -> str:
    """Return the sentence that explains a row of a report."""
    known = {DEADLOCK: cases.DEADLOCK, LIVELOCK: cases.LIVELOCK}
    return known.get(bad_state) or case.sentence(bad_state)


def cut_off(cut: str) -> str:
    """Return a sentence that says why a search ended early: "the search stopped at 5 states"."""
    return f"the search {'' if cut.startswith('stopped at') else 'was '}{cut}"


def rests_on(reports: Iterable[Report]) -> str:
    """Return what the verdicts of several searches rest on: their memory models, and all runs."""
    memory = " or ".join(sorted({report.case.memory_model for report in reports}))
    return f"memory: {memory}; verdicts are over all runs of the model."
