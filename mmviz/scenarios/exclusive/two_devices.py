"""Two GPUs, and the news that one of them gets a page to itself.

One GPU has an ordinary mapping of a page: it reads and writes it, as the CPU does.  A second GPU's
driver makes the page exclusive.  That keeps the CPU out, and it must keep the first GPU out as
well, which only its driver can do, when it hears of it.  It hears of it by the announcement of the
conversion.  If that is not made, or if the first driver takes it for its own, the first GPU goes on
writing to a page that the second one does atomics on.  A GPU that has the page exclusively is
never forgotten: the second driver must have the page first, and so the CPU takes it back.

Promise: While one GPU has the page to itself, the other one does not map it.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/exclusive_mm.py and mmviz/kernel/svm.py; the first driver acts by its
    callback alone.  A page that the first GPU has exclusively is brought in before the second
    driver's read section begins, so that its loop ends (exclusive/retry_loop).
    Taking a page back is announced as MMU_NOTIFY_CLEAR, as in v7 and since v6.15.

Sources:
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_svm_range_invalidate()
    mm/rmap.c make_device_exclusive_range(); include/linux/mmu_notifier.h MMU_NOTIFY_EXCLUSIVE
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    599b684a7854 (v6.15) the rework; its first posting of 2025 left the announcement out
"""

from collections.abc import Callable

from mmviz.engine import Case, Verdict, World, field
from mmviz.kernel.entry import Pte
from mmviz.kernel.exclusive_mm import ExclusiveMm
from mmviz.kernel.page import Page
from mmviz.kernel.svm import Svmm, nouveau_atomic_range_fault
from mmviz.scenarios.exclusive.owner_filter import EventOnly

NEVER, ALWAYS = Verdict.NEVER, Verdict.ALWAYS


class Machine(World):
    """A process with one page, a GPU that maps it, and a second one that wants it to itself."""

    page: Page = field(default_factory=lambda: Page(7))
    mm: ExclusiveMm = field(default_factory=ExclusiveMm)
    first: Svmm = field(default_factory=lambda: Svmm(cookie="first"))
    second: Svmm = field(default_factory=lambda: Svmm(cookie="second"))

    def __post_init__(self) -> None:
        self.mm.vma.pte = Pte(self.page)
        self.mm.notifiers.intervals = (self.first, self.second)


class Unannounced(ExclusiveMm):
    """A conversion that is announced to nobody."""

    async def page_make_device_exclusive(self, page: Page, owner: str) -> bool:
        """Replace the entry."""
        return await self.vma.page_make_device_exclusive_one(page)


def other_device_maps(k: Machine) -> bool:
    """One GPU was promised the page for its atomics, the other maps it too: updates get lost."""
    first, second = k.first.gpu, k.second.gpu
    same = first.page is not None and first.page is second.page
    return same and (first.exclusive or second.exclusive)


def cpu_and_device_both_map(k: Machine) -> bool:
    """A device was promised the page for its atomics, the CPU has it too: updates get lost."""
    pte = k.mm.vma.pte
    present = pte is not None and not pte.exclusive
    return present and (k.first.gpu.exclusive or k.second.gpu.exclusive)


def ordinary(mm: type[ExclusiveMm], first: type[Svmm], cookie: str) -> Machine:
    """Return a machine whose first GPU reads and writes the page as the CPU does."""
    k = Machine(mm=mm(), first=first(cookie=cookie))
    k.first.gpu.page = k.page
    return k


def atomic(mm: type[ExclusiveMm], first: type[Svmm], cookie: str) -> Machine:
    """Return a machine whose first GPU has the page to itself."""
    k = ordinary(mm, first, cookie)
    k.mm.vma.pte = Pte(k.page, exclusive=True)
    k.first.gpu.exclusive = True
    return k


async def nouveau_fault(k: Machine) -> None:
    """The second GPU's fault handler."""
    await nouveau_atomic_range_fault(k.mm, k.second, prefault=True)


async def touch(k: Machine) -> None:
    """User code on the CPU touches the page, and faults once at most."""
    if not await k.mm.vma.cpu_write():
        await k.mm.fixup_user_fault()


def case(
    name: str,
    id: str,
    title: str,
    states: int,
    world: Callable[[type[ExclusiveMm], type[Svmm], str], Machine] = ordinary,
    mm: type[ExclusiveMm] = ExclusiveMm,
    first: type[Svmm] = Svmm,
    cookie: str = "first",
    both: Verdict = NEVER,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Let the second GPU's driver make a page exclusive that the first GPU maps."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=lambda: world(mm, first, cookie),
        actors={"CPU0": touch, "CPU1": nouveau_fault},
        bad=(other_device_maps, cpu_and_device_both_map),
        expect={"other_device_maps": both, "cpu_and_device_both_map": NEVER},
        states=states,
        kind="race" if both == NEVER else "ordering",
        schedules={"the second GPU gets the page": "CPU1*14"} if both != NEVER else {},
        proposed=proposed,
    )


CASES = (
    case(
        "EventOnly",
        "I/I.2c",
        "the first driver ignores every conversion",
        states=102,
        first=EventOnly,
        both=ALWAYS,
    ),
    case(
        "EventOnlyAtomic",
        "I/I.2d",
        "the first driver ignores every conversion, but it has the page exclusively",
        states=674,
        world=atomic,
        first=EventOnly,
    ),
    case(
        "SharedCookie",
        "I/I.4",
        "both drivers call themselves the same",
        states=102,
        cookie="second",
        both=ALWAYS,
    ),
    case(
        "SharedCookieAtomic",
        "I/I.4b",
        "both call themselves the same, but the first has the page exclusively",
        states=674,
        world=atomic,
        cookie="second",
    ),
    case(
        "Unannounced",
        "I/I.6",
        "the conversion is announced to nobody, as first posted in 2025",
        states=94,
        mm=Unannounced,
        both=ALWAYS,
        proposed=("2025-01-29", "<20250129115411.2077152-1-david@redhat.com>"),
    ),
    case(
        "UnannouncedAtomic",
        "I/I.6b",
        "announced to nobody, but the first driver has the page exclusively",
        states=644,
        world=atomic,
        mm=Unannounced,
    ),
    case(
        "EventAndOwner",
        "I/I.3",
        "as nouveau: each driver ignores conversions with its own cookie",
        states=110,
        proposed=("2021-06-16", "<20210616105937.23201-11-apopple@nvidia.com>"),
    ),
)

SPARE = {
    "EventOnlyAtomic: await page.put_page()": (
        "A reference too many keeps memory; exclusive/retry_loop judges that."
    ),
    "SharedCookieAtomic: await page.put_page()": (
        "A reference too many keeps memory; exclusive/retry_loop judges that."
    ),
    "UnannouncedAtomic: await page.put_page()": (
        "A reference too many keeps memory; exclusive/retry_loop judges that."
    ),
}
