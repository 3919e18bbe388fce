"""The sentences of the stage: captions, reasons, promises, goals."""

from collections.abc import Sequence
from typing import NamedTuple

from mmviz.engine import Blocked, Case, Change, Frame, Model, Verdict, spoken
from mmviz.engine.case import LIVELOCK
from mmviz.engine.report import Lasso
from mmviz.scene.cards import wordings

DEADLOCK = "No actor can step"
MOST_NAMES = 12  # in a list
MOST_CHANGES = 4  # in a caption; the others are counted


class Promise(NamedTuple):
    """A promise, the sentence for when it is broken, and the step that breaks it (-1: none)."""

    words: str
    failure: str
    broken: int


def caption(frame: Frame, last: int | None = None) -> str:
    """Return one sentence on a step: "step 4 of 11: CPU1 put_page(): page 7 refs 1 → 0".

    Args:
        frame: the frame after the step.
        last: how many steps the run has; None in a view that does not look ahead.
    """
    step = f"step {frame.index}" + (f" of {last}" if last is not None else "")
    if not frame.index:
        return f"{step}: no actor has taken a step" + _bad_states(frame)
    shown = [change for change in frame.writes if not change.field.endswith(".held")]
    changes = [changed(change, frame.model) for change in shown]
    parts = changes[:MOST_CHANGES]
    if len(changes) > MOST_CHANGES:
        parts.append(f"{len(changes) - MOST_CHANGES} more")
    if frame.answer is not None:
        parts.append(f"returns {spoken(frame.answer)}")
    what = ", ".join(parts) or "changes nothing"
    return (
        f"{step}: {frame.actor} {frame.label}: {what}"
        + "".join(f"; {sentence}" for sentence in frame.log)
        + _bad_states(frame)
    )


def _bad_states(frame: Frame) -> str:
    """Name the bad states that a step reaches."""
    return f". ✗ Bad state: {', '.join(map(readable, frame.violated))}" if frame.violated else ""


def readable(name: str) -> str:
    """Return a bad state's name as words."""
    return name.replace("_", " ")


def changed(change: Change, model: Model) -> str:
    """Return the change of a field in words, in those of the object's class."""
    if change.field.endswith(".freed") and change.new is True:
        return f"{change.field.removesuffix('.freed')} freed"
    wording = wordings(model).get(change.field, spoken)
    return f"{change.field} {wording(change.old)} → {wording(change.new)}"


def since(step: int) -> str:
    """Return "since step 3", or "from the start" for step 0."""
    return f"since step {step}" if step else "from the start"


def blocked_by(actor: str, blocked: Blocked, since: str = " since step {}") -> str:
    """Return which actors block an actor and since when: "blocked by CPU0 since step 2"."""
    if not blocked.by:
        return blocked.reason
    return "blocked by " + ", ".join(
        ("itself" if other == actor else other)
        + (since.format(step) if step else " from the start")
        for other, step in sorted(blocked.by, key=lambda pair: pair[1])
    )


def promises(
    case: Case, frames: Sequence[Frame], loop: Lasso | None = None, doubt: str = ""
) -> list[Promise]:
    """Return the promise of a case and the steps of a run that break it.

    Each step that reaches a bad state breaks the promise; the first comes with its words, the
    others add a sentence. A deadlock and a livelock break every promise.

    Args:
        case: the case.
        frames: the run's.
        loop: the livelock that the search found in the case, if there is one.
        doubt: why the search does not know everything about the case, "" if it does.
    """
    bad = ", ".join(map(readable, case.bad_states))
    kept = case.promise or (f"No bad state occurs: {bad}" if bad else "Every actor finishes.")
    words = f"{kept.rstrip('.')}. Not decided: {doubt}." if doubt else kept
    found = []
    for frame in frames:
        if frame.violated:
            names = ", ".join(map(readable, frame.violated))
            why = " ".join(f"{case.sentence(bad_state)}." for bad_state in frame.violated)
            found.append(Promise("", f"Broken in step {frame.index}: {names}. {why}", frame.index))
    last = frames[-1]
    if (stopped := ending(case, last)).startswith(DEADLOCK):
        found.append(Promise("", f"Deadlock after step {last.index}. {stopped}.", last.index))
    if loop and loop.prefix + loop.cycle == tuple(frame.actor for frame in frames[1:]):
        which = steps_between(len(loop.prefix) + 1, last.index)
        found.append(Promise("", f"Livelock in {which}. {LIVELOCK}.", last.index))
    if not found:
        return [Promise(words, "", -1)]
    first = found[0]._replace(words=words, failure=f"{found[0].failure} The promise was: {kept}")
    return [first, *found[1:]]


def steps_between(first: int, last: int) -> str:
    """Return "step 3", or "steps 3 to 5"."""
    return f"steps {first} to {last}" if first < last else f"step {last}"


def goal(case: Case) -> str:
    """Return the task of a reader who schedules a case, "" for none.

    One bad state comes with its sentence, several come with their names.
    """
    wanted = [p for p, verdict in case.expect.items() if verdict is not Verdict.NEVER]
    if not wanted and case.deadlock:
        return "Reach a deadlock"
    bad_states = wanted or case.bad_states
    if not bad_states:
        return ""
    verb = "Make" if wanted else "Try to make"
    if len(bad_states) == 1:
        return f"{verb} this happen: {case.sentence(bad_states[0])}"
    return f"{verb} one of these happen: {' or '.join(map(readable, bad_states))}"


def victory(case: Case, frames: Sequence[Frame]) -> tuple[int, str]:
    """Return the step that reaches the goal (-1: none yet) and the sentence for it."""
    for frame in frames:
        if frame.violated:
            names = ", ".join(map(readable, frame.violated))
            return frame.index, f"✓ Goal reached in {frame.index} steps: {names}"
        if not frame.enabled and frame.blocked and case.deadlock:
            return frame.index, f"✓ Goal reached in {frame.index} steps: deadlock"
    return -1, ""


def ending(case: Case, frame: Frame) -> str:
    """Return how a run ended, "" while it goes on."""
    if frame.enabled and set(frame.enabled) - set(case.daemons):
        return ""
    waiting = [actor for actor in frame.blocked if actor not in case.daemons]
    if not waiting:
        return "Every thread has finished" if frame.enabled else "Every actor has finished"
    if frame.enabled:
        return ""
    if frame.values["dead"]:  # an Oops
        return "The machine has stopped"
    have = "has" if len(waiting) == 1 else "have"
    return f"{DEADLOCK}, but {' and '.join(waiting)} {have} not finished"


def omitted(names: Sequence[str], what: str, which: str, width: int = 80) -> list[str]:
    """Return what a picture omits, and why, in lines of about `width` characters.

    A long list shows its first names and its last.
    """
    if not names:
        return []
    listed = names if len(names) <= MOST_NAMES else [*names[:4], "…", names[-1]]
    noun, of, whole = what.partition(" ")
    lines = [f"… {len(names)} more {noun}{'s' * (len(names) > 1)}{of}{whole}, {which}:"]
    for index, name in enumerate(listed):
        item = name + "," * (index < len(listed) - 1 and name != "…")
        if len(lines[-1]) + len(item) + 1 > width:
            lines.append("  ")
        lines[-1] += f" {item}"
    return lines
