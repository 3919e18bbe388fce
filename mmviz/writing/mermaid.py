"""A run as a sequence diagram for Mermaid, which pages of GitHub and GitLab draw."""

import re
from textwrap import wrap

from mmviz.engine import Run
from mmviz.engine.text import printable
from mmviz.scene.words import readable
from mmviz.writing.steps import Told, told, verdict

SIGN = re.compile(r"[^\w .,'()=*/+-]", re.ASCII)  # also what may end a statement or begin a tag
WIDE = 44  # characters of a line of a note


def sequence(run: Run) -> str:
    """Return a run as a sequence diagram: a message a step, a bar while an actor has a lock."""
    numbers = {name: f"a{number}" for number, name in enumerate(run.case.actors)}
    lines = ["sequenceDiagram", f"    title {plain(run.case.name)}"]
    lines += [f"    participant {ids} as {plain(name)}" for name, ids in numbers.items()]
    held: dict[str, tuple[str, ...]] = dict.fromkeys(numbers, ())
    for step in told(run):
        lines += [f"    {line}" for line in _step(step, numbers[step.actor], held[step.actor])]
        held[step.actor] = step.held
    across = ",".join([*numbers.values()][:1] + [*numbers.values()][1:][-1:])
    lines += [f"    Note over {across}: {plain(sentence)}" for sentence in verdict(run)]
    lines += [f"    deactivate {numbers[name]}" for name, locks in held.items() for _ in locks]
    return "\n".join(lines) + "\n"


def _step(step: Told, ids: str, held: tuple[str, ...]) -> list[str]:
    lines = [f"{ids}->>{ids}: {step.number}. {plain(step.label)}"]
    took, gave = len(step.held) - len(held), len(held) - len(step.held)
    lines += [f"activate {ids}"] * took + [f"deactivate {ids}"] * gave
    for lock in step.held:
        if lock not in held:
            lines.append(f"Note over {ids}: has {plain(lock)}")
    for remark in step.remarks:
        races = f"races with step {remark.other}: {remark.words}"
        words = f"✗ {readable(remark.words)}" if remark.bad else races
        lines.append(f"Note over {ids}: {plain(words)}")
    return lines


def plain(text: str) -> str:
    """Return text in which Mermaid finds no sign of its own, in lines of a note's width."""
    lines = wrap(printable(" ".join(text.split())), WIDE) or [" "]
    return "<br/>".join(SIGN.sub(lambda found: f"#{ord(found[0])};", line) for line in lines)
