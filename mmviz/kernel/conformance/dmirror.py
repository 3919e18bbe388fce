"""The kernel's own test driver for device memory, as the selftests see it: its ioctls."""

from errno import EBUSY, EINVAL, ENOENT, EPERM
from typing import NamedTuple

from mmviz.engine import Struct
from mmviz.kernel.conformance.buffer import Buffer
from mmviz.kernel.conformance.buffer_vma import HmmPfn, owner_of
from mmviz.kernel.conformance.dmirror_table import DmirrorDevicePage, DmirrorPage, protection
from mmviz.kernel.mm.page import Page
from mmviz.kernel.notifier.interval import MMU_NOTIFY_MIGRATE
from mmviz.kernel.sync.locks import Mutex


class Answer(NamedTuple):
    """What an ioctl returns.

    Attributes:
        status: zero, or an error's negative number.
        mirror: the words read; empty if the ioctl fails or reads none.
        cpages: how many pages it has handled.
        faults: how many times it had to call the fault handler, for many pages at once.
    """

    status: int
    mirror: tuple[int, ...] = ()
    cpages: int = 0
    faults: int = 0


class Dmirror(Struct):
    """A mirror device that a process has opened, v5.14 to v6.14.

    Attributes:
        buffer: the process.
        mutex: guards the device's page table.
        pages: that table. Never changes.
        mdevice: the device, by name. Never changes.
        memory: a page of its own memory for each page of the buffer. Never changes.

    Source: lib/test_hmm.c, v5.14.
    Simplified: pages are made exclusive 64 at a time, which is more than a buffer here has.  A
    failed ioctl leaves the caller's mirror buffer alone, which here is an empty `Answer.mirror`.
    """

    buffer: Buffer
    mutex: Mutex
    pages: tuple[DmirrorPage, ...]
    mdevice: str
    memory: tuple[DmirrorDevicePage, ...]

    async def do_read(self, at: slice) -> tuple[int, ...]:
        """Read words under the mutex, up to the first that the device has no entry for."""
        await self.mutex.mutex_lock()
        words: tuple[int, ...] = ()
        for page in self.pages[at]:
            word = await page.dmirror_do_read()
            if word is None:
                break
            words = (*words, word)
        await self.mutex.mutex_unlock()
        return words

    async def do_write(self, first: int, words: tuple[int, ...]) -> int:
        """Write words under the mutex, up to the first page without the right; return how many."""
        await self.mutex.mutex_lock()
        done = 0
        for page, word in zip(self.pages[first:], words, strict=False):
            if not await page.dmirror_do_write(word):
                break
            done += 1
        await self.mutex.mutex_unlock()
        return done

    async def dmirror_range_fault(self, at: slice, access: str) -> int | tuple[HmmPfn, ...]:
        """Look the pages up for an access, "" for none, and map them; retry if they changed."""
        while True:
            for page in self.pages[at]:
                await page.mmu_interval_read_begin()
            await self.buffer.mmap_lock.down_read()
            found = await self.hmm_range_fault(at, access)
            await self.buffer.mmap_lock.up_read()
            if isinstance(found, int):
                return found
            await self.mutex.mutex_lock()
            retry = False
            for page in self.pages[at]:
                retry = await page.mmu_interval_read_retry() or retry
            if not retry and access:
                for page, pfn in zip(self.pages[at], found, strict=True):
                    if pfn.page is not None:
                        await page.dmirror_do_fault(pfn.page, pfn.write)
            await self.mutex.mutex_unlock()
            if not retry:
                return found

    async def hmm_range_fault(self, at: slice, access: str) -> int | tuple[HmmPfn, ...]:
        """Look up one page after the other; the caller holds mmap_lock."""
        found: tuple[HmmPfn, ...] = ()
        for page in self.buffer.pages[at]:
            pfn = await page.hmm_range_fault(access, self.mdevice)
            if isinstance(pfn, int):
                return pfn
            found = (*found, pfn)
        return found

    async def dmirror_read(self, at: slice = slice(None)) -> Answer:
        """HMM_DMIRROR_READ: the device reads the pages, faulting for missing entries."""
        first, end, _ = at.indices(len(self.pages))
        words: tuple[int, ...] = ()
        faults = 0
        while True:
            words = words + await self.do_read(slice(first + len(words), end))
            if len(words) == end - first:
                return Answer(0, words, len(words), faults)
            found = await self.dmirror_range_fault(slice(first + len(words), end), "read")
            if isinstance(found, int):
                return Answer(found, (), len(words), faults)
            faults += 1

    async def dmirror_write(self, words: tuple[int, ...]) -> Answer:
        """HMM_DMIRROR_WRITE: the device writes from the first page on, faulting where it must."""
        done = faults = 0
        while True:
            done += await self.do_write(done, words[done:])
            if done == len(words):
                return Answer(0, (), done, faults)
            found = await self.dmirror_range_fault(slice(done, len(words)), "write")
            if isinstance(found, int):
                return Answer(found, (), done, faults)
            faults += 1

    async def dmirror_exclusive(self) -> Answer:
        """HMM_DMIRROR_EXCLUSIVE: make all pages exclusive, map them, and read them back."""
        await self.buffer.mmap_lock.down_read()
        status = await self.make_exclusive()
        await self.buffer.mmap_lock.up_read()
        if status:
            return Answer(status)
        words = await self.do_read(slice(None))
        if len(words) < len(self.pages):
            return Answer(-ENOENT, (), len(words))
        return Answer(0, words, len(words))

    async def make_exclusive(self) -> int:
        """Make all pages exclusive, and map them if that worked for all."""
        locked: tuple[Page | None, ...] = ()
        for page in self.buffer.pages:
            locked = (*locked, await page.make_device_exclusive_range(""))
        if None not in locked:
            await self.mutex.mutex_lock()
            for entry, taken in zip(self.pages, locked, strict=True):
                if taken is not None:
                    await entry.dmirror_atomic_map(taken)
            await self.mutex.mutex_unlock()
        for taken in locked:
            if taken is not None:
                await taken.unlock_page()
                await taken.put_page()
        return -EBUSY if None in locked else 0

    async def dmirror_migrate_to_device(self, at: slice = slice(None)) -> Answer:
        """HMM_DMIRROR_MIGRATE_TO_DEV: move pages to the device's memory, and read them back."""
        await self.buffer.mmap_lock.down_read()
        status = await self.migrate(at)
        await self.buffer.mmap_lock.up_read()
        if status:
            return Answer(status)
        words = await self.do_read(at)
        if len(words) < len(self.pages[at]):
            return Answer(-ENOENT, (), len(words))
        return Answer(0, words, len(words))

    async def dmirror_migrate_to_system(self, at: slice = slice(None)) -> int:
        """HMM_DMIRROR_MIGRATE_TO_SYS: migrate pages back from device memory (v6.0)."""
        await self.buffer.mmap_lock.down_read()
        for page in self.buffer.pages[at]:
            entry = await page.vma.handle_pte_fault("read")
            if entry is not None and owner_of(entry) == self.mdevice:
                await page.migrate_to_ram(entry)
        await self.buffer.mmap_lock.up_read()
        return 0

    async def migrate(self, at: slice) -> int:
        """Move the pages that can be moved, up to the first one that may not be read.

        Source: mm/migrate_device.c, migrate_vma_setup(), migrate_vma_pages(),
        migrate_vma_finalize().
        Simplified: the three are one step, so no actor sees a migration entry.
        """
        for page, entry, to in zip(
            self.buffer.pages[at], self.pages[at], self.memory[at], strict=True
        ):
            if await page.vma.access_error("read"):
                return -EINVAL
            await page.notifiers.invalidate_range_start(MMU_NOTIFY_MIGRATE, self.mdevice)
            moved = await page.vma.migrate_vma_pages(to)
            await page.notifiers.mmu_notifier_invalidate_range_end()
            if moved is not None:
                await self.mutex.mutex_lock()
                await entry.dmirror_migrate_finalize_and_map(to, moved)
                await self.mutex.mutex_unlock()
        return 0

    async def dmirror_check_atomic(self) -> int:
        """HMM_DMIRROR_CHECK_EXCLUSIVE: -EPERM if the device may still do atomics somewhere."""
        await self.mutex.mutex_lock()
        status = 0
        for page in self.pages:
            if await page.is_atomic():
                status = -EPERM
                break
        await self.mutex.mutex_unlock()
        return status

    async def dmirror_snapshot(self) -> tuple[str, ...]:
        """HMM_DMIRROR_SNAPSHOT: what the process may do with each page; nothing is faulted in."""
        found = await self.dmirror_range_fault(slice(None), "")
        assert not isinstance(found, int)
        return tuple(protection(pfn, self.mdevice) for pfn in found)


