"""A fault that no longer takes mmap_lock meets a fork that relied on it.

A process has three threads.  One forks: it makes the parent's entry read-only, shares the page with
the child, and flushes the TLBs once, at the end.  Until then another thread may still write through
its CPU's old, writable TLB entry.  That is harmless while mmap_lock keeps faults out.  Since v6.4 a
fault takes the lock of its mapping only: the third thread's fault copies the page in the middle of
the fork, the second thread writes to the old page after the copy was taken, and the parent goes on
with a copy that lacks the write.  Firefox and builds of Zig crashed; since v6.4.3 fork write-locks
each mapping, and a fault that finds it so starts over with mmap_lock.

Promise: What a thread of the parent has written stays in the parent's memory, and what it writes
    after the fork does not reach the child.

Memory model: sequentially consistent; TLBs as in mmviz/kernel/mm/cow_tlb.py.

Simplified:
    As in mmviz/kernel/mm/cow_tlb.py and mmviz/kernel/mm/vma_lock.py.
    One mapping with one page; the child never touches it, so that the parent's fault always copies.
    The second thread's TLB has the writable entry from the start, the third thread's has nothing.
    Where fork locks the mapping matters for more than this page: v4 of the fix locks all of them
    before anything is flushed or copied, what Linus Torvalds merged locks each in its turn.
    v6.4 still faults on swapped and exclusive entries with mmap_lock: do_swap_page() starts over.
    Since v6.6 (1235ccd05b6d) it no longer does.

Sources:
    5e31275cc997 (v6.4) mm: add per-VMA lock and helper functions to control it
    0bff0aaea03e (v6.4) x86/mm: try VMA lock-based page fault handling first
    <20230706011400.2949242-2-surenb@google.com> fork: lock VMAs of the parent process when forking
    <970295ab-e85d-7af3-76e6-df53a5c52f8b@redhat.com> lock them before anything else
    2b4f3b4987b5, fb49c455323f (v6.5, v6.4.3) fork: lock VMAs of the parent process when forking
    <20230708191212.4147700-3-surenb@google.com> the same as one line in the loop
    https://github.com/ziglang/zig/issues/16297 crashes on 6.4.0 to 6.4.2, none on 6.4.3
    6ce64428d620 (v5.13) do_wp_page() flushes before it copies where userfaultfd put off the flush
    kernel/fork.c dup_mmap(); mm/memory.c copy_present_pte(), wp_page_copy(), lock_vma_under_rcu()
    arch/x86/mm/fault.c do_user_addr_fault()
"""

from mmviz.engine import Map, Race, World, at_end, field
from mmviz.kernel.mm.cow_tlb import CachedMapping, CachedPte, StoredPage
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.vma_lock import VmaLock
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import RwSemaphore
from mmviz.scenarios.exclusive import READ

LOCK_AT_FORK = proposed_elsewhere("2023-07-06", "<20230706011400.2949242-2-surenb@google.com>")
"""Baghdasaryan, v4 of the fix: fork write-locks the mappings."""


class Threads(World):
    """A parent with three threads, a child to be, and a free page for each fault."""

    page: StoredPage
    copy1: StoredPage
    copy2: StoredPage
    tlb1: CachedPte
    tlb2: CachedPte
    parent: CachedMapping
    child: CowMapping = field(default_factory=CowMapping)
    vma_lock: VmaLock = field(default_factory=VmaLock)
    mmap_lock: RwSemaphore = field(default_factory=RwSemaphore)


def threads() -> Threads:
    """Build the process; CPU1 has the page in its TLB, writable."""
    page = StoredPage(7)
    tlb1, tlb2 = CachedPte(Pte(page)), CachedPte()
    parent = CachedMapping(Pte(page), tlbs=Map({"CPU1": tlb1, "CPU2": tlb2}))
    return Threads(page, StoredPage(8, refs=0), StoredPage(9, refs=0), tlb1, tlb2, parent)


@at_end
def write_is_lost(k: Threads) -> bool:
    """A thread has written to its memory, and the process's page does not have it."""
    pte = k.parent.pte
    if pte is None or not isinstance(pte.page, StoredPage):
        return True
    return not {"CPU1", "CPU2"} <= pte.page.stores


def parent_can_write_childs_page(k: Threads) -> bool:
    """The fork is over, and a CPU's TLB still lets the parent write the page that the child has."""
    if k.child.pte is None or k.mmap_lock.writer is not None:
        return False
    cached = (tlb.entry for tlb in (k.tlb1, k.tlb2))
    return any(e is not None and e.is_writable and e.page is k.child.pte.page for e in cached)


@at_end
def child_has_no_page(k: Threads) -> bool:
    """The child has nothing where its parent had a page: it reads zeroes."""
    return k.child.pte is None


@at_end
def page_leaked(k: Threads) -> bool:
    """A page has a reference, and no process has it: its memory is lost."""
    mapped = [m.pte.page for m in (k.parent, k.child) if m.pte is not None]
    return any(page.refs != mapped.count(page) for page in (k.page, k.copy1, k.copy2))


