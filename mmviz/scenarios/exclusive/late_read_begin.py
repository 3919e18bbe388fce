"""A read section that begins after the page is hidden.

A driver's own conversion would disturb its read section, unless the callback knows to ignore it.
So why not hide the page first, and begin the section then?  Because between the two the page may
be taken back, by zap or mprotect, which do not ask for the page lock; the section that begins
afterwards knows nothing of it.  The patch's early versions looked at the entry once more in the
section, and that closes the gap: what was taken back before is seen, what comes later disturbs.

Promise: What the GPU may do with the page is never more than the process's own entry stands for.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/exclusive_mm.py and mmviz/kernel/svm.py; the driver gives up where the entry
    is no longer its own.
    The entry must still be exclusive and writable; the early versions looked up the page as well.

Sources:
    mm/rmap.c check_device_exclusive_range(), v3 and v4 of the patch; not merged
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
"""

from mmviz.engine import Case, Verdict, atomic, mark
from mmviz.kernel.entry import Pte
from mmviz.kernel.exclusive_mm import ExclusiveMm
from mmviz.kernel.page import Page
from mmviz.kernel.svm import Svmm
from mmviz.kernel.vma import Vma
from mmviz.scenarios.exclusive.lock_or_sequence import (
    BAD,
    Actor,
    Machine,
    lock_and_sequence,
    madvise_dontneed,
    mprotect,
    write,
)

NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES


class CheckedVma(Vma):
    """A mapping whose entry a driver may look at again, as in v3 and v4 of the patch."""

    @atomic("mm/rmap.c")
    def check_device_exclusive_range(self, page: Page) -> bool:
        """Say whether the entry still is the writable exclusive one of this page."""
        return self.pte == Pte(page, exclusive=True)


class Unfiltered(Svmm):
    """A driver that needs no filter, since its own conversion comes before its read section."""

    def ignores(self, event: str, owner: str) -> bool:
        return False


class BeginLate:
    """Hides the page, then begins the read section."""

    async def is_ours(self, vma: CheckedVma, page: Page) -> bool:
        return True

    async def atomic_range_fault(self, k: Machine) -> None:
        """The GPU's fault handler: hide the page, begin the section, map if it is not stale."""
        await k.mm.mmap_lock.down_read()
        page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
        await k.mm.mmap_lock.up_read()
        if page is None:
            return
        assert isinstance(k.mm.vma, CheckedVma)
        while True:
            mark("again", page)
            await k.svmm.mmu_interval_read_begin()
            if not await self.is_ours(k.mm.vma, page):
                break
            await k.svmm.mutex.mutex_lock()
            retry = await k.svmm.mmu_interval_read_retry()
            if not retry:
                await k.svmm.gpu.map_atomic(page)
            await k.svmm.mutex.mutex_unlock()
            if not retry:
                break
        await page.unlock_page()
        await page.put_page()


class BeginLateAndCheck(BeginLate):
    """Hides the page, begins the read section, and looks at the entry once more."""

    async def is_ours(self, vma: CheckedVma, page: Page) -> bool:
        return await vma.check_device_exclusive_range(page)


def case(
    name: str,
    id: str,
    title: str,
    driver: Actor,
    svmm: type[Svmm],
    others: dict[str, Actor],
    states: int,
    stale: Verdict = NEVER,
    protected: Verdict = NEVER,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Let a driver make the page exclusive while others come for it."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=lambda: Machine(mm=ExclusiveMm(vma=CheckedVma()), svmm=svmm()),
        actors={"CPU1": driver, **others},
        bad=BAD,
        expect={
            "cpu_and_device_both_map": NEVER,
            "device_keeps_stale_entry": stale,
            "write_after_mprotect": protected,
        },
        states=states,
        shipped=shipped,
        schedules=schedules or {},
        proposed=proposed,
    )


EVERYBODY: dict[str, Actor] = {"CPU0": write, "CPU2": madvise_dontneed, "CPU3": mprotect}

CASES = (
    case(
        "BeginLate",
        "B/B.12",
        "proposed in review: the read section begins after the conversion",
        BeginLate().atomic_range_fault,
        Unfiltered,
        EVERYBODY,
        states=2884,
        stale=SOMETIMES,
        protected=SOMETIMES,
        schedules={"the page is thrown away in the gap": "CPU1*11 CPU2*10 CPU1*4"},
    ),
    case(
        "BeginLateAndCheck",
        "B/B.13",
        "v3 and v4 of the patch: the same, and the entry is looked at once more; no filter",
        BeginLateAndCheck().atomic_range_fault,
        Unfiltered,
        EVERYBODY,
        states=3149,
    ),
    case(
        "BeginEarly",
        "B/B.1",
        "merged: the read section begins before anything is looked up",
        lock_and_sequence,
        Svmm,
        EVERYBODY,
        states=3229,
        shipped=("v6.14", ""),
        proposed=("2021-06-16", "<20210616105937.23201-11-apopple@nvidia.com>"),
    ),
)

SPARE = {
    "BeginEarly: await nouveau_atomic_range_fault(k.mm, k.svmm)": (
        "Who never maps the page can do no harm with it."
    ),
    "BeginEarly: await svmm.mmu_interval_read_begin()": (
        "Without it the driver starts over until the page is gone: safe, and for nothing."
    ),
    "BeginEarly: await mm.mmap_lock.down_read()": (
        "The page lock and the sequence are enough; mmap_lock keeps the mapping itself, which "
        "is not modelled."
    ),
    "BeginEarly: await svmm.gpu.map_atomic(page)": (
        "Who never maps the page can do no harm with it."
    ),
    "BeginEarly: await page.put_page()": (
        "A reference too many keeps memory; exclusive/retry_loop judges that."
    ),
}
