"""A fork that comes between hiding a page and checking it for pins.

A NIC has pinned a page of the parent.  A GPU driver makes the page exclusive, looks for pins,
finds one and means to put the entry back.  In between the user forks.  Fork finds an exclusive
entry, which the patch's seventh version simply copies to the child, both read-only.  Now the
page is shared.  The parent's next write must copy it, because somebody else counts on it; the
parent goes on with the copy while the NIC fills the old page, which is left to the child.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other.

Memory model: sequentially consistent; all entries are changed under page-table locks.

Simplified:
    The page is pinned before anything begins, so a driver that looks always refuses it.
    Fork may give up where the driver holds the page lock, and the user sees ENOMEM; the thread
    takes that as a price, so it is no bad state here (the stored run of RestoreAtFork shows it).
    What the device does with the page is left out; only NoCheck and RestoreAtFork would let it.
    The page lock is taken as in the kernel; leaving it out changes no verdict here except that
    fork never fails: it matters once the device maps (exclusive/atomic_loses_update).
    do_wp_page() follows the rule of v5.9 to v5.18: reuse the page if it has one reference.
    One thread of the parent forks, then writes; the driver's own page reference, the notifier's
    range_start and write_protect_seq are left out (see exclusive/gup_fast_meets_fork).

Sources:
    <20210401004813.GT1463678@nvidia.com> fork can copy the entry before it was checked
    <9244031.kThbcIvB84@nvdebian> the child then gets a read-only entry; restoring is simpler
    <20210401115523.GZ1463678@nvidia.com> a copy in do_wp_page() is a security bug
    mm/memory.c copy_nonpresent_pte(), copy_present_page(), do_wp_page()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access: entries are undone at fork
    The thread does not say that an mmap_lock held over the check closes the window; it does,
    since fork of the same process needs it for writing.
"""

from mmviz.engine import Case, Verdict, World, field
from mmviz.kernel.entry import CowMapping, Pte
from mmviz.kernel.fault import write
from mmviz.kernel.fork import EntryCopied, ForkedMapping, dup_mmap
from mmviz.kernel.locks import RwSemaphore
from mmviz.kernel.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.umem import Umem


class Machine(World):
    """A parent whose page a NIC has pinned, a child to be, and two free pages for copies."""

    parent: ForkedMapping = field(default_factory=ForkedMapping)
    child: CowMapping = field(default_factory=CowMapping)
    nic: Umem = field(default_factory=Umem)
    page: Page = field(default_factory=lambda: Page(7, refs=1 + GUP_PIN_COUNTING_BIAS))
    parents_copy: Page = field(default_factory=lambda: Page(8, refs=0))
    childs_copy: Page = field(default_factory=lambda: Page(9, refs=0))
    mmap_lock: RwSemaphore = field(default_factory=RwSemaphore)

    def __post_init__(self) -> None:
        self.parent.pte = Pte(self.page)
        self.nic.page = self.page


def names(mapping: CowMapping, page: Page | None) -> bool:
    """Return whether a mapping's entry names a page, present or not."""
    return page is not None and mapping.pte is not None and mapping.pte.page is page


def pin_lost_its_page(k: Machine) -> bool:
    """The parent no longer has the page that its NIC writes to: what arrives is lost to it."""
    return k.nic.page is not None and not names(k.parent, k.nic.page)


def foreign_process_sees_dma(k: Machine) -> bool:
    """The child has the page that the parent's NIC writes to: it reads another process's data."""
    return names(k.child, k.nic.page)


def cow_broken(k: Machine) -> bool:
    """One process writes a page that the other one has as well, and so into its memory."""
    parent, child = k.parent.pte, k.child.pte
    if parent is None or child is None or parent.page is not child.page:
        return False
    return parent.is_writable or child.is_writable


async def fork(k: Machine) -> None:
    """The parent forks, then writes to its page."""
    await dup_mmap(k.mmap_lock, k.parent, k.child, k.childs_copy)
    await write(k.parent, copy=k.parents_copy)


