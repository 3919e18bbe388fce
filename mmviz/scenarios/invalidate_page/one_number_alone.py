"""A number that changes, and no count: can a fault do without the counter?

A driver that hears range_start and range_end could get by with a single number.  It might bump
it at the end, or at both ends, or keep it odd while an invalidation is under way.  The last is
a seqcount, and it is right as long as invalidations come one at a time: two that overlap make
the number even again while both still run.  A counter that is looked at twice does not help
either: between the two looks an invalidation can come and go.

Promise: A fault maps a page only if no invalidation was under way since it looked the page up.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As sequence_and_counter, which takes the sequence and the counter away in turn.
    A fault that finds the number odd waits until it is even, as read_seqcount_begin() spins.
    A seqcount's writers must exclude each other; nothing excludes invalidations, which is the
    point.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    virt/kvm/kvm_main.c: kvm_mmu_notifier_invalidate_range_start(), ..._end()
    include/linux/seqlock.h: read_seqcount_begin(), read_seqcount_retry()
    mm/mmu_notifier.c, v5.5: odd while busy, and a counter beside it: mn_itree_inv_end()
"""

from typing import Any

from mmviz.engine import Case, field
from mmviz.kernel.locks import SeqCount
from mmviz.scenarios.invalidate_page import RECOMMENDED
from mmviz.scenarios.invalidate_page.range_start_only import (
    BAD,
    VA,
    GuardedMirror,
    SequenceAndCounter,
    case,
)


class NumberedMirror(GuardedMirror):
    """The driver has a seqcount in place of the two words."""

    seq: SeqCount = field(default_factory=SeqCount)


class SequenceAtEnd(SequenceAndCounter):
    """Bumps the sequence when an invalidation is over."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.bump_mmu_invalidate_seq()
        await k.update.mutex_unlock()


class SequenceAtBothEnds(SequenceAtEnd):
    """Bumps the sequence at range_start too, and cannot tell one bump from the other."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.bump_mmu_invalidate_seq()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()


class OddWhileBusy(SequenceAndCounter):
    """Keeps a seqcount: odd from range_start to range_end."""

    async def invalidate_range_start(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.seq.write_seqcount_begin()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.seq.write_seqcount_end()
        await k.update.mutex_unlock()

    async def sample(self, k: Any) -> int:
        count: SeqCount = k.seq
        return await count.read_seqcount_begin()

    async def must_retry(self, k: Any, seq: int) -> bool:
        count: SeqCount = k.seq
        return await count.read_seqcount_retry(seq)


class CounterLookedAtTwice(SequenceAndCounter):
    """Waits for a quiet moment before the lookup, and looks for one again before mapping."""

    async def sample(self, k: GuardedMirror) -> int:
        return await k.notifier.wait_until_idle()

    async def must_retry(self, k: GuardedMirror, seq: int) -> bool:
        return await k.notifier.read_mmu_invalidate_in_progress() > 0


ODD = (OddWhileBusy(), "MN-E/E4", "a seqcount, odd while busy; invalidations come one at a time")

CASES: tuple[Case, ...] = (
    case(
        SequenceAtEnd(),
        "MN-E/E2",
        "a sequence number alone, bumped in range_end",
        292,
        BAD,
        schedules={"mapped before the clear, freed after": "CPU0*4 GPU*7 CPU0*6 CPU1"},
    ),
    case(
        SequenceAtBothEnds(),
        "MN-E/E3",
        "a sequence number alone, bumped at both ends",
        418,
        BAD,
        schedules={"sampled after the first bump": "CPU0*5 GPU*7 CPU0*6 CPU1"},
    ),
    case(
        CounterLookedAtTwice(),
        "MN-E/E7",
        "a counter, looked at before and after",
        266,
        BAD,
        schedules={"quiet twice": "GPU*2 CPU0*11 GPU*5"},
    ),
    case(
        OddWhileBusy(),
        "MN-E/E5",
        "a seqcount, odd while busy; two CPUs invalidate at once",
        5958,
        BAD,
        world=NumberedMirror,
        invalidators=2,
        name="OddWhileBusyTwoInvalidators",
        schedules={"even while both run": "CPU0*5 CPU1*5 GPU*7 CPU0*6 CPU2 CPU1*5"},
    ),
    case(
        *ODD,
        261,
        world=NumberedMirror,
        schedules={"it has come and gone": "GPU*2 CPU0*11 CPU1 GPU*11"},
    ),
    case(
        SequenceAndCounter(),
        "MN-E/E0 (2 INV)",
        "both words, and two CPUs invalidate at once",
        4385,
        invalidators=2,
        shipped=("v2.6.27", ""),
        proposed=RECOMMENDED,
    ),
)