class Faults:
    """v6.3: a fault read-locks mmap_lock, which fork write-locks."""

    async def do_user_addr_fault(self, k: Threads, copy: StoredPage) -> None:
        """Answer a write fault under mmap_lock."""
        await k.mmap_lock.down_read()
        await self.do_wp_page(k, copy)
        await k.mmap_lock.up_read()

    async def do_wp_page(self, k: Threads, copy: StoredPage) -> None:
        """Copy a page that is shared, unless the entry has changed meanwhile."""
        entry = await k.parent.handle_pte_fault()
        if entry is None or entry.write or not isinstance(entry.page, StoredPage):
            return
        await copy.copy_user_highpage(entry.page)
        if not await k.parent.wp_page_copy(entry, copy):
            await copy.put_page()

    async def dup_mmap(self, k: Threads) -> None:
        """Share the page with the child, and flush the TLBs at the end."""
        await k.mmap_lock.down_write()
        await k.parent.copy_present_pte(k.child)
        await k.parent.flush_tlb_mm()
        await k.mmap_lock.up_write()


async def fork(k: Threads, kernel: Faults) -> None:
    """A thread forks."""
    await kernel.dup_mmap(k)


async def write_cached(k: Threads, kernel: Faults) -> None:
    """A thread writes to the page, which its CPU's TLB has."""
    while not await k.tlb1.store(k.parent):
        await kernel.do_user_addr_fault(k, k.copy1)


async def write(k: Threads, kernel: Faults) -> None:
    """A thread writes to another word of the page; its CPU has to walk the page table."""
    while not await k.tlb2.store(k.parent):
        await kernel.do_user_addr_fault(k, k.copy2)


# One fork, and two other threads of the parent that write to one page.
race = Race(
    world=threads,
    actors={"CPU0": fork, "CPU1": write_cached, "CPU2": write},
    bad=(write_is_lost, parent_can_write_childs_page, child_has_no_page, page_leaked),
)

race.case(
    "V/a",
    "v6.3: a fault takes mmap_lock, and waits for the fork",
    name="FaultTakesMmapLock",
    of=Faults,
    source=shipped("v6.3", "v6.3", "arch/x86/mm/fault.c do_user_addr_fault()"),
    states=113,
)


@race.case(
    "V/b",
    "v6.4 to v6.4.2: a fault takes the mapping's own lock, which fork does not take",
    sometimes=[write_is_lost],
    note="the verdict changed with the per-VMA lock: with mmap_lock no write is lost",
    source=shipped("v6.4", "v6.4", "0bff0aaea03e"),
    states=237,
    schedules={"written after it was copied": "CPU0*2 CPU2*4 CPU1 CPU0*2 CPU2*3"},
)
class VmaLockFirst(Faults):
    """v6.4: the fault takes the VMA lock, and mmap_lock only where it cannot have that."""

    async def do_user_addr_fault(self, k: Threads, copy: StoredPage) -> None:
        """Answer a write fault under the mapping's lock; start over under mmap_lock."""
        if await k.vma_lock.vma_start_read():
            await self.do_wp_page(k, copy)
            await k.vma_lock.vma_end_read()
            return
        await k.mmap_lock.down_read()
        await self.do_wp_page(k, copy)
        await k.mmap_lock.up_read()


@race.case(
    "V/c",
    "tempting: fork write-locks the mapping when it comes to the flush",
    sometimes=[write_is_lost],
    source=constructed("the lock must come before the entry is made read-only"),
    states=427,
)
class LockedForTheFlush(VmaLockFirst):
    """A fault that began before copies a page that is written behind its back."""

    async def dup_mmap(self, k: Threads) -> None:
        """Share the page, then keep faults out, then flush."""
        await k.mmap_lock.down_write()
        await k.parent.copy_present_pte(k.child)
        await k.vma_lock.vma_start_write()
        await k.parent.flush_tlb_mm()
        await k.vma_lock.vma_end_write_all()
        await k.mmap_lock.up_write()


@race.case(
    "V/d",
    "the fault flushes before it copies, as it does for userfaultfd",
    source=constructed("what would mend this page; the rest of fork needs faults kept out, too"),
    states=352,
)
class FlushBeforeCopy(VmaLockFirst):
    """After the flush no CPU writes to the old page; the entry is read-only by then."""

    async def do_wp_page(self, k: Threads, copy: StoredPage) -> None:
        """Flush the page from the TLBs, then copy it."""
        # redundant: a writer whose fault is not answered only tries again
        entry = await k.parent.handle_pte_fault()
        if entry is None or entry.write or not isinstance(entry.page, StoredPage):
            return
        await k.parent.flush_tlb_page()
        await copy.copy_user_highpage(entry.page)
        if not await k.parent.wp_page_copy(entry, copy):
            await copy.put_page()


@race.case(
    "V/e",
    "as merged in v6.5 and v6.4.3: fork write-locks the mapping before it shares the page",
    note="the verdict is that of v6.3 again: a fault that finds the lock taken retries",
    source=shipped("v6.5", said=LOCK_AT_FORK, checked=READ),
    states=365,
)
class ForkLocksVma(VmaLockFirst):
    """No fault is under way while the entry is read-only and a TLB does not know it."""

    async def dup_mmap(self, k: Threads) -> None:
        """Keep faults out, share the page with the child, flush, and let faults in."""
        await k.mmap_lock.down_write()
        await k.vma_lock.vma_start_write()
        await k.parent.copy_present_pte(k.child)
        await k.parent.flush_tlb_mm()
        await k.vma_lock.vma_end_write_all()
        await k.mmap_lock.up_write()
