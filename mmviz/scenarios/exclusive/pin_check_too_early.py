"""A check for pins that GUP-fast overtakes.

A NIC wants to write a page for as long as the user likes, so it pins the page.  A GPU wants the
same page to itself.  Both at once is a lie to one of them, so the GPU's driver should refuse
pinned pages.  But GUP-fast takes no lock at all: whatever the driver looks at before it
replaces the entry, a pin may come right after the look.  Looking after the entry is replaced
works, because GUP-fast reads the entry once more after it has pinned: either the driver sees
the pin, or GUP-fast sees the new entry, gives its pin back and takes the slow way.

Promise: A page that the GPU has to itself is not pinned by anybody.

Memory model: sequentially consistent.  Each side writes one thing and then reads the other's;
    on real machines both need a full barrier in between (exclusive/store_buffer_hides_clear).

Simplified:
    One attempt on each side; mmap_lock is left out, nobody takes it for writing.
    The page lock is held from before the conversion to after the check, as
    make_device_exclusive_range() returns pages locked; the slow way needs it to undo the entry.
    Putting the entry back after a refusal spares the next CPU access a fault and nothing more
    here; with a fork about it decides (exclusive/fork_in_window).
    A pin that is given back again may still make the driver refuse (exclusive/pin_check_on_time).
    References taken without a pin (FOLL_GET) are invisible to any such check (there, too).
    No check was ever merged; pinned pages may be under an exclusive entry to this day, and what
    keeps them safe is what fork does (exclusive/fork_in_window, exclusive/copy_at_fork).

Sources:
    <20210331131854.GI1463678@nvidia.com> can a pinned page end up under such an entry?
    <2124945.3NMGunUBXV@nvdebian> it can; a check is planned
    <20210331134604.GK1463678@nvidia.com> how could the check not race with GUP-fast?
    <35941260.J9UuDlmC3F@nvdebian> by looking after the entries are in place
    mm/gup.c gup_pte_range(); mm/rmap.c page_make_device_exclusive_one()
    088b8aa537c2 (v6.1) the same handshake elsewhere in mm, with its barriers
"""

from collections.abc import Awaitable, Callable

from mmviz.engine import Case, Verdict, World, field
from mmviz.kernel.atomic_access import AtomicAccess
from mmviz.kernel.entry import CowMapping, Pte
from mmviz.kernel.gup import get_user_pages, gup_pte_range
from mmviz.kernel.page import Page
from mmviz.kernel.umem import Umem

Walk = Callable[[CowMapping], Awaitable[Page | None]]


class Machine(World):
    """A page that a NIC wants to pin and a GPU wants to itself."""

    page: Page = field(default_factory=lambda: Page(7))
    cpu: CowMapping = field(default_factory=CowMapping)
    gpu: AtomicAccess = field(default_factory=AtomicAccess)
    nic: Umem = field(default_factory=Umem)

    def __post_init__(self) -> None:
        self.cpu.pte = Pte(self.page)


def pinned_page_hidden(k: Machine) -> bool:
    """The GPU has a page to itself that the NIC still writes to: one undoes the other's work."""
    return k.nic.page is not None and k.gpu.page is k.nic.page


def cpu_and_device_both_map(k: Machine) -> bool:
    """The device was promised the page for its atomics, the CPU has it too: updates get lost."""
    return k.gpu.exclusive and k.cpu.pte is not None and not k.cpu.pte.exclusive


async def pin_user_pages_fast(k: Machine, walk: Walk) -> None:
    """The NIC's driver pins: the fast way, or else the slow way, which revokes."""
    page = await walk(k.cpu)
    if page is None:
        page = await get_user_pages(k.cpu, k.gpu.unmap)
    await k.nic.ib_dma_map_sg(page)


async def no_recheck(mapping: CowMapping) -> Page | None:
    """Read the entry, pin the page, and trust that nothing has changed."""
    entry = await mapping.ptep_get_lockless()
    if entry is None or not entry.is_writable:
        return None
    await entry.page.try_grab_page()
    return entry.page


