"""Why a run fails: the steps that led to it, the point of no return, the nearest safe run."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mmviz.engine import Conflict, Frame, Run, conflict, turned
from mmviz.engine.causes import STOPS, chain
from mmviz.engine.escape import DEADLOCK, Escape, Sibling, deadlocks, escape
from mmviz.scene.timeline import call
from mmviz.scene.words import readable, steps_between

LABEL = 30  # the most characters of a call in a sentence
LONGEST = 120  # the most steps before a violation for which races are searched


class Reason(NamedTuple):
    """A step that led to the violation, and how; step 0 stands for no step."""

    step: int
    words: str


class Story(NamedTuple):
    """A violation and its causes.

    Attributes:
        at: the failing step.
        name: the violation in two or three words.
        verdict: the violation as a sentence.
        reasons: the steps that led to it.
        facts: the race, the point of no return, the nearest safe run: (heading, words, step).
        sibling: the nearest safe run, if there is one.
    """

    at: int
    name: str
    verdict: str
    reasons: tuple[Reason, ...]
    facts: tuple[tuple[str, str, int], ...]
    sibling: Sibling | None


def stories(run: Run, leave_out: frozenset[str], is_endless: bool) -> dict[int, Story]:
    """Return the story to show from each step on: that of the worst violation so far.

    Args:
        run: the run.
        leave_out: paths of the fields in which locks record their holders.
        is_endless: the search found a livelock in this case.
    """
    order = run.case.bad_states
    found: dict[int, Story] = {}
    worst = len(order) + 1
    for frame in run.frames:
        for bad_state in frame.violated:
            rank = order.index(bad_state) if bad_state in order else len(order)
            if rank < worst:
                worst = rank
                found[frame.index] = _story(frame, bad_state, leave_out)
    if not found and is_endless and run.loop:
        found[run.tip.index] = _story(run.tip, "livelock", leave_out)
    elif not found and deadlocks(run):
        found[run.tip.index] = _story(run.tip, DEADLOCK, leave_out)
    return found


@lru_cache(maxsize=8)
def _story(tip: Frame, bad_state: str, leave_out: frozenset[str]) -> Story:
    """Return the story of the violation in a frame."""
    run = Run(tip.model.case, tip.model)
    run.tip = tip
    at = tip.index
    is_end = bad_state in (DEADLOCK, "livelock")
    race = None if is_end or at > LONGEST else conflict(run, bad_state)
    way = escape(run, DEADLOCK if is_end else bad_state, at)
    if way.sibling is None and way.cut and race is not None and race.decides:
        way = way._replace(sibling=_reversed(run, race))
    if bad_state == DEADLOCK:
        verdict, reasons = f"deadlock after step {at}: no actor can step", _blockers(tip)
    elif bad_state == "livelock":
        loop = run.loop or (0, at)
        verdict = f"livelock in {steps_between(loop[0] + 1, loop[1])}: the run never completes"
        reasons = _loop(*loop)
    else:
        verdict = f"{readable(bad_state)} in step {at}, by {tip.actor}"
        reasons = _reasons(run, bad_state, at, leave_out)
    facts = [] if is_end else [_race(run, race, way)]
    facts += [_no_return(run, way, at), _safe_run(run, way)]
    return Story(at, readable(bad_state), verdict, tuple(reasons), tuple(facts), way.sibling)


def _reversed(run: Run, race: Conflict) -> Sibling | None:
    """Return the run with a race reversed, if that run is safe."""
    twin = turned(run, race)
    pairs = enumerate(zip(run.schedule, twin.schedule, strict=False), start=1)
    step = next((k for k, (one, other) in pairs if one != other), 0)
    return Sibling(twin, step, ()) if step and twin.finished and not twin.violated else None


def _reasons(run: Run, bad_state: str, at: int, leave_out: frozenset[str]) -> Iterator[Reason]:
    """Yield each step of the chain, with the effect that a later step depends on."""
    for link in chain(run, bad_state, at, leave_out):
        frame = run.frames[link.step]
        what = ", ".join(link.gives)
        if link.step == at:
            words = (
                "; ".join(frame.log) or (f"sets {what}" if what else "") or "reaches the bad state"
            )
        elif what:
            words = f"sets {what}, which step {link.to} reads"
        else:
            words = f"step {link.to} depends on what {frame.actor} reads here"
        yield Reason(link.step, words)


def _blockers(tip: Frame) -> Iterator[Reason]:
    """Yield the steps that block actors, and the actors that no step blocks."""
    since: dict[int, list[str]] = {}
    for actor, blocked in tip.blocked.items():
        for other, step in blocked.by:
            if step:
                name = actor if other != actor else f"{actor} itself"
                since.setdefault(step, []).append(name)
    for step, names in sorted(since.items()):
        yield Reason(step, f"blocks {' and '.join(names)}")
    for actor, blocked in tip.blocked.items():
        if any(step for _, step in blocked.by):
            continue  # named above
        yield Reason(0, f"{actor}: {blocked.reason}")


def _loop(before: int, last: int) -> Iterator[Reason]:
    """Yield the steps of a loop, which begins after step `before`."""
    start = f"after step {before}" if before else "at the start"
    for step in range(before + 1, last):
        yield Reason(step, "step of the loop")
    yield Reason(last, f"step of the loop; the state equals that {start}")


def _called(run: Run, step: int) -> str:
    frame = run.frames[step]
    return f"step {step}, {frame.actor} {call(frame.label, LABEL)}"


def _race(run: Run, race: Conflict | None, way: Escape) -> tuple[str, str, int]:
    """Return which two steps race."""
    name = "Race"
    if run.tip.index > LONGEST:
        return name, f"not searched: the run has more than {LONGEST} steps", 0
    if race is None:
        return name, "none; no two actors race before this step", 0
    if way.no_return == 0:
        return name, "none decides; every order of the races ends this way", 0
    fields = ", ".join(race.fields)
    words = f"{fields}: {_called(run, race.first)}, against {_called(run, race.second)}"
    if not race.decides:
        words = f"none decides alone; with the last reversed, the run still ends this way; {words}"
    elif race.reversed == STOPS:
        words += "; with it reversed the run avoids this, but does not complete"
    return name, words, race.first


def _no_return(run: Run, way: Escape, at: int) -> tuple[str, str, int]:
    """Return the step after which the violation is unavoidable."""
    name = "Point of no return"
    if way.no_return is None:
        return name, way.cut, 0
    if not way.no_return:
        return name, "the start: every schedule ends this way", 0
    if way.no_return > at:
        return name, "none so far: some schedule still completes", 0
    here = ", the failing step" if way.no_return == at else ""
    words = f"{_called(run, way.no_return)}{here}: after it every schedule ends this way"
    return name, words, way.no_return


def _safe_run(run: Run, way: Escape) -> tuple[str, str, int]:
    """Return where the nearest safe run differs from this one."""
    name, sibling = "Nearest safe run", way.sibling
    if sibling is None:
        if way.cut:
            return name, way.cut, 0
        if way.no_return == 0:
            return name, "Always: every schedule ends this way", 0
        return name, "none: no completed run avoids it", 0
    twin, step = sibling.run, sibling.step
    goes = twin.frames[step].actor
    instead = f" instead of {run.frames[step].actor}" if step < len(run.frames) else ""
    words = f"differs in step {step}: {goes} goes{instead}"
    if sibling.breaks:
        words += f"; it avoids this, but reaches {', '.join(map(readable, sibling.breaks))}"
    return name, words, step
