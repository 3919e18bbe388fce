"""Why each line of a safe case is needed: its mutants, each the case with one line removed.

print(mutations("iommu_group/release_order", "ReleaseUnderMutex"))
print(mutations(race["RightFix"]))  # a reader's own

A mutant in which something goes wrong is *killed*.  One that *survives* needs a reason.  The
search finds some reasons itself, from the failing cases of the same scenario in which the same
actor runs the same line:

* "the race itself": without the line one of them loses some of its failures.  The line is part of
  the race (the write that may come too early, the free, the device's access); without it nothing
  can go wrong, so its mutant survives.
* "not decisive": one of them has the line and fails, and fails in the same ways without it.  The
  line is not what makes the difference between the two cases.

Every other line is *redundant*, and a comment at its end or right above it says why:

    await k.mutex.mutex_lock()  # redundant: there is only one thread
    # redundant in RightFix, LateFix: the page is never freed in this model
    await k.page.put_page()

A comment without names holds for every case that runs the line; a name is a case's, or a race's
("retry_loop") where several races run the line.  A comment on a line whose mutants are killed in
every such case is stale, and an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from mmviz.engine import Case, MmvizError, Race, Scenario
from mmviz.engine.explore import uncollected
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.mutation import (
    BROKEN,
    ENDLESS,
    Omission,
    goes_wrong,
    goes_wrong_without,
    omissions,
)
from mmviz.engine.places import Spot, Watched, passed, watched
from mmviz.engine.redundant import Comment, comments, redundant
from mmviz.engine.scenario import scenario_of
from mmviz.engine.text import printable
from mmviz.scenarios import broken, load, names, one_case
from mmviz.survey.markdown import marked

KILLED, RACE, UNDECIDED, REDUNDANT, UNEXPLAINED = (
    "killed",
    "the race itself",
    "not decisive",
    "redundant",
    "unexplained",
)
PACKAGE = Path(__file__).parents[1]
HEAD = ("function", "line", "removed from", "without it", "why")


class Entry(NamedTuple):
    """A line of a case, what goes wrong without it, and why nothing does.

    Attributes:
        omission: the line, and what goes wrong without it.
        standing: "killed", "the race itself", "not decisive", "redundant" or "unexplained".
        why: a failing case that has the line, or the reason in its comment.
        said: the comment.
    """

    omission: Omission
    standing: str
    why: str = ""
    said: Comment | None = None

    @property
    def text(self) -> str:
        """The line as written."""
        return self.omission.spot.text

    @property
    def cells(self) -> tuple[str, ...]:
        """The entry as text, a cell each for `HEAD`."""
        spot, broken = self.omission.spot, ", ".join(self.omission.breaks)
        why = {
            RACE: f"the race itself: {self.why} needs it to fail",
            UNDECIDED: f"not decisive: {self.why} has it too, and fails with it and without it",
            REDUNDANT: f"redundant: {self.why}",
            UNEXPLAINED: UNEXPLAINED.upper(),
        }.get(self.standing, "")
        by = ", ".join(self.omission.actors)
        return (spot.line.function, spot.text, by, broken or "survives", why)


@dataclass(frozen=True, repr=False)
class Mutations:
    """The lines of a safe case, each removed in turn: as text, as Markdown and as HTML.

    Attributes:
        case: the case, in which nothing goes wrong as it is written.
        entries: one a line, in the order they are written.
    """

    case: Case
    entries: tuple[Entry, ...]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def those(self, standing: str) -> tuple[Entry, ...]:
        """Return the entries of one standing."""
        return tuple(entry for entry in self if entry.standing == standing)

    @property
    def headline(self) -> str:
        """How many lines there are, and how their mutants fared."""
        case = self.case
        counts = {
            standing: len(self.those(standing))
            for standing in (RACE, UNDECIDED, REDUNDANT, UNEXPLAINED)
        }
        rest = ", ".join(f"{count} {standing}" for standing, count in counts.items() if count)
        return (
            f"{place(case)}: {len(self)} mutants, each without one line; "
            f"{len(self.those(KILLED))} killed" + (f"; {rest}" if rest else "")
        )

    def __str__(self) -> str:
        lines, shown = [self.headline], ""
        for entry in self:
            function, text, _, broken, why = entry.cells
            if function != shown:
                lines += ["", f"  {function}()"]
                shown = function
            lines += [f"    {text}", f"        {broken}{why and f': {why}'}"]
        return printable("\n".join(lines))

    def __repr__(self) -> str:
        return str(self)

    def markdown(self) -> str:
        """Return the table as Markdown."""
        rows = [f"| {' | '.join(map(marked, entry.cells))} |" for entry in self]
        head = [f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|"]
        return "\n".join([marked(self.headline), "", *head, *rows])

    def _repr_html_(self) -> str:
        rows = [entry.cells for entry in self]
        return verbatim(f"<p>{escape(self.headline)}</p>" + html_table(HEAD, rows))


def place(case: Case) -> str:
    """Return a case's scenario, where it has one, and its name with its id."""
    return ":".join(filter(None, (case.scenario, case.label)))


