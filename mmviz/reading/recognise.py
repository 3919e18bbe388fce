"""Which case of the catalogue a diagram is about: the one whose code has its functions."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from math import log2
from pathlib import Path
from typing import NamedTuple

import mmviz.scenarios as scenarios
from mmviz.engine import Case, MmvizError, ModelError, Race, Scenario, parse_schedule
from mmviz.engine.text import quoted
from mmviz.kernel.provenance import Origin
from mmviz.reading.also_called import also_called, is_anywhere
from mmviz.reading.case_code import MOST_LEARNED
from mmviz.reading.diagram import INFEASIBLE, UNKNOWN, Diagram, Match, Step, Unmatched
from mmviz.reading.drawn import AS_DRAWN, drawn_case, too_long
from mmviz.reading.drawn_locks import goes_on
from mmviz.reading.matching import BEST_FIRST, MOST_NODES, match, strange
from mmviz.reading.reader import read
from mmviz.reading.rows import Budget

INDEX = Path(__file__).with_name("functions.json")  # written by mmviz/cli/functions.py
MOST_STEPS = 120  # of a diagram that is matched
MOST_CASES = 24  # that are tried
LEARNED = 3_000  # states of a case that is tried
NEARLY = 0.8  # of the best case's weight, that a case needs to be tried
MOST_TIES = 5  # cases that fit as well, and are named
LEAST = 2  # functions by which a race is recognised
BITS = 5.0  # that they tell together: of two functions, each is in one race of five or fewer
ENOUGH = 0.6  # of the steps that name a function
Named = str | Scenario | Race | Case | Iterable[Case]


class Functions(NamedTuple):
    """The functions of a race: of each, in which of its cases it is."""

    cases: tuple[str, ...]
    known: dict[str, int]


def diagram(text: str, race: Named | None = None) -> Diagram:
    """Read a race diagram, and say whether a case can run in that order, as `mmviz.diagram` does.

    Raises:
        MmvizError: the text is no text, or the race is nothing that has cases.
        UnknownName: there is no race or case of that name.
    """
    if not isinstance(text, str):
        raise MmvizError(f"a diagram is text, not {quoted(text)}: paste it between triple quotes")
    cases = None if race is None else [*scenarios.cases_of(race)]
    found = read(text)
    if not found.steps:
        return found
    if cases is None and found.named:
        with suppress(MmvizError):  # another version may have no such case
            cases = [*scenarios.cases_of(found.named)]
    if len(found.steps) <= MOST_STEPS:
        found.match = recognised(found) if cases is None else judged(found, cases)
        found.goes_on = goes_on(found)
    if found.match is not None and found.match.verdict != UNKNOWN:
        found.case, found.schedule = found.match.case, found.match.schedule
    elif not too_long(found):
        found.case = drawn_case(found)
        found.schedule = parse_schedule(found.case, found.case.schedules[AS_DRAWN])
    return found


def judged(diagram: Diagram, cases: list[Case]) -> Match | None:
    """Return what the cases that a reader names say of a diagram: that they do not know, at least.

    None where there is no case.
    """
    found = among(diagram, cases)
    if found is not None or not cases:
        return found
    missing = tuple(
        Unmatched(number, "the case has no such function" if step.function else "names no function")
        for number, step in enumerate(diagram.steps, 1)
    )
    why = "no step of the diagram names a function of this case"
    at = (0,) * len(missing)
    actors = ("",) * len(diagram.columns)
    return Match(cases[0], actors, UNKNOWN, None, why, at=at, unmatched=missing)


def among(
    diagram: Diagram,
    cases: Iterable[Case],
    most: int = MOST_NODES,
    learned: int = MOST_LEARNED,
) -> Match | None:
    """Return what the cases say of a diagram: the one that has most of its functions.

    Of several that have as many, one in which the diagram can happen, then one that has the code
    of its columns, then one in which it gets furthest, then with the fewest steps filled in.
    """
    found, budget = [], Budget(most)
    for case in cases:
        try:
            one = match(diagram, case, budget, learned)
        except ModelError:  # one case's mistake hides no other case
            continue
        if one is not None:
            found.append(one)
            if budget.left <= 0:
                break
    best = min(found, key=_rank, default=None)
    if best is None:
        return None
    if best.verdict == INFEASIBLE:  # whose code are the columns?
        found = [
            replace(each, strange=strange(diagram, each))
            for each in found
            if each.matched == best.matched and each.verdict == INFEASIBLE
        ]
        best = min(found, key=_rank)
    return replace(best, also=tuple(_ties(best, sorted(found, key=_rank)))[:MOST_TIES])


def _ties(best: Match, found: Iterable[Match]) -> Iterator[str]:
    """Yield the cases that have as many of the functions, of other races or with other verdicts."""
    told = {(best.case.scenario, best.verdict)}
    for each in found:
        where = each.case.scenario
        if each.matched == best.matched and (where, each.verdict) not in told:
            told.add((where, each.verdict))
            of = f" of {where}" if where != best.case.scenario else ""
            yield f"{each.case.label}{of}, {each.verdict}"


def _rank(found: Match) -> tuple[int, bool, int, int, int, int, bool, int]:
    can = found.verdict in BEST_FIRST[:2]
    far = 0 if can else -found.reached
    made = getattr(found.case.source, "kind", "") == Origin.CONSTRUCTED
    verdict = BEST_FIRST.index(found.verdict)
    names = [each.name for each in found.case.race or ()]
    place = names.index(found.case.name) if found.case.name in names else 0  # the race's own first
    return -found.matched, not can, found.strange, far, len(found.filled), verdict, made, place


def recognised(diagram: Diagram) -> Match | None:
    """Return what the catalogue's own case says of a diagram; None where there is no such case."""
    asked = {name for step in diagram.steps if (name := _asked(step))}
    telling = {name for name in asked if _bits(name) and not is_anywhere(name)}
    if not telling:
        return None
    score: dict[tuple[str, int], float] = {}
    for race, (cases, known) in functions().items():
        for number in range(len(cases)):
            here = {name for name in asked if _is_in(name, known, number)}
            if _tells(diagram, here, telling):
                score[race, number] = sum(map(_bits, here))
    best = max(score.values(), default=0.0)
    likely = [at for at in score if score[at] >= NEARLY * best]
    likely.sort(key=lambda at: (-score[at], _size(*at)))
    wanted = [case for at in likely[:MOST_CASES] if (case := _case(*at)) is not None]
    found = among(diagram, wanted, MOST_NODES // 2, LEARNED)
    if found is None or not _is_the_one(diagram, found, telling):
        return None
    if found.verdict == INFEASIBLE and found.strange:
        why = f"it has the functions of this case, and not its code: {found.reason}"
        return replace(found, verdict=UNKNOWN, line=None, reason=why)
    return found


def _asked(step: Step) -> str:
    """Return the function that a step names: what stands alone is one if a race has it."""
    return step.function or (step.name if _bits(step.name) else "")


def _is_the_one(diagram: Diagram, found: Match, telling: set[str]) -> bool:
    missing = {each.step for each in found.unmatched}
    there = [step for number, step in enumerate(diagram.steps, 1) if number not in missing]
    drawn = {step.column for step in diagram.steps}
    in_both = len({step.column for step in there}) >= min(2, len(drawn))
    return in_both and _tells(diagram, {name for step in there if (name := _asked(step))}, telling)


def _tells(diagram: Diagram, there: set[str], telling: set[str]) -> bool:
    """Tell whether these functions are enough of a diagram to say which race it is."""
    named = [name for step in diagram.steps if (name := _asked(step))]
    tell = there & telling
    return (
        len(tell) >= LEAST
        and sum(map(_bits, tell)) >= BITS
        and sum(function in there for function in named) >= ENOUGH * len(named)
    )


# -- the functions of the catalogue ------------------------------------------------------------


@cache
def functions() -> dict[str, Functions]:
    """Return the functions of each race of the catalogue."""
    found = json.loads(INDEX.read_text("utf-8"))
    return {
        race: Functions(tuple(own["cases"]), own["functions"])
        for race, own in found.items()
        if race in scenarios.names()
    }


@cache
def weights() -> Counter[str]:
    """Return in how many races each function is."""
    return Counter(name for race in functions().values() for name in race.known)


def _bits(function: str) -> float:
    """Return how much it tells of a race that it has a function, or one of its other names."""
    count = max(weights()[name] for name in (function, *also_called(function)))
    return log2(len(functions()) / count) if count else 0.0


def _is_in(function: str, known: dict[str, int], number: int) -> bool:
    names = (function, *also_called(function))
    return any(known.get(name, 0) >> number & 1 for name in names)


def _size(race: str, number: int) -> int:
    """Return how many functions a case has."""
    return sum(mask >> number & 1 for mask in functions()[race].known.values())


def _case(race: str, number: int) -> Case | None:
    """Return a case of the index; None where it has another name by now."""
    name = functions()[race].cases[number]
    return next((case for case in scenarios.load(race).cases if case.name == name), None)
