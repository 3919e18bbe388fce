"""An interval notifier: wait first, compare last, and neither can be left out.

Since v5.5 drivers share one scheme.  The mm has a number, which is odd while an invalidation is
open; a driver's interval has its own, a copy that its callback takes under the driver's lock.
A section begins with the interval's number and waits as long as it is the mm's; before it maps
anything it compares under the lock.  The comparison tells of invalidations whose callback came
since the section began; one whose callback came before, and that is still open, only the wait sees.

Promise: A fault maps a page only if no invalidation was under way since it looked the page up.

Memory model: sequentially consistent; what is done under the subscriptions' lock is one step.

Simplified:
    As invalidate_page/range_start_only: one address, two pages, one CPU fault.
    A snapshot takes no page reference.
    A stream of invalidations could keep a fault trying for ever; here it ends with the last.
    The mm's number is read again for the callback; in the kernel the callback is given it.
    HintAsProof is told in v5.2's words, hmm_range_wait_until_valid(): its answer is a hint, too.

Sources:
    99cb252f5e68 (v5.5): mm/mmu_notifier: add an interval tree notifier
    mm/mmu_notifier.c: mmu_interval_read_begin(), mn_itree_inv_end()
    include/linux/mmu_notifier.h: mmu_interval_set_seq(), mmu_interval_read_retry()
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 06/11: the wait's answer is a hint
"""

from typing import Any

from mmviz.engine import field, mark
from mmviz.kernel.interval_seq import Begun, IntervalSub, SeqSubscriptions
from mmviz.kernel.locks import Mutex
from mmviz.kernel.notifier import MmuNotifierSubscriptions
from mmviz.scenarios.hmm import INTERVALS
from mmviz.scenarios.invalidate_page.range_start_only import BAD, VA, Driver, Mirror, case


class SeqMirror(Mirror):
    """The driver has an interval notifier, and a lock."""

    update: Mutex = field(default_factory=Mutex)
    mm: MmuNotifierSubscriptions = field(default_factory=SeqSubscriptions)
    interval: IntervalSub = field(default_factory=IntervalSub)


class WaitAndCompare(Driver):
    """Waits when it begins, and compares under the lock before it maps."""

    async def invalidate_range_start(self, k: Any) -> None:
        cur_seq = await k.mm.cur_seq()
        await k.update.mutex_lock()
        await k.interval.mmu_interval_set_seq(cur_seq)
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def wait(self, k: Any, begun: Begun) -> None:
        """What the driver does if the section begins in the middle of an invalidation."""
        if begun.busy:
            await k.mm.wait_event(begun.seq)

    async def disturbed(self, k: Any, begun: Begun) -> bool:
        """What the driver asks, under its lock, before it maps the page."""
        interval: IntervalSub = k.interval
        return await interval.mmu_interval_read_retry(begun.seq)

    async def fault(self, k: Any) -> None:
        while True:
            mark("again")
            begun = await k.mm.mmu_interval_read_begin(k.interval)
            await self.wait(k, begun)
            page = await k.cpu.hmm_range_fault(VA)
            if page is None:
                return
            await k.update.mutex_lock()
            if await self.disturbed(k, begun):
                await k.update.mutex_unlock()
                continue
            await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            return


class NoWait(WaitAndCompare):
    """Begins at once, and compares under the lock."""

    async def wait(self, k: Any, begun: Begun) -> None:
        """Nothing."""


class HintAsProof(WaitAndCompare):
    """Waits when it begins, and takes that for an answer about later."""

    async def disturbed(self, k: Any, begun: Begun) -> bool:
        return False


CASES = (
    case(
        NoWait(),
        "X-4/4b",
        "begins without waiting: the callback has run already, the CPU's entry is still there",
        244,
        fails=BAD,
        world=SeqMirror,
        schedules={"begun in the middle": "CPU0*6 GPU*2 CPU0*3 GPU*4"},
    ),
    case(
        HintAsProof(),
        "HMM-06/06g",
        "waits, and compares nothing before it maps",
        188,
        fails=BAD,
        world=SeqMirror,
        schedules={"it has come and gone": "GPU*2 CPU0*9 GPU*3"},
    ),
    case(
        WaitAndCompare(),
        "X-4/4a",
        "waits, and compares under the lock, as since v5.5",
        186,
        world=SeqMirror,
        shipped=("v5.5", ""),
        proposed=INTERVALS,
    ),
    case(
        WaitAndCompare(),
        "X-4/4a (2 INV)",
        "waits, and compares under the lock, as since v5.5; two CPUs invalidate",
        3121,
        world=SeqMirror,
        invalidators=2,
        name="WaitAndCompareTwoInvalidators",
        shipped=("v5.5", ""),
        proposed=INTERVALS,
    ),
)

SPARE = {
    "WaitAndCompareTwoInvalidators: await k.cpu.handle_mm_fault(VA, k.fresh)": (
        "A fresh page only shows a stale entry in one more way."
    ),
}
