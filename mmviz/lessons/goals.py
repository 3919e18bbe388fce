"""What the search finds for an exercise that asks for a run or a step."""

from mmviz.engine import Case, Graph, Run, explore
from mmviz.engine.run import parse_schedule

DEADLOCK = "deadlock"


def shortest(case: Case, goal: str) -> tuple[str, ...]:
    """Return a shortest run that reaches a bad state, or a deadlock.

    Raises:
        LookupError: no run does.
    """
    report = explore(case)
    if goal == DEADLOCK:
        if report.deadlock is None:
            raise LookupError(f"{case.name}: no run deadlocks")
        return report.deadlock.shortest
    return report.counterexamples[goal].shortest


def deciding(case: Case, goal: str, schedule: str) -> tuple[int, Run, Graph]:
    """Return the step of a run after which a bad state is unavoidable; 0 is the start.

    Raises:
        LookupError: the run can avoid it to its end.
    """
    graph = Graph(case)
    run = Run(case, graph.model)
    for name in parse_schedule(case, schedule):
        run.step(name)
    at = graph.point_of_no_return(run, goal)
    if at is None:
        raise LookupError(f"{case.name}: {goal} can be avoided to the end")
    return at, run, graph
