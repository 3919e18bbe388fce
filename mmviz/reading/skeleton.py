"""A race to fill in, from a diagram: an actor a column, a step a row. Text that is never run here.

Of the diagram only names and string literals get into it, and both are made safe.
"""

import json
import keyword
import re

from mmviz.reading.diagram import Diagram, Step

HEAD = '''"""Replace this title: the rule, or the race, in one line.

Written from a diagram: each step is there and does nothing yet.

Promise: Replace this with what must always hold.
"""

from mmviz.engine import Race, World, atomic


class Machine(World):
    # Fields come here, with a type and a first value: freed: bool = False
{methods}

# What must never hold. The docstring is the sentence that readers see.
def goes_wrong(k):
    """Replace this with what goes wrong."""
    return False

{actors}

race = Race(
    world=Machine,
    actors={{{names}}},
    bad=[goes_wrong],
)


# What differs from case to case stands on the case: another order, another lock, a fix.
@race.case("as in the diagram", name="AsDrawn")
async def as_drawn(k):
{last}
'''
TAKEN = {"Machine", "World", "Race", "race", "atomic", "goes_wrong"}


def skeleton(diagram: Diagram) -> str:
    """Return the file of a race with the diagram's actors and steps, "" if it was refused."""
    if not diagram.steps:
        return ""
    methods: dict[str, str] = {}
    calls: dict[int, list[str]] = {k: [] for k in range(1, len(diagram.columns) + 1)}
    for number, step in enumerate(diagram.steps, 1):
        name = _name(step.function or "", f"step_{number}")
        methods.setdefault(name, _method(name, step))
        calls[step.column].append(f"    await k.{name}()  # line {step.rows[0]}")
    last = max(step.column for step in diagram.steps)
    actors, names = [], []
    for column, lines in calls.items():
        function = _name(diagram.columns[column - 1].lower(), f"actor_{column}", methods)
        if not lines:
            continue
        if column == last:
            actors.append(f"\nasync def {function}(k, as_drawn):\n    await as_drawn(k)\n")
        else:
            actors.append("\n".join([f"\nasync def {function}(k):", *lines, ""]))
        names.append(f"{_literal(_actor(diagram.columns[column - 1], column))}: {function}")
    return HEAD.format(
        methods="".join(methods.values()),
        actors="\n".join(actors),
        names=", ".join(names),
        last="\n".join(calls[last]),
    )


def _method(name: str, step: Step) -> str:
    said = _literal(step.text)
    return f'\n    @atomic("the file of {name}")\n    def {name}(self):\n        {said}\n'


def _name(text: str, otherwise: str, taken: object = ()) -> str:
    """Return an identifier made of a text."""
    word = re.sub(r"\W+", "_", text, flags=re.A).strip("_") or otherwise
    word = word if not word[0].isdigit() else f"_{word}"
    free = not keyword.iskeyword(word) and word not in TAKEN and not word.startswith("__")
    return word[:60] if free and word not in taken else otherwise  # type: ignore[operator]


def _actor(name: str, column: int) -> str:
    """Return the name of an actor, as schedules write it: without blanks."""
    word = re.sub(r"\W+", "", name.partition("(")[0], flags=re.A)
    return word[:20] if word and not word[0].isdigit() else f"CPU{column - 1}"


def _literal(text: str) -> str:
    return json.dumps(" ".join(text.split())[:80])