def mutations(scenario: str | Case | Race | Scenario, case: str = "") -> Mutations:
    """Remove each line of a safe case in turn, search again, and report the result.

    Args:
        scenario: "thread/race", the path of a file, a race or a scenario; or a case.
        case: the case's name or id, where there are several.

    Raises:
        UnknownName: one of them is unknown; the nearest is suggested.
        MmvizError: something goes wrong in the case as it is, so no line can keep it safe.
    """
    found = one_case(scenario, case)
    there = scenario_of(found)
    if there.name in names() and load(there.name) is there and found in there.cases:
        known = mutations_of(there.name)
    else:
        others = there.cases if found in there.cases else (found,)
        known = tuple(mutations_among(others, found.name))
    for each in known:
        if each.case == found:
            return each
    wrong = ", ".join(sorted(goes_wrong(found)))
    safe = [each.name for each in there.cases if not goes_wrong(each)]
    raise MmvizError(
        f"{place(found)} goes wrong as it is ({wrong}); mutations() is for cases in which "
        f"nothing does{': ' if safe else ', and this race has none'}{', '.join(safe)}"
    )


@cache
def mutations_of(scenario: str) -> tuple[Mutations, ...]:
    """Return the mutants of each safe case of a scenario.

    Raises:
        UnknownName: there is no such scenario; the nearest is suggested.
    """
    return tuple(mutations_among(load(scenario).cases))


def mutations_among(cases: Sequence[Case], wanted: str = "") -> Iterator[Mutations]:
    """Yield the mutants of each safe case of a race, explained by its failing cases.

    Args:
        cases: all cases of the race.
        wanted: the name of the only case to look at; "" for each.
    """
    wrong = {case.name: goes_wrong(case) for case in cases}
    failing = [Failing(case, wrong[case.name]) for case in cases if wrong[case.name]]
    for case in cases:
        if not wrong[case.name] and wanted in ("", case.name):
            with uncollected():  # for all mutants: the collector would scan the heap after each
                entries = tuple(_entry(case, each, failing) for each in omissions(case))
            yield Mutations(case, entries)


def stale_comments() -> list[str]:
    """Return a sentence for each comment of the catalogue that explains no surviving mutant.

    A line may be shared by several races, so all of them are looked at; those whose files cannot
    be read are left out.
    """
    lost = broken()
    needed = {
        entry.said
        for name in names()
        if name not in lost
        for each in mutations_of(name)
        for entry in each
        if entry.said
    }
    return [
        f"{file.relative_to(PACKAGE.parent)}:{each.number}: 'redundant: {each.why}' explains "
        "nothing: no safe case runs the line, or something goes wrong without it in each that does"
        for folder in ("scenarios", "kernel")
        for file in sorted((PACKAGE / folder).rglob("*.py"))
        for each in comments(str(file))
        if each not in needed
    ]


def _entry(case: Case, omission: Omission, failing: "list[Failing]") -> Entry:
    """Return what a line prevents, or why its mutant survives."""
    if omission.breaks:
        return Entry(omission, KILLED)
    both = ""
    for other in failing:
        needs = other.needs(omission)
        if needs:
            return Entry(omission, RACE, other.case.name)
        if needs is not None and not both:
            both = other.case.name
    if said := redundant(omission.spot.line, case):
        return Entry(omission, REDUNDANT, said.why, said)
    return Entry(omission, UNDECIDED, both) if both else Entry(omission, UNEXPLAINED)


class Failing:
    """A failing case, and which of its lines its failures need.

    Args:
        case: the case.
        wrong: what goes wrong in it.
    """

    def __init__(self, case: Case, wrong: frozenset[str]) -> None:
        self.case, self.wrong = case, wrong
        self._needs: dict[Spot, bool] = {}

    def needs(self, omission: Omission) -> bool | None:
        """Tell whether some of what goes wrong needs the line; None if the actors never run it.

        Where the line's result is used, this holds only if it holds for every fixed result.
        """
        spot, model = omission.spot, self.model
        if not {model.actors[p] for p, _ in self.where.get(spot, ())} & set(omission.actors):
            return None
        if spot not in self._needs:
            unknown = {ENDLESS, BROKEN}
            self._needs[spot] = all(
                self.wrong - each and not unknown & each
                for each in goes_wrong_without(self.case, spot, model, self.wrong)
            )
        return self._needs[spot]

    @cached_property
    def model(self) -> Watched:
        """The watched model of the case."""
        return watched(self.case)

    @cached_property
    def where(self) -> dict[Spot, set[tuple[int, int]]]:
        """The actors and locations at each place."""
        return passed(self.model)
