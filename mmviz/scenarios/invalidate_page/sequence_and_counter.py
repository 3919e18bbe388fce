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
    range_end writes both words in one step, so its lock could go.  Written in two without the
    lock, the sequence first is safe and the counter first is not.
    The page is freed after range_end; freed before it, the verdicts are the same.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    virt/kvm/kvm_main.c: kvm_mmu_notifier_invalidate_range_start(), ..._end()
    include/linux/kvm_host.h: mmu_invalidate_retry(), v2.6.27 to v6.0 mmu_notifier_retry()
    drivers/infiniband/core/umem_odp.c, v4.13: ib_umem_mmu_notifier_retry()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, mark
from mmviz.scenarios.invalidate_page.range_start_only import (
    BAD,
    VA,
    Driver,
    GuardedMirror,
    SequenceAndCounter,
    do_user_addr_fault,
    zap_page_range,
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

    async def fault(self, k: GuardedMirror) -> None:
        while True:
            mark("again")
            page = await k.cpu.get_user_pages(VA)
            if page is None:
                return
            await k.update.mutex_lock()
            if await k.notifier.read_mmu_invalidate_in_progress():
                await k.update.mutex_unlock()
                await page.put_page()
                continue
            await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            await page.put_page()
            return


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


def case(
    driver: Driver,
    variant: str,
    title: str,
    states: int,
    invalidators: int,
    fails: tuple[Any, ...] = (),
    **schedules: str,
) -> Case:
    """Let CPUs give the page up and another touch the address, while the device faults."""
    cpus = {f"CPU{i}": partial(zap_page_range, driver=driver) for i in range(invalidators)}
    two = invalidators == 2
    return Case(
        name=type(driver).__name__ + ("TwoInvalidators" if two else ""),
        id=f"{variant} (2 INV)" if two else variant,
        title=f"{title}; two CPUs invalidate" if two else title,
        world=GuardedMirror,
        actors={**cpus, f"CPU{invalidators}": do_user_addr_fault, "GPU": driver.fault},
        bad=BAD,
        expect={p.__name__: Verdict.SOMETIMES if p in fails else Verdict.NEVER for p in BAD},
        states=states,
        schedules={name.replace("_", " "): run for name, run in schedules.items()},
    )


AT_START = (SequenceAtStart(), "MN-E/E1", "a sequence number alone, bumped in range_start")
COUNTER = (CounterOnly(), "MN-E/E6", "a counter alone, looked at under the lock")
OUTSIDE = (CheckOutsideLock(), "MN-E/E8", "both words, looked at before taking the lock")
BOTH = (SequenceAndCounter(), "MN-E/E0", "both words, under the lock, as KVM has it since v2.6.27")

CASES = (
    case(*AT_START, 265, 1, BAD, sampled_after_the_bump="CPU0*5 GPU*6 CPU0 CPU1 CPU0 GPU CPU0"),
    case(*COUNTER, 236, 1, BAD, it_has_come_and_gone="GPU CPU0*11 CPU1 GPU*5"),
    case(*OUTSIDE, 324, 1, BAD, the_answer_gets_old="GPU*3 CPU0*11 CPU1 GPU*4"),
    case(*BOTH, 261, 1, it_has_come_and_gone="GPU*2 CPU0*11 CPU1 GPU*11"),
    case(*AT_START, 3682, 2, BAD, repaired_too_late="CPU0*5 GPU*7 CPU0*3 CPU2 CPU1*8"),
    case(*COUNTER, 3906, 2, BAD, repaired_too_late="GPU CPU0*11 CPU2 GPU*5 CPU1*11"),
    case(*OUTSIDE, 5567, 2, BAD, repaired_too_late="GPU*3 CPU0*11 CPU2 GPU*4 CPU1*11"),
    case(*BOTH, 4385, 2, the_second_still_runs="CPU0*5 CPU1*5 CPU0*6 CPU2 GPU*6 CPU1*6 GPU*2"),
)
