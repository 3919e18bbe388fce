"""Questions made from the state space of a case: no author writes them, and the search answers.

for question in questions(case, count=3):
    print(question)
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random
from typing import Any, NamedTuple

from mmviz.engine.case import Case, nearest
from mmviz.engine.errors import MmvizError
from mmviz.engine.run import Run, parse_schedule
from mmviz.engine.text import check_limit, expected, index, members, quoted
from mmviz.lessons.question import KINDS, Question
from mmviz.lessons.questions_final import ask_final, final_places
from mmviz.lessons.questions_line import ask_line, line_places
from mmviz.lessons.questions_next import ask_blocked, ask_next, blocked_places, next_places
from mmviz.lessons.questions_reachable import ask_reachable, reachable_places
from mmviz.lessons.questions_space import MOST_STATES, SPACES, Space
from mmviz.lessons.questions_value import ask_value, value_places

MOST_QUESTIONS = 100
MOST_PLACES = 12  # at which a question of one kind is tried
CASE = "write mmviz.find('thread/race', 'NameOfTheCase')"
SOME_KINDS = 'write kinds=["next", "final"]'
WHOLE = ("reachable", "final", "line")  # kinds that need every state


class Kind(NamedTuple):
    """How questions of one kind are made.

    Attributes:
        places: yields runs at whose end it may be asked.
        ask: returns a question, None where there is nothing to ask.
    """

    places: Callable[[Space, Random], Iterator[Run]]
    ask: Callable[[Space, Run, Random], Question | None]


MADE = {
    "next": Kind(next_places, ask_next),
    "blocked": Kind(blocked_places, ask_blocked),
    "value": Kind(value_places, ask_value),
    "reachable": Kind(reachable_places, ask_reachable),
    "final": Kind(final_places, ask_final),
    "line": Kind(line_places, ask_line),
}


def questions(
    case: Case,
    schedule: str | Iterable[str] | None = None,
    kinds: str | Iterable[str] | None = None,
    seed: int = 0,
    count: int = 1,
    *,
    at_start: bool = False,
    max_states: int = MOST_STATES,
) -> tuple[Question, ...]:
    """Return questions about a case, each with one right option. The same seed, the same questions.

    Args:
        case: what is asked about.
        schedule: the run at whose end they are asked; without it, the seed chooses interesting
            places.
        kinds: which of `KINDS`; all of them without it, one after the other.
        seed: another number, other questions.
        count: how many; there are fewer where the case has not so many.
        at_start: ask at the start instead of a place that the seed chooses.
        max_states: of a case with more states, what needs all of them is not asked.

    Raises:
        MmvizError: an argument is not what it has to be.
        ScheduleError: a step of the schedule cannot happen.
        ModelError: the case breaks a rule of the engine.
    """
    expected(case, Case, "what is asked about", CASE)
    wanted, number = _kinds(kinds), index(seed, "the seed of questions")
    most = index(count, "the number of questions")
    if not 0 < most <= MOST_QUESTIONS:
        raise MmvizError(f"ask for 1 to {MOST_QUESTIONS} questions, not {quoted(count)}")
    check_limit("max_states", max_states)
    steps = () if schedule is None else parse_schedule(case, schedule)
    space = SPACES.of(case, max_states)
    place = space.run(steps) if steps or at_start else None
    return tuple(islice(_made(space, place, wanted, number), most))


def _made(space: Space, place: Run | None, kinds: list[str], seed: int) -> Iterator[Question]:
    """Yield different questions, of each kind in turn."""
    case = space.case
    first = Random(f"{seed} {case.scenario} {case.name}")
    order = first.sample(kinds, len(kinds))
    seen: set[Any] = set()
    streams = {kind: Random(f"{seed} {case.scenario} {case.name} {kind}") for kind in order}
    while streams:
        for kind in list(streams):
            question = _one(space, place, kind, streams[kind], seen)
            if question is None:
                del streams[kind]
            else:
                yield question


def _one(
    space: Space, place: Run | None, kind: str, rng: Random, seen: set[Any]
) -> Question | None:
    """Return a question of a kind that has not been asked yet, None where there is no more."""
    made = MADE[kind]
    runs = [place] * MOST_PLACES if place else made.places(space, rng)
    for run in islice(runs, MOST_PLACES):
        question = made.ask(space, run, rng)
        if question is None:
            continue
        key = (question.kind, question.schedule, question.text)
        if key not in seen:
            seen.add(key)
            return question
    return None


def kinds_of(case: Case, max_states: int = MOST_STATES) -> dict[str, str]:
    """Return for each kind of question "" where the case has one, or else why it has none.

    Raises:
        ModelError: the case breaks a rule of the engine.
    """
    expected(case, Case, "what is asked about", CASE)
    space = SPACES.of(case, max_states)
    return {kind: _why_none(space, kind) for kind in KINDS}


def _why_none(space: Space, kind: str) -> str:
    if any(_one(space, None, kind, Random(f"{n} {kind}"), set()) for n in range(3)):
        return ""
    if kind in WHOLE and space.graph is None:
        return f"not decided: the case has more than {space.max_states:,} states"
    return {
        "next": "every actor can step wherever it is, so there is nothing to tell",
        "blocked": "no actor is ever blocked",
        "value": "no step changes what can be shown",
        "reachable": "no case of this race has a bad state that one step decides",
        "final": "every run ends in the same way, as far as can be shown",
        "line": "no line and no step is decisive by itself",
    }[kind]


def none_asked(case: Case, kinds: str | Iterable[str] | None = None) -> str:
    """Return why a case has no question of some kinds, and which kinds it has.

    Raises:
        MmvizError: a kind is not known.
    """
    wanted, known = _kinds(kinds), kinds_of(case)
    lacks = "; ".join(f"{kind}: {known[kind]}" for kind in wanted if known[kind])
    has = [kind for kind in KINDS if not known[kind]]
    if not has:
        return f"{case.name} has no question: {lacks}"
    return (
        f"{case.name} has no question here, {lacks or 'or no other one'}. It has: {', '.join(has)}."
    )


def _kinds(kinds: str | Iterable[str] | None) -> list[str]:
    """Return the kinds that a reader names.

    Raises:
        MmvizError: one is not known, or it is no list.
    """
    if kinds is None or kinds == "":
        return list(KINDS)
    if isinstance(kinds, str):
        kinds = kinds.replace(",", " ").split()
    given = members(kinds, "the kinds of questions", SOME_KINDS, len(KINDS))
    known = {kind: kind for kind in KINDS}
    found = list(dict.fromkeys(nearest(known, each, "kind of question") for each in given))
    if not found:
        raise MmvizError(f"no kind of question is named; {SOME_KINDS}, or leave kinds out")
    return found
