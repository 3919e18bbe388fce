"""mremap() lets go of a page before the other CPUs have forgotten where it was.

One thread moves a mapping with mremap(): it clears the old entry, sets the new one, and flushes the
TLBs.  A second thread reads through the old address and has the translation in its CPU's TLB.
Meanwhile kswapd unmaps the page: it finds nothing at the old address, finds the page at the new
one, and frees it.  If the lock of the new entry is dropped before every CPU has flushed, the page
may be free while a CPU still reaches it through the old address: the second thread reads, or
writes, what is another process's by then.

Promise: No CPU reaches a page after it was freed.

Memory model: sequentially consistent; entries change under their page-table locks.

Simplified:
    One page; the old and the new entry are in different tables, with a lock each.
    The flush is an interrupt that CPU1 answers; the CPUs of mremap() and kswapd do not use the
    mapping.
    kswapd visits the old mapping, then the new one, as the rmap finds them where mremap() takes no
    rmap lock; it looks at an entry without the lock first, as page_vma_mapped_walk() does.
    No thread uses the new address, so no TLB ever has it: kswapd's flush of it forgets nothing.
    The page cache's own reference is left out: the page is free once it is unmapped.
    A TLB entry that leads to a free page is bad in itself; the access has no step of its own.
    v4.9 flushes early only what is dirty; here the page is.

Sources:
    eb66ae030829 (v4.19) mremap: properly flush TLB before releasing the page (CVE-2018-18281)
    <cbe9e822c59a912e9f76.1312649884@localhost> one flush for the whole range, from v3.2
    5d1904204c99 (v4.9) mremap: fix race between mremap() and page cleanning
    <026b73f6-ca1d-e7bb-766c-4aaeb7071ce6@intel.com> Lu's patch of November 2016
    <1541164962-28533-1-git-send-email-will.deacon@arm.com> the backport, which was mailed
    mm/mremap.c move_ptes(), move_page_tables(); mm/rmap.c try_to_unmap_one()
    mm/page_vma_mapped.c map_pte(): looks at the entry before it takes the lock
    <20210709213406.9ZeEsG8ty%akpm@linux-foundation.org> the same race drawn with the page shrinker
    arch/x86/mm/tlb.c flush_tlb_mm_range(): sends interrupts and waits for all answers
"""

from typing import Protocol

from mmviz.engine import Map, Race, World
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.kernel.mm.tlb import Tlb, TlbShootdown
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.irq import Interrupts
from mmviz.kernel.sync.smp import take_interrupts
from mmviz.scenarios.mremap import FLUSH_AT_THE_END, FLUSH_UNDER_BOTH, FLUSH_UNDER_OLD_LOCK

OLD, NEW = "0x1000", "0x9000"


class Machine(World):
    """A page mapped at the old address, the TLB of CPU1, and a flush of it for each sender."""

    page: Page
    old: PageTable
    new: PageTable
    irq: Interrupts
    tlb1: Tlb
    mremap_flush: TlbShootdown
    kswapd_flush: TlbShootdown


def machine() -> Machine:
    """Build the machine before the mapping is moved."""
    page, irq, tlb1 = Page(7), Interrupts(), Tlb(Map({OLD: None, NEW: None}))
    return Machine(
        page=page,
        old=PageTable(Map({OLD: page})),
        new=PageTable(Map({NEW: None})),
        irq=irq,
        tlb1=tlb1,
        mremap_flush=TlbShootdown(irq, tlbs=Map({"CPU1": tlb1})),
        kswapd_flush=TlbShootdown(irq, tlbs=Map({"CPU1": tlb1})),
    )


def cpu_reaches_freed_page(k: Machine) -> bool:
    """A CPU's TLB leads to a page that is free: the thread reads and writes another's memory."""
    return k.page.is_free and k.tlb1.entries[OLD] is k.page


class Move(Protocol):
    """When the TLBs are flushed, and when the locks are dropped."""

    async def before(self, k: Machine) -> None: ...
    async def after(self, k: Machine) -> None: ...


async def move_ptes(k: Machine, order: Move) -> None:
    """mremap() moves the entry from the old table to the new one."""
    await order.before(k)
    await k.old.ptl.spin_lock()
    await k.new.ptl.spin_lock()
    page = await k.old.ptep_get_and_clear(OLD)
    if page is not None:
        await k.new.set_pte_at(NEW, page)
    await order.after(k)


async def reader(k: Machine) -> None:
    """A thread on CPU1 reads through the old address; what it finds stays in the TLB."""
    await k.tlb1.translate(k.old, OLD)


