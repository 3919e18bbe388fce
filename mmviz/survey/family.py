"""Families: cases that differ by a number alone, and what the search finds of each."""

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from mmviz.engine import (
    Case,
    MmvizError,
    Progress,
    Report,
    Scenario,
    UnknownName,
    explore,
    nearest,
)
from mmviz.engine.report import cut_off
from mmviz.engine.text import index, quoted
from mmviz.engine.watch import INTERRUPTED, STOPPED
from mmviz.scenarios import load

LARGEST = 9  # of a size; the search grows exponentially with it
MOST = 100  # members
EXAMPLE = "mmviz.family('invalidate_page/faults_and_invalidators', faults=range(1, 5))"


@dataclass(frozen=True)
class Family:
    """Cases by their number.

    Attributes:
        counts: what the number counts, "faults".
        cases: number -> case, in the order of the numbers.
    """

    counts: str
    cases: Mapping[int, Case]


def rounded(seconds: float) -> str:
    """Return seconds to two significant digits, "under 0.01" below that."""
    return f"{float(f'{seconds:.2g}'):g}" if seconds >= 0.01 else "under 0.01"


@dataclass
class Growth:
    """What the searches of a family found.

    Attributes:
        family: the family.
        seconds: the time limit of all searches together.
        reports: number -> report, of each member that was searched to its end.
        left_out: number -> why there is no report.
    """

    family: Family
    seconds: float
    reports: dict[int, Report] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row for each member that was searched: number, case, states, seconds, result."""
        return [
            (str(n), each.case.name, f"{each.states:,}", rounded(each.seconds), each.headline)
            for n, each in self.reports.items()
        ]

    @property
    def head(self) -> tuple[str, ...]:
        """What the columns of `rows` are."""
        return (self.family.counts, "case", "states", "seconds", "result")

    @property
    def small_print(self) -> str:
        """Which members were left out, and why."""
        whys = dict.fromkeys(self.left_out.values())
        if not whys:
            return f"Every member was searched, within {self.seconds:g} s."
        parts = []
        for why in whys:
            numbers = ", ".join(str(n) for n, each in self.left_out.items() if each == why)
            parts.append(f"{self.family.counts} {numbers} ({why})")
        return f"Left out: {'; '.join(parts)}."

    def __str__(self) -> str:
        rows = [self.head, *self.rows]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(f"{cell:{w}}" for cell, w in zip(row, wide, strict=True)) for row in rows
        ]
        return "\n".join([*(line.rstrip() for line in lines), self.small_print])


def family_of(what: Any, numbers: Iterable[int] | None = None, **sizes: Any) -> Family:
    """Return the members that a reader means.

    Args:
        what: a scenario with a function `family`, or its name; a function that returns the case
            of a number; or number -> case.
        numbers: for a function, those of the members; by default 1 to 9.
        sizes: for a scenario, what `family` takes: one of them a list of numbers, the others
            numbers; by default its first size is 1 to 9.

    Raises:
        UnknownName: there is no such scenario, it has no sizes, or none of that name.
        MmvizError: `what` is none of these, or a number, a size or a member is wrong.
    """
    if isinstance(what, str | Scenario):
        if numbers is not None:
            raise MmvizError(f"a scenario's family takes its sizes by name; write {EXAMPLE}")
        scenario = load(what) if isinstance(what, str) else what
        return _of_scenario(scenario, sizes)
    if sizes:
        raise UnknownName(f"only a scenario's family has sizes; leave {', '.join(sizes)} out")
    if isinstance(what, Mapping):
        if numbers is not None:
            raise MmvizError("the numbers of these cases are given already; leave numbers out")
        wanted = numbered("the cases", what)
        return Family("number", {n: _checked(what[n], n) for n in wanted})
    if not callable(what):
        raise MmvizError(
            f"{quoted(what)} is no family; give a scenario that has one, {EXAMPLE}, or a function "
            "that returns the case of a number, or {1: case, 2: case}"
        )
    wanted = numbered("numbers", range(1, LARGEST + 1) if numbers is None else numbers)
    return Family("number", {n: _made(what, n) for n in wanted})


def member(scenario: Scenario, given: Mapping[str, int]) -> Case:
    """Return one member of a scenario's family.

    Raises:
        UnknownName: it has no family, or the family lacks that size.
        MmvizError: a size is not a number from 1 to 9.
    """
    make, known = _sizes(scenario)
    sizes = {nearest(known, name, "size"): _size(name, n) for name, n in given.items()}
    case: Case = make(**sizes)
    return replace(case, scenario=scenario.name, promise=scenario.promise, race=scenario)


def _sizes(scenario: Scenario) -> tuple[Callable[..., Case], dict[str, str]]:
    """Return the function that makes the members, and the names of its sizes.

    Raises:
        UnknownName: the scenario has no family.
    """
    family = getattr(scenario.module, "family", None)
    if family is None:
        raise UnknownName(f"{scenario.name or scenario.title} has no sizes to set")
    known = {
        name: name
        for name, parameter in inspect.signature(family).parameters.items()
        if parameter.annotation is int and name != "states"
    }
    return family, known


def _size(name: str, n: Any) -> int:
    size = index(n, f"the size {quoted(name)}")
    if not 1 <= size <= LARGEST:
        raise MmvizError(f"{name}={quoted(size)}: a size is a number from 1 to {LARGEST}")
    return size


def _of_scenario(scenario: Scenario, sizes: Mapping[str, Any]) -> Family:
    """Return the members of a scenario's family that differ in one size."""
    known = _sizes(scenario)[1]
    given = {nearest(known, name, "size"): value for name, value in sizes.items()}
    several = [name for name, value in given.items() if not hasattr(value, "__index__")]
    if len(several) > 1:
        raise MmvizError(f"{' and '.join(several)}: only one size of a family is a list of numbers")
    free = [name for name in known if name not in given]
    if not several and not free:
        raise MmvizError(f"one size of a family is a list of numbers; write {EXAMPLE}")
    name = several[0] if several else free[0]
    wanted = numbered(name, given.get(name, range(1, LARGEST + 1)))
    return Family(name, {n: member(scenario, given | {name: n}) for n in wanted})


