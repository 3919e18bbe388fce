"""Attack and defend: the worst legal run of a case, and the nearest miss where no run is bad.

The search knows every state, so the worst schedule is no guess: in each state the actor goes whose
step leads nearest to a bad state, a deadlock or a livelock. Where none can be reached, the run goes
to the nearest miss (mmviz/engine/miss.py).
"""

from collections.abc import Iterator
from typing import NamedTuple

from mmviz.engine.case import Case
from mmviz.engine.graph import Graph, along
from mmviz.engine.learn import Model
from mmviz.engine.miss import FAR, Miss, distances, near_miss
from mmviz.engine.report import Report
from mmviz.engine.text import several, short

MOST_STATES = 100_000  # of a case whose worst run is looked for


class Worst(NamedTuple):
    """The worst legal run of a case.

    Attributes:
        schedule: the run.
        reasons: for each step, why this actor goes.
        reached: what goes wrong: a bad state, "deadlock" or "livelock"; "" for nothing.
        miss: where nothing goes wrong, the nearest miss; None if no state is one field away.
        text: what the whole comes to, in a sentence or two.
    """

    schedule: tuple[str, ...]
    reasons: tuple[str, ...]
    reached: str
    miss: Miss | None
    text: str

    def __str__(self) -> str:
        steps = [
            f"{number:3}  {actor}: {reason}"
            for number, (actor, reason) in enumerate(
                zip(self.schedule, self.reasons, strict=True), 1
            )
        ]
        return "\n".join([self.text, *steps])


def covered(report: Report) -> str:
    """Return what a search says that found nothing; "" where it is not sure."""
    if report.cut or report.doubt:
        return ""
    return f"The search covered all {report.states:,} states: no run reaches this"


def worst(case: Case, report: Report, model: Model) -> Worst:
    """Return the worst legal run of a case.

    Args:
        case: the case.
        report: what its search found.
        model: the case, learned by that search.

    Raises:
        MmvizError: it has too many states.
    """
    loop = report.livelock
    if loop is not None and not report.counterexamples and report.deadlock is None:
        schedule = loop.prefix + loop.cycle
        inside = len(loop.prefix)
        reasons = (
            "leads to the loop" if k < inside else "the loop goes on, and the run never completes"
            for k in range(len(schedule))
        )
        text = (
            f"Livelock: after {inside} steps the run can go round without end: {short(schedule)}."
        )
        return Worst(schedule, tuple(reasons), "livelock", None, text)
    graph = Graph(case, MOST_STATES, model=model)
    ranks = {name: place for place, name in enumerate(case.bad_states)}
    bad: dict[int, str] = {}
    for number, state in enumerate(graph.states):
        found = sorted(model.violated(state), key=lambda name: ranks.get(name, len(ranks)))
        if found:
            bad[number] = found[0]
        elif model.is_deadlock(state):
            bad[number] = "deadlock"
    if bad:
        away = distances(graph, bad)
        path = _downhill(graph, away)
        reached = bad[path[-1][1]] if path else bad[0]
        what = "a deadlock" if reached == "deadlock" else reached.replace("_", " ")
        schedule = tuple(model.actors[p] for p, _ in path)
        way = short(schedule) or "at once"
        text = f"This case breaks: after {several(len(path), 'step')} comes {what}, {way}."
        return Worst(schedule, tuple(_reasons(graph, away, path, what)), reached, None, text)
    sure = covered(report) or "No bad state was found, and the search does not know everything"
    miss = near_miss(graph)
    if miss is None:
        return Worst((), (), "", None, f"{sure}. No state is one field away from a bad state.")
    goal = graph.index[along(model, miss.schedule)[-1]]
    away = distances(graph, [goal])
    path = _downhill(graph, away)
    schedule = tuple(model.actors[p] for p, _ in path)
    told = tuple(_reasons(graph, away, path, "the nearest miss"))
    return Worst(schedule, told, "", miss, f"{sure}. {miss.text}")


# -- the worst run -----------------------------------------------------------------------------


def _downhill(graph: Graph, away: list[int]) -> list[tuple[int, int]]:
    """Return moves from the start, each of which comes nearer; the same actor where it can."""
    path: list[tuple[int, int]] = []
    here, last = 0, -1
    while away[here]:
        good = [move for move in graph.moves(here) if away[move[1]] < away[here]]
        last, here = next((move for move in good if move[0] == last), good[0])
        path.append((last, here))
    return path


def _reasons(
    graph: Graph, away: list[int], path: list[tuple[int, int]], what: str
) -> Iterator[str]:
    """Yield why each actor goes: what is left then, and what would be left after another."""
    names, here = graph.model.actors, 0
    for p, after in path:
        left = away[after]
        if left:
            said = [f"{several(left, 'step')} {'is' if left == 1 else 'are'} left to {what}"]
        else:
            said = [f"this is {what}"]
        others: dict[str, list[str]] = {}
        for q, other in graph.moves(here):
            if q == p:
                continue
            if away[other] == FAR:
                why = "it could not be reached any more"
            elif away[other] > left:
                why = f"{several(away[other], 'step')} would be left"
            else:
                why = "it would be as near"
            others.setdefault(why, []).append(names[q])
        said += [f"after {' or '.join(some)} {why}" for why, some in others.items()]
        yield "; ".join(said)
        here = after