async def try_to_unmap(k: Machine) -> None:
    """Memory is short: kswapd unmaps the page wherever it is, flushes, and frees it."""
    for table, address in ((k.old, OLD), (k.new, NEW)):
        if await table.ptep_get(address) is None:
            continue
        await table.ptl.spin_lock()
        page = await table.ptep_get_and_clear(address)
        if page is not None:
            await k.kswapd_flush.flush_tlb_range(address)
        await table.ptl.spin_unlock()
        if page is not None:
            await page.put_page()
            return


async def mremap_interrupts_cpu1(k: Machine) -> None:
    """CPU1 takes the interrupts that mremap()'s flush sends."""
    await take_interrupts(k.mremap_flush, "CPU1")


async def kswapd_interrupts_cpu1(k: Machine) -> None:
    """CPU1 takes the interrupts that kswapd's flush sends."""
    await take_interrupts(k.kswapd_flush, "CPU1")


# One move, one read through the old address, one reclaim.
race = Race(
    world=machine,
    actors={
        "CPU0": move_ptes,
        "CPU1": reader,
        "kswapd": try_to_unmap,
        "IRQ1": mremap_interrupts_cpu1,
        "IRQ2": kswapd_interrupts_cpu1,
    },
    daemons=("IRQ1", "IRQ2"),
    bad=(cpu_reaches_freed_page,),
)


@race.case(
    "M1/a",
    "as shipped v3.2 to v4.8: drop both locks, flush when everything has been moved",
    sometimes=[cpu_reaches_freed_page],
    source=FLUSH_AT_THE_END,
    states=382,
)
class FlushAtTheEnd:
    """The flush comes when no lock is held any more."""

    async def before(self, k: Machine) -> None:
        """Nothing."""

    async def after(self, k: Machine) -> None:
        await k.new.ptl.spin_unlock()
        await k.old.ptl.spin_unlock()
        await k.mremap_flush.flush_tlb_range(OLD)


@race.case(
    "M1/b",
    "as shipped v4.9 to v4.18: flush before the lock of the old entry is dropped",
    sometimes=[cpu_reaches_freed_page],
    source=FLUSH_UNDER_OLD_LOCK,
    states=342,
)
class FlushUnderOldLock(FlushAtTheEnd):
    """The lock of the new entry, under which the page can be freed, is dropped too early."""

    async def after(self, k: Machine) -> None:
        await k.new.ptl.spin_unlock()
        await k.mremap_flush.flush_tlb_range(OLD)
        await k.old.ptl.spin_unlock()


@race.case(
    "M1/c",
    "tempting: flush first, then move",
    sometimes=[cpu_reaches_freed_page],
    source=constructed("after a flush the CPU walks the old entry again, which is still there"),
    states=308,
)
class FlushFirst(FlushAtTheEnd):
    """Between flush and move CPU1 may cache the old entry once more."""

    async def before(self, k: Machine) -> None:
        await k.mremap_flush.flush_tlb_range(OLD)

    async def after(self, k: Machine) -> None:
        await k.new.ptl.spin_unlock()
        await k.old.ptl.spin_unlock()


@race.case(
    "M1/d",
    "tempting: send the interrupts under the locks, wait for the answers after them",
    sometimes=[cpu_reaches_freed_page],
    source=constructed("a flush that has been asked for is not one that has happened"),
    states=307,
)
class SendThenUnlock(FlushAtTheEnd):
    """The locks are dropped while CPU1 may not have taken the interrupt yet."""

    async def after(self, k: Machine) -> None:
        await k.mremap_flush.smp_call_function_many(OLD, "CPU1")
        await k.new.ptl.spin_unlock()
        await k.old.ptl.spin_unlock()
        await k.mremap_flush.csd_lock_wait()


@race.case(
    "M1/e",
    "flush before the lock of the new entry is dropped; the old one's goes earlier",
    source=constructed("which of the two locks matters: the one under which the page is found"),
    states=237,
)
class FlushUnderNewLock(FlushAtTheEnd):
    """While the new entry is locked, kswapd does not get hold of the page."""

    async def after(self, k: Machine) -> None:
        await k.old.ptl.spin_unlock()
        await k.mremap_flush.flush_tlb_range(OLD)
        await k.new.ptl.spin_unlock()


@race.case(
    "M1/f",
    "as merged in v4.19: flush before either lock is dropped",
    source=FLUSH_UNDER_BOTH,
    states=220,
)
class FlushUnderBothLocks(FlushAtTheEnd):
    """The page can be found at its new address only when no CPU knows the old one."""

    async def after(self, k: Machine) -> None:
        await k.mremap_flush.flush_tlb_range(OLD)
        await k.new.ptl.spin_unlock()
        await k.old.ptl.spin_unlock()
