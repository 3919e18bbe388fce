"""Which case of the catalogue a diagram is about: the one whose code has its functions."""

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import mmviz.scenarios as scenarios
from mmviz.engine import Case, MmvizError, ModelError, Race, Scenario
from mmviz.engine.text import quoted
from mmviz.reading.diagram import Diagram, Match
from mmviz.reading.matching import BEST_FIRST, match
from mmviz.reading.reader import read

COMMON = 12  # a function that more races have tells nothing of which race it is
MOST_RACES = 8  # that are tried
MOST_TIES = 5  # cases that fit as well, and are named
LEAST = 2  # functions, in two columns, by which a race is recognised
ENOUGH = 0.6  # of the steps that name a function
PRIMITIVE = re.compile(  # what any diagram may hold
    r"_*(?:raw_)?(?:mutex|spin|read|write|down|up|rcu|srcu|rt_mutex|ww_mutex|seq\w*)_\w+|r?lock|unlock"
    r"|schedule(?:_\w+)?|wake_up\w*|wait_\w+|prepare_to_wait|finish_wait|complete(?:_all)?"
    r"|k[mvz]?free\w*|k[mvz]*alloc\w*|kref_\w+|refcount_\w+|atomic_\w+|READ_ONCE|WRITE_ONCE|smp_\w+"
    r"|(?:queue|schedule|flush|cancel)_\w*work\w*|process_one_work|synchronize_\w+|call_s?rcu"
    r"|list_\w+|hlist_\w+|get|put|free|load|store|access|translate|del_timer\w*|mod_timer"
)

Named = str | Scenario | Race | Case | Iterable[Case]


def diagram(text: str, race: Named | None = None) -> Diagram:
    """Read a race diagram, and say whether a case can run in that order, as `mmviz.diagram` does.

    Raises:
        MmvizError: the text is no text, or the race is nothing that has cases.
        UnknownName: there is no race or case of that name.
    """
    if not isinstance(text, str):
        raise MmvizError(f"a diagram is text, not {quoted(text)}: paste it between triple quotes")
    cases = None if race is None else scenarios.cases_of(race)
    found = read(text)
    if found.steps:
        if cases is None and found.named:
            with suppress(MmvizError):  # another version may have no such case
                cases = scenarios.cases_of(found.named)
        found.match = recognised(found) if cases is None else among(found, cases)
    return found


def among(diagram: Diagram, cases: Iterable[Case]) -> Match | None:
    """Return what the cases say of a diagram: the one that has most of its functions.

    Of several that have as many, one in which the diagram can happen, with the fewest steps
    filled in.
    """
    found = []
    for case in cases:
        try:
            one = match(diagram, case)
        except ModelError:  # one case's mistake hides no other case
            continue
        if one is not None:
            found.append(one)
    best = min(found, key=_rank, default=None)
    if best is None:
        return None
    ties = [
        f"{each.case.label}, {each.verdict}"
        for each in sorted(found, key=_rank)
        if each is not best and each.matched == best.matched and each.verdict != best.verdict
    ]
    return replace(best, also=tuple(ties[:MOST_TIES]))


def _rank(found: Match) -> tuple[int, bool, int, int]:
    can = found.verdict in BEST_FIRST[:2]
    return -found.matched, not can, len(found.filled), BEST_FIRST.index(found.verdict)


def recognised(diagram: Diagram) -> Match | None:
    """Return what the catalogue's own case says of a diagram; None where there is no such case."""
    asked = {step.function for step in diagram.steps if step.function}
    words, races = _words()
    telling = {
        name for name in asked if 0 < words[name] <= COMMON and not PRIMITIVE.fullmatch(name)
    }
    if not telling:
        return None
    score = {race: sum(1 / words[name] for name in telling & own) for race, own in races.items()}
    likely = sorted(filter(score.__getitem__, score), key=lambda race: -score[race])[:MOST_RACES]
    found = among(diagram, [case for race in likely for case in scenarios.load(race).cases])
    return found if found is not None and _is_the_one(diagram, found, telling) else None


def _is_the_one(diagram: Diagram, found: Match, telling: set[str]) -> bool:
    missing = {each.step for each in found.unmatched}
    there = [step for number, step in enumerate(diagram.steps, 1) if number not in missing]
    named = sum(step.function is not None for step in diagram.steps)
    drawn = {step.column for step in diagram.steps}
    return (
        len({step.function for step in there} & telling) >= LEAST
        and len({step.column for step in there}) >= min(2, len(drawn))
        and len(there) >= ENOUGH * named
    )


@cache
def _words() -> tuple[Counter[str], dict[str, frozenset[str]]]:
    """Return in how many races each word of their code stands, and the words of each race."""
    races: dict[str, frozenset[str]] = {}
    here = Path(scenarios.__file__).parent
    for name in scenarios.names():
        thread, _, race = name.partition("/")
        shared = here / thread / scenarios.SHARED
        files = [here / thread / f"{race}.py", *here.glob(f"{thread}/{scenarios.SHARED}.py")]
        files += sorted(shared.glob("*.py"))
        text = "\n".join(file.read_text("utf-8") for file in files if file.is_file())
        races[name] = frozenset(re.findall(r"\b[a-z_]\w+", text))
    return Counter(word for own in races.values() for word in own), races
