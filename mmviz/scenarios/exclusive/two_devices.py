"""Two GPUs, and the announcement that one of them gets a page to itself.

One GPU has an ordinary mapping of a page: it reads and writes it, as the CPU does.  A second GPU's
driver makes the page exclusive.  That keeps the CPU out, and it must keep the first GPU out as
well, which only the first driver can do, when the conversion is announced to it.  If it is not
announced, or if the first driver takes the announcement for its own, the first GPU goes on writing
to a page that the second GPU does atomics on.  Where the first GPU has the page exclusively,
nothing goes wrong: the second driver must get the page first, so the CPU takes it back.

Promise: While one GPU has the page to itself, the other one does not map it.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py and mmviz/kernel/driver/svm.py.
    The first driver acts by its callback alone.
    A page that the first GPU has exclusively is brought in before the second driver's read section
    begins, so that its loop ends; nouveau does not do that (exclusive/retry_loop).
    Taking a page back is announced as MMU_NOTIFY_CLEAR, as in v7 of the patch and since v6.15.

Sources:
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_svm_range_invalidate()
    mm/rmap.c make_device_exclusive_range()
    include/linux/mmu_notifier.h MMU_NOTIFY_EXCLUSIVE
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    8f187163eb89 (v5.14) nouveau/svm: implement atomic SVM access: the filter of EventAndOwner
    <20250129115411.2077152-5-david@redhat.com> the rework as first posted: no announcement
    438354724f69 (v6.15) the rework as merged, with a folio walk: announced
"""

from functools import partial

from mmviz.engine import Race, World, field
from mmviz.kernel.driver.svm import Svmm, nouveau_atomic_range_fault
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm, RestoreClears
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.exclusive import REWORK_V1
from mmviz.scenarios.exclusive.owner_filter import EventOnly


class Machine(World):
    """A process with one page, a GPU that maps it, and a second one that wants it to itself."""

    page: Page = field(default_factory=lambda: Page(7))
    mm: ExclusiveMm = field(default_factory=RestoreClears)
    first: Svmm = field(default_factory=lambda: Svmm(cookie="first"))
    second: Svmm = field(default_factory=lambda: Svmm(cookie="second"))

    def __post_init__(self) -> None:
        self.mm.vma.pte = Pte(self.page)
        self.mm.notifiers.intervals = (self.first, self.second)


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


def ordinary(
    mm: type[ExclusiveMm] = RestoreClears, first: type[Svmm] = Svmm, cookie: str = "first"
) -> Machine:
    """Build a machine whose first GPU reads and writes the page as the CPU does."""
    k = Machine(mm=mm(), first=first(cookie=cookie))
    k.first.gpu.page = k.page
    return k


def atomic(
    mm: type[ExclusiveMm] = RestoreClears, first: type[Svmm] = Svmm, cookie: str = "first"
) -> Machine:
    """Build a machine whose first GPU has the page to itself."""
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


race = Race(
    "I",
    world=ordinary,
    actors={"CPU0": touch, "CPU1": nouveau_fault},
    bad=(other_device_maps, cpu_and_device_both_map),
)
SECOND = {"the second GPU gets the page": "CPU1*14"}

race.case(
    "I.2c",
    "the first driver ignores every conversion",
    name="EventOnly",
    of=EventOnly,
    world=partial(ordinary, first=EventOnly),
    always=[other_device_maps],
    kind="ordering",
    states=102,
    schedules=SECOND,
    source=constructed("shows what the owner is for"),
)

race.case(
    "I.2d",
    "the first driver ignores every conversion, but it has the page exclusively",
    name="EventOnlyAtomic",
    of=EventOnly,
    world=partial(atomic, first=EventOnly),
    states=604,
    source=constructed("shows that the fault of the second driver's GUP is enough"),
)

race.case(
    "I.4",
    "both drivers call themselves the same",
    name="SharedCookie",
    of=Svmm,
    world=partial(ordinary, cookie="second"),
    always=[other_device_maps],
    kind="ordering",
    states=102,
    schedules=SECOND,
    source=constructed("shows that a cookie must be unique"),
)

race.case(
    "I.4b",
    "both call themselves the same, but the first has the page exclusively",
    name="SharedCookieAtomic",
    of=Svmm,
    world=partial(atomic, cookie="second"),
    states=604,
    source=constructed("shows that the fault of the second driver's GUP is enough"),
)


class Unannounced(RestoreClears):
    """A conversion that is not announced."""

    async def page_make_device_exclusive(self, page: Page, owner: str) -> bool:
        """Replace the entry."""
        return await self.vma.page_make_device_exclusive_one(page)


race.case(
    "I.6",
    "the conversion is not announced, as first posted in 2025",
    name="Unannounced",
    of=Unannounced,
    world=partial(ordinary, Unannounced),
    always=[other_device_maps],
    kind="ordering",
    states=94,
    schedules=SECOND,
    source=REWORK_V1,
)


race.case(
    "I.6b",
    "not announced, but the first driver has the page exclusively",
    name="UnannouncedAtomic",
    of=Unannounced,
    world=partial(atomic, Unannounced),
    states=578,
    source=REWORK_V1,
)

race.case(
    "I.3",
    "as nouveau: each driver ignores conversions with its own cookie",
    name="EventAndOwner",
    of=Svmm,
    states=110,
    source=constructed("nouveau's filter, and a loop that ends, which the kernel does not have"),
)
