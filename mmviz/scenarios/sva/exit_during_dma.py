"""A process exits while a device works on its memory.

The device uses the process's own page table, by its PASID.  The process is killed: exit_mmap()
calls the notifier's release(), unlinks the notifier, and frees pages and tables.  The device has
not been told to stop.  What its caches hold, and what it can still reach by a walk, must be gone
when release() returns: after that no callback notifies the IOMMU.

Promise: When a page is given back, no DMA can reach it; and an exit never fills the kernel's log.

Memory model: sequentially consistent; what is not coherent, the caches of the IOMMU and of the
    device, is modelled.

Simplified:
    One process, one device, one page; the process has one user, so its last mmput() ends it.
    The driver unbinds at any time, before, during or after the exit, and stops the device first.
    The driver's lock around the entry is left out: in any order, an entry only moves away from
    the pgd.
    SRCU around release() is left out, for the same reason.
    In unbind, the flushes of the IOTLB and of the device's cache have no effect here: the device
    has stopped, and its PASID is not given to another process.
    In unbind, one of the two waits, drain and sync, is redundant: they wait for the same DMA.
    In unbind, mmu_notifier_put() has no effect here: the notifier's own memory is left out.
    Each DMA that meets no entry is reported.  VT-d reports only untranslated requests; an ATS
    request gets a quiet "no translation".
    An unmapped address is not reported; page requests (PRI) are left out.
    That a release() sleeps is not judged here.  It is the argument against stopping the device in
    release(); sva/release_sleeps shows it.

Sources:
    <20200306143556.GA99609@myrica> 2020-03-06, Brucker: an exit step by step, and why to invalidate
    everything is not enough when DMA goes on and the entry stays
    <20200306145245.GK31668@ziepe.ca> 2020-03-06, Gunthorpe: a pgd that always fails
    <20200313191324.GG31668@ziepe.ca> 2020-03-13, Gunthorpe: the dummy pgd until the PASID goes
    mm/mmu_notifier.c: __mmu_notifier_release(), mn_hlist_release(), mmu_notifier_put()
    kernel/fork.c: mmput(), mmdrop(); mm/mmap.c: exit_mmap()
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c: arm_smmu_mm_release()
    drivers/iommu/intel/svm.c: intel_mm_release()
    <1452720905.88154.75.camel@infradead.org> Woodhouse's e57e58bd390a (v4.5): VT-d clears the entry
    <20200516062101.29541-15-baolu.lu@linux.intel.com> 2020-05-16, Lu (v5.8): it does so quietly
    edcc40d2ab5f (v5.8) iommu_sva_ops::mm_exit goes; 32784a9562fb (v5.11) SMMUv3 bind and unbind
"""

from functools import partial

from mmviz.engine import Race
from mmviz.kernel.iommu.pasid import NOT_PRESENT, NOT_PRESENT_QUIET
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.sva import (
    ALL_FAIL_PGD,
    INVALIDATE_ALL,
    SERIES_V4,
    VTD_NOT_PRESENT,
    VTD_QUIET,
)
from mmviz.scenarios.sva.worlds import (
    BAD,
    Bond,
    bond,
    device_reads_freed_page,
    dma,
    flush,
    iommu_sva_unbind_device,
    iommu_walks_freed_pgd,
    mmput,
)


async def unbind_uncounted(k: Bond) -> None:
    """The driver ends its use; its notifier holds no reference on the mm."""
    await iommu_sva_unbind_device(k, counted=False)


race = Race(
    "A1",
    world=bond,
    actors={"CPU0": mmput, "CPU1": iommu_sva_unbind_device, "DEV": dma},
    daemons=("DEV",),
    bad=BAD,
)
UNCOUNTED = {"CPU0": mmput, "CPU1": unbind_uncounted, "DEV": dma}


@race.case(
    "a1",
    "release() does nothing: the caches stay",
    sometimes=[device_reads_freed_page],
    states=116,
    source=constructed("what the caches alone do when release() is empty"),
)
class ReleaseNothing:
    """No release() at all."""

    async def release(self, k: Bond) -> None:
        pass


race.case(
    "a2",
    "the same, and the notifier holds no reference on the mm",
    of=ReleaseNothing,
    name="ReleaseNothingUncounted",
    world=partial(bond, counted=False),
    actors=UNCOUNTED,
    sometimes=[device_reads_freed_page, iommu_walks_freed_pgd],
    states=110,
    source=constructed("what the notifier's reference on the mm adds"),
)


@race.case(
    "a3",
    "tempting: invalidate everything, which is enough for shadow page tables",
    sometimes=[device_reads_freed_page],
    states=250,
    schedules={"a walk between the flush and the free": "DEV*2 CPU0*7 DEV CPU0 DEV"},
    source=INVALIDATE_ALL,
)
class FlushOnly:
    """Flushes every cache: enough for a driver with shadow page tables."""

    async def release(self, k: Bond) -> None:
        await flush(k)  # the entry is still the pgd: the next walk fills the caches again


@race.case(
    "a4",
    "tempting, and VT-d's way from v4.5 to v5.7: not present, so each DMA is reported as an error",
    sometimes=["user_fills_kernel_log"],
    states=240,
    source=VTD_NOT_PRESENT,
)
class ClearEntry:
    """The PASID has no entry: memory is safe, and each DMA is an error that is reported."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await flush(k)


@race.case(
    "a7",
    "tempting, as series v4 did: stop the device (safe here; see release_sleeps)",
    states=186,
    source=SERIES_V4,
)
class StopDevice:
    """The device is stopped, which takes as long as the device needs."""

    async def release(self, k: Bond) -> None:
        await k.dev.stop_queue()
        await k.dev.drain_queue()  # redundant: the flush waits for the DMA under way as well
        # redundant: a device that is stopped and drained uses no entry
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await flush(k)  # redundant: a device that is stopped and drained uses no cache


@race.case(
    "a5",
    "VT-d's way (v5.8): non-present with fault processing disabled",
    states=225,
    source=VTD_QUIET,
)
class ClearEntryQuietly:
    """The PASID has no entry, and the IOMMU is told not to report its use."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET)
        await flush(k)


@race.case(
    "a6",
    "as the thread proposed, and SMMUv3 does (v5.11): a pgd that always fails",
    states=257,
    source=shipped("v5.11", said=ALL_FAIL_PGD, checked=("v6.18", "2026-11-28")),
)
class DummyPgd:
    """The PASID stays present and leads nowhere until the driver unbinds."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await flush(k)


race.case(
    "a8",
    "the same where the notifier holds no reference on the mm",
    of=DummyPgd,
    name="DummyPgdUncounted",
    world=partial(bond, counted=False),
    actors=UNCOUNTED,
    states=238,
    source=constructed("with the dummy pgd the notifier's reference on the mm is not needed here"),
)