class NoCheck:
    """The driver hides the page and does not look for pins."""

    async def make_device_exclusive_range(self, k: Machine) -> None:
        await k.mmap_lock.down_read()
        await k.page.lock_page()
        await k.parent.page_make_device_exclusive_one(k.page)
        await k.mmap_lock.up_read()
        await k.page.unlock_page()


class CheckOutsideMmapLock(NoCheck):
    """The driver hides the page, lets fork in, then looks for pins."""

    async def make_device_exclusive_range(self, k: Machine) -> None:
        await k.mmap_lock.down_read()
        await k.page.lock_page()
        await k.parent.page_make_device_exclusive_one(k.page)
        await k.mmap_lock.up_read()
        if await k.page.page_maybe_dma_pinned():
            await k.parent.restore_exclusive_pte(k.page)
        await k.page.unlock_page()


class CheckInsideMmapLock(NoCheck):
    """The driver hides the page and looks for pins before fork can come in."""

    async def make_device_exclusive_range(self, k: Machine) -> None:
        await k.mmap_lock.down_read()
        await k.page.lock_page()
        await k.parent.page_make_device_exclusive_one(k.page)
        if await k.page.page_maybe_dma_pinned():
            await k.parent.restore_exclusive_pte(k.page)
        await k.mmap_lock.up_read()
        await k.page.unlock_page()


def case(
    name: str,
    id: str,
    title: str,
    driver: NoCheck,
    bad: Verdict,
    states: int,
    parent: type[ForkedMapping] = EntryCopied,
    note: str = "",
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Race a conversion against a fork and a write of the same process."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=lambda: Machine(parent=parent()),
        actors={"CPU0": driver.make_device_exclusive_range, "CPU1": fork},
        bad=(pin_lost_its_page, foreign_process_sees_dma, cow_broken),
        expect={
            "pin_lost_its_page": bad,
            "foreign_process_sees_dma": bad,
            "cow_broken": Verdict.NEVER,
        },
        states=states,
        schedules=schedules or {},
        note=note,
        shipped=shipped,
        proposed=proposed,
    )


CASES = (
    case(
        "NoCheck",
        "D/D.0",
        "v7 as posted: fork copies the entry, nobody looks for pins",
        NoCheck(),
        Verdict.SOMETIMES,
        states=47,
        schedules={"fork copies the entry": "CPU0*5 CPU1*12"},
        proposed=("2021-03-26", "<20210326000805.2518-6-apopple@nvidia.com>"),
    ),
    case(
        "CheckOutsideMmapLock",
        "D/D.1",
        "the planned check, after mmap_lock is dropped",
        CheckOutsideMmapLock(),
        Verdict.SOMETIMES,
        states=68,
        schedules={"fork at that instant": "CPU0*4 CPU1*3 CPU0*3 CPU1*4"},
        proposed=("2021-04-01", "<35941260.J9UuDlmC3F@nvdebian>"),
    ),
    case(
        "CheckInsideMmapLock",
        "D/D.2",
        "the check before mmap_lock is dropped",
        CheckInsideMmapLock(),
        Verdict.NEVER,
        states=42,
    ),
    case(
        "RestoreAtFork",
        "D/D.4",
        "as merged in v5.14: fork undoes the entry first, and nobody looks for pins",
        NoCheck(),
        Verdict.NEVER,
        states=45,
        parent=ForkedMapping,
        note="fork() may fail with ENOMEM: it gives up on a page that is locked",
        schedules={"fork meets a locked page": "CPU0*4 CPU1*5 CPU0 CPU1*4"},
        shipped=("v5.14", ""),
        proposed=("2021-04-01", "<9244031.kThbcIvB84@nvdebian>"),
    ),
)

SPARE = {
    "CheckInsideMmapLock: await k.page.lock_page()": (
        "fork does not ask for the page lock here: mmap_lock keeps it out."
    ),
    "CheckInsideMmapLock: await k.parent.page_make_device_exclusive_one(k.page)": (
        "Without the entry fork copies by the rule for present pages."
    ),
    "CheckInsideMmapLock: if await k.page.page_maybe_dma_pinned():": (
        "The page is pinned from the start, so it always says so; NoCheck is the case without it."
    ),
}
