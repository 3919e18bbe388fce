"""A number that changes, and no count: can a fault do without the counter?

A driver that implements range_start and range_end could get by with a single number.  It might
bump it at the end, or at both ends, or keep it odd while an invalidation is under way.  The last
is a seqcount, and it is right as long as invalidations come one at a time: two that overlap make
the number even again while both still run.  A counter that is checked twice does not help
either: between the two checks an invalidation can come and go.

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

from mmviz.engine import Race, field
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.locks import SeqCount
from mmviz.scenarios.invalidate_page import KVM
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    GuardedMirror,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import ONE_INVALIDATION, TWO_INVALIDATIONS


class NumberedMirror(GuardedMirror):
    """The driver has a seqcount in place of the two words."""

    seq: SeqCount = field(default_factory=SeqCount)


# The page is given up, and touched again, while the device faults.
race = Race(
    "MN-E",
    world=GuardedMirror,
    actors=ONE_INVALIDATION,
    bad=(*BAD, page_refs_out_of_balance),
)


@race.case(
    "E2",
    "a sequence number alone, bumped in range_end",
    sometimes=BAD,
    states=289,
    schedules={"mapped before the clear, freed after": "CPU0*4 GPU*7 CPU0*6 CPU1"},
    source=constructed("a sequence alone does not show an invalidation under way"),
)
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


@race.case(
    "E3",
    "a sequence number alone, bumped at both ends",
    sometimes=BAD,
    states=391,
    schedules={"sampled after the first bump": "CPU0*5 GPU*7 CPU0*6 CPU1"},
    source=constructed("a sequence that is bumped twice does not show it either"),
)
class SequenceAtBothEnds(SequenceAtEnd):
    """Bumps the sequence at range_start too; the two bumps look the same."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.bump_mmu_invalidate_seq()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()


@race.case(
    "E7",
    "a counter, checked before and after",
    sometimes=BAD,
    states=266,
    schedules={"quiet twice": "GPU*2 CPU0*11 GPU*5"},
    source=constructed("a counter does not show what has come and gone"),
)
class CounterLookedAtTwice(SequenceAndCounter):
    """Waits for a quiet moment before the lookup, and checks for one again before mapping."""

    async def sample(self, k: GuardedMirror) -> int:
        return await k.notifier.wait_until_idle()

    async def must_retry(self, k: GuardedMirror, seq: int) -> bool:
        return await k.notifier.read_mmu_invalidate_in_progress() > 0


@race.case(
    "E5",
    "a seqcount, odd while busy; two CPUs invalidate at once",
    name="OddWhileBusyTwoInvalidators",
    world=NumberedMirror,
    actors=TWO_INVALIDATIONS,
    sometimes=BAD,
    states=5505,
    schedules={"even while both run": "CPU0*5 CPU1*5 GPU*7 CPU0*6 CPU2 CPU1*5"},
    source=constructed("two invalidations make an odd number even"),
)
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


race.case(
    "E4",
    "a seqcount, odd while busy; invalidations come one at a time",
    name="OddWhileBusy",
    of=OddWhileBusy,
    world=NumberedMirror,
    states=261,
    schedules={"it has come and gone": "GPU*2 CPU0*11 CPU1 GPU*11"},
    source=constructed("a seqcount is enough where invalidations exclude each other"),
)
race.case(
    "E0 (2 INV)",
    "both words, and two CPUs invalidate at once",
    name="SequenceAndCounter",
    of=SequenceAndCounter,
    actors=TWO_INVALIDATIONS,
    states=4253,
    source=KVM,
)