def numbered(name: str, numbers: Any) -> list[int]:
    """Return the numbers of members, sorted.

    Raises:
        MmvizError: they are not a list of integers, or none, or too many.
    """
    if isinstance(numbers, str | bytes) or not isinstance(numbers, Iterable):
        raise MmvizError(f"{name}={quoted(numbers)} is not a list of numbers; write range(1, 5)")
    found = sorted({index(n, f"a number in {name}") for n in islice(numbers, MOST + 1)})
    if not 1 <= len(found) <= MOST:
        raise MmvizError(f"{name}: a family has 1 to {MOST} members, not {quoted(numbers)}")
    if found[0] < 0:
        raise MmvizError(f"{name}: the number of a member is not below 0, as {found[0]} is")
    return found


def _made(make: Callable[[int], Any], n: int) -> Case:
    try:
        made = make(n)
    except MmvizError:
        raise
    except Exception as error:  # it is the reader's
        raise MmvizError(f"member {n} cannot be made: {type(error).__name__}: {error}") from None
    return _checked(made, n)


def _checked(made: Any, n: int) -> Case:
    if not isinstance(made, Case):
        raise MmvizError(f"member {n} is {quoted(made)}, and no case; race.build(…) returns one")
    return made


def grow(
    family: Family,
    seconds: float,
    progress: Callable[[int, Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Growth:
    """Search the members, from the smallest on, until the time is over.

    Args:
        family: the members.
        seconds: the time limit of all searches together.
        progress: called several times a second, with the number of the member.
        stop: asked as often; True ends the searches.

    Raises:
        MmvizError: `seconds` is not a number above 0.
        ModelError: a member breaks a rule of the engine.
    """
    is_number = isinstance(seconds, int | float) or hasattr(seconds, "__index__")
    if isinstance(seconds, bool | type) or not is_number or not seconds > 0:
        raise MmvizError(
            f"seconds={quoted(seconds)} is not a number of seconds above 0; write seconds=60"
        )
    found = Growth(family, seconds)
    until = time.perf_counter() + seconds
    over = f"{seconds:g} s were over"
    why = ""
    for n, case in family.cases.items():
        if not why and time.perf_counter() > until:
            why = over
        if why:
            found.left_out[n] = f"not searched: {why}"
            continue

        def told(now: Progress, n: int = n) -> None:
            if progress is not None:
                progress(n, now)

        report = explore(case, progress=told, stop=lambda: stop() or time.perf_counter() > until)
        is_over = time.perf_counter() > until
        if report.cut in (STOPPED, INTERRUPTED) or (is_over and report.missing):
            why = over if is_over else "the search was ended by hand"
            found.left_out[n] = f"not searched to the end: {why}"
        elif report.cut:
            found.left_out[n] = cut_off(report.cut)
        else:
            found.reports[n] = report
    return found
