"""Why a sequence number and a counter, and why under the lock.

The pattern that KVM and umem_odp use has three parts.  A counter says that an invalidation is
under way now; a sequence number says that one has ended since the fault began; and both are
looked at under the lock under which the device's entry is written.  Each part looks as if the
others could do without it.  Here each is taken away in turn.

Promise: A fault maps a page only if no invalidation was under way since it looked the page up.

Memory model: sequentially consistent; the kernel's barriers appear only as the order of steps.

Simplified:
    As range_start_only, whose page tables, callbacks and faults these are.
    One fault, tried again until it maps the page or finds none; one or two invalidations.
    A stream of invalidations could keep a fault trying for ever; here it ends with the last.
    range_end writes both words in one step, so its lock could go; order_of_the_words writes
    them in two.
    The page is freed after range_end; freed before it, the verdicts are the same.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    virt/kvm/kvm_main.c: kvm_mmu_notifier_invalidate_range_start(), ..._end()
    include/linux/kvm_host.h: mmu_invalidate_retry(), v2.6.27 to v6.0 mmu_notifier_retry()
    drivers/infiniband/core/umem_odp.c, v4.13: ib_umem_mmu_notifier_retry()
"""

from typing import Any

from mmviz.engine import Case, mark
from mmviz.scenarios.invalidate_page import RECOMMENDED
from mmviz.scenarios.invalidate_page.range_start_only import (
    BAD,
    VA,
    Driver,
    GuardedMirror,
    SequenceAndCounter,
    case,
)


class SequenceAtStart(SequenceAndCounter):
    """Bumps the sequence when an invalidation begins, and counts nothing."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.bump_mmu_invalidate_seq()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        """Not implemented: a sample taken after the bump looks fresh all the way to here."""


class CounterOnly(SequenceAndCounter):
    """Looks whether an invalidation is under way, not whether one has come and gone."""

    async def sample(self, k: GuardedMirror) -> int:
        """Nothing."""
        return 0

    async def must_retry(self, k: GuardedMirror, seq: int) -> bool:
        return await k.notifier.read_mmu_invalidate_in_progress() > 0


class CheckOutsideLock(SequenceAndCounter):
    """Looks at both words, and takes the lock only then."""

    async def fault(self, k: GuardedMirror) -> None:
        while True:
            mark("again")
            seq = await k.notifier.read_mmu_invalidate_seq()
            page = await k.cpu.get_user_pages(VA)
            if page is None:
                return
            if await k.notifier.mmu_invalidate_retry(seq):
                await page.put_page()
                continue
            await k.update.mutex_lock()  # from here on the answer is stale
            await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            await page.put_page()
            return


AT_START = (SequenceAtStart(), "MN-E/E1", "a sequence number alone, bumped in range_start")
COUNTER = (CounterOnly(), "MN-E/E6", "a counter alone, looked at under the lock")
OUTSIDE = (CheckOutsideLock(), "MN-E/E8", "both words, looked at before taking the lock")
BOTH = (SequenceAndCounter(), "MN-E/E0", "both words, under the lock, as KVM has it since v2.6.27")
KVM = ("v2.6.27", "")


def two(
    driver: Driver,
    variant: str,
    title: str,
    states: int,
    fails: tuple[Any, ...] = (),
    **more: Any,
) -> Case:
    """Let two CPUs invalidate."""
    name, title = type(driver).__name__ + "TwoInvalidators", f"{title}; two CPUs invalidate"
    return case(
        driver, f"{variant} (2 INV)", title, states, fails, name=name, invalidators=2, **more
    )


CASES = (
    case(
        *AT_START,
        265,
        BAD,
        schedules={"sampled after the bump": "CPU0*5 GPU*6 CPU0 CPU1 CPU0 GPU CPU0"},
    ),
    case(*COUNTER, 236, BAD, schedules={"it has come and gone": "GPU CPU0*11 CPU1 GPU*5"}),
    case(*OUTSIDE, 324, BAD, schedules={"the answer gets old": "GPU*3 CPU0*11 CPU1 GPU*4"}),
    case(
        *BOTH,
        261,
        schedules={"it has come and gone": "GPU*2 CPU0*11 CPU1 GPU*11"},
        shipped=KVM,
        proposed=RECOMMENDED,
    ),
    two(*AT_START, 3682, BAD, schedules={"repaired too late": "CPU0*5 GPU*7 CPU0*3 CPU2 CPU1*8"}),
    two(*COUNTER, 3906, BAD, schedules={"repaired too late": "GPU CPU0*11 CPU2 GPU*5 CPU1*11"}),
    two(*OUTSIDE, 5567, BAD, schedules={"repaired too late": "GPU*3 CPU0*11 CPU2 GPU*4 CPU1*11"}),
    two(
        *BOTH,
        4385,
        schedules={"the second still runs": "CPU0*5 CPU1*5 CPU0*6 CPU2 GPU*6 CPU1*6 GPU*2"},
        shipped=KVM,
        proposed=RECOMMENDED,
    ),
)
