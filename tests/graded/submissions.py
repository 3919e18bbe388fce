"""Submissions of an assignment: right, wrong, half right, empty, and ones that misbehave."""

import ast
import random

from mmviz.lessons.exercise import SCHEDULE
from mmviz.lessons.grading_forms import LETTERS
from mmviz.lessons.judge import searched

ITEMS = (
    "iommu_group/break_it",
    "iommu_group/no_return",
    "iommu_group/one_critical_section",
    "sva/quiet_end",
    "hmm/short_mutex",
    "iommu_group/release_order:DelistThenRelease?next@3",
)


def right(asked):
    return asked.solution


def empty(asked):
    return asked.given


def deleted(_asked):
    return ""


def wrong(asked):
    """Return code that does nothing, a run that breaks nothing, another option, another step."""
    if asked.item.asks_code:
        return does_nothing(asked.given, asked.name)
    if asked.item.question is not None:
        options = asked.item.question.options
        other = next(i for i in range(len(options)) if i != asked.item.question.right)
        return f'{asked.name} = "{LETTERS[other]}"'
    if asked.item.exercise.asks == SCHEDULE:
        return f'{asked.name} = "{next(iter(asked.item.exercise.failing.actors))}"'
    return f"{asked.name} = {int(asked.item.exercise.solution()) + 1}"


def half(asked):
    """Return what earns a part of the points, where there is such an answer; else a right one."""
    if asked.item.question is not None:
        best = asked.item.question.right
        other = next(i for i in range(len(LETTERS)) if i != best)
        return f'{asked.name} = ["{LETTERS[other]}", "{LETTERS[best]}"]'
    if asked.item.exercise is not None and asked.item.exercise.asks == SCHEDULE:
        return f'{asked.name} = "{" ".join(detour(asked.item.exercise))}"'
    return asked.solution


def misbehaves(asked):
    """Return an answer that would end the process, or go on without end."""
    if asked.item.asks_code:
        return "import os\n\n" + does_nothing(asked.given, asked.name, "os._exit(0)")
    return f"{asked.name} = object()"


def loops(asked):
    if asked.item.asks_code:
        return does_nothing(asked.given, asked.name, "while True:\n            pass")
    return f'{asked.name} = "CPU0*99999999999"'


def raises(asked):
    return f"raise RuntimeError\n\n{asked.solution}"


def helps_itself(asked):
    """Return an answer that replaces the grader in its own kernel."""
    return f"""{asked.given}

import mmviz
import mmviz.lessons.grading


class Full(int):
    earned = possible = 2

    def line(self, what):
        return self


mmviz.grade = mmviz.lessons.grading.grade = lambda *_: Full(2)
"""


KINDS = {
    kind.__name__: kind
    for kind in (right, wrong, half, empty, deleted, misbehaves, loops, raises, helps_itself)
}


def expected(kind, asked, is_run=True):
    """Return the points that a submission earns; of a notebook that is not run, its text counts."""
    if kind == "right" or (kind == "raises" and not is_run):
        return asked.possible
    if kind == "half":
        if asked.item.question is not None:
            return 1
        return asked.possible - (asked.item.exercise.asks == SCHEDULE)
    return 0


def does_nothing(text, name, body="return None"):
    """Return the class of a code cell whose methods do one thing only."""
    tree = ast.parse(text)
    lines = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            lines.append(ast.unparse(node))
            continue
        lines.append(f"\n\nclass {name}({ast.unparse(node.bases[0])}):")
        for each in node.body:
            if isinstance(each, ast.AsyncFunctionDef | ast.FunctionDef):
                word = "async def" if isinstance(each, ast.AsyncFunctionDef) else "def"
                lines.append(f"    {word} {each.name}({ast.unparse(each.args)}):\n        {body}")
    return "\n".join(lines)


def detour(exercise):
    """Return a run that reaches the goal with more steps than are needed."""
    found = searched(exercise.failing)
    model, dice = found.search.model, random.Random(1)
    best = len(exercise.solution().split()) + 1
    for _ in range(100_000):
        state, run = model.start, []
        while len(run) < 60:
            able = [p for p in range(len(model.actors)) if model.successor(state, p) is not None]
            if not able or model.is_dead(state):
                break
            p = dice.choice(able)
            state = model.successor(state, p)
            run.append(model.actors[p])
            if (
                model.violated(state)
                if not exercise.goal
                else exercise.goal in model.violated(state)
            ):
                break
        reached = exercise.goal in model.violated(state) if exercise.goal else model.violated(state)
        if reached and len(run) > max(best, shortest(exercise)):
            return run
    raise LookupError(f"every run of {exercise.name} to its goal is a shortest one")


def shortest(exercise):
    report = searched(exercise.failing).report
    names = [exercise.goal] if exercise.goal else list(report.counterexamples)
    return max(exercise.at_most, min(len(report.counterexamples[name].shortest) for name in names))
