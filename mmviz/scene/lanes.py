"""What runs along the steps: one lane for each invalidation, callback, sample and number.

A lane has a cell for each step, and a sentence about the frame the cursor is on. Which lanes a
case has is known from what its actors may ever do; a lane where nothing can happen is not there.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mmviz.engine import Frame, Struct
from mmviz.kernel.locks import SeqCount
from mmviz.kernel.rcu import Srcu
from mmviz.scene.reach import Reach
from mmviz.scene.samples import Sample, checked, sampled
from mmviz.scene.subscriptions import Subscription
from mmviz.scene.theme import CLEAR
from mmviz.scene.windows import Accounts
from mmviz.scene.words import since

SPLAT = "sleeps_in_atomic"  # what `might_sleep()` complains of


class Cell(NamedTuple):
    """What a lane shows of one step."""

    word: str = ""
    role: str = CLEAR
    bold: bool = False


class Lane(NamedTuple):
    """One lane.

    Attributes:
        section: what kind of thing it is about.
        label: whom it is about.
        cell: says what to show of a frame's step.
        say: a sentence about a frame, and its role; None if the cells say it all.
        key: what a click on the label means.
        rows: the lines that the sentence may take.
    """

    section: str
    label: str
    cell: Callable[[Frame], Cell]
    say: Callable[[Frame], tuple[str, str]] | None = None
    key: str = ""
    rows: int = 1


def lanes(accounts: Accounts, reach: Reach, subscribed: Sequence[Subscription]) -> list[Lane]:
    """Return the lanes about invalidations, in the order in which they stand."""
    return [
        *_windows(accounts),
        *_callbacks(accounts, reach),
        *_samples(accounts),
        *_numbers(accounts, reach, subscribed),
    ]


def _windows(accounts: Accounts) -> Iterator[Lane]:
    """Yield a lane for each actor that may begin or end an invalidation."""
    writers = {actor for path in accounts.gauges for actor in accounts.writers(path)}
    for actor in (each for each in accounts.model.actors if each in writers):

        def cell(frame: Frame, actor: str = actor) -> Cell:
            account = accounts.account(frame)
            did = account.did.get(("window", actor), "")
            if did == "end?":
                return Cell("✗ end", "bad", True)  # of what nobody has begun
            is_open = any(one.actor == actor for one in account.windows)
            return Cell(did, "held", bool(did)) if did or is_open else Cell()

        yield Lane("Invalidation, start to end", actor, cell, key=f"actor:{actor}")


def _callbacks(accounts: Accounts, reach: Reach) -> Iterator[Lane]:
    """Yield a lane for each callback that an actor may be in; the sentence is under its last."""
    for actor, positions in zip(accounts.model.actors, accounts.model.positions, strict=True):
        found = {accounts.callback(lines): None for lines in reach.lines[actor]}
        for position in positions.values():
            if position.step is not None and position.step.cite == "driver":
                name = position.step.body.__name__
                found |= {name: None} if name in accounts.ops else {}
        names = [name for name in found if name]
        for name in names:

            def cell(frame: Frame, actor: str = actor, name: str = name) -> Cell:
                account = accounts.account(frame)
                did = account.did.get(("callback", actor)) == name
                if did and SPLAT in frame.violated and frame.actor == actor:
                    return Cell("✗", "bad", True)
                if not did and account.inside.get(actor, ("", 0))[0] != name:
                    return Cell()
                return Cell(_atomic(frame, actor), "held", did)

            def say(frame: Frame, actor: str = actor) -> tuple[str, str]:
                account = accounts.account(frame)
                if actor not in account.inside:
                    return "", "plain"
                function, step = account.inside[actor]
                locks = [each for each in frame.values[f"{actor}.held"] if _forbids(each)]
                held = [f"{each.name} (step {account.held[actor, each.name]})" for each in locks]
                sleeps = f"must not sleep: in {', '.join(held)}" if held else "may sleep"
                slept = SPLAT in frame.violated and frame.actor == actor
                words = f"{function}() {since(step)}; {sleeps}" + ", and did" * slept
                return words, "bad" if slept else "plain"

            yield Lane(
                "Inside a callback",
                f"{actor} {name}()",
                cell,
                say if name == names[-1] else None,
                f"actor:{actor}",
            )


def _forbids(section: Struct) -> bool:
    return bool(getattr(section, "forbids_sleep", False))


def _atomic(frame: Frame, actor: str) -> str:
    """Say in a short word why an actor must not sleep, "" when it may."""
    for each in frame.values[f"{actor}.held"]:
        if _forbids(each):
            return "rcu" if isinstance(each, Srcu) else "spin"
    return ""


def _numbers(
    accounts: Accounts, reach: Reach, subscribed: Sequence[Subscription]
) -> Iterator[Lane]:
    """Yield a lane for each number and flag that tells of invalidations."""
    paths = [path for each in subscribed for path in each.fields if not path.endswith(".refs")]
    if accounts.gauges:  # else it is another story's number
        paths += [s.path("sequence") for s in accounts.structs if isinstance(s, SeqCount)]
    for path in dict.fromkeys(paths):
        if not reach.varies(path) or not all(isinstance(v, int) for v in reach.values[path]):
            continue

        def cell(frame: Frame, path: str = path) -> Cell:
            value = frame.values[path]
            word = ("yes" if value else "no") if isinstance(value, bool) else str(value)
            written = any(change.field == path for change in frame.writes)
            return Cell(word, "past" if written else "quiet", written)

        yield Lane("Sequence and count", path, cell, key=f"field:{path}")


def _samples(accounts: Accounts) -> Iterator[Lane]:
    """Yield a lane for each actor and object of which it may take or check a sample."""
    found: dict[tuple[str, str], Struct] = {}
    for actor, positions in zip(accounts.model.actors, accounts.model.positions, strict=True):
        for position in positions.values():
            step = position.step
            if step is None:
                continue
            args = (*step.args, *step.kwargs.values())
            for after in position.after:
                asked = (step.on, step.body.__name__, args, after.answer)
                one = sampled(*asked) or checked(*asked)
                if one and (accounts.gauges or not isinstance(one[0], SeqCount)):
                    found[actor, one[0].name] = one[0]
    for actor, name in found:

        def cell(frame: Frame, actor: str = actor, name: str = name) -> Cell:
            account = accounts.account(frame)
            sample = account.samples.get((actor, name))
            did = account.did.get(("sample", actor, name), "")
            if sample is None or (
                sample.checked and not did and not _guarded(sample, frame, actor)
            ):
                return Cell()
            late = _is_late(sample, actor, frame)
            if did == "retry":
                return Cell(did, "past", True)
            if did == "pass":
                return Cell(did, "bad" if late else "good", True)
            if did == "take":
                value = sample.value
                word = str(value) if type(value) is int and value < 10_000 else "take"
                return Cell(word, "bad" if late else "good", True)
            now = "" if sample.stale != frame.index else "stale" if late else "own"
            return Cell(now, "bad" if late else "good")

        def say(frame: Frame, actor: str = actor, name: str = name) -> tuple[str, str]:
            sample = accounts.account(frame).samples.get((actor, name))
            return _sample_words(sample, actor, frame) if sample else ("", "plain")

        label = f"{actor} of {name}"
        yield Lane("Sample, fresh or stale", label, cell, say, f"actor:{actor}", rows=2)


def _guarded(sample: Sample, frame: Frame, actor: str) -> bool:
    """Tell whether the lock is still held under which a sample was found fresh."""
    held = {each.name for each in frame.values[f"{actor}.held"]}
    return not sample.retry and bool(held.intersection(sample.under))


def _is_late(sample: Sample, actor: str, frame: Frame) -> bool:
    """Tell whether a sample is stale, and was when it was checked.

    An invalidation of the actor's own counts if the driver's callback has noted it.
    """
    if not sample.stale or 0 < sample.checked < sample.stale:
        return False
    if sample.by != actor:
        return True
    return sample.retry if sample.checked else sample.moved(actor, frame.values)


def _sample_words(sample: Sample, actor: str, frame: Frame) -> tuple[str, str]:
    """Say what became of a sample."""
    key = sample.path.rpartition(".")[2]
    what = "read section begun" if sample.value is None else f"sampled {key} {sample.value}"
    words = f"{what} in step {sample.step}" if sample.step else "remembers nothing from before"
    by = "its own" if sample.by == actor else f"{sample.by}'s" if sample.by else "an"
    after = 0 < sample.checked < sample.stale
    role = "bad" if _is_late(sample, actor, frame) else "plain"
    if sample.stale and not after:
        if role == "plain":
            words += f"; its own invalidation of step {sample.stale} does not spoil it"
        elif sample.stale == sample.step:
            words += f", stale at once: {by} invalidation is open {since(sample.inside)}"
        else:
            why = f"{by} invalidation" if sample.opened else f"{by} step"
            words += f", stale since step {sample.stale} ({why})"
    if not sample.checked:
        if role == "bad" and not sample.moved(actor, frame.values):
            still = f"{key} still is {frame.values[sample.path]}"
            words += f"; {'no callback has noted it' if sample.value is None else still}"
        return words if role == "bad" else f"{words}, fresh", role
    under = f"under {', '.join(sample.under)}" if sample.under else "under no lock"
    if sample.retry:
        return f"{words}; found out in step {sample.checked}: tries again", "plain"
    if role == "bad":
        return f"✗ {words}; passed in step {sample.checked} all the same, {under}", "bad"
    words += f"; passed in step {sample.checked}, {under}"
    if after:
        words += f"; {by} invalidation of step {sample.stale} came after that"
    return words, "plain"
