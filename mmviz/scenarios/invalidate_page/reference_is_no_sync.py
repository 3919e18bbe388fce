"""A page reference instead of staying in sync.

A driver that need not follow the CPU's page table may take references on its pages instead: for
as long as the device maps them, or from range_start to range_end.  As long as the reference is
held the memory is safe.  But the device sees the old page while the CPU may already see another;
that is the agreement.  And the reference must outlive the device's entry: if the driver puts it
first, or lets a fault bring the entry back, the device is left with a freed page.

Promise: As long as the device maps a page, a reference keeps the page from being freed.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As range_start_only; the driver remembers one page.
    Where it holds a reference from start to end, a full gather batch puts the core's reference on
    the way, so that the driver's is the last.
    The device maps the page at the beginning, so range_start finds one to hold, and the counter
    could go.  With no entry yet, a fault could map the page after range_start has found none.
    That CPU and device disagree is agreed on here.  A bug is a freed page, or an entry that
    stays stale once the invalidation is over, where the driver has not agreed to that either.
    No case of this kind keeps every promise; the last one stays in sync, for comparison.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: references, for drivers that need not follow; it
    does not say whether the driver unmaps the page before it puts the reference
    mm/gup.c: get_user_pages(), today pin_user_pages()
    Documentation/core-api/pin_user_pages.rst: what a pin promises, and what not.  In case 2
    (RDMA) the pages stay pinned and no callback exists; in case 3 a callback stops the device
    and unpins the pages
    drivers/infiniband/core/umem.c: ib_umem_get(), an example of case 2
    <20170829235447.10050-5-jglisse@redhat.com>: patch 04, amdgpu; in v4.13
    amdgpu_ttm_tt_affect_userptr() bumps mmu_invalidations, and amdgpu_cs_parser_bos() compares it
    1ed3d2567c80 (after v4.14) drm/amdgpu: keep the MMU lock until the update ends v4; read in
    v4.20: amdgpu_cs_submit() compares under amdgpu_mn_lock(), and the number that it compares is
    taken by amdgpu_ttm_tt_set_user_pages(), once the pages are looked up
    <20191113042710.3997854-10-jhubbard@nvidia.com>: mm/gup: introduce pin_user_pages*() and
    FOLL_PIN, with that document
"""

from typing import Any

from mmviz.engine import Race, atomic, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.invalidate_page import KVM, RECOMMENDED, patch
from mmviz.scenarios.invalidate_page.range_start_only import (
    PinWhileMapped,
    RangeStartOnly,
    SequenceAndCounter,
)
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    GuardedMirror,
    Mirror,
    PinnedMirror,
    cpu_and_device_disagree,
    device_keeps_stale_entry,
    device_reads_freed_page,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import (
    FULL_BATCH,
    ONE_INVALIDATION,
    Driver,
)


class HoldingMirror(GuardedMirror):
    """The driver remembers the page it holds a reference on, from start to end.

    Attributes:
        held: that page.
    """

    held: Page | None = None

    @atomic("driver")
    def hold(self, address: str) -> None:
        """Take a reference on the page the device maps, and remember it."""
        self.held = self.gpu.pte[address]
        if self.held is not None:
            self.held.get()

    @atomic("driver")
    def drop(self) -> None:
        """Put the reference that was remembered."""
        if self.held is not None:
            self.held.put()
        self.held = None


class UserptrMirror(PinnedMirror):
    """The same, with a number that is bumped, under a lock of the device's buffer."""

    update: Mutex = field(default_factory=Mutex)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


# The page is given up with a full gather batch, and touched again, while the device faults.
race = Race(world=HoldingMirror, actors=FULL_BATCH, bad=(*BAD, page_refs_out_of_balance))


@race.case(
    "MN-F/F2",
    "a reference from start to end, and the device's entry stays",
    sometimes=[cpu_and_device_disagree],
    always=[device_reads_freed_page, device_keeps_stale_entry],
    kind="ordering",
    states=18,
    schedules={"put with the entry still there": "CPU0*6 CPU1"},
    source=RECOMMENDED,
)
class NeverUnmapped(Driver):
    """Holds the page from start to end, and leaves the device's entry alone."""

    async def invalidate_range_start(self, k: HoldingMirror) -> None:
        await k.hold(VA)

    async def invalidate_range_end(self, k: HoldingMirror) -> None:
        await k.drop()


@race.case(
    "MN-F/F3",
    "a reference from start to end, unmapped before it is put; the device does not fault",
    sometimes=[cpu_and_device_disagree],
    kind="contract",
    states=21,
    schedules={"old data until range_end": "CPU0*3 CPU1 CPU0*4"},
    source=RECOMMENDED,
)
class UnmappedAtEnd(NeverUnmapped):
    """Holds the page from start to end, and unmaps it before it puts the reference."""

    async def invalidate_range_end(self, k: HoldingMirror) -> None:
        await k.gpu.unmap(VA)
        await k.drop()


