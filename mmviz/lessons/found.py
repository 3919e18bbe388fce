"""Answers that are found, not written: a run that breaks the promise, or the step that decides."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mmviz.engine import Fate, Graph, MmvizError, ModelError, Run, ScheduleError
from mmviz.engine.run import parse_schedule
from mmviz.engine.text import quoted, several
from mmviz.lessons.card import ASIDE, NO, OPEN, YES, Answer, Card, not_judged
from mmviz.lessons.exercise import STEP, Exercise
from mmviz.lessons.goals import DEADLOCK, deciding

LEFT = Answer(ASIDE, "")  # the given code is not judged here


def judge_found(mine: Any, asked: Exercise) -> Card:
    """Judge a schedule, or the number of a step.

    Raises:
        MmvizError: it is neither.
    """
    try:
        if asked.asks == STEP:
            return _judge_step(_number(mine, asked), asked)
        return _judge_schedule(mine, asked)
    except (ScheduleError, ModelError) as error:
        return not_judged(asked.name, str(error))


def _judge_schedule(mine: Any, asked: Exercise) -> Card:
    case = asked.failing
    if not isinstance(mine, str | list | tuple):
        raise MmvizError(
            f'{quoted(mine)} is no schedule; write judge("{" ".join(case.actors)}", …)'
        )
    run = Run(case)
    for name in parse_schedule(case, mine):
        try:
            run.step(name)
        except ScheduleError as error:
            so_far = Answer(OPEN, "", run.schedule, case)
            return replace(not_judged(asked.name, str(error)), does_its_job=so_far)
    taken = run.schedule
    goal, best = asked.goal, len(asked.shortest)
    reached = run.deadlock if goal == DEADLOCK else goal in run.violated
    said = (
        "no actor can go on, and not all have finished"
        if goal == DEADLOCK
        else (f"{goal}: {case.sentence(goal)}")
    )
    if not reached:
        also = next(iter(run.violated), "")
        instead = f"; it violates {also}, which is not asked for" if also else ""
        end = "" if run.finished or run.deadlock else "; it can go on"
        words = f"this run does not get there ({said}){instead}{end}"
        job = Answer(NO, words, taken, case)
        cost = Answer(ASIDE, several(len(taken), "step"))
        return Card(asked.name, LEFT, LEFT, job, cost, LEFT, points=_points(False, False))
    at = next((f.index for f in run.frames if goal in f.violated), len(taken))
    job = Answer(YES, f"after step {at} {said}", taken[:at], case)
    words = f"{several(at, 'step')}; a shortest run has {best}"
    verdict = YES if not asked.at_most or at <= asked.at_most else NO
    if verdict == NO:
        words += f", and at most {asked.at_most} are asked for"
    cost = Answer(verdict, words, taken[:at], case)
    return Card(asked.name, LEFT, LEFT, job, cost, LEFT, points=_points(True, at == best))


def _points(breaks: bool, is_shortest: bool) -> dict[str, bool]:
    return {"breaks it": breaks, "shortest": is_shortest}


def _number(mine: Any, asked: Exercise) -> int:
    last = len(parse_schedule(asked.failing, asked.run))
    if isinstance(mine, bool) or not isinstance(mine, int) or not 0 <= mine <= last:
        raise MmvizError(f"{quoted(mine)} is no step of this run; write a number from 0 to {last}")
    return mine


def _judge_step(mine: int, asked: Exercise) -> Card:
    at, run, graph = deciding(asked.failing, asked.goal, asked.run)
    case, schedule = asked.failing, run.schedule
    label = (
        f"step {mine}, {run.frames[mine].actor} {run.frames[mine].label}" if mine else "the start"
    )
    if mine == at:
        words = f"after {label} every run leads to {asked.goal}; before it some run avoids that"
        job = Answer(YES, words, schedule[:mine], case)
    elif mine > at:
        words = f"it is unavoidable before {label}: some earlier step decides"
        job = Answer(NO, words, schedule[:mine], case, label)
    else:
        way = _avoiding(graph, run.frames[mine].state, asked.goal)
        words = f"after {label} this run still avoids {asked.goal}"
        job = Answer(NO, words, (*schedule[:mine], *way), case, label)
    return Card(asked.name, LEFT, LEFT, job, LEFT, LEFT, points={"finds it": mine == at})


def _avoiding(graph: Graph, start: int, goal: str) -> Iterable[str]:
    """Return a schedule from a state on that ends without the goal."""
    model, fates = graph.model, graph.fate(goal)
    before: dict[int, tuple[int, str]] = {start: (-1, "")}
    level = [start]
    for state in level:
        moves = [(model.successor(state, p), name) for p, name in enumerate(model.actors)]
        if model.is_complete(state) or not any(after is not None for after, _ in moves):
            names: list[str] = []
            while before[state][0] >= 0:
                state, name = before[state]
                names.append(name)
            return tuple(reversed(names))
        for after, name in moves:
            if after is None or after in before:
                continue
            if fates[graph.index[after]] != Fate.UNAVOIDABLE:
                before[after] = state, name
                level.append(after)
    return ()
