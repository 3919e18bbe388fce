"""A page that a device has, write-protected for a while.

While a GPU has a page, the user makes the mapping read-only and then writable again, or a monitor
write-protects the page by userfaultfd.  The entry can remember one thing at a time: up to v6.14
mprotect turns it into one that was not writable, and no later step turns it back.  When the page
comes back it is read-only, as if it were shared.  The next write finds out that it is not, and
reuses it.  But a pinned page has too many references for that, and is copied, away from the NIC
that has pinned it.  Since v5.19 the page itself says that it is not shared.

Promise: A process that may write again keeps the page and its pins; a monitor is asked before a
    write that it has forbidden.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py and mmviz/kernel/driver/svm.py.
    A present page that is made read-only and writable again has the same hazard.
    do_wp_page() follows the rule of v5.9 to v5.18, or that of v5.19 where a case says so.
    The monitor's answer to the write that it is asked about is left out.
    In Userfaultfd the driver retries as in v6.14; the entry has kept the bit since v5.14.

Sources:
    mm/mprotect.c change_pte_range()
    mm/memory.c restore_exclusive_pte(), do_wp_page()
    mm/userfaultfd.c mwriteprotect_range()
    b756a3b5e7ea (v5.14) writable entries become readable ones; the uffd-wp bit is kept
    6c287605fd56 (v5.19) PG_anon_exclusive
    c25465eb7630 (v6.15) one kind of entry, which remembers no right to write
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mmviz.engine import Race, at_end, atomic, field
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.mm.anon_exclusive import AnonPage, ReuseByFlag
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.mm.vma import VM_WRITE, Vma
from mmviz.kernel.notifier.interval import MMU_NOTIFY_PROTECTION_VMA
from mmviz.kernel.provenance import shipped
from mmviz.scenarios.exclusive import NOUVEAU_UNLOCK, V11
from mmviz.scenarios.exclusive.worlds.svm import Machine, lock_and_sequence, touch


class Nic(Machine):
    """The same machine, a NIC that may have pinned the page, and a free page for a copy."""

    nic: Umem = field(default_factory=Umem)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mm.copy = Page(8, refs=0)


def taken(vma: type[Vma] = Vma) -> Nic:
    """Return a machine whose page the GPU has."""
    k = Nic(mm=ExclusiveMm(vma=vma()))
    k.mm.vma.pte = Pte(k.page, exclusive=True)
    k.svmm.gpu.page, k.svmm.gpu.exclusive = k.page, True
    return k


def pinned(vma: type[Vma] = Vma) -> Nic:
    """Return a machine whose page the GPU has, and the NIC has pinned."""
    k = Nic(mm=ExclusiveMm(vma=vma()), page=AnonPage(7, refs=1 + GUP_PIN_COUNTING_BIAS))
    k.mm.vma.pte = Pte(k.page, exclusive=True)
    k.svmm.gpu.page, k.svmm.gpu.exclusive = k.page, True
    k.nic.page = k.page
    return k


class UffdVma(Vma):
    """A mapping in which userfaultfd may write-protect the page.

    Attributes:
        uffd_wp: the entry's uffd-wp bit.
    """

    uffd_wp: bool = False

    @atomic("mm/userfaultfd.c")
    def mwriteprotect_range(self) -> None:
        """Set the entry's uffd-wp bit; a present entry becomes read-only."""
        self.uffd_wp = True
        if self.pte is not None and not self.pte.exclusive:
            self.pte = self.pte.wrprotected()

    @atomic("mm/memory.c")
    def handle_pte_fault(self, access: str = "write") -> Pte | None:
        """Look at the entry that made the CPU fault; None where userfaultfd's handler has it."""
        present = self.pte is not None and not self.pte.exclusive
        return None if self.uffd_wp and present and access == "write" else self.pte

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the entry present again, read-only while the uffd-wp bit is set."""
        if self.pte is None or not self.pte.exclusive or self.pte.page is not page:
            return False
        self.pte = Pte(page, write=self.pte.write and self.vm_write and not self.uffd_wp)
        return True


def monitored() -> Nic:
    """Return a machine whose page userfaultfd may write-protect."""
    return Nic(mm=ExclusiveMm(vma=UffdVma()))


@at_end
def pin_lost_its_page(k: Nic) -> bool:
    """The process no longer has the page that its NIC writes to: what arrives is lost to it."""
    pte = k.mm.vma.pte
    return k.nic.page is not None and (pte is None or pte.page is not k.nic.page)


def write_past_userfaultfd(k: Nic) -> bool:
    """Memory is written past userfaultfd: a snapshot or a migrated machine is not whole."""
    vma = k.mm.vma
    if not isinstance(vma, UffdVma) or not vma.uffd_wp:
        return False
    ended = k.mm.notifiers.active_invalidate_ranges == 0
    return (ended and k.svmm.gpu.page is not None) or (vma.pte is not None and vma.pte.is_writable)


async def user_code(k: Nic, program: Callable[[Nic], Coroutine[Any, Any, None]]) -> None:
    """A program that protects its page and unprotects it."""
    await program(k)


race = Race(
    "G",
    world=taken,
    actors={"CPU0": user_code},
    bad=(write_past_userfaultfd, pin_lost_its_page),
    kind="ordering",
)


@race.case(
    "G.7",
    "v5.14 to v6.14: read-only and back; it comes back read-only, the next write reuses it",
    name="AndBack",
    states=48,
    source=shipped("v5.14", "v6.14", said=V11),
)
async def mprotect_and_back(k: Nic) -> None:
    """User code makes the mapping read-only, then writable again, then writes."""
    await k.mm.mprotect()
    await k.mm.mprotect(VM_WRITE)
    await k.mm.write()


race.case(
    "G.7-pinned",
    "v5.14 to v5.18: the same with a pinned page, which the next write copies",
    name="AndBackPinned",
    of=mprotect_and_back,
    world=pinned,
    always=[pin_lost_its_page],
    states=48,
    schedules={"the next write copies the pinned page": "CPU0*47"},
    source=shipped("v5.14", "v5.18", said=V11),
)


class FlaggedVma(Vma, ReuseByFlag):
    """A mapping whose write faults ask PG_anon_exclusive first (v5.19)."""


race.case(
    "G.7-flag",
    "v5.19 to v6.14: the same with a pinned page, which says that it is exclusive",
    name="AndBackPinnedFlag",
    of=FlaggedVma,
    world=partial(pinned, FlaggedVma),
    actors={"CPU0": mprotect_and_back},
    states=48,
    source=shipped("v5.19", "v6.14", "6c287605fd56"),
)


async def userfaultfd_writeprotect(k: Nic) -> None:
    """A monitor write-protects the page."""
    assert isinstance(k.mm.vma, UffdVma)
    # redundant in Userfaultfd: the page comes back read-only, or does not come back
    await k.mm.mmap_lock.down_read()
    await k.mm.notifiers.invalidate_range_start(MMU_NOTIFY_PROTECTION_VMA)
    await k.mm.vma.mwriteprotect_range()
    await k.mm.notifiers.mmu_notifier_invalidate_range_end()
    await k.mm.mmap_lock.up_read()


race.case(
    "G.8",
    "userfaultfd write-protects the page: it comes back read-only, the next write traps",
    name="Userfaultfd",
    of=userfaultfd_writeprotect,
    world=monitored,
    actors={"CPU0": touch, "CPU1": lock_and_sequence, "CPU2": userfaultfd_writeprotect},
    states=3094,
    kind="race",
    source=shipped("v6.14", "v6.14", said=NOUVEAU_UNLOCK),
)