@race.case(
    "MN-F/F4",
    "a reference from start to end, unmapped before it is put; faults check nothing",
    sometimes=BAD,
    states=120,
    schedules={"looked up before and mapped after": "GPU CPU0*7 CPU1 GPU*2"},
    source=constructed("a reference from start to end says nothing to a fault"),
)
class UncheckedFault(UnmappedAtEnd):
    """The same, and a fault may come at any time."""

    async def fault(self, k: Any) -> None:
        await RangeStartOnly().fault(k)


@race.case(
    "MN-F/F5",
    "a reference from start to end, unmapped before it is put; faults look at both words",
    sometimes=[cpu_and_device_disagree],
    kind="contract",
    states=296,
    schedules={"old data until range_end": "CPU0*6 CPU1 CPU0*7 GPU*7"},
    source=constructed("the two words make faults safe; only the agreed disagreement is left"),
)
class CheckedFault(SequenceAndCounter):
    """The same, and a fault checks the sequence and the counter."""

    async def invalidate_range_start(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_begin()
        await k.hold(VA)
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.notifier.kvm_mmu_invalidate_end()
        await k.drop()
        await k.update.mutex_unlock()


race.case(
    "MN-F/F1",
    "a reference for as long as the device maps the page, range_start puts it",
    name="PinWhileMapped",
    of=PinWhileMapped,
    sometimes=[device_keeps_stale_entry, cpu_and_device_disagree],
    states=87,
    world=PinnedMirror,
    actors=ONE_INVALIDATION,
    schedules={"safe memory and a stale entry": "CPU0*3 GPU*2 CPU0*3 CPU1"},
    source=proposed_elsewhere("", "Documentation/core-api/pin_user_pages.rst: case 3"),
)


@race.case(
    "MN-F/amdgpu",
    "the same, and a number that range_start bumps, as amdgpu did in v4.13",
    sometimes=[device_keeps_stale_entry, cpu_and_device_disagree],
    world=UserptrMirror,
    actors=ONE_INVALIDATION,
    source=shipped("v4.13", "v4.14", said=patch(4, revision=1)),
    states=287,
)
class PinAndNumber(PinWhileMapped):
    """Notices an invalidation since its lookup began, and not one that is under way."""

    async def invalidate_range_start(self, k: Any) -> None:
        await k.notifier.bump_mmu_invalidate_seq()  # amdgpu_ttm_tt_affect_userptr()
        await k.update.mutex_lock()  # amdgpu_bo_reserve()
        await super().invalidate_range_start(k)
        await k.update.mutex_unlock()

    async def fault(self, k: Any) -> None:
        while True:
            seq = await k.notifier.read_mmu_invalidate_seq()
            page = await k.cpu.get_user_pages(VA)
            if page is None:
                return
            await k.update.mutex_lock()
            if not await k.notifier.mmu_invalidate_seq_changed(seq):
                break
            await k.update.mutex_unlock()
            await page.put_page()
        was = await k.gpu.xchg(VA, page)
        await k.update.mutex_unlock()
        if was is not None:
            await was.put_page()


@race.case(
    "MN-F/amdgpu2",
    "the same, and a lock that is held from range_start to range_end, as in v4.15",
    sometimes=[device_keeps_stale_entry, cpu_and_device_disagree],
    world=UserptrMirror,
    actors=ONE_INVALIDATION,
    source=shipped("v4.15", "v4.20", "1ed3d2567c80"),
    states=260,
)
class PinNumberAndLock(PinAndNumber):
    """Nothing is mapped while an invalidation is under way, but pages are looked up."""

    async def invalidate_range_start(self, k: Any) -> None:
        await k.update.mutex_lock()  # amdgpu_mn_read_lock()
        await k.notifier.bump_mmu_invalidate_seq()
        await PinWhileMapped.invalidate_range_start(self, k)

    async def invalidate_range_end(self, k: Any) -> None:
        await k.update.mutex_unlock()


@race.case(
    "MN-F/F6",
    "a reference until the job is over, and no callback at all",
    sometimes=[device_keeps_stale_entry, cpu_and_device_disagree],
    kind="contract",
    states=39,
    world=PinnedMirror,
    actors=ONE_INVALIDATION,
    schedules={"the job works on the old page": "CPU0*4 CPU1 GPU*2"},
    source=proposed_elsewhere("2019-11-13", "<20191113042710.3997854-10-jhubbard@nvidia.com>"),
)
class PinnedForTheJob(Driver):
    """No callbacks: the pages are pinned until the job is over."""

    async def fault(self, k: Mirror) -> None:
        page = await k.gpu.xchg(VA, None)  # the job is over
        if page is not None:
            await page.put_page()


race.case(
    "MN-E/E0",
    "for comparison: no reference, the driver stays in sync",
    name="SequenceAndCounter",
    of=SequenceAndCounter,
    states=261,
    world=GuardedMirror,
    actors=ONE_INVALIDATION,
    source=KVM,
)
