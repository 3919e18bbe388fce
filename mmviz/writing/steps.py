"""What every written form says of a run: its steps, the locks held, and where it goes wrong."""

from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from mmviz.engine import Run, conflict, spoken
from mmviz.engine.causes import chain
from mmviz.engine.text import printable
from mmviz.scene.words import readable

NOTHING = "Nothing is claimed: the steps are in the order that is drawn, and no rule judges them"
MOST_FIELDS = 2  # of a race, by name


class Remark(NamedTuple):
    """What is said of a step that offends.

    Attributes:
        words: the name of the bad state that begins there, or the fields that are raced for.
        other: the step that it races with; 0 where the bad state begins.
    """

    words: str
    other: int = 0

    @property
    def bad(self) -> bool:
        """Whether the bad state begins there."""
        return not self.other


class Told(NamedTuple):
    """A step as it is written down.

    Attributes:
        number: its number, from 1.
        actor: the one that stepped.
        label: the function and its arguments.
        held: the locks and sections that the actor is in after the step.
        remarks: what goes wrong here.
    """

    number: int
    actor: str
    label: str
    held: tuple[str, ...]
    remarks: tuple[Remark, ...]


def told(run: Run) -> list[Told]:
    """Return the steps of a run, in the order of time."""
    said = remarks(run)
    return [
        Told(
            frame.index,
            frame.actor,
            printable(" ".join(frame.label.split())),
            tuple(map(spoken, frame.values.get(f"{frame.actor}.held", ()))),
            tuple(said.get(frame.index, ())),
        )
        for frame in run.frames[1:]
    ]


def remarks(run: Run) -> Mapping[int, list[Remark]]:
    """Return what is said of the steps that offend, by number.

    The step after which a bad state holds has its name. Where one race decides it, the two
    accesses of the race are marked, with the fields that both touch.
    """
    said: dict[int, list[Remark]] = {}
    first = next((name for frame in run.frames for name in sorted(frame.violated)), "")
    race = conflict(run, first) if first else None
    if race is not None and race.decides:
        fields = ", ".join(islice(race.fields, MOST_FIELDS))
        more = ", ..." if len(race.fields) > MOST_FIELDS else ""
        for step, other in ((race.first, race.second), (race.second, race.first)):
            said.setdefault(step, []).append(Remark(f"{fields}{more}", other))
    for frame in run.frames:
        for name in sorted(frame.violated):
            said.setdefault(frame.index, []).append(Remark(name))
    return said


def needed(run: Run) -> set[int]:
    """Return the steps that tell what goes wrong.

    They are what led to each bad state, the race that decides it, and how each actor begins.
    """
    found = set(remarks(run))
    for frame in run.frames[1:]:
        for name in frame.violated:
            found |= {link.step for link in chain(run, name, frame.index)}
    if not found:
        return set(range(1, len(run.frames)))
    begun = {frame.actor: frame.index for frame in reversed(run.frames[1:])}
    return found | set(begun.values())


def who_waits(run: Run) -> str:
    """Return which actors a deadlock leaves waiting, in words."""
    names = list(run.blocked())
    return f"{' and '.join(names)} {'waits' if len(names) == 1 else 'wait'}"


def waits(run: Run) -> dict[str, str]:
    """Return, where a run ends in a deadlock, what each actor waits for and which one holds it."""
    return {name: _wait(run, name) for name in run.blocked()} if run.deadlock else {}


def _wait(run: Run, name: str) -> str:
    """Return a step that cannot be taken, and why."""
    step, blocked = run.describe(name), run.blocked()[name]
    if step is None or not blocked.reason.startswith(f"{step.label} waits: held by "):
        return printable(" ".join(blocked.reason.split()))
    by = [each for each in run.model.actors if each in dict(blocked.by)]
    who = " and ".join(f"{each} itself" if each == name else each for each in by)
    label, one = " ".join(step.label.split()), len(by) == 1
    if (held := _holders(run, name)) and held.isdisjoint(by):  # a writer keeps readers out
        return printable(f"{label} waits, {who} {'is' if one else 'are'} queued before it")
    return printable(f"{label} waits, {who} {'holds' if one else 'hold'} it")


def _holders(run: Run, name: str) -> set[str]:
    """Return the actors that hold the lock which an actor is to take next."""
    step = run.model.location(run.tip.state, run.model.index[name]).step
    lock, values = "" if step is None else step.on.name, run.tip.values
    return {
        each
        for each in run.model.actors
        if lock and lock in [held.name for held in values.get(f"{each}.held", ())]
    }


def verdict(run: Run) -> list[str]:
    """Return what a run shows, a sentence each: the bad states, a deadlock, or that it is safe."""
    if run.case.is_drawing:
        return [f"{NOTHING}."]
    lines = [
        f"Step {frame.index} by {frame.actor}: {readable(name)}. {run.case.sentence(name)}."
        if frame.index
        else f"At the start: {readable(name)}. {run.case.sentence(name)}."
        for frame in run.frames
        for name in frame.violated
    ]
    if run.deadlock:
        lines.append(f"Deadlock: {who_waits(run)}.")
        lines += [f"{name}: {words}." for name, words in waits(run).items()]
    if not lines:
        end = "and every actor has finished" if run.finished else "so far"
        what = "No bad state" if run.case.bad else "No deadlock"
        lines.append(f"{what} in these {len(run.schedule)} steps, {end}.")
    return lines
