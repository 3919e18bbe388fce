"""A race to fill in, from a diagram: an actor a column, a step a row. Text that is never run here.

It is a race as it stands: its bad state is that the steps have happened in the order of the
diagram, and its second case, in which the actors do not interleave, rules that out. Of the diagram
only names and string literals get into it, and both are made safe.
"""

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mmviz.engine import World
from mmviz.reading.case_code import sentence
from mmviz.reading.diagram import Diagram
from mmviz.reading.drawn import actor_names
from mmviz.reading.drawn_locks import ONE, WAIT, Locks, found, locks_of

HEAD = '''"""Replace this title: the rule, or the race, in one line.

Written from a diagram: its steps are there, and do nothing yet.

Promise: Replace this with what must always hold.

Memory model: sequentially consistent, until you say otherwise.

Simplified:
    What a step does is left out: say here what stays so.

Sources:
    driver/diagram: replace this with the message or the file that it is from.
"""

from mmviz.engine import {engine}
from mmviz.kernel.provenance import constructed
{imports}

class Machine(World):
    # Fields come here, with a type and a first value: freed: bool = False
{fields}{methods}
{wrong}
{actors}

race = Race(
    world=Machine,
    actors={{
{names}
    }},
    bad=[{bad}],
)


# What differs from case to case stands on the case: another order, another lock, a fix.
@race.case(
    "as in the diagram",
    {verdict},
    source=constructed("drawn in a diagram"),{states}
)
class AsDrawn:
    """The actors may interleave as the diagram has it."""

    async def begin(self, k, is_last):
        """Nothing."""

    async def end(self, k, is_last):
        """Nothing."""
'''
FIXES = {
    ONE: '''

@race.case(
    "tempting: one actor at a time",
    source=constructed("what the diagram needs is that the actors interleave"),{states}
)
class OneAtATime(AsDrawn):
    """Replace this by the fix."""

    async def begin(self, k, is_last):
        await k.one_at_a_time.mutex_lock()

    async def end(self, k, is_last):
        await k.one_at_a_time.mutex_unlock()
''',
    WAIT: '''

@race.case(
    "tempting: the actor of the last step goes first",
    source=constructed("what the diagram needs is that this actor comes last"),{states}
)
class LastGoesFirst(AsDrawn):
    """Replace this by the fix."""

    async def begin(self, k, is_last):
        if not is_last:
            await k.wait_for_last()

    async def end(self, k, is_last):
        if is_last:
            await k.last_is_done()
''',
}
WAITING = '''
    @atomic("driver", when=lambda k: k.is_done)
    def wait_for_last(self):
        """Wait until the actor of the last step has finished."""

    @atomic("driver")
    def last_is_done(self):
        """Let the others begin."""
        self.is_done = True
'''
HAPPENED = """
    def happened(self, step):
        if self.step == step - 1:
            self.step = step
"""
WRONG = '''
# What must never hold. The docstring is the sentence that readers see.
def happens_as_drawn(k):
    """The steps have happened in the order of the diagram: replace this with what goes wrong."""
    return k.step == {last}

'''
METHOD = """
    @atomic("driver")
    def {name}(self, step):
        {said}
        self.happened(step)
"""
TAKEN = {"Machine", "World", "Race", "race", "atomic", "field", "constructed", "k", "how"} | {
    *("happens_as_drawn", "AsDrawn", "OneAtATime", "LastGoesFirst", "Mutex", "SpinLock"),
    *("RwSemaphore", "step", "happened", "is_done", "one_at_a_time", "wait_for_last"),
    *("last_is_done", "is_last"),
}
WIDEST = 88  # characters of a line
MOST_LETTERS, MOST_SAID = 50, 100  # of a name, of a text


@dataclass
class Made:
    """The parts of the file that follow from the diagram's steps."""

    methods: dict[str, str]
    lines: dict[int, list[str]]
    fields: list[str]


