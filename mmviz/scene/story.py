"""Why a run went wrong: what led to it, when it was too late, and the run that is fine."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mmviz.engine import Frame, Race, Run, conflict, turned
from mmviz.engine.causes import chain
from mmviz.engine.escape import STUCK, Escape, Sibling, escape, gets_stuck
from mmviz.engine.livelock import goes_round
from mmviz.scene.timeline import call
from mmviz.scene.words import readable

LABEL = 30  # cells that a call takes in a sentence
LONGEST = 120  # steps before a violation in which conflicts are looked for


class Reason(NamedTuple):
    """A step that led to what went wrong, and how; step 0 says something without a step."""

    step: int
    words: str


class Story(NamedTuple):
    """What went wrong, and why.

    Attributes:
        at: the step in which it did.
        name: what, in two or three words.
        verdict: the same as a sentence.
        reasons: the steps that led to it.
        facts: the conflict, the point of no return, the run that is fine: (heading, words, step).
        sibling: the run that is fine, if there is one.
    """

    at: int
    name: str
    verdict: str
    reasons: tuple[Reason, ...]
    facts: tuple[tuple[str, str, int], ...]
    sibling: Sibling | None


def stories(run: Run, leave_out: frozenset[str], is_endless: bool) -> dict[int, Story]:
    """Return what to say from which step on: the worst that is broken by then.

    Args:
        run: the run.
        leave_out: paths of fields that order steps and carry nothing: those of locks.
        is_endless: the search found a run of this case that goes round for ever.
    """
    order = run.case.properties
    found: dict[int, Story] = {}
    worst = len(order) + 1
    for frame in run.frames:
        for prop in frame.violated:
            rank = order.index(prop) if prop in order else len(order)
            if rank < worst:
                worst = rank
                found[frame.index] = _story(frame, prop, leave_out)
    if not found and is_endless and goes_round(run):
        found[run.tip.index] = _story(run.tip, "livelock", leave_out)
    elif not found and gets_stuck(run):
        found[run.tip.index] = _story(run.tip, STUCK, leave_out)
    return found


@lru_cache(maxsize=8)
def _story(tip: Frame, prop: str, leave_out: frozenset[str]) -> Story:
    """Return the story of what went wrong in a frame."""
    run = Run(tip.model.case, tip.model)
    run.tip = tip
    at = tip.index
    is_end = prop in (STUCK, "livelock")
    race = None if is_end or at > LONGEST else conflict(run, prop)
    way = escape(run, STUCK if is_end else prop, at)
    if way.sibling is None and way.cut and race is not None:
        way = way._replace(sibling=_turned(run, race))
    if prop == STUCK:
        verdict, reasons = f"stuck after step {at}: nobody can go on", _waits(tip)
    elif prop == "livelock":
        loop = goes_round(run) or (0, at)
        back = f"as it was after step {loop[0]}" if loop[0] else "as it was at the start"
        verdict = f"livelock: after step {at} all is {back}, and so on for ever"
        reasons = _round(*loop)
    else:
        verdict = f"{readable(prop)}: broken in step {at} by {tip.actor}"
        reasons = _reasons(run, prop, at, leave_out)
    facts = [] if is_end else [_race(run, race, way)]
    facts += [_no_return(run, way, at), _fine(run, way)]
    return Story(at, readable(prop), verdict, tuple(reasons), tuple(facts), way.sibling)


def _turned(run: Run, race: Race) -> Sibling | None:
    """Return the run in which a race goes the other way, if it goes well."""
    twin = turned(run, race)
    pairs = enumerate(zip(run.schedule, twin.schedule, strict=False), start=1)
    step = next((k for k, (one, other) in pairs if one != other), 0)
    return Sibling(twin, step, ()) if step and twin.finished and not twin.violated else None


def _reasons(run: Run, prop: str, at: int, leave_out: frozenset[str]) -> Iterator[Reason]:
    """Say of each step of the chain what it passed on, and to whom."""
    for link in chain(run, prop, at, leave_out):
        frame = run.frames[link.step]
        what = ", ".join(link.gives)
        if link.step == at:
            words = "; ".join(frame.log) or (f"sets {what}" if what else "") or "breaks it"
        elif what:
            words = f"sets {what}, which step {link.to} needs"
        else:
            words = f"what {frame.actor} learns here decides on step {link.to}"
        yield Reason(link.step, words)


def _waits(tip: Frame) -> Iterator[Reason]:
    """Say who made whom wait, and who waits."""
    since: dict[int, list[str]] = {}
    for actor, blocked in tip.blocked.items():
        for other, step in blocked.by:
            if step:
                verb = "waits" if other != actor else "itself waits"
                since.setdefault(step, []).append(f"{actor} {verb} for this")
    for step, words in sorted(since.items()):
        yield Reason(step, " and ".join(words))
    for actor, blocked in tip.blocked.items():
        if any(step for _, step in blocked.by):
            continue  # told above
        yield Reason(0, f"{actor}: {blocked.reason}")


def _round(first: int, last: int) -> Iterator[Reason]:
    """Say which steps make the loop."""
    for step in range(first + 1, last + 1):
        yield Reason(step, "again and again")


def _called(run: Run, step: int) -> str:
    frame = run.frames[step]
    return f"step {step}, {frame.actor} {call(frame.label, LABEL)}"


def _race(run: Run, race: Race | None, way: Escape) -> tuple[str, str, int]:
    """Say which two steps are in conflict."""
    name = "Conflict"
    if run.tip.index > LONGEST:
        return name, f"not looked for: more than {LONGEST} steps", 0
    if race is None:
        return name, "none: no two actors race for this, the order within one decides", 0
    if way.no_return == 0:
        return name, "none decides: whichever way the races go, it breaks", 0
    fields = ", ".join(race.fields)
    words = f"{fields}: {_called(run, race.first)}, against {_called(run, race.second)}"
    return name, words, race.first


def _no_return(run: Run, way: Escape, at: int) -> tuple[str, str, int]:
    """Say which step closed the window."""
    name = "Point of no return"
    if way.no_return is None:
        return name, way.cut, 0
    if not way.no_return:
        return name, "the start: whoever goes first, it comes to this", 0
    if way.no_return > at:
        return name, "none so far: there still is an order that comes to an end", 0
    here = "; it is the step that breaks" if way.no_return == at else ""
    words = f"{_called(run, way.no_return)}: after it no order helps{here}"
    return name, words, way.no_return


def _fine(run: Run, way: Escape) -> tuple[str, str, int]:
    """Say where the nearest run that is fine parts from this one."""
    name, sibling = "Nearest safe run", way.sibling
    if sibling is None:
        if way.cut:
            return name, way.cut, 0
        if way.no_return == 0:
            return name, "Always: no order saves it", 0
        return name, "none: no run that completes is spared", 0
    twin, step = sibling.run, sibling.step
    goes = twin.frames[step].actor
    instead = f" instead of {run.frames[step].actor}" if step < len(run.frames) else ""
    words = f"differs in step {step}: {goes} goes{instead}"
    if sibling.breaks:
        words += f"; spared this, it breaks {', '.join(map(readable, sibling.breaks))}"
    return name, words, step
