"""A diagram beside a case: can its rows happen in their order, and what do they break?"""

from dataclasses import replace

from mmviz.engine import Case
from mmviz.engine.explore import uncollected
from mmviz.reading.assigning import assignments
from mmviz.reading.case_code import MOST_LEARNED, CaseCode
from mmviz.reading.diagram import FEASIBLE, HARMLESS, INFEASIBLE, UNKNOWN, Diagram, Match
from mmviz.reading.fitting import Fit
from mmviz.reading.rows import LEAST_NODES, Budget

MOST_NODES = 60_000  # states, each with the number of rows that have happened
BEST_FIRST = (FEASIBLE, HARMLESS, INFEASIBLE, UNKNOWN)


def match(
    diagram: Diagram, case: Case, budget: Budget | None = None, learned: int = MOST_LEARNED
) -> Match | None:
    """Return what a case says of a diagram; None if it has none of its functions.

    Args:
        diagram: what was read.
        case: the case.
        budget: how many nodes may be looked at.
        learned: of its states, to know its functions.

    Raises:
        ModelError: the case breaks a rule of the engine.
    """
    with uncollected():
        code, budget = CaseCode(case, learned), budget or Budget(MOST_NODES)
        found = [_judged(diagram, code, actors, budget) for actors in assignments(diagram, code)]
    best = min(found, key=_likeliest, default=None)
    if best is not None and best.verdict == HARMLESS:
        undecided = (each for each in found if each.verdict == UNKNOWN and not each.schedule)
        return next(undecided, best)
    if best is None or best.verdict != FEASIBLE or HARMLESS not in {e.verdict for e in found}:
        return best
    other = "the other way round" if len(found) == 2 else "as other actors"
    return replace(best, reason=f"{best.reason}; with its columns {other} it breaks nothing")


def _likeliest(found: Match) -> tuple[int, int]:
    """Return what puts the best match first; of two that cannot happen, the one that gets further.

    An order is harmless only if it is so whichever actors the columns are.
    """
    return BEST_FIRST.index(found.verdict), -found.reached


def _judged(diagram: Diagram, code: CaseCode, actors: tuple[str, ...], budget: Budget) -> Match:
    """Return the verdict where the columns are certain actors.

    First each function that a later row of a column draws happens there; a lenient fit allows that
    the diagram leaves out earlier calls of it; then functions may be entered some time before the
    first step in them; then rows under one lock may be in another order.
    """
    fit = Fit(diagram, code, actors, budget)
    best = fit.judged()
    if best.verdict not in (INFEASIBLE, UNKNOWN) or best.waits:
        return best.sober(diagram)
    for early in (False, True):
        lenient = Fit(diagram, code, actors, budget, lenient=True, early=early).judged()
        if lenient.verdict not in (INFEASIBLE, UNKNOWN):
            return lenient.sober(diagram)
    return (fit.reordered() or best).sober(diagram)


def strange(diagram: Diagram, found: Match) -> int:
    """Return how many columns are not the code of their actors: alone they cannot happen."""
    missing = {each.step for each in found.unmatched}
    there = enumerate(diagram.steps, 1)
    columns = {step.column for number, step in there if number not in missing}
    with uncollected():
        code, budget = CaseCode(found.case), Budget(LEAST_NODES)
        return sum(
            not Fit(
                diagram, code, found.actors, budget, lenient=True, early=True, column=column
            ).can_happen()
            for column in columns
        )