def skeleton(diagram: Diagram) -> str:
    """Return the file of a race with the diagram's actors and steps, "" if it was refused."""
    if not diagram.steps:
        return ""
    locks = locks_of(diagram)
    made = _made(diagram, locks)
    names = actor_names([diagram.columns[column - 1] for column in made.lines])
    last = diagram.steps[-1].column
    functions = _unlike([_name(name.lower(), f"actor_{n}", set()) for n, name in enumerate(names)])
    actors = [
        "\n".join(
            [
                f"\nasync def {function}(k, how):",
                f"    await how.begin(k, is_last={column == last})",
                *lines,
                f"    await how.end(k, is_last={column == last})",
                "",
            ]
        )
        for function, (column, lines) in zip(functions, made.lines.items(), strict=True)
    ]
    drawn = found(locks)
    fix = next((each for each in (ONE, WAIT) if found(locks, each, last).is_safe), "")
    kinds = sorted(
        {kind for kind, _ in locks.kinds.values()} | ({"Mutex"} if fix == ONE else set())
    )
    imports = f"from mmviz.kernel.sync.locks import {', '.join(kinds)}\n" if kinds else ""
    if fix == ONE:
        made.fields.append("    one_at_a_time: Mutex = field(default_factory=Mutex)\n")
    if fix == WAIT:
        made.fields.append("    is_done: bool = False\n")
    counted = locks.counted
    given = (
        "    step: int = 0  # of the diagram: how far it has happened\n" if counted else ""
    ) + ("".join(made.fields))
    methods = HAPPENED if counted else ""
    methods += "".join(made.methods.values()) + (WAITING if fix == WAIT else "")
    atomic = bool(made.methods) or fix == WAIT
    verdict = []
    if counted:
        verdict.append(f"{'always' if drawn.always else 'sometimes'}=[happens_as_drawn]")
    if drawn.deadlock or not counted:
        verdict.append(f"deadlock={drawn.deadlock}")
    text = HEAD.format(
        imports=imports,
        fields=given,
        methods=methods,
        bad="happens_as_drawn" if counted else '"returns_holding_lock"',
        wrong=WRONG.format(last=counted) if counted else "",
        engine=", ".join(["Race", "World", *["atomic"] * atomic, *["field"] * ("field(" in given)]),
        actors="\n".join(actors),
        names="\n".join(
            f"        {_literal(name)}: {function},"
            for name, function in zip(names, functions, strict=True)
        ),
        verdict=",\n    ".join(['name="AsDrawn"', *verdict]),
        states=_states(drawn.states),
    )
    if fix:
        text += FIXES[fix].format(states=_states(found(locks, fix, last).states))
    return re.sub(r"\n{4,}", "\n\n\n", text)


def _states(count: int) -> str:
    return f"\n    states={count}," if count else ""


def _made(diagram: Diagram, locks: Locks) -> Made:
    made, count = Made({}, {column: [] for column in locks.columns}, []), 0
    fields = _unlike([_name(text, f"lock_{n}", set()) for n, text in enumerate(locks.kinds)])
    lock_names = dict(zip(locks.kinds, fields, strict=True))
    for text, (kind, _) in locks.kinds.items():
        made.fields.append(
            f"    {lock_names[text]}: {kind} = field(\n"
            f"        default_factory=lambda: {kind}(name={_literal(text)}),\n    )\n"
        )
    said: dict[str, str] = {}
    for number, step in enumerate(diagram.steps, 1):
        line, remark = made.lines[step.column], f"  # line {step.rows[0]}"
        taken = locks.of_step.get(number)
        if taken is not None:
            line.append(f"    await k.{lock_names[taken.lock]}.{taken.function}(){remark}")
            continue
        count += 1
        name = said.get(step.function or "")
        if name is None:
            clash = {*TAKEN, *fields, *made.methods}
            name = _name(step.function or "", f"step_{number}", clash)
            made.methods[name] = METHOD.format(name=name, said=_literal(sentence(step.text)))
            if step.function:
                said[step.function] = name
        line += _beside(f"    await k.{name}({count})", f"{remark}: {_literal(step.text)}")
    for column, left in locks.left.items():
        for each in left:
            made.lines[column].append(
                f"    await k.{lock_names[each.lock]}.{each.function}()  # not drawn"
            )
    return made


def _beside(code: str, remark: str) -> list[str]:
    """Return a line with a remark behind it, or where that is too long above it."""
    whole = code + remark
    return [whole] if len(whole) <= WIDEST else [f"    {remark.strip()}", code]


def _name(text: str, otherwise: str, clash: set[str]) -> str:
    """Return an identifier made of a text, with which no class and no field clashes."""
    word = re.sub(r"\W+", "_", text, flags=re.A).strip("_") or otherwise
    word = f"_{word}" if word[0].isdigit() else word[:MOST_LETTERS]
    is_free = not keyword.iskeyword(word) and word not in TAKEN | clash
    return word if is_free and not hasattr(World, word) else otherwise


def _unlike(names: Sequence[str]) -> list[str]:
    """Return names of which no two are alike."""
    return [
        name if name not in names[:number] else f"{name}_{number}"
        for number, name in enumerate(names)
    ]


def _literal(text: str) -> str:
    """Return a text as a string literal, in the quotes that a formatter would choose."""
    body = " ".join(text.split())[:MOST_SAID].encode("unicode_escape").decode("ascii")
    quote = "'" if '"' in body and "'" not in body else '"'
    return quote + body.replace(quote, f"\\{quote}") + quote
