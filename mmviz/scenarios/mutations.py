"""What each line of a safe case is for: the lines left out one by one, and what came of it.

print(mutations("iommu_group/release_order", "ReleaseUnderMutex"))

Where nothing breaks without a line there is a reason.  Some the search finds itself, among the
failing cases of the same scenario in which the same actor runs the same line:

* "the race's own": one of them does not fail in all its ways without the line.  The line is what
  the race is about (the write that may come too early, the free, the device's access); where it is
  left out nothing is at stake, so its absence can hurt nobody.
* "in both": one of them has the line and fails, and fails in the same ways without it.  The
  line is not what tells this case from that one.

Every other line is spare, and the scenario records why, in its module:

    SPARE = {
        "await k.mutex.mutex_lock()": "One thread alone: nobody is there to be kept out.",
        "RightFix: await k.page.put_page()": "Nobody frees the page in this model.",
    }

A key is a line as it is written, without its comment, for every case; or "Case: line" for one.
A reason for a line without which something breaks is an error, so that the record stays true.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from mmviz.engine import Case, MmvizError, Scenario
from mmviz.engine.html import escape, html_table
from mmviz.engine.mutation import (
    BROKEN,
    ENDLESS,
    Omission,
    goes_wrong,
    goes_wrong_without,
    omissions,
)
from mmviz.engine.places import Spot, Watched, passed, watched
from mmviz.scenarios import find, load
from mmviz.scenarios.debate import marked

BREAKS, RACE, BOTH, SPARE, UNEXPLAINED = (
    "breaks",
    "the race's own",
    "in both",
    "spare",
    "not explained",
)
HEAD = ("function", "line", "left out by", "without it", "why")


class Entry(NamedTuple):
    """A line of a case, what comes of leaving it out, and why nothing does.

    Attributes:
        omission: the line, and what breaks without it.
        standing: "breaks", "the race's own", "in both", "spare" or "not explained".
        why: a failing case that has the line, or the reason the scenario records.
    """

    omission: Omission
    standing: str
    why: str = ""

    @property
    def text(self) -> str:
        """The line as it is written."""
        return self.omission.spot.text

    @property
    def cells(self) -> tuple[str, ...]:
        """The entry as text, a cell each for `HEAD`."""
        spot, broken = self.omission.spot, ", ".join(self.omission.breaks)
        why = {
            RACE: f"the race's own: {self.why} needs it to fail",
            BOTH: f"in both: {self.why} has it too, and fails with it and without",
            SPARE: self.why,
            UNEXPLAINED: UNEXPLAINED.upper(),
        }.get(self.standing, "")
        by = ", ".join(self.omission.actors)
        return (spot.line.function, spot.text, by, broken or "nothing breaks", why)


@dataclass(frozen=True, repr=False)
class Mutations:
    """The lines of a safe case, each left out in turn: as text, as Markdown and as HTML.

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
        """How many lines there are, and what came of leaving them out."""
        case = self.case
        counts = {
            standing: len(self.those(standing)) for standing in (RACE, BOTH, SPARE, UNEXPLAINED)
        }
        rest = ", ".join(f"{count} {standing}" for standing, count in counts.items() if count)
        return (
            f"{case.scenario}:{case.name} ({case.id}): {len(self)} lines left out in turn; "
            f"{len(self.those(BREAKS))} of them break it" + (f"; {rest}" if rest else "")
        )

    def __str__(self) -> str:
        lines, shown = [self.headline], ""
        for entry in self:
            function, text, _, broken, why = entry.cells
            if function != shown:
                lines += ["", f"  {function}()"]
                shown = function
            lines += [f"    {text}", f"        {broken}{why and f': {why}'}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def markdown(self) -> str:
        """Return the table as Markdown."""
        rows = [f"| {' | '.join(map(marked, entry.cells))} |" for entry in self]
        head = [f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|"]
        return "\n".join([marked(self.headline), "", *head, *rows])

    def _repr_html_(self) -> str:
        rows = [entry.cells for entry in self]
        return f"<p>{escape(self.headline)}</p>" + html_table(HEAD, rows)


def mutations(scenario: str, case: str) -> Mutations:
    """Leave out each line of a safe case in turn, search again, and say what came of it.

    Args:
        scenario: "thread/race".
        case: the case's name or id.

    Raises:
        UnknownName: one of them is unknown; the nearest is suggested.
        MmvizError: something goes wrong in the case as it is, so that no line keeps it safe.
    """
    found = find(scenario, case)
    for each in mutations_of(found.scenario):
        if each.case.name == found.name:
            return each
    wrong = ", ".join(sorted(goes_wrong(found)))
    safe = ", ".join(each.case.name for each in mutations_of(found.scenario))
    raise MmvizError(
        f"{found.scenario}:{found.name} goes wrong as it is ({wrong}); "
        f"mutations() is for cases in which nothing does: {safe}"
    )


@cache
def mutations_of(scenario: str) -> tuple[Mutations, ...]:
    """Return what the lines of each safe case of a scenario are for.

    Raises:
        UnknownName: there is no such scenario; the nearest is suggested.
    """
    what = load(scenario)
    wrong = {case.name: goes_wrong(case) for case in what.cases}
    failing = [Failing(case, wrong[case.name]) for case in what.cases if wrong[case.name]]
    given = reasons(what)
    return tuple(
        Mutations(case, tuple(_entry(case, each, failing, given) for each in omissions(case)))
        for case in what.cases
        if not wrong[case.name]
    )


def reasons(scenario: Scenario) -> dict[str, str]:
    """Return what a scenario records of its spare lines, by line or by case and line."""
    return dict(getattr(scenario.module, "SPARE", {}))


def stale(scenario: str) -> list[str]:
    """Return a sentence for each reason of a scenario that explains nothing."""
    needed = {
        key
        for each in mutations_of(scenario)
        for entry in each.those(SPARE)
        for key in _keys(each.case, entry.text)
    }
    return [
        f"{scenario}: SPARE gives a reason for {key!r}, but no safe case has such a line, or "
        "something breaks without it"
        for key in reasons(load(scenario))
        if key not in needed
    ]


def _keys(case: Case, text: str) -> tuple[str, str]:
    """Return the keys under which a scenario may give its reason for a line."""
    return f"{case.name}: {text}", text


def _entry(
    case: Case, omission: Omission, failing: "list[Failing]", given: Mapping[str, str]
) -> Entry:
    """Return what a line is for, or why it is for nothing."""
    if omission.breaks:
        return Entry(omission, BREAKS)
    both = ""
    for other in failing:
        needs = other.needs(omission)
        if needs:
            return Entry(omission, RACE, other.case.name)
        if needs is not None and not both:
            both = other.case.name
    for key in _keys(case, omission.spot.text):
        if key in given:
            return Entry(omission, SPARE, given[key])
    return Entry(omission, BOTH, both) if both else Entry(omission, UNEXPLAINED)


class Failing:
    """A case that fails, asked what its lines have to do with that.

    Args:
        case: the case.
        wrong: what goes wrong in it.
    """

    def __init__(self, case: Case, wrong: frozenset[str]) -> None:
        self.case, self.wrong = case, wrong
        self._needs: dict[Spot, bool] = {}

    def needs(self, omission: Omission) -> bool | None:
        """Tell whether some of what goes wrong needs the line; None if the actors never run it.

        Where the line's answer is used it counts only if that is so whatever is heard instead.
        """
        spot, model = omission.spot, self.model
        if not {model.actors[p] for p, _ in self.where.get(spot, ())} & set(omission.actors):
            return None
        if spot not in self._needs:
            found = list(goes_wrong_without(self.case, spot, model))
            unknown = {ENDLESS, BROKEN}
            self._needs[spot] = all(self.wrong - each and not unknown & each for each in found)
        return self._needs[spot]

    @cached_property
    def model(self) -> Watched:
        """The case, watched."""
        return watched(self.case)

    @cached_property
    def where(self) -> dict[Spot, set[tuple[int, int]]]:
        """Who comes where."""
        return passed(self.model)
