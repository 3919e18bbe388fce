"""What the stage says in words: captions, reasons, promises, goals."""

from collections.abc import Sequence
from typing import NamedTuple

from mmviz.engine import Blocked, Case, Change, Frame, Verdict, spoken
from mmviz.engine.livelock import Lasso

STUCK = "Nobody can move"
MOST_NAMES = 12  # in a list
MOST_CHANGES = 4  # a sentence with more of them is no sentence


class Promise(NamedTuple):
    """A promise, what to say once it is broken, and the step that broke it (-1: none)."""

    words: str
    failure: str
    broken: int


def caption(frame: Frame, last: int | None = None) -> str:
    """Say in one sentence what a step did: "step 4 of 11: CPU1 put_page(): page 7 refs 1 → 0".

    Args:
        frame: the frame after the step.
        last: how many steps the run has; left out by who must not look ahead.
    """
    step = f"step {frame.index}" + (f" of {last}" if last is not None else "")
    if not frame.index:
        return f"{step}: nothing has happened yet" + _broken(frame)
    told = [changed(change) for change in frame.writes if not change.field.endswith(".held")]
    parts = told[:MOST_CHANGES]
    if len(told) > MOST_CHANGES:
        parts.append(f"{len(told) - MOST_CHANGES} more")
    if frame.answer is not None:
        parts.append(f"answers {spoken(frame.answer)}")
    what = ", ".join(parts) or "changes nothing"
    return (
        f"{step}: {frame.actor} {frame.label}: {what}"
        + "".join(f"; {sentence}" for sentence in frame.log)
        + _broken(frame)
    )


def _broken(frame: Frame) -> str:
    """Name what broke in this step."""
    return f". ✗ Broken: {', '.join(map(readable, frame.violated))}" if frame.violated else ""


def readable(name: str) -> str:
    """Return a property's name as words."""
    return name.replace("_", " ")


def changed(change: Change) -> str:
    """Say what became of a field."""
    if change.field.endswith(".freed") and change.new is True:
        return f"{change.field.removesuffix('.freed')} freed"
    return f"{change.field} {spoken(change.old)} → {spoken(change.new)}"


def since(step: int) -> str:
    """Say since when."""
    return f"since step {step}" if step else "from the start"


def waits_for(actor: str, blocked: Blocked, since: str = " since step {}") -> str:
    """Say in a few words by whom an actor is blocked, and since when."""
    if not blocked.by:
        return blocked.reason
    return "waits for " + ", ".join(
        ("itself" if other == actor else other)
        + (since.format(step) if step else " from the start")
        for other, step in sorted(blocked.by, key=lambda pair: pair[1])
    )


def promises(case: Case, frames: Sequence[Frame], loop: Lasso | None = None) -> list[Promise]:
    """Return the promise of a case and how it fared in a run.

    The first step that breaks something breaks the promise; later ones have lines of their own.
    So has a deadlock, which breaks every promise: nothing more comes of it. Or too much does:

    Args:
        case: the case.
        frames: the run's.
        loop: the livelock that was found in the case, if there is one.
    """
    bad = ", ".join(map(readable, case.properties))
    kept = case.promise or (f"None of these happens: {bad}" if bad else "Everybody finishes.")
    found = []
    for frame in frames:
        if frame.violated:
            names = ", ".join(map(readable, frame.violated))
            why = " ".join(f"{case.sentence(prop)}." for prop in frame.violated)
            found.append(Promise("", f"Broken in step {frame.index}: {names}. {why}", frame.index))
    last = frames[-1]
    if (stuck := ending(case, last)).startswith(STUCK):
        found.append(Promise("", f"Stuck after step {last.index}. {stuck}.", last.index))
    if loop and loop.prefix + loop.cycle == tuple(frame.actor for frame in frames[1:]):
        same = f"all is as it was after step {len(loop.prefix)}, and may go on so for ever"
        found.append(Promise("", f"Livelock: after step {last.index} {same}.", last.index))
    if not found:
        return [Promise(kept, "", -1)]
    first = found[0]._replace(words=kept, failure=f"{found[0].failure} The promise was: {kept}")
    return [first, *found[1:]]


def goal(case: Case) -> str:
    """Say what somebody who schedules this case is to bring about."""
    wanted = [p for p, verdict in case.expect.items() if verdict is not Verdict.NEVER]
    if wanted:
        these = "this" if len(wanted) == 1 else "one of these"
        return f"Make {these} happen: " + " — or: ".join(map(case.sentence, wanted))
    if case.stuck:
        return "Make everybody wait for somebody: bring it to a deadlock"
    if not case.properties:
        return ""
    return "Try to make one of these happen: " + " — or: ".join(map(case.sentence, case.properties))


def victory(case: Case, frames: Sequence[Frame]) -> tuple[int, str]:
    """Return the step in which the goal was reached, -1 for not yet, and what to say then."""
    for frame in frames:
        if frame.violated:
            names = ", ".join(map(readable, frame.violated))
            return frame.index, f"✓ You did it in {frame.index} steps: {names}"
        if not frame.enabled and frame.blocked and case.stuck:
            return frame.index, f"✓ You did it in {frame.index} steps: nobody can move"
    return -1, ""


def ending(case: Case, frame: Frame) -> str:
    """Say how a run ended, "" while it goes on."""
    if frame.enabled and set(frame.enabled) - set(case.daemons):
        return ""
    waiting = [actor for actor in frame.blocked if actor not in case.daemons]
    if not waiting:
        return "Everybody who must finish has" if frame.enabled else "Everybody has finished"
    if frame.enabled:
        return ""
    if frame.values["dead"]:  # an Oops
        return "The machine has stopped"
    return f"{STUCK}, and {' and '.join(waiting)} wait{'s' * (len(waiting) == 1)} for ever"


def more(names: Sequence[str], what: str, which: str, width: int = 80) -> list[str]:
    """Say what is left out of a picture, and why, in lines of about `width` characters.

    Of very many names there are the first ones and the last.
    """
    if not names:
        return []
    listed = names if len(names) <= MOST_NAMES else [*names[:4], "…", names[-1]]
    noun, of, whole = what.partition(" ")
    lines = [f"… {len(names)} more {noun}{'s' * (len(names) > 1)}{of}{whole}, {which}:"]
    for index, name in enumerate(listed):
        said = name + "," * (index < len(listed) - 1 and name != "…")
        if len(lines[-1]) + len(said) + 1 > width:
            lines.append("  ")
        lines[-1] += f" {said}"
    return lines
