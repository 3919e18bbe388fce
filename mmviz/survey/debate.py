"""The debate of a mail thread as one table: every proposal, and what the search says of it.

print(debate("iommu_group"))
print(debate("hmm", kernel="5.3").markdown())
print(debate(race))  # a reader's own
"""

import importlib
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mmviz.engine import Case, ModelError, Report, Verdict, explore, replay_line
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.report import NOT_DECIDED, NOT_JUDGED, rests_on
from mmviz.engine.text import callback, printable
from mmviz.kernel.listeners import Listener
from mmviz.kernel.provenance import provenance
from mmviz.scenarios import every_case
from mmviz.survey.catalogue import (
    ACROSS,
    case_lines,
    catalogue,
    headline,
    kind,
    thread_named,
)
from mmviz.survey.markdown import coded, marked

HEAD = (
    *("when", "scenario", "case", "id", "message, commit or release"),
    *("era", "kind", "what the search finds", "states"),
)
NOT_COHERENT = "not coherent"
UNDATED = "undated"  # no day is known: constructed, or a mistake that many make
LISTENERS = "The drivers, what each did, and the cases that this comes to"
LISTENER_HEAD = ("driver", "patch", "what it did", "alternative", "was it right?", "cases")
RUNS = "The shortest run of each that fails"
NONE = "Nothing of this thread is known to have shipped in that release."


class Finding(NamedTuple):
    """The verdict on one thing that may go wrong.

    Attributes:
        what: the bad state, "deadlock" or "livelock".
        verdict: as every report prints it, "Never" or "Not judged" for example; "not coherent"
            instead of "Sometimes" or "Always" where that is what the parties agreed on.
        schedule: a shortest run in which it goes wrong; None when none does.
    """

    what: str
    verdict: str
    schedule: tuple[str, ...] | None

    @property
    def sign(self) -> str:
        """A sign to see at a glance how it went, beside the word."""
        open_words = dict.fromkeys((Verdict.UNKNOWN, NOT_JUDGED, NOT_DECIDED), "?")
        return {Verdict.NEVER: "✓", NOT_COHERENT: "≠", **open_words}.get(self.verdict, "✗")

    def __str__(self) -> str:
        return f"{self.verdict}: {self.what}"


