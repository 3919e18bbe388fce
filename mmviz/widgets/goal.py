"""What the reader of a Driver is to bring about."""

from typing import Any, NamedTuple

from mmviz.engine import MmvizError, Run
from mmviz.engine.condition import Holds
from mmviz.engine.possible import possible, test_of
from mmviz.engine.text import quoted
from mmviz.scene.searched import SearchedCase
from mmviz.scene.words import goal as usual_goal
from mmviz.scene.words import readable


class Goal(NamedTuple):
    """A goal.

    Attributes:
        text: what to do, in words.
        bad_state: the bad state to reach; "" for any, or a deadlock, or a goal of the reader's own.
        holds: whether a packed state is the reader's own goal; None for no such goal.
        predicate: the condition as it was written, "" for none.
        best, preemptions: the fewest steps and preemptions that reach it; -1 where not known.
    """

    text: str
    bad_state: str = ""
    holds: Holds | None = None
    predicate: str = ""
    best: int = -1
    preemptions: int = -1

    def data(self, number: int) -> dict[str, Any]:
        """Return the goal as the browser takes it.

        Args:
            number: that of the bad state, or of the reader's own goal; -1 for any bad state.
        """
        return {
            "goal": self.text,
            "bads": None if number < 0 else [number],
            "predicate": self.predicate,
            "best": self.best,
            "preemptions": self.preemptions,
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
            return _scored(Goal(f"Make this happen: {case.sentence(name)}", name), ways)
    if wanted is None:
        ways = list(found.values())
        ways += [searched.report.deadlock] if searched.report.deadlock is not None else []
        return _scored(Goal(usual_goal(case)), ways)
    try:
        holds = test_of(searched.model, wanted)
        way = possible(searched.model, wanted).schedule
    except MmvizError as error:
        names = ", ".join(case.bad_states) or "this case has none"
        raise MmvizError(f"goal={quoted(wanted)}: {error}; or name a bad state: {names}") from None
    best = -1 if way is None else len(way)
    if isinstance(wanted, str):
        return Goal(f"Reach this: {wanted.strip()}", "", holds, wanted.strip(), best)
    words = (wanted.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    if not words:
        is_named = wanted.__name__ != "<lambda>"
        words = readable(wanted.__name__) if is_named else "a state that satisfies your condition"
    return Goal(f"Reach this: {words}", "", holds, "", best)


def _scored(goal: Goal, ways: list[Any]) -> Goal:
    """Return a goal with the fewest steps and preemptions of the ways there."""
    calm = [way.preemptions for way in ways if way.preemptions >= 0]
    best = min((len(way.shortest) for way in ways), default=-1)
    return goal._replace(best=best, preemptions=min(calm, default=-1))
