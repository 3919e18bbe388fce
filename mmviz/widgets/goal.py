"""What the reader of a Driver is to bring about."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mmviz.engine import Graph, MmvizError, Run, Verdict
from mmviz.engine.condition import Holds
from mmviz.engine.miss import near_miss
from mmviz.engine.possible import possible, test_of
from mmviz.engine.text import quoted
from mmviz.lessons.attack import covered
from mmviz.scene.searched import SearchedCase
from mmviz.scene.words import goal as usual_goal
from mmviz.scene.words import readable

MOST_ATTACKED = 20_000  # states of a case in which the nearest miss is looked for


class Goal(NamedTuple):
    """A goal.

    Attributes:
        text: what to do, in words.
        bad_state: the bad state to reach; "" for any, or a deadlock, or a goal of the reader's own.
        holds: whether a packed state is the reader's own goal; None for no such goal.
        predicate: the condition as it was written, "" for none.
        best, preemptions: the fewest steps and preemptions that reach it; -1 where not known.
        never: where no run reaches it, what the search says; "" otherwise.
        miss: where no run reaches it, a run to the nearest miss.
    """

    text: str
    bad_state: str = ""
    holds: Holds | None = None
    predicate: str = ""
    best: int = -1
    preemptions: int = -1
    never: str = ""
    miss: tuple[str, ...] = ()

    def data(self, number: int, miss: Sequence[int] = ()) -> dict[str, Any]:
        """Return the goal as the browser takes it.

        Args:
            number: that of the bad state, or of the reader's own goal; -1 for any bad state.
            miss: the run to the nearest miss, as the browser has it.
        """
        return {
            "goal": self.text,
            "bads": None if number < 0 else [number],
            "predicate": self.predicate,
            "best": self.best,
            "preemptions": self.preemptions,
            "never": self.never,
            "miss": list(miss),
        }

    def reached(self, run: Run, k: int) -> int:
        """Return the first step up to `k` that reached the goal; -1 for none."""
        for frame in run.frames[: k + 1]:
            if self.holds is not None:
                found = self.holds(frame.state)
            elif self.bad_state:
                found = self.bad_state in frame.violated
            else:
                found = bool(frame.violated or (frame.blocked and not frame.enabled))
            if found:
                return frame.index
        return -1


def goal_of(searched: SearchedCase, wanted: Any) -> Goal:
    """Return the goal that a reader names.

    Args:
        searched: the case.
        wanted: the name of a bad state, a condition as text, a function of the world, or None.

    Raises:
        MmvizError: it is none of these.
    """
    case, found = searched.case, searched.report.counterexamples
    if isinstance(wanted, str):
        named = {name.lower(): name for name in (*case.bad_states, *found)}
        name = named.get(wanted.strip().lower().replace(" ", "_"), "")
        if name:
            ways = [found[name]] if name in found else []
            goal = _scored(Goal(f"Make this happen: {case.sentence(name)}", name), ways)
            return goal if ways else _attack(searched, goal)
    if wanted is None:
        ways = list(found.values())
        ways += [searched.report.deadlock] if searched.report.deadlock is not None else []
        goal = _scored(Goal(_reachable(searched) or usual_goal(case)), ways)
        return goal if ways or not case.bad_states else _attack(searched, goal)
    try:
        holds = test_of(searched.model, wanted)
        answer = possible(searched.model, wanted)
    except MmvizError as error:
        names = ", ".join(case.bad_states) or "this case has none"
        raise MmvizError(f"goal={quoted(wanted)}: {error}; or name a bad state: {names}") from None
    best = -1 if answer.schedule is None else len(answer.schedule)
    never = covered(searched.report) if answer.verdict == Verdict.NEVER else ""
    if isinstance(wanted, str):
        text = f"Reach this: {wanted.strip()}"
        return Goal(text, "", holds, wanted.strip(), best, never=f"{never}." if never else "")
    words = (wanted.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    if not words:
        is_named = wanted.__name__ != "<lambda>"
        words = readable(wanted.__name__) if is_named else "a state that satisfies your condition"
    return Goal(f"Reach this: {words}", "", holds, "", best, never=f"{never}." if never else "")


def _reachable(searched: SearchedCase) -> str:
    """Return the goal of breaking a case in the ways in which some run breaks it; "" for none."""
    case, report = searched.case, searched.report
    names = [*report.counterexamples]
    order = {name: place for place, name in enumerate(case.bad_states)}
    names.sort(key=lambda name: order.get(name, len(order)))
    if len(names) == 1:
        return f"Make this happen: {case.sentence(names[0])}"
    if names:
        return f"Make one of these happen: {' or '.join(map(readable, names))}"
    return "Reach a deadlock" if report.deadlock is not None else ""


def _attack(searched: SearchedCase, goal: Goal) -> Goal:
    """Return the goal of a reader who attacks a fix: no run reaches it, and one comes nearest."""
    said = covered(searched.report)
    if not said or searched.case.is_drawing:
        return goal
    miss = None
    if searched.report.states <= MOST_ATTACKED:
        graph = Graph(searched.case, MOST_ATTACKED + 1, model=searched.model)
        miss = near_miss(graph, lambda name: goal.bad_state in ("", name))
    if searched.report.livelock is not None:
        said += ", but some run never completes"
    words = goal.text.removeprefix("Try to make ").removeprefix("Make ")
    return goal._replace(
        text=f"Attack this fix: try to make {words}",
        never=f"{said}. {miss.text if miss else ''}".strip(),
        miss=miss.schedule if miss else (),
    )


def _scored(goal: Goal, ways: list[Any]) -> Goal:
    """Return a goal with the fewest steps and preemptions of the ways there."""
    calm = [way.preemptions for way in ways if way.preemptions >= 0]
    best = min((len(way.shortest) for way in ways), default=-1)
    return goal._replace(best=best, preemptions=min(calm, default=-1))