class DmirrorPageByPage(Dmirror):
    """A mirror device as of v6.15: each page is mapped as soon as it is exclusive.

    Source: lib/test_hmm.c, dmirror_exclusive() (v6.15).
    """

    async def make_exclusive(self) -> int:
        """Make one page after the other exclusive, and map it; stop at the first error."""
        for page, entry in zip(self.buffer.pages, self.pages, strict=True):
            taken = await page.make_device_exclusive("")
            if isinstance(taken, int):
                return taken
            await self.mutex.mutex_lock()
            await entry.dmirror_atomic_map(taken)
            await self.mutex.mutex_unlock()
            await taken.unlock_page()
            await taken.put_page()
        return 0


def open_dmirror(
    kind: type[Dmirror],
    buffer: Buffer,
    mdevice: str,
    first: int,
    memory_of: type[DmirrorDevicePage] = DmirrorDevicePage,
) -> Dmirror:
    """Return a mirror device that is notified of changes to the buffer.

    Args:
        kind: the driver, as of one release.
        buffer: the process that opens it.
        mdevice: the device's name.
        first: the number of its memory's first page.
        memory_of: the kind of its memory: private to the device, or coherent.
    """
    mutex = Mutex()
    pages = tuple(DmirrorPage(mutex=mutex, mdevice=mdevice) for _ in buffer.pages)
    memory = tuple(
        memory_of(first + i, refs=0, mapcount=0, owner=mdevice, zone_device_data=entry)
        for i, entry in enumerate(pages)
    )
    for mirrored, page in zip(pages, buffer.pages, strict=True):
        page.notifiers.intervals = (*page.notifiers.intervals, mirrored)
    return kind(buffer, mutex, pages, mdevice, memory)
