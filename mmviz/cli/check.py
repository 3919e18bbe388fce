"""`mmviz check`: search every interleaving, and compare each case with what it declares."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TextIO

from mmviz.cli.listing import member, report_unread, row, select, unread
from mmviz.cli.output import beside
from mmviz.engine import Case, ModelError, Progress, Report, explore, short
from mmviz.engine.report import NO_RUN_COMPLETES, NOT_JUDGED, Outcome, rests_on
from mmviz.engine.search import MAX_STATES
from mmviz.engine.watch import INTERRUPTED
from mmviz.scenarios.link import is_link

REDRAW_SECONDS = 0.1
LEAST_NAME, MOST_NAME = 24, 45  # characters of a case's name in the table


def check(
    words: Sequence[str],
    as_json: bool,
    max_states: int | None = None,
    sizes: Sequence[str] = (),
    write: bool = False,
) -> int:
    """Search the cases that the words name; print the verdicts, and return the exit status.

    Args:
        words: "thread", "thread/race" or "thread/race:Case"; no word means everything.
        as_json: print JSON on stdout, remarks on stderr.
        max_states: cut a search off above this many states.
        sizes: another member of a race's family, "faults=3".
        write: write the counts found into the files of the races.

    Raises:
        MmvizError: a name is unknown, or a count cannot be written.
        KeyboardInterrupt: Ctrl-C ended a search; what was found until then has been printed.
    """
    cases = [member(words, sizes)] if sizes else select(words)
    lost = unread(words) if not sizes and several(words) else {}
    remarks = sys.stderr if as_json else sys.stdout
    page = Page(cases)
    rows: list[dict[str, Any]] = []
    reports: list[Report] = []
    wrong = 0
    for number, case in enumerate(cases, 1):
        ticker = Ticker(f"{number}/{len(cases)} {case.scenario}:{case.name}")
        try:
            report = explore(case, max_states=max_states or MAX_STATES, progress=ticker)
        except ModelError as error:
            rows.append(unsearched(case))
            wrong += 1
            print(f"{case.scenario}:{case.name} breaks a rule of models: {error}", file=remarks)
            continue
        finally:
            ticker.clear()
        rows.append(as_data(report))
        reports.append(report)
        if not as_json:
            say(page.lines(report), sys.stdout)
        if report.cut == INTERRUPTED:
            break
        if write and not report.cut:  # judged with the new count
            report = replace(report, case=replace(case, states=report.states))
        if not report.as_expected:
            wrong += 1
            say(explanation(report), remarks)
    interrupted = bool(reports) and reports[-1].cut == INTERRUPTED
    if as_json:
        import json

        print(json.dumps(rows, indent=1))
    else:
        if len(reports) == 1 and not wrong:
            say(failing_runs(reports[0]), sys.stdout)
        if not interrupted:
            say(closing(reports, len(cases), wrong), sys.stdout)
    if interrupted:
        left = len(cases) - number
        print(f"\nInterrupted: {left} of {len(cases)} cases were not searched.", file=remarks)
        raise KeyboardInterrupt
    if write:
        from mmviz.cli.counts import changes, offer

        offer(changes(reports))
    return 1 if report_unread(lost) or wrong else 0


def several(words: Sequence[str]) -> bool:
    """Tell whether the words name more than single races: a thread, or everything.

    A single race has been read by now, or its fault raised, so that no other has to be read.
    """
    places = [word.partition(":")[0].rstrip("/") for word in words or [""] if not is_link(word)]
    return not all("/" in place or place.endswith(".py") for place in places)


def say(lines: Iterable[str], to: TextIO) -> None:
    """Print lines at once, so that the user sees them while the search goes on."""
    for line in lines:
        print(line, file=to)
    to.flush()


def as_data(report: Report) -> dict[str, Any]:
    """Return a report as `--json` prints it."""
    return row(report.case) | {
        "outcome": str(report.outcome),
        "headline": report.headline,
        "verdict": {bad_state: report.said(bad_state) for bad_state in report.verdicts},
        "deadlock": report.deadlock is not None,
        "livelock": report.livelock is not None,
        "ends": sorted(report.ends),
        "cut": report.cut,
        "undecided": report.undecided,
        "missing": list(report.missing),
        "states": report.states,
        "transitions": report.transitions,
        "seconds": round(report.seconds, 6),
        "counterexample": {
            bad_state: {
                "shortest": list(found.shortest),
                "fewest_preemptions": list(found.fewest_preemptions),
            }
            for bad_state, found in report.counterexamples.items()
        },
    }


def unsearched(case: Case) -> dict[str, Any]:
    """Return what `--json` prints for a case whose model is broken: no result."""
    return row(case) | {
        "outcome": str(Outcome.NOT_DECIDED),
        "headline": f"{Outcome.NOT_DECIDED}: the case breaks a rule of models",
        "verdict": dict.fromkeys(case.bad_states, "Unknown"),
        "deadlock": False,
        "livelock": False,
        "ends": [],
        "cut": "",
        "undecided": "",
        "missing": [],
        "states": 0,
        "transitions": 0,
        "seconds": 0.0,
        "counterexample": {},
    }


class Page:
    """The table of verdicts, printed case by case while the search goes on."""

    def __init__(self, cases: Sequence[Case]) -> None:
        widest = max((len(case.label) for case in cases), default=0)
        self.case = max(LEAST_NAME, min(MOST_NAME, widest))
        self.scenario = ""

    def lines(self, report: Report) -> Iterator[str]:
        """Yield a heading when a new scenario begins, then a line for each bad state."""
        case = report.case
        if case.scenario != self.scenario:
            if self.scenario:
                yield ""
            self.scenario = case.scenario
            yield f"{case.scenario:{self.case + 2}}  {'states':>9}  {'seconds':>7}  result"
        first = f"  {case.label:{self.case}}"
        if len(case.label) > self.case:
            yield first
            first = " " * (self.case + 2)
        first += f"  {report.states:9,}  {report.seconds:7.3f}  "
        yield from beside(first, report.headline, " " * 4)
        for bad_state, verdict, _ in report.rows():
            declared = case.expect.get(bad_state) if case.is_held else None
            found = report.verdicts.get(bad_state)
            differs = f"   declared {declared}" if declared and declared != found else ""
            if verdict == NOT_JUDGED:
                differs = f": {NO_RUN_COMPLETES}"
            yield from beside(f"      {verdict:9} {bad_state}", differs, " " * 16)


def explanation(report: Report) -> Iterator[str]:
    """Yield what differs from the declaration, and a run that shows it where there is one."""
    case = report.case
    yield ""
    yield f"{case.scenario}:{case.label} is not as declared:"
    for sentence in report.differences():
        yield f"  {sentence}"
    for bad_state, found in report.counterexamples.items():
        if case.expect.get(bad_state) != report.verdicts[bad_state]:
            yield from told(
                report, f"{bad_state}: {case.sentence(bad_state)}", found.fewest_preemptions
            )
    if report.deadlock is not None and not case.deadlock:
        yield from told(report, "deadlock: no actor can step", report.deadlock.fewest_preemptions)
    if report.livelock is not None and not case.livelock:
        loop = short(report.livelock.cycle)
        run = (*report.livelock.prefix, *report.livelock.cycle)
        yield from told(report, f"livelock: from the end of this run, {loop} repeats forever", run)
    yield ""


def failing_runs(report: Report) -> Iterator[str]:
    """Yield the run with the fewest preemptions for each thing that goes wrong, as declared."""
    case = report.case
    for bad_state, found in report.counterexamples.items():
        yield from told(
            report, f"{bad_state}: {case.sentence(bad_state)}", found.fewest_preemptions
        )
    if report.deadlock is not None:
        yield from told(report, "deadlock: no actor can step", report.deadlock.fewest_preemptions)


def told(report: Report, headline: str, schedule: Sequence[str]) -> Iterator[str]:
    """Yield a run as a table, and the command that replays it."""
    case = report.case
    yield f"\n{headline}\n"
    from mmviz.engine import replay, table  # only what fails is replayed

    yield table(replay(case, schedule))
    if case.expression:  # it can be found by its name, as a member of a family cannot
        import shlex  # a path or an actor may have a sign of the shell's

        yield shlex.join(("mmviz", "replay", case.scenario, case.name, short(schedule)))


def closing(reports: Sequence[Report], cases: int, wrong: int) -> Iterator[str]:
    """Yield the small print of all searches, and the overall result."""
    states = sum(report.states for report in reports)
    moves = sum(report.transitions for report in reports)
    seconds = sum(report.seconds for report in reports)
    cut = sum(1 for report in reports if report.cut)
    yield ""
    yield from beside(
        "",
        f"{states:,} states and {moves:,} transitions in {seconds:.3f} s; "
        f"{f'cut off: {cut} of {cases}' if cut else 'nothing cut off'}; "
        f"{rests_on(reports)}",
        "",
    )
    if wrong:
        yield f"Not as declared: {wrong} of {cases}."
    else:
        yield f"As declared: {'the case' if cases == 1 else f'all {cases} cases'}."


class Ticker:
    """Shows the progress of a search on a terminal; prints nothing to a file or a pipe."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.shown = 0.0
        self.terminal = sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        """Redraw the line, a few times a second at most."""
        now = time.perf_counter()
        if self.terminal and now - self.shown > REDRAW_SECONDS:
            self.shown = now
            print(f"\r\033[K{self.what}: {progress}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Erase the line."""
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
