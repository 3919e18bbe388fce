"""The judge: every interleaving of a reader's answer, and what is said of it on one card.

    class Mine(mmviz.exercise("iommu_group/one_critical_section").given):
        async def iommu_release_device(self, k, dev): ...

    mmviz.judge(Mine)

A slip in the code is no verdict: the card says "not judged yet", where, which rule, and what to
write.  So does a search that was cut off say that it is not decided.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmviz.engine import Case, MmvizError, Model, Report, Verdict
from mmviz.engine.case import checked_bad, is_predicate, name_of
from mmviz.engine.errors import ModelError, spot
from mmviz.engine.explore import uncollected
from mmviz.engine.graph import along
from mmviz.engine.judge import Judge
from mmviz.engine.location import Location
from mmviz.engine.piece import Line, innermost
from mmviz.engine.report import COMPLETES
from mmviz.engine.run import replay
from mmviz.engine.search import MAX_BYTES, Search
from mmviz.engine.text import members, quoted, short
from mmviz.lessons import progress
from mmviz.lessons.answers import variant_of
from mmviz.lessons.card import ASIDE, NO, OPEN, YES, Answer, Card, not_judged
from mmviz.lessons.cost import Cost, Moves, cost_of, loop_of, moves_of
from mmviz.lessons.exercise import (
    CODE,
    Exercise,
    Predicate,
    exercise,
    exercise_of,
    sentence,
)
from mmviz.lessons.matters import methods_of, redundant_lines
from mmviz.lessons.submission import check_class, check_steps
from mmviz.scenarios import one_case

MOST_STATES = 50_000
MOST_LOCATIONS = 100  # of an actor: more, in such a search, and a local variable grows
MANY = 40  # values of a field: more, in a search that was cut off, and something piles up
MOST_SECONDS = 1.2  # of CPU for the search, and as much again for the lines
HELD = "returns_holding_lock"
WRITE = "write judge(Mine), a class that derives from mmviz.exercise('…').given, or a case"


@dataclass
class Judged:
    """A case, searched as far as it is to be.

    Attributes:
        case: the case.
        search: its states.
        report: what the search found.
        moves: from every state; none where something is amiss already.
    """

    case: Case
    search: Search
    report: Report
    moves: Moves

    @property
    def complete(self) -> list[int]:
        """The states in which a run is complete, a shortest run's first."""
        model = self.search.model
        return [s for s in self.search.parent if model.is_complete(s) and not model.is_dead(s)]

    def holds(self, predicate: Predicate) -> Callable[[int], bool]:
        """Return a predicate of the world as a test of states; it is held to the engine's rules."""
        model = self.search.model
        case = replace(self.case, bad=(_only_named(predicate),), expect={})
        judge = Judge(case, model.world, model.ledger, model.bits, model.complaints, model.cells)
        name = name_of(case.bad[0])
        return lambda state: name in judge(state)


def _only_named(predicate: Predicate) -> Predicate:
    """Return a predicate that is judged in any state, even if it is marked `at_end`."""

    def asked(k: Any) -> bool:
        return predicate(k)

    asked.__name__ = f"{predicate.__name__}?"
    asked.__doc__ = predicate.__doc__
    return asked


def judge(
    mine: Any,
    exercise: Exercise | str | None = None,
    *,
    jobs: Iterable[Predicate] = (),
    outcomes: Iterable[Predicate] = (),
    quick: bool = False,
) -> Card:
    """Judge an answer, in every interleaving.

        mmviz.judge(Mine)
        mmviz.judge("CPU0*3 CPU1*4", mmviz.exercise("iommu_group/break_it"))
        mmviz.judge("iommu_group/release_order:ReleaseUnderMutex")

    Args:
        mine: a class that derives from an exercise's `given`; or the schedule or the number that
            an exercise asks for; or a case, a race with one case, a scenario, or a name.
        exercise: the exercise, or its name. A class knows its own.
        jobs: of a case without an exercise, predicates of the world that must hold at the end of
            every completed run.
        outcomes: of such a case, predicates each of which must hold in some state of some run; one
            that is marked `@at_end` at the end of some completed run.
        quick: leave out which lines matter, and the cost of other answers.

    Returns:
        The card. What cannot be judged has a card, too, that says why.

    Raises:
        UnknownName: the exercise, the race or the case is unknown; the nearest is suggested.
        MmvizError: `mine` is nothing of this.
    """
    asked = _exercise(exercise)
    jobs, outcomes = _predicates(jobs, "jobs"), _predicates(outcomes, "outcomes")
    if isinstance(mine, type):
        return _judge_class(mine, asked, quick)
    if asked is not None and asked.asks != CODE:
        from mmviz.lessons.found import judge_found  # which needs cards

        card = judge_found(mine, asked)
        progress.tried(asked.name, card.right)
        return card
    case = one_case(mine)
    if asked is not None:
        case = replace(asked.failing, name=case.name, actors=case.actors)
        jobs, outcomes = asked.jobs, asked.outcomes
    try:
        return _card(case.label, case, jobs, outcomes, asked, False, quick)
    except ModelError as error:
        return not_judged(case.label, str(error))


