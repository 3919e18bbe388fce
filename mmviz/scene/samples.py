"""By what a driver knows of invalidations: the fields that count them, samples, and checks.

Each kind of kernel object registers what it has; a kind derived from it has the same.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Frame, Struct
from mmviz.kernel import interval_seq
from mmviz.kernel.hmm_range import HmmRange, RangedHmm
from mmviz.kernel.interval_notifier import MmuIntervalNotifier
from mmviz.kernel.locks import SeqCount
from mmviz.kernel.notifier import MmuNotifier, MmuNotifierSubscriptions


class Gauge(NamedTuple):
    """A field that says how many invalidations are open.

    `rank` tells whose word counts: the core's (0), struct hmm's (1), a driver's (2).
    """

    path: str
    rank: int
    odd: bool = False

    def open(self, value: int) -> int:
        """Return how many are open; a sequence that is odd says one."""
        return value % 2 if self.odd else value


class Sample(NamedTuple):
    """What an actor remembers, to see later whether an invalidation came in between.

    Attributes:
        path: the field it has looked at.
        value: what it found there; None where the field names the actor itself.
        step: when; 0 when it looks at the field without having remembered anything.
        stale: the step since which it is stale, 0 while it is fresh.
        by: whose step that was.
        opened: that step began an invalidation; else it only moved the field.
        inside: since when that invalidation was open already as the sample was taken.
        checked: the step that asked whether it is stale, 0 before that.
        retry: what that step was told.
        under: what the actor held then.
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
        """Tell whether the field says something else than it did."""
        now = values[self.path]
        return actor not in now if isinstance(now, frozenset) else bool(now != self.value)


@singledispatch
def gauge(struct: Struct) -> Gauge | None:
    """Return the field of an object that says how many invalidations are open."""
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
    """Return (object, field, "it is stale") if a step asks about a sample, else None."""
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
        sample: what it was before the step.
        actor: who took it.
        frame: the step.
        begins: the step begins an invalidation.
    """
    k, by, other = frame.index, frame.actor, frame.actor != actor
    if sample.checked:  # an answer that no lock guards gets stale, too
        late = begins and other and not (sample.retry or sample.under or sample.stale)
        return sample._replace(stale=k, by=by, opened=True) if late else sample
    if not sample.step or (sample.stale and sample.by != actor):
        return sample
    if begins and (other or not sample.stale):
        return sample._replace(stale=k, by=by, opened=True, inside=0)
    if not sample.stale and sample.moved(actor, frame.values):
        return sample._replace(stale=k, by=by, opened=False)
    return sample
