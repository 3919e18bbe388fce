"""Leave lines out of one case on purpose: with more to look for, another answer, or several lines.

What one line of a safe case is for is checked over the whole catalogue in test_mutations.py.
By name: `mutant(case, "CPU0", "mutex_lock")` has an actor forget steps. By line:
`effects(case, function)` has a function forget one line after the other.
"""

import ast
import dataclasses
import inspect
import textwrap

from mmviz.engine import Verdict, explore
from mmviz.engine.location import lines_of
from mmviz.engine.mutation import without

HELD = {"returns_holding_lock"}
"""What breaks where an unlock is left out, in addition to a deadlock that it may cause."""


def forgets(is_forgotten, answer=None):
    """Return what `without` wants: `answer` is heard where the step is forgotten."""
    return lambda _k, code, step, _owed: (answer,) if is_forgotten(code, step) else None


def mutant(case, name, *lines, answer=None, extra=None):
    """Return a case in which an actor forgets some lines; `extra` is one more bad state."""
    forgotten = forgets(lambda _, step: step.body.__name__ in lines, answer)
    actors = {**case.actors, name: without(case.actors[name], forgotten)}
    if extra is None:
        return dataclasses.replace(case, actors=actors)
    expect = {**case.expect, extra.__name__: Verdict.NEVER}
    return dataclasses.replace(case, actors=actors, bad=(*case.bad, extra), expect=expect)


def breaks(report):
    """Return the bad states that break although declared Never; deadlock and livelock too."""
    found = {
        bad_state for bad_state, verdict in report.verdicts.items() if verdict != Verdict.NEVER
    }
    found -= {
        bad_state for bad_state, verdict in report.case.expect.items() if verdict != Verdict.NEVER
    }
    found |= {"deadlock"} if report.deadlock else set()
    return found | ({"livelock"} if report.livelock else set())


def steps_of(function):
    """Return the number and the text of each line of an actor's function that awaits."""
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    awaits = sorted({node.lineno for node in ast.walk(tree) if isinstance(node, ast.Await)})
    return [(first + at - 1, lines[at - 1].partition("#")[0].strip()) for at in awaits]


def forgetting(case, function, line, answer=None):
    """Return the case without one line: who comes there hears `answer` and goes on."""
    where = (function.__code__.co_filename, function.__name__, line)
    forgotten = forgets(lambda code, _: where in lines_of(code), answer)
    actors = {name: without(actor, forgotten) for name, actor in case.actors.items()}
    return dataclasses.replace(case, actors=actors, states=0)


def broken(case, bad=(), good=()):
    """Return what goes wrong in a case that the case does not declare.

    Args:
        case: the case, perhaps with a line forgotten.
        bad: more bad states to look for.
        good: states that some run must reach; "no …" is returned for one that none does.
    """
    more = {bad_state.__name__: Verdict.NEVER for bad_state in (*bad, *good)}
    report = explore(
        dataclasses.replace(case, bad=(*case.bad, *bad, *good), expect={**case.expect, **more}),
        max_states=20_000,
    )
    if not report.complete:
        return {"endless"}  # something piles up with every turn of a loop
    wanted = {bad_state.__name__ for bad_state in good}
    found = {
        bad_state for bad_state, verdict in report.verdicts.items() if verdict != Verdict.NEVER
    }
    lacking = {f"no {bad_state}" for bad_state in wanted - found}
    found -= {
        bad_state for bad_state, verdict in case.expect.items() if verdict != Verdict.NEVER
    } | wanted
    if report.deadlock is not None and not case.deadlock:
        found.add("deadlock")
    if report.livelock is not None and not case.livelock:
        found.add("livelock")
    return found | lacking


def effects(case, function, answers=None, **looked_for):
    """Return (line, what breaks without it) for each line of a function that awaits.

    Args:
        case: the case the function takes part in.
        function: an actor's function, or one that an actor awaits.
        answers: what is heard in place of a line's answer, by its text; None for others.
        looked_for: as `broken` takes them.
    """
    heard = answers or {}
    return [
        (text, broken(forgetting(case, function, line, heard.get(text)), **looked_for))
        for line, text in steps_of(function)
    ]