def _predicates(given: Any, what: str) -> tuple[Predicate, ...]:
    """Return the predicates of the world that a reader gives.

    Raises:
        MmvizError: they are not a list of functions of the world.
    """
    instead = f"write {what}=[page_is_free], a list of functions of the world"
    found = tuple(members(given, f"{what}=", instead))
    for each in found:
        if not is_predicate(each):
            raise MmvizError(f"{what}: {quoted(each)} is no function of the world; {instead}")
    checked_bad(what, found)
    return found


def _exercise(given: Any) -> Exercise | None:
    """Return the exercise that a reader names.

    Raises:
        MmvizError: it is no exercise.
    """
    if given is None or isinstance(given, Exercise):
        return given
    if isinstance(given, str):
        return exercise(given)
    raise MmvizError(f"{quoted(given)} is no exercise; write mmviz.exercise('thread/name')")


def _judge_class(mine: type, asked: Exercise | None, quick: bool) -> Card:
    known = exercise_of(mine)
    if known is None:
        given = f"{asked.words}.given" if asked else "mmviz.exercise('…').given"
        raise MmvizError(f"{mine.__name__} derives from no exercise; write class Mine({given})")
    if asked is not None and asked.name != known.name:
        raise MmvizError(
            f"{mine.__name__} answers {known.name}, not {asked.name}; write "
            f"class Mine({asked.words}.given)"
        )
    if known.asks != CODE:
        raise MmvizError(f"{known.name} asks for no class: write {known.code}")
    try:
        check_class(mine, known)
        case = known.cast(mine, mine.__name__)
        card = _card(known.name, case, known.jobs, known.outcomes, known, True, quick)
    except ModelError as error:
        card = not_judged(known.name, str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a reader gets no traceback, and no code ends the judge
        card = not_judged(known.name, _own_fault(error))
    if not quick:
        progress.tried(known.name, card.right)
    return card


def _own_fault(error: BaseException) -> str:
    """Return what a reader is told of an exception that no rule explains."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace is not None else None
    where = (
        f" ({spot((code.co_filename, code.co_name, trace.tb_lineno))})" if code and trace else ""
    )
    return (
        f"{type(error).__name__}: {error}{where}. No rule of models explains it: mend what your "
        "code does there, or report it as a fault of mmviz"
    )


def _card(
    title: str,
    case: Case,
    jobs: tuple[Predicate, ...],
    outcomes: tuple[Predicate, ...],
    asked: Exercise | None,
    is_class: bool,
    quick: bool,
) -> Card:
    """Return the card of a case.

    Raises:
        ModelError: its code breaks a rule.
    """
    alone = asked.alone if asked is not None else {}
    found = searched(case)
    if is_class and asked is not None:
        check_steps(found.search.model, asked)
    safe, finishes = _safe(found), _finishes(found, asked)
    does = _does(found, jobs, outcomes, alone)
    price = cost_of(found.search, found.moves) if found.moves and found.complete else None
    cost = _cost(price, asked, quick) if safe and finishes and does else _unpriced(price)
    lines = Answer(ASIDE, "looked at once the answer is right")
    if safe and finishes and does and cost.verdict in (YES, ASIDE) and not quick:
        lines = _lines(found, asked, jobs, outcomes)
    return Card(title, safe, finishes, does, cost, lines, price=price)


def searched(case: Case) -> Judged:
    """Search a case as far as the limits go.

    Raises:
        ModelError: its code breaks a rule.
    """
    until = time.process_time() + MOST_SECONDS
    with uncollected():
        search = Search(case, MOST_STATES, MAX_BYTES, None, lambda: time.process_time() > until)
        report = search.report()
    whole = search.found_all and not report.undecided
    return Judged(case, search, report, moves_of(search) if whole else {})


# -- the rows --------------------------------------------------------------------------------


def own_line(case: Case, location: Location) -> Line | None:
    """Return where an actor is: the innermost line of the reader's class, or else of the race."""
    written = methods_of(case)
    own = [each for each in location.lines if (each.file, each.function) in written]
    return tuple(own[-1]) if own else innermost(location.lines)  # type: ignore[return-value]


def place_of(model: Model, case: Case, schedule: Sequence[str]) -> str:
    """Return the last step of a schedule and its line: "CPU1 at mutex_unlock(), line 12"."""
    if not schedule:
        return "the start"
    state = along(model, schedule[:-1])[-1]
    location = model.location(state, model.index[schedule[-1]])
    line = own_line(case, location)
    label = "" if location.step is None else location.step.label
    where = f", {spot(line)}" if line else ""
    parts = [f"step {len(schedule)}, {schedule[-1]} {label}{where}"]
    for p, name in enumerate(model.actors):
        other = own_line(case, model.location(state, p))
        if name != schedule[-1] and name not in case.daemons and other is not None:
            parts.append(f"while {name} is at {spot(other)}")
    return "; ".join(parts)


def waits_of(model: Model, case: Case, schedule: Sequence[str]) -> str:
    """Return where each actor waits at the end of a schedule: "CPU0 waits at …, line 12"."""
    state = along(model, schedule)[-1]
    parts = []
    for p, name in enumerate(model.actors):
        location = model.location(state, p)
        line = own_line(case, location)
        if location.step is not None and name not in case.daemons and line is not None:
            parts.append(f"{name} waits at {location.step.label}, {spot(line)}")
    return "; ".join(parts)


def _fails(found: Judged, words: str, schedule: Sequence[str]) -> Answer:
    run = tuple(schedule)
    return Answer(NO, words, run, found.case, place_of(found.search.model, found.case, run))


def _undecided(report: Report) -> str:
    if report.undecided:
        return f"not decided: {report.undecided}"
    return "not decided: the search was cut off, so some interleavings were not looked at"


def _complaint(case: Case, bad_state: str, schedule: Sequence[str]) -> str:
    """Return what the last step of a run says of a bad state that it raises; "" for a predicate."""
    said = dict(replay(case, schedule).frames[-1].complaints).get(bad_state)
    return f" ({said})" if said else ""


def _safe(found: Judged) -> Answer:
    report = found.report
    for bad_state, example in report.counterexamples.items():
        if bad_state == HELD and HELD not in found.case.bad_states:
            continue
        how = "every run" if report.verdicts[bad_state] is Verdict.ALWAYS else "some runs"
        words = f"{bad_state} in {how}: {found.case.sentence(bad_state)}"
        words += _complaint(found.case, bad_state, example.fewest_preemptions)
        return _fails(found, words, example.fewest_preemptions)
    if report.cut or report.undecided:
        return Answer(OPEN, _undecided(report))
    return Answer(YES, f"no bad state in any interleaving ({report.states:,} states)")


def _finishes(found: Judged, asked: Exercise | None) -> Answer:
    report, search = found.report, found.search
    if report.deadlock is not None:
        run = report.deadlock.fewest_preemptions
        words = "a deadlock: no actor can take a step, and not all have finished"
        return Answer(NO, words, run, found.case, waits_of(search.model, found.case, run))
    if report.livelock is not None:
        lasso = report.livelock
        words = f"a livelock: {short(lasso.cycle)} repeats, and the run never completes"
        return _fails(found, words, (*lasso.prefix, *lasso.cycle))
    if (held := report.counterexamples.get(HELD)) is not None:
        words = f"{HELD}: {found.case.sentence(HELD)}"
        return _fails(found, words, held.fewest_preemptions)
    if report.cut and (grown := _grown(search.model)) is not None:
        return _fails(found, grown, search.run_to(next(reversed(search.parent))))
    if report.cut or report.undecided or report.missing:
        return Answer(OPEN, _undecided(report))
    if asked is not None and not asked.polls and (loop := loop_of(search, found.moves)):
        way, cycle, _ = loop
        words = f"{cycle[0]} goes round a loop while the others rest: let it wait for what it needs"
        return _fails(found, words, (*way, *cycle))
    if COMPLETES not in report.ends:
        return Answer(OPEN, "no run completes")
    return Answer(YES, "no deadlock, no livelock, no lock held at the end")


def _grown(model: Model) -> str | None:
    """Return what has so many values that a loop has no end; None if nothing has."""
    paths = model.ledger.paths
    slot = max(range(len(paths)), key=lambda each: len(model.bits[each].codes), default=0)
    number = len(model.bits[slot].codes) - 1
    if number >= MANY:
        return f"something piles up: {paths[slot]} takes more than {number} values in a loop"
    for p, known in enumerate(model.locations):
        if len(known) > MOST_LOCATIONS:
            line = innermost(known[MOST_LOCATIONS].lines)
            where = spot(line) if line else "one line"
            return (
                f"no end was found: {model.actors[p]} comes to {where} again and again, each time "
                "with other values of its variables"
            )
    return None


def _reached_alone(
    found: Judged, actors: Sequence[str], holds: Callable[[int], bool]
) -> tuple[bool, tuple[str, ...]]:
    """Tell whether a run of some actors alone gets to a state; with the last run tried."""
    model = found.search.model
    numbers = [model.index[name] for name in actors if name in model.index]
    before: dict[int, tuple[int, int]] = {model.start: (-1, -1)}
    states = [model.start]
    reached = False
    for state in states:  # grows while we walk it
        reached = reached or holds(state)
        for p, after in found.moves[state]:
            if p in numbers and after not in before:
                before[after] = state, p
                states.append(after)
    names, state = [], states[-1]
    while before[state][0] >= 0:
        state, p = before[state]
        names.append(model.actors[p])
    return reached, tuple(reversed(names))


def _does(
    found: Judged,
    jobs: tuple[Predicate, ...],
    outcomes: tuple[Predicate, ...],
    alone: Mapping[str, Predicate] | None = None,
) -> Answer:
    if not jobs and not outcomes:
        return Answer(
            OPEN, "no job is stated for this race; give jobs=[…], predicates of the world"
        )
    ends = found.complete
    if not ends:
        return Answer(OPEN, "no run completes, so nothing is done at the end of one")
    search = found.search
    for job in jobs:
        holds = found.holds(job)
        for state in ends:
            if not holds(state):
                row = _fails(found, f"not done at the end: {sentence(job)}", search.run_to(state))
                return replace(row, place=f"the run ends with {row.place}")
    if not found.moves:
        return Answer(OPEN, _undecided(found.report))
    for outcome in outcomes:
        holds = found.holds(outcome)
        at_end = getattr(outcome, "at_end", False)
        if not any(map(holds, ends if at_end else search.parent)):
            words = f"no longer possible in any run: {sentence(outcome)}"
            return replace(_fails(found, words, search.run_to(ends[0])), place="")
    for who, wanted in (alone or {}).items():
        reached, way = _reached_alone(found, who.split(), found.holds(wanted))
        if not reached:
            words = f"{who} alone does not get there: {sentence(wanted)}"
            return replace(_fails(found, words, way), place="")
    done = "; ".join(map(sentence, jobs))
    possible = "; ".join(map(sentence, outcomes))
    parts = [f"done at the end of every run: {done}"] if jobs else []
    parts += [f"still possible: {possible}"] if outcomes else []
    return Answer(YES, "; ".join(parts))


def _unpriced(price: Cost | None) -> Answer:
    return Answer(ASIDE, f"{price}" if price else "nothing completes")


def _cost(price: Cost | None, asked: Exercise | None, quick: bool) -> Answer:
    assert price is not None
    if asked is None:
        return Answer(ASIDE, str(price))
    given, best = (None, None) if quick else asked.kept("prices", lambda: prices(asked))
    words = [str(price)]
    if given is not None:
        words.append(f"The given code: {given.short}")
    if best is not None:
        words.append(f"The cheapest right answer known: {best.short}")
    if asked.cheaper is None:
        return Answer(ASIDE, ". ".join(words))
    wrong = price.exceeds(asked.cheaper)
    return Answer(NO if wrong else YES, ". ".join([*wrong, *words]))


def prices(asked: Exercise) -> tuple[Cost | None, Cost | None]:
    """Return the cost of an exercise's given code, and the cheapest right answer known."""
    found = searched(asked.failing)
    given = cost_of(found.search, found.moves) if found.moves and found.complete else None
    priced = []
    own = [answer for answer in (asked.solved, *asked.solutions) if "\n" in answer]
    named = [("the solution", variant_of(asked, answer)) for answer in own]
    for label, variant in (*asked.known_answers(), *named):
        each = searched(asked.cast(variant, label))
        if each.moves and is_right(each, asked):
            priced.append(cost_of(each.search, each.moves))
    return given, min(priced, key=lambda cost: cost.rank, default=None)


def is_right(found: Judged, asked: Exercise) -> bool:
    """Tell whether a case is safe, finishes and does the job of an exercise."""
    rows = (
        _safe(found),
        _finishes(found, asked),
        _does(found, asked.jobs, asked.outcomes, asked.alone),
    )
    return all(rows)


def _lines(
    found: Judged,
    asked: Exercise | None,
    jobs: tuple[Predicate, ...],
    outcomes: tuple[Predicate, ...],
) -> Answer:
    """Return which lines of the reader's own code make no difference."""

    def still_right(mutant: Case) -> bool:
        each = searched(mutant)
        return bool(
            _safe(each)
            and _finishes(each, asked)
            and (
                not (jobs or outcomes) or _does(each, jobs, outcomes, asked.alone if asked else {})
            )
        )

    until = time.process_time() + MOST_SECONDS
    looked, spare, left = redundant_lines(found.case, still_right, until)
    if not looked and not left:
        return Answer(ASIDE, "no line of yours takes a step")
    each = f"each of {looked} lines" if looked != 1 else "the only line that takes a step"
    words = (
        f"without {' or '.join(spare)} all of this still holds"
        if spare
        else f"{each} is needed: without it something above fails"
    )
    return Answer(ASIDE, words + (f"; {left} lines were not looked at" if left else ""))
