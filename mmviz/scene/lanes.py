"""Lanes along the steps: one for each invalidation, callback, sample and number.

A lane has a cell for each step, and a sentence about the frame at the cursor. A case has the
lanes that some run of it can use.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mmviz.engine import Frame, Struct
from mmviz.kernel.sync.locks import SeqCount
from mmviz.kernel.sync.rcu import Srcu
from mmviz.scene.reach import Reach
from mmviz.scene.samples import Sample, checked, sampled
from mmviz.scene.subscriptions import Subscription
from mmviz.scene.theme import CLEAR
from mmviz.scene.windows import Accounts
from mmviz.scene.words import since

SPLAT = "sleeps_in_atomic"  # the complaint of `might_sleep()`


class Cell(NamedTuple):
    """One step of a lane."""

    word: str = ""
    role: str = CLEAR
    bold: bool = False


class Lane(NamedTuple):
    """One lane.

    Attributes:
        section: its heading.
        label: its actor or object.
        cell: returns the cell of a frame's step.
        sentence: returns a sentence about a frame, and its role; None if the lane has only cells.
        key: the target of a click on the label.
        rows: the most lines of the sentence.
        field: the path of the field that it shows, if it is one.
    """

    section: str
    label: str
    cell: Callable[[Frame], Cell]
    sentence: Callable[[Frame], tuple[str, str]] | None = None
    key: str = ""
    rows: int = 1
    field: str = ""


def lanes(accounts: Accounts, reach: Reach, subscribed: Sequence[Subscription]) -> list[Lane]:
    """Return the lanes about invalidations, from top to bottom."""
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
                return Cell("✗ end", "bad", True)  # no invalidation is open
            is_open = any(one.actor == actor for one in account.windows)
            return Cell(did, "held", bool(did)) if did or is_open else Cell()

        yield Lane("Invalidation, start to end", actor, cell, key=f"actor:{actor}")


def _callbacks(accounts: Accounts, reach: Reach) -> Iterator[Lane]:
    """Yield a lane for each callback that an actor may run; its last has the sentence."""
    for actor, locations in zip(accounts.model.actors, accounts.model.locations, strict=True):
        found = {accounts.callback(lines): None for lines in reach.lines[actor]}
        for location in locations.values():
            if location.step is not None and location.step.cite == "driver":
                name = location.step.body.__name__
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

            def sentence(frame: Frame, actor: str = actor) -> tuple[str, str]:
                account = accounts.account(frame)
                if actor not in account.inside:
                    return "", "plain"
                function, step = account.inside[actor]
                locks = [each for each in frame.values[f"{actor}.held"] if _forbids(each)]
                held = [f"{each.name} (step {account.held[actor, each.name]})" for each in locks]
                sleeps = f"must not sleep: in {', '.join(held)}" if held else "may sleep"
                slept = SPLAT in frame.violated and frame.actor == actor
                words = f"{function}() {since(step)}; {sleeps}" + ", but slept" * slept
                return words, "bad" if slept else "plain"

            yield Lane(
                "Inside a callback",
                f"{actor} {name}()",
                cell,
                sentence if name == names[-1] else None,
                f"actor:{actor}",
            )


def _forbids(section: Struct) -> bool:
    return bool(getattr(type(section), "forbids_sleep", False))


def _atomic(frame: Frame, actor: str) -> str:
    """Return "rcu" or "spin" if an actor must not sleep, else ""."""
    for each in frame.values[f"{actor}.held"]:
        if _forbids(each):
            return "rcu" if isinstance(each, Srcu) else "spin"
    return ""


def _numbers(
    accounts: Accounts, reach: Reach, subscribed: Sequence[Subscription]
) -> Iterator[Lane]:
    """Yield a lane for each number and flag that tracks invalidations."""
    paths = [path for each in subscribed for path in each.fields if not path.endswith(".refs")]
    if accounts.gauges:  # else the number belongs to another lock
        paths += [s.path("sequence") for s in accounts.structs if isinstance(s, SeqCount)]
    for path in dict.fromkeys(paths):
        if not reach.varies(path) or not all(isinstance(v, int) for v in reach.values[path]):
            continue

        def cell(frame: Frame, path: str = path) -> Cell:
            value = frame.values[path]
            word = ("yes" if value else "no") if isinstance(value, bool) else str(value)
            written = any(change.field == path for change in frame.writes)
            return Cell(word, "past" if written else "quiet", written)

        yield Lane("Sequence and count", path, cell, key=f"field:{path}", field=path)


def _samples(accounts: Accounts) -> Iterator[Lane]:
    """Yield a lane for each actor and each object that it may sample or check."""
    found: dict[tuple[str, str], Struct] = {}
    for actor, locations in zip(accounts.model.actors, accounts.model.locations, strict=True):
        for location in locations.values():
            step = location.step
            if step is None:
                continue
            args = (*step.args, *step.kwargs.values())
            for after in location.after:
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

        def sentence(frame: Frame, actor: str = actor, name: str = name) -> tuple[str, str]:
            sample = accounts.account(frame).samples.get((actor, name))
            return _sample_words(sample, actor, frame) if sample else ("", "plain")

        label = f"{actor} of {name}"
        yield Lane("Sample, fresh or stale", label, cell, sentence, f"actor:{actor}", rows=2)


def _guarded(sample: Sample, frame: Frame, actor: str) -> bool:
    """Tell whether the actor still holds a lock under which the check passed."""
    held = {each.name for each in frame.values[f"{actor}.held"]}
    return not sample.retry and bool(held.intersection(sample.under))


def _is_late(sample: Sample, actor: str, frame: Frame) -> bool:
    """Tell whether a sample is stale, and was so when it was checked.

    An invalidation of the actor's own counts only if the driver's callback has recorded it.
    """
    if not sample.stale or 0 < sample.checked < sample.stale:
        return False
    if sample.by != actor:
        return True
    return sample.retry if sample.checked else sample.moved(actor, frame.values)


def _sample_words(sample: Sample, actor: str, frame: Frame) -> tuple[str, str]:
    """Return a sentence on a sample, and its role."""
    key = sample.path.rpartition(".")[2]
    what = "read section begun" if sample.value is None else f"sampled {key} {sample.value}"
    words = f"{what} in step {sample.step}" if sample.step else "no earlier sample"
    by = "its own" if sample.by == actor else f"{sample.by}'s" if sample.by else "an"
    after = 0 < sample.checked < sample.stale
    role = "bad" if _is_late(sample, actor, frame) else "plain"
    if sample.stale and not after:
        if role == "plain":
            words += f"; its own invalidation in step {sample.stale} does not make it stale"
        elif sample.stale == sample.step:
            words += f", stale at once ({by} invalidation open {since(sample.inside)})"
        else:
            why = f"{by} invalidation" if sample.opened else f"{by} step"
            words += f", stale since step {sample.stale} ({why})"
    if not sample.checked:
        if role == "bad" and not sample.moved(actor, frame.values):
            still = f"{key} is still {frame.values[sample.path]}"
            words += f"; {'no callback has recorded it' if sample.value is None else still}"
        return words if role == "bad" else f"{words}, fresh", role
    under = f"under {', '.join(sample.under)}" if sample.under else "without a lock"
    if sample.retry:
        return f"{words}; detected in step {sample.checked}: retry", "plain"
    if role == "bad":
        return f"✗ {words}; the check in step {sample.checked} passed anyway, {under}", "bad"
    words += f"; the check in step {sample.checked} passed, {under}"
    if after:
        words += f"; {by} invalidation in step {sample.stale} came later"
    return words, "plain"
