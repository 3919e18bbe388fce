"""Why a sequence number and a counter, and why under the lock.

The pattern that KVM and umem_odp use has three parts.  A counter says that an invalidation is
under way now; a sequence number says that one has ended since the fault began; and both are
checked under the lock under which the device's entry is written.  Each part looks redundant
beside the others.  Here each is removed in turn.

Promise: A fault maps a page only if no invalidation was under way since it looked the page up.

Memory model: sequentially consistent; the kernel's barriers appear only as the order of steps.

Simplified:
    As range_start_only, whose page tables, callbacks and faults these are.
    One fault, tried again until it maps the page or finds none; one or two invalidations.
    A stream of invalidations could keep a fault retrying forever; here it stops after the last.
    range_end writes both words in one step, so its lock is redundant; order_of_the_words writes
    them in two.
    The page is freed after range_end; freed before it, the verdicts are the same.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    virt/kvm/kvm_main.c: kvm_mmu_notifier_invalidate_range_start(), ..._end()
    include/linux/kvm_host.h: mmu_invalidate_retry(), v2.6.27 to v6.0 mmu_notifier_retry()
    drivers/infiniband/core/umem_odp.c, v4.13: ib_umem_mmu_notifier_retry()
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.invalidate_page import KVM
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    GuardedMirror,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import ONE_INVALIDATION, TWO_INVALIDATIONS

NO_COUNTER = constructed("the sequence number without the counter")
NO_SEQUENCE = constructed("the counter without the sequence number")
NO_LOCK = constructed("the two words without the lock")

race = Race(world=GuardedMirror, actors=ONE_INVALIDATION, bad=(*BAD, page_refs_out_of_balance))


@race.case(
    "MN-E/E1",
    "a sequence number alone, bumped in range_start",
    sometimes=BAD,
    states=265,
    schedules={"sampled after the bump": "CPU0*5 GPU*6 CPU0 CPU1 CPU0 GPU CPU0"},
    source=NO_COUNTER,
)
class SequenceAtStart(SequenceAndCounter):
    """Bumps the sequence when an invalidation begins, and counts nothing."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.bump_mmu_invalidate_seq()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        """Not implemented: a sample taken after the bump looks fresh until here."""


@race.case(
    "MN-E/E6",
    "a counter alone, looked at under the lock",
    sometimes=BAD,
    states=236,
    schedules={"it has come and gone": "GPU CPU0*11 CPU1 GPU*5"},
    source=NO_SEQUENCE,
)
class CounterOnly(SequenceAndCounter):
    """Checks whether an invalidation is under way, not whether one has come and gone."""

    async def sample(self, k: GuardedMirror) -> int:
        """Nothing."""
        return 0

    async def must_retry(self, k: GuardedMirror, seq: int) -> bool:
        return await k.notifier.read_mmu_invalidate_in_progress() > 0


@race.case(
    "MN-E/E8",
    "both words, looked at before taking the lock",
    sometimes=BAD,
    states=324,
    schedules={"the answer gets old": "GPU*3 CPU0*11 CPU1 GPU*4"},
    source=NO_LOCK,
)
class CheckOutsideLock(SequenceAndCounter):
    """Checks both words, and takes the lock only then."""

    async def fault(self, k: GuardedMirror) -> None:
        while True:
            seq = await k.notifier.read_mmu_invalidate_seq()
            page = await k.cpu.get_user_pages(VA)
            if page is None:
                return
            if await k.notifier.mmu_invalidate_retry(seq):
                await page.put_page()
                continue
            await k.update.mutex_lock()
            await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            await page.put_page()
            return


race.case(
    "MN-E/E0",
    "both words, under the lock, as KVM has it since v2.6.27",
    name="SequenceAndCounter",
    of=SequenceAndCounter,
    states=261,
    schedules={"it has come and gone": "GPU*2 CPU0*11 CPU1 GPU*11"},
    source=KVM,
)
race.case(
    "MN-E/E1 (2 INV)",
    "a sequence number alone, bumped in range_start; two CPUs invalidate",
    name="SequenceAtStartTwoInvalidators",
    of=SequenceAtStart,
    actors=TWO_INVALIDATIONS,
    sometimes=BAD,
    states=3397,
    schedules={"repaired too late": "CPU0*5 GPU*7 CPU0*3 CPU2 CPU1*8"},
    source=NO_COUNTER,
)
race.case(
    "MN-E/E6 (2 INV)",
    "a counter alone, looked at under the lock; two CPUs invalidate",
    name="CounterOnlyTwoInvalidators",
    of=CounterOnly,
    actors=TWO_INVALIDATIONS,
    sometimes=BAD,
    states=3547,
    schedules={"repaired too late": "GPU CPU0*11 CPU2 GPU*5 CPU1*11"},
    source=NO_SEQUENCE,
)
race.case(
    "MN-E/E8 (2 INV)",
    "both words, looked at before taking the lock; two CPUs invalidate",
    name="CheckOutsideLockTwoInvalidators",
    of=CheckOutsideLock,
    actors=TWO_INVALIDATIONS,
    sometimes=BAD,
    states=5465,
    schedules={"repaired too late": "GPU*3 CPU0*11 CPU2 GPU*4 CPU1*11"},
    source=NO_LOCK,
)
race.case(
    "MN-E/E0 (2 INV)",
    "both words, under the lock, as KVM has it since v2.6.27; two CPUs invalidate",
    name="SequenceAndCounterTwoInvalidators",
    of=SequenceAndCounter,
    actors=TWO_INVALIDATIONS,
    states=4253,
    schedules={"the second still runs": "CPU0*5 CPU1*5 CPU0*6 CPU2 GPU*6 CPU1*6 GPU*2"},
    source=KVM,
)
