"""An interval notifier: wait first, compare last; neither can be omitted.

Since v5.5 drivers share one scheme.  The mm has a number, which is odd while an invalidation is
open.  A driver's interval has its own number, a copy that its callback takes under the driver's
lock.  A read section begins with the interval's number, and waits as long as that is the mm's
number.  Before the driver maps anything, it compares under the lock.  The comparison detects every
invalidation whose callback came since the section began.  Only the wait detects one whose callback
came before and that is still open.

Promise: A fault maps a page only if no invalidation was under way since it looked the page up.

Memory model: sequentially consistent; what is done under the subscriptions' lock is one step.

Simplified:
    As invalidate_page/range_start_only: one address, two pages, one CPU fault.
    A snapshot takes no page reference.
    A stream of invalidations could keep a fault trying forever; here it ends with the last.
    The callback reads the mm's number again; in the kernel it is passed to the callback.
    In v5.2 the wait is hmm_range_wait_until_valid().  HintAsProof makes the same mistake with the
    interval's wait: it treats a hint as a proof.

Sources:
    99cb252f5e68 (v5.5): mm/mmu_notifier: add an interval tree notifier
    mm/mmu_notifier.c: mmu_interval_read_begin(), mn_itree_inv_end()
    include/linux/mmu_notifier.h: mmu_interval_set_seq(), mmu_interval_read_retry()
    <20190523153436.19102-7-jgg@ziepe.ca>: [RFC PATCH 06/11]: the wait's answer is a hint
"""

from typing import Any

from mmviz.engine import Race, field
from mmviz.kernel.notifier.interval_seq import Begun, IntervalSub, SeqSubscriptions
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.hmm import CHECKED, INTERVALS
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    Mirror,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import (
    ONE_INVALIDATION,
    TWO_INVALIDATIONS,
    Driver,
)


class SeqMirror(Mirror):
    """The driver has an interval notifier, and a lock."""

    update: Mutex = field(default_factory=Mutex)
    mm: MmuNotifierSubscriptions = field(default_factory=SeqSubscriptions)
    interval: IntervalSub = field(default_factory=IntervalSub)


race = Race(
    world=SeqMirror,
    actors=ONE_INVALIDATION,
    bad=(*BAD, page_refs_out_of_balance),
)


class Interval(Driver):
    """What the variants share: they differ in the wait and in the comparison."""

    async def invalidate_range_start(self, k: Any) -> None:
        """Copy the mm's number and clear the device's entry, under the driver's lock."""
        cur_seq = await k.mm.cur_seq()
        await k.update.mutex_lock()
        await k.interval.mmu_interval_set_seq(cur_seq)
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def wait(self, k: Any, begun: Begun) -> None:
        """Wait if the section begins in the middle of an invalidation."""
        if begun.busy:
            await k.mm.wait_event(begun.seq)

    async def disturbed(self, k: Any, begun: Begun) -> bool:
        """Ask, under the driver's lock, whether an invalidation came since the section began."""
        interval: IntervalSub = k.interval
        return await interval.mmu_interval_read_retry(begun.seq)

    async def fault(self, k: Any) -> None:
        """Begin a section, look the page up, and map it if nothing has disturbed the section."""
        while True:
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


@race.case(
    "X-4/4b",
    "begins without waiting: the callback has run already, the CPU's entry is still there",
    sometimes=BAD,
    states=235,
    schedules={"begun in the middle": "CPU0*6 GPU*2 CPU0*3 GPU*4"},
    source=constructed("what the wait in mmu_interval_read_begin() is for"),
)
class NoWait(Interval):
    """Begins at once, and compares under the lock."""

    async def wait(self, k: Any, begun: Begun) -> None:
        """Go on at once."""


@race.case(
    "HMM-06/06g",
    "waits, and compares nothing before it maps",
    sometimes=BAD,
    states=180,
    schedules={"it has come and gone": "GPU*2 CPU0*9 GPU*3"},
    source=constructed("what the comparison under the lock is for"),
)
class HintAsProof(Interval):
    """Waits when it begins, and treats the end of the wait as a proof for later."""

    async def disturbed(self, k: Any, begun: Begun) -> bool:
        """Compare nothing."""
        return False


SINCE_V5_5 = shipped("v5.5", said=INTERVALS, checked=CHECKED)


@race.case(
    "X-4/4a (2 INV)",
    "as since v5.5: waits, and compares under the lock; two CPUs invalidate",
    name="WaitAndCompareTwoInvalidators",
    actors=TWO_INVALIDATIONS,
    states=2919,
    source=SINCE_V5_5,
)
@race.case(
    "X-4/4a",
    "as since v5.5: waits, and compares under the lock",
    states=177,
    source=SINCE_V5_5,
)
class WaitAndCompare(Interval):
    """Waits when it begins, and compares under the lock before it maps."""