async def recheck_before_pin(mapping: CowMapping) -> Page | None:
    """Read the entry twice, then pin the page."""
    entry = await mapping.ptep_get_lockless()
    if entry is None or not entry.is_writable:
        return None
    again = await mapping.ptep_get_lockless()
    if again != entry:
        return None
    await entry.page.try_grab_page()
    return entry.page


class NoCheck:
    """What was posted as v7, and what mainline does."""

    async def make_device_exclusive(self, k: Machine) -> bool:
        """Hide the page from the CPU; say whether the GPU may have it."""
        return await k.cpu.page_make_device_exclusive_one(k.page)

    async def atomic_range_fault(self, k: Machine) -> None:
        """The GPU's fault handler: make the page exclusive, then map it for the GPU."""
        await k.page.lock_page()
        if await self.make_device_exclusive(k):
            await k.gpu.map_atomic(k.page)
        await k.page.unlock_page()


class CheckBefore(NoCheck):
    """Looks for pins, then replaces the entry."""

    async def make_device_exclusive(self, k: Machine) -> bool:
        if await k.page.page_maybe_dma_pinned():
            return False
        return await k.cpu.page_make_device_exclusive_one(k.page)


class CheckAfter(NoCheck):
    """Replaces the entry, then looks for pins, and puts the entry back if there are any."""

    async def make_device_exclusive(self, k: Machine) -> bool:
        if not await k.cpu.page_make_device_exclusive_one(k.page):
            return False
        if await k.page.page_maybe_dma_pinned():
            await k.cpu.restore_exclusive_pte(k.page)
            return False
        return True


def case(
    name: str,
    id: str,
    title: str,
    driver: NoCheck,
    hidden: Verdict,
    states: int,
    walk: Walk = gup_pte_range,
    schedule: str = "",
    kind: str = "race",
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Race one pin against one conversion."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=Machine,
        actors={"CPU0": lambda k: pin_user_pages_fast(k, walk), "CPU1": driver.atomic_range_fault},
        bad=(pinned_page_hidden, cpu_and_device_both_map),
        expect={"pinned_page_hidden": hidden, "cpu_and_device_both_map": Verdict.NEVER},
        states=states,
        kind=kind,
        shipped=shipped,
        schedules={"the pin slips in": schedule} if schedule else {},
        proposed=proposed,
    )


CASES = (
    case(
        "NoCheck",
        "C/C.0",
        "v7 and mainline: pinned pages are not looked for",
        NoCheck(),
        Verdict.SOMETIMES,
        states=43,
        schedule="CPU0*4 CPU1*4",
        kind="contract",
        shipped=("v5.14", ""),
        proposed=("2021-03-26", "<20210326000805.2518-6-apopple@nvidia.com>"),
    ),
    case(
        "CheckBefore",
        "C/C.1",
        "look for pins, then replace the entry",
        CheckBefore(),
        Verdict.SOMETIMES,
        states=53,
        schedule="CPU1*2 CPU0*4 CPU1*3",
        proposed=("2021-03-31", "<2124945.3NMGunUBXV@nvdebian>"),
    ),
    case(
        "NoRecheckInGup",
        "C/C.5",
        "look after replacing, but GUP-fast does not read the entry again",
        CheckAfter(),
        Verdict.SOMETIMES,
        states=47,
        walk=no_recheck,
        schedule="CPU0 CPU1*5 CPU0*2",
    ),
    case(
        "RecheckBeforePin",
        "C/C.6",
        "look after replacing, but GUP-fast reads the entry again before it pins",
        CheckAfter(),
        Verdict.SOMETIMES,
        states=53,
        walk=recheck_before_pin,
        schedule="CPU0*2 CPU1*5 CPU0*2",
    ),
    case(
        "CheckAfter",
        "C/C.2",
        "replace the entry, then look for pins; GUP-fast pins, then reads again",
        CheckAfter(),
        Verdict.NEVER,
        states=69,
        proposed=("2021-04-01", "<35941260.J9UuDlmC3F@nvdebian>"),
    ),
)
