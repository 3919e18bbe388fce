"""Is this possible? A search for a state with a property that a reader names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmviz.engine.case import Case, Verdict, checked_bad, is_predicate, name_of
from mmviz.engine.condition import EXAMPLE, Holds, condition, with_values
from mmviz.engine.errors import MmvizError
from mmviz.engine.explore import uncollected
from mmviz.engine.graph import Fate, Graph
from mmviz.engine.html import escape, verbatim
from mmviz.engine.judge import Judge
from mmviz.engine.learn import Model
from mmviz.engine.text import check_limit, expected, printable, quoted, replay_line, several, short

MOST_STATES = 1_000_000
MOST_FATES = 100_000  # states of a case in which it is looked for a run that avoids the property
MOST_WANTED = 20  # conditions that are to hold together
CASE = "write mmviz.find('thread/race', 'NameOfTheCase')"
One = str | Mapping[str, Any] | Callable[[Any], bool]
Want = One | Sequence[One]


@dataclass(frozen=True)
class Answer:
    """Whether some run of a case reaches a state with a property.

    Attributes:
        case: the case.
        verdict: Never, Sometimes, Always (no run avoids it), or Unknown where the search was cut.
        schedule: a shortest run to such a state; None where none was found.
        states: how many states were looked at.
        text: the answer in a sentence.
    """

    case: Case
    verdict: Verdict
    schedule: tuple[str, ...] | None
    states: int
    text: str

    def __bool__(self) -> bool:
        return self.schedule is not None

    def __str__(self) -> str:
        if self.schedule is None:
            return printable(self.text)
        return printable(f"{self.text}\n{replay_line(self.case, self.schedule)}")

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        line = "" if self.schedule is None else replay_line(self.case, self.schedule)
        return verbatim(
            f"<p>{escape(self.text)}</p>" + (f"<code>{escape(line)}</code>" if line else "")
        )


def possible(what: Case | Model, want: Want, max_states: int = MOST_STATES) -> Answer:
    """Tell whether some run reaches a state with a property, and by which shortest run.

    Args:
        what: a case, or its model where it has been searched.
        want: a condition such as "page 7.refs == 0 and CPU0 is done" (its grammar is in
            `mmviz.engine.condition`); or the path of each field -> its value, as displayed; or a
            predicate of the world; or a list of these, which are to hold together.
        max_states: look at no more states than this.

    Raises:
        MmvizError: `want` is none of this, or names what the case does not have; the message says
            where, and what is near. Or the limit is not a number above 0.
        ModelError: the case or the predicate breaks a rule of the engine.
    """
    most = check_limit("max_states", max_states)
    model = what if isinstance(what, Model) else Model(expected(what, Case, "what is asked", CASE))
    case = model.case
    with uncollected():
        if not isinstance(what, Model):
            first_state(model, lambda _: False, most)  # its values and steps are learned by the way
        holds = test_of(model, want)
        found, parent = first_state(model, holds, most)
        count = len(parent)
        if found is None:
            if count > most:
                text = f"Not decided: none of {count:,} states is such, and there are more."
                return Answer(case, Verdict.UNKNOWN, None, count, text)
            text = f"Never: no run reaches such a state; all {count:,} states were looked at."
            return Answer(case, Verdict.NEVER, None, count, text)
        schedule = _way(model, parent, found)
        always = _is_unavoidable(model, holds)
    verdict = Verdict.ALWAYS if always else Verdict.SOMETIMES
    if not schedule:
        text = "Always: it is so at the start."
    else:
        run = f"a shortest run takes {several(len(schedule), 'step')}: {short(schedule)}"
        text = f"Always: no run avoids it; {run}." if always else f"Sometimes: {run}."
        if always is None:
            text = text[:-1] + "; whether some run avoids it was not looked for."
    return Answer(case, verdict, schedule, count, text)


def test_of(model: Model, want: Want) -> Holds:
    """Return the test of packed states that one or several wants of a reader stand for.

    Raises:
        MmvizError: they are nothing of this, or name what the case does not have.
    """
    if not isinstance(want, list | tuple):
        return _test_of(model, want)
    if not 0 < len(want) <= MOST_WANTED:
        raise MmvizError(f"a list of 1 to {MOST_WANTED} conditions is looked for; {EXAMPLE}")
    tests = [_test_of(model, each) for each in want]
    return lambda state: all(test(state) for test in tests)


def _test_of(model: Model, want: Any) -> Holds:
    """Return the test that a condition, values or a predicate stand for.

    Raises:
        MmvizError: they are nothing of this, or name what the case does not have.
    """
    if isinstance(want, str):
        return condition(model, want)
    if isinstance(want, Mapping):
        if not want:
            raise MmvizError(f"no value is asked for; {EXAMPLE}")
        return with_values(model, want)
    if is_predicate(want):
        asked = checked_bad("possible()", [want])
        case = replace(model.case, bad=asked, expect={})
        judge = Judge(case, model.world, model.ledger, model.bits, model.complaints, model.cells)
        name = name_of(asked[0])
        return lambda state: name in judge(state)
    raise MmvizError(f"{quoted(want)} cannot be looked for; {EXAMPLE}, or a function of the world")


def first_state(model: Model, holds: Holds, most: float) -> tuple[int | None, dict[int, int]]:
    """Return the first state that passes a test, and the state before each one visited.

    Args:
        model: a case; its steps are learned where they are met.
        holds: the test of packed states.
        most: visit hardly more states than this.
    """
    parent = {model.start: -1}
    if holds(model.start):
        return model.start, parent
    level = [model.start]
    while level:
        below = []
        for state in level:
            for p in range(len(model.actors)):
                after = model.successor(state, p)
                if after is None or after in parent:
                    continue
                parent[after] = state
                if holds(after):
                    return after, parent
                below.append(after)
            if len(parent) > most:
                return None, parent
        level = below
    return None, parent


def _way(model: Model, parent: Mapping[int, int], state: int) -> tuple[str, ...]:
    """Return the schedule to a state."""
    names: list[str] = []
    while parent[state] >= 0:
        before = parent[state]
        movers = range(len(model.actors))
        names.append(next(model.actors[p] for p in movers if model.successor(before, p) == state))
        state = before
    return tuple(reversed(names))


def _is_unavoidable(model: Model, holds: Holds) -> bool | None:
    """Tell whether every run reaches a state that passes a test; None if there are too many."""
    try:
        graph = Graph(model.case, MOST_FATES, model=model)
    except MmvizError:
        return None
    wanted = [number for number, state in enumerate(graph.states) if holds(state)]
    return graph.fates_before(wanted)[0] == Fate.UNAVOIDABLE
