"""How a driver detects invalidations: the fields that count them, samples, and checks.

Each kind of kernel object registers its own; derived kinds inherit them.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Frame, Struct
from mmviz.kernel.hmm.range import HmmRange, RangedHmm
from mmviz.kernel.notifier import interval_seq
from mmviz.kernel.notifier.interval import MmuIntervalNotifier
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions
from mmviz.kernel.sync.locks import SeqCount


class Gauge(NamedTuple):
    """A field that counts the open invalidations.

    `rank` is its precedence: the core's (0), struct hmm's (1), a driver's (2).
    """

    path: str
    rank: int
    odd: bool = False

    def open(self, value: int) -> int:
        """Return how many are open; an odd sequence means one."""
        return value % 2 if self.odd else value


class Sample(NamedTuple):
    """A value that an actor keeps, to detect an invalidation later.

    Attributes:
        path: the field that it read.
        value: the value that it read; None if the field contains the actor itself.
        step: the step that read it; 0 if the actor checks the field without a sample.
        stale: the step that made it stale, 0 while it is fresh.
        by: the actor of that step.
        opened: that step began an invalidation; else it only changed the field.
        inside: the step that began that invalidation, if it was already open at the sample.
        checked: the step that checked the sample, 0 before that.
        retry: the result of that check.
        under: the locks that the actor held then.
    """

    path: str
    value: Any
    step: int
    stale: int = 0
    by: str = ""
    opened: bool = False
    inside: int = 0
    checked: int = 0
    retry: bool = False
    under: tuple[str, ...] = ()

    def moved(self, actor: str, values: Mapping[str, Any]) -> bool:
        """Tell whether the field has changed since the sample."""
        now = values[self.path]
        return actor not in now if isinstance(now, frozenset) else bool(now != self.value)


@singledispatch
def gauge(struct: Struct) -> Gauge | None:
    """Return the field of an object that counts the open invalidations."""
    return None


@gauge.register
def _(subs: MmuNotifierSubscriptions) -> Gauge:
    return Gauge(subs.path("active_invalidate_ranges"), 0)


@gauge.register
def _(subs: interval_seq.DeferringSubscriptions) -> Gauge:
    return Gauge(subs.path("invalidate_seq"), 0, odd=True)


@gauge.register
def _(hmm: RangedHmm) -> Gauge:
    return Gauge(hmm.path("notifiers"), 1)


@gauge.register
def _(notifier: MmuNotifier) -> Gauge:
    return Gauge(notifier.path("mmu_invalidate_in_progress"), 2)


@singledispatch
def sampled(on: Struct, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    """Return (object, field, value) if a step on an object takes a sample, else None."""
    return None


@sampled.register
def _(on: MmuNotifier, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    fields = {
        "read_mmu_invalidate_seq": "mmu_invalidate_seq",
        "wait_until_idle": "mmu_invalidate_in_progress",
    }
    return (on, fields[function], answer) if function in fields else None


@sampled.register
def _(on: MmuIntervalNotifier, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    return (on, "undisturbed", None) if function == "mmu_interval_read_begin" else None


@sampled.register
def _(on: interval_seq.SeqSubscriptions, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    if function != "mmu_interval_read_begin":
        return None
    return (args[0], "invalidate_seq", answer.seq)


@sampled.register
def _(on: SeqCount, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    samples = ("read_seqcount_begin", "raw_read_seqcount")
    return (on, "sequence", answer) if function in samples else None


@sampled.register
def _(on: RangedHmm, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    return (args[0], "valid", True) if function == "hmm_range_register" else None


@singledispatch
def checked(on: Struct, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    """Return (object, field, "it is stale") if a step checks a sample, else None."""
    return None


@checked.register
def _(on: MmuNotifier, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    if function == "read_mmu_invalidate_in_progress":
        return on, "mmu_invalidate_in_progress", answer > 0
    asks = ("mmu_invalidate_retry", "mmu_invalidate_seq_changed", "ib_umem_mmu_notifier_retry")
    return (on, "mmu_invalidate_seq", answer) if function in asks else None


@checked.register
def _(on: MmuIntervalNotifier, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    return (on, "undisturbed", answer) if function == "mmu_interval_read_retry" else None


@checked.register
def _(on: interval_seq.IntervalSub, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    return (on, "invalidate_seq", answer) if function == "mmu_interval_read_retry" else None


@checked.register
def _(on: SeqCount, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    return (on, "sequence", answer) if function == "read_seqcount_retry" else None


@checked.register
def _(on: HmmRange, function: str, args: tuple[Any, ...], answer: Any) -> Any:
    return (on, "valid", not answer) if function == "hmm_range_valid" else None


def spoiled(sample: Sample, actor: str, frame: Frame, begins: bool) -> Sample:
    """Return a sample after a step that may have made it stale.

    Args:
        sample: the sample before the step.
        actor: the actor that took it.
        frame: the step.
        begins: the step begins an invalidation.
    """
    k, by, other = frame.index, frame.actor, frame.actor != actor
    if sample.checked:  # the result of a check without a lock becomes stale too
        late = begins and other and not (sample.retry or sample.under or sample.stale)
        return sample._replace(stale=k, by=by, opened=True) if late else sample
    if not sample.step or (sample.stale and sample.by != actor):
        return sample
    if begins and (other or not sample.stale):
        return sample._replace(stale=k, by=by, opened=True, inside=0)
    if not sample.stale and sample.moved(actor, frame.values):
        return sample._replace(stale=k, by=by, opened=False)
    return sample