@dataclass(frozen=True)
class Row:
    """One case of a debate, searched.

    Attributes:
        case: what was proposed or shipped.
        report: what the search found.
    """

    case: Case
    report: Report

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One for each bad state, and one each for a deadlock and a livelock if there are any."""
        report, found = self.report, []
        for bad_state in report.verdicts:
            example = report.counterexamples.get(bad_state)
            schedule = example.shortest if example else None
            agreed = self.case.kind == "contract" and example is not None
            word = NOT_COHERENT if agreed else report.said(bad_state)
            found.append(Finding(bad_state, word, schedule))
        if report.deadlock is not None:
            schedule = report.deadlock.shortest
            found.append(Finding("deadlock", str(report.deadlock_verdict), schedule))
        if report.livelock is not None:  # once round the loop
            schedule = report.livelock.prefix + report.livelock.cycle
            found.append(Finding("livelock", str(report.livelock_verdict), schedule))
        return tuple(found)

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The findings that have a run to show."""
        return tuple(finding for finding in self.findings if finding.schedule is not None)

    @property
    def when(self) -> str:
        """The day it was first said, or shipped; "undated" where none is known."""
        return provenance(self.case).when or UNDATED

    @property
    def where(self) -> str:
        """The message or commit in which it was first said, or the release that had it first."""
        return provenance(self.case).evidence

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, a cell each for `HEAD`."""
        case = self.case
        found = "\n".join((*map(str, self.findings), *map(unlike, self.report.surprises)))
        name = f"{case.name}\n{case.title}"
        said = (self.when, race_of(case.scenario), name, case.id, self.where)
        source = provenance(case)
        era = "\n".join(filter(None, (source.era, source.still)))
        return (*said, era, kind(case), found, f"{self.report.states:,}")


@dataclass(frozen=True, repr=False)
class Debate:
    """What a thread argued about, judged: as text, as Markdown and as HTML.

    Attributes:
        thread: the mail thread; "" for cases of a reader.
        asked: the thread, and the kernel if one was asked for, in words.
        rows: its cases, each searched, in the order in which they were first said; those without a
            day come last, in the order of the files.
        lost: a sentence for each case or file that could not be searched.
        listeners: the drivers that the thread changed; none where a kernel was asked for.
    """

    thread: str
    asked: str
    rows: tuple[Row, ...]
    lost: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def small_print(self) -> str:
        """What the verdicts rest on, and how long they took."""
        seconds = sum(row.report.seconds for row in self.rows)
        return f"{self.basis} Searched now, in {seconds:.3g} s." if self.rows else self.basis

    @property
    def basis(self) -> str:
        """What the verdicts rest on."""
        unread = "".join(f" Not searched: {each}" for each in self.lost)
        if not self.rows:
            return unread.strip() or NONE
        reports = [row.report for row in self.rows]
        cut = sum(not report.complete for report in reports)
        return (
            f"{len(reports)} cases, {sum(report.states for report in reports):,} states; "
            f"{f'{cut} cut off' if cut else 'nothing cut off'}; {rests_on(reports)}{unread}"
        )

    def __str__(self) -> str:
        lines, shown = [self.asked], ""
        for row in self:
            if row.when != shown:
                shown = row.when
                lines += ["", shown]
            lines += case_lines(row.case, f"{row.report.states:,} states")
            scenario = race_of(row.case.scenario)
            about = textwrap.wrap(row.case.title, ACROSS - 6)
            about += textwrap.wrap(f"{scenario}  {row.where}", ACROSS - 6, break_on_hyphens=False)
            lines += [f"      {line}" for line in about]
            lines += _told(row)
            lines += [f"      {unlike(each)}" for each in row.report.surprises]
        for number, each in enumerate(self.listeners):
            if not number:
                lines += ["", LISTENERS]
            name, message, did, way, right, cases = self._listener(each)
            lines += ["", f"  {name}  {message}"]
            told = (f"Did: {did}.", f"Alternative: {way}.", f"Judged: {right}.")
            for text in (*told, *cases.splitlines()):
                lines += [f"      {line}" for line in textwrap.wrap(text, ACROSS - 6)]
        lines += ["", *textwrap.wrap(self.small_print, ACROSS)]
        runs = [
            f"\n{case.name}, {finding.what}\n{line}" for case, finding, line in self._failures()
        ]
        return printable("\n".join([*lines, *([f"\n{RUNS}"] if runs else []), *runs]))

    def __repr__(self) -> str:
        return str(self)

    def markdown(self) -> str:
        """Return the table and the lines that replay what fails, as Markdown."""
        lines = (
            [f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|---|---|---|---:|"]
            if self.rows
            else []
        )
        for row in self:
            *cells, _, states = map(marked, row.cells)
            found = "<br>".join(
                f"**{each.verdict}** {coded(each.what)}"
                if each in row.failing
                else f"{each.verdict} {coded(each.what)}"
                for each in row.findings
            )
            found = "<br>".join((found, *(marked(unlike(each)) for each in row.report.surprises)))
            lines.append(f"| {' | '.join((*cells, found, states))} |")
        lines += ["", marked(self.basis)]
        if self.listeners:
            lines += ["", f"## {LISTENERS}", "", f"| {' | '.join(LISTENER_HEAD)} |"]
            lines.append("|" + "---|" * len(LISTENER_HEAD))
            lines += [
                f"| {' | '.join(map(marked, self._listener(each)))} |" for each in self.listeners
            ]
        runs = [
            f"- {marked(case.name)}, {coded(finding.what)}: {coded(line)}"
            for case, finding, line in self._failures()
        ]
        return "\n".join([*lines, *(["", f"{RUNS}:", ""] if runs else []), *runs])

    def _repr_html_(self) -> str:
        runs = [(case.name, finding.what, line) for case, finding, line in self._failures()]
        table = html_table(HEAD, [row.cells for row in self]) if self.rows else ""
        drivers = html_table(LISTENER_HEAD, list(map(self._listener, self.listeners)))
        below = html_table(("case", "what goes wrong", "the run"), runs)
        return verbatim(
            f"<p>{escape(self.asked)}</p>{table}<p><small>{escape(self.small_print)}</small></p>"
            + (f"<p>{escape(LISTENERS)}</p>{drivers}" if self.listeners else "")
            + (f"<details><summary>{escape(RUNS)}</summary>{below}</details>" if runs else "")
        )

    def _listener(self, listener: Listener) -> tuple[str, ...]:
        """Return a driver as text, a cell each for `LISTENER_HEAD`."""
        rows = {f"{race_of(row.case.scenario)}:{row.case.name}": row for row in self}
        cases = []
        for name in listener.cases:
            found = ", ".join(map(str, rows[name].failing)) if name in rows else "not searched"
            cases.append(f"{self.thread}/{name} ({found or 'nothing goes wrong'})")
        said = (listener.name, listener.source.evidence, listener.did, listener.way)
        return (*said, listener.right, "\n".join(cases))

    def _failures(self) -> Iterator[tuple[Case, Finding, str]]:
        """Yield the case, the finding and the line that replays it, for each thing that fails."""
        for row in self:
            for finding in row.failing:
                yield row.case, finding, replay_line(row.case, finding.schedule or ())


def debate(
    thread: str | Case | Iterable[Case],
    progress: Callable[[int, int, Case], None] | None = None,
    kernel: str = "",
) -> Debate:
    """Search every case of a mail thread, here and now, and return the table.

    Args:
        thread: "iommu_group"; or cases, a race or a scenario.
        progress: called before each search with how many are done, how many there are, and
            the case that is next.
        kernel: only what this kernel release is known to do, "5.3".

    Raises:
        UnknownName: there is no such thread; the nearest is suggested.
        MmvizError: the kernel is not a release, or these are no cases.
    """
    callback(progress, "progress")
    listeners: tuple[Listener, ...] = ()
    if isinstance(thread, str) and not thread.endswith(".py"):
        thread = thread_named(thread, every_case())
        listeners = () if kernel else listeners_of(thread)
        found = catalogue(thread=thread, kernel=kernel)
        what = found.asked
    else:
        found = catalogue(kernel=kernel, among=thread)
        title = headline(found.cases[0]) if found.cases else ""
        thread, what = "", ", ".join(filter(None, (title or "your own cases", found.asked)))
    rows: list[Row] = []
    lost = list(found.lost)
    for case in sorted(found, key=lambda case: provenance(case).when or "later"):
        if progress is not None:
            progress(len(rows), len(found), case)
        try:
            rows.append(Row(case, explore(case, partial=False)))
        except ModelError as error:
            lost.append(f"{case.name}: {error}")
    return Debate(thread, what, tuple(rows), tuple(lost), listeners)


def listeners_of(thread: str) -> tuple[Listener, ...]:
    """Return the drivers that a thread changed, in the order of its patches; mostly none."""
    package = importlib.import_module(f"mmviz.scenarios.{thread}")
    return tuple(getattr(package, "LISTENERS", ()))


def _told(row: Row) -> list[str]:
    """Return the verdicts of a case as lines of text, those that are alike on one."""
    groups: dict[str, list[str]] = {}
    for finding in row.findings:
        groups.setdefault(finding.verdict, []).append(finding.what)
    lines = []
    for verdict, bad_states in sorted(groups.items(), key=lambda item: item[0] == Verdict.NEVER):
        start = f"      {verdict:12}  "
        lines += textwrap.wrap(
            ", ".join(bad_states), ACROSS, initial_indent=start, subsequent_indent=" " * len(start)
        )
    return lines


def unlike(sentence: str) -> str:
    """Return what a table says of a finding that differs from the declared one."""
    return f"not as declared: {sentence}"


def race_of(scenario: str) -> str:
    """Return the race of a scenario's name, "release_order"; of a file's path, all of it."""
    return scenario.partition("/")[2] if not scenario.endswith(".py") else scenario
