"""Which failing DMA is reported: quiet for users, loud for drivers.

An unprivileged process that exits with work under way makes its DMA fail.  That must not print
anything, or a user could fill the kernel's log.  A driver that unbinds without stopping its device
is a bug, and must be reported.  Both look the same to the IOMMU, unless the entry tells them apart:
as long as the bond lives it leads nowhere quietly, and only afterwards it is not present.

Promise: While a process is bound its failing DMA prints nothing; after unbind DMA is reported.

Memory model: sequentially consistent; the caches of the IOMMU and of the device are modelled.

Simplified:
    As exit_during_dma.
    The driver unbinds without stopping its device, which is its bug; the other errors it makes
    possible are not judged here.
    While unbind is at work, from the bond's removal to the last put, a DMA may be quiet or loud.
    What makes memory safe, the flush of IOTLB and device cache, has no effect on what is judged.
    A page that is reached after unbind through caches is not judged: unbind has flushed them.
    VT-d rate-limits what it prints; NotPresentAtExit prints each DMA.

Sources:
    <20200306174239.GM31668@ziepe.ca> 2020-03-06, Gunthorpe: no user-triggered prints
    <20200313184929.GC2574@myrica> 2020-03-13, Brucker: an unmapped address is a user's error, a
    missing pgd a driver's; abort quietly until unbind()
    <20200313191324.GG31668@ziepe.ca> 2020-03-13, Gunthorpe: not present only after the PASID's end
    <20200224182401.353359-22-jean-philippe@linaro.org> Brucker's v4 21/26: a rate limit
    (9cff922bba42)
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c: event 0x0a C_BAD_CD; EPD0 in the quiet entry
    e57e58bd390a (v4.5) VT-d: not present at exit
    <20200516062101.29541-15-baolu.lu@linux.intel.com> 2020-05-16, Lu (v5.8): VT-d's FPD bit is set
    at exit, cleared at unbind
"""

from functools import partial
from typing import NamedTuple

from mmviz.engine import Race, field
from mmviz.kernel.iommu.fault_report import ReportingSmmu
from mmviz.kernel.iommu.io_mm import IoMm, SvaBond
from mmviz.kernel.iommu.pasid import NOT_PRESENT, NOT_PRESENT_QUIET, Absent, SvaDevice
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.mm_struct import mmput as put_user
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed, proposed, shipped
from mmviz.scenarios.sva import DUMMY_UNTIL_UNBIND, VTD_NOT_PRESENT, VTD_QUIET
from mmviz.scenarios.sva.worlds import Bond, dma, flush


class Reported(Bond):
    """A process bound to a device whose IOMMU reports errors."""

    io_mm: IoMm = field(kw_only=True)
    bond: SvaBond = field(kw_only=True)


def reported(prints_faults: bool = False, ratelimited: bool = False) -> Reported:
    """Bound."""
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_count=2, subscribed=True)
    bond = SvaBond()
    io_mm = IoMm(refs=1, bonds=(bond,))
    smmu = ReportingSmmu(mm.pgd, io_mm=io_mm, prints_faults=prints_faults, ratelimited=ratelimited)
    return Reported(mm, smmu, SvaDevice(smmu, name="device"), io_mm=io_mm, bond=bond)


DUMMY = None


class Policy(NamedTuple):
    """What release() and unbind write into the entry; "" is the dummy pgd.

    With `stops` unbind stops the device first.
    """

    release: Absent | None
    unbind: Absent | None
    stops: bool = False


async def write(k: Reported, entry: Absent | None) -> None:
    """Change the entry, and make every cache forget the old one."""
    await k.smmu.arm_smmu_write_ctx_desc(entry or k.dummy)
    await flush(k)


async def mmput(k: Reported, policy: Policy) -> None:
    """The process exits."""
    await put_user(k.mm, lambda: release(k, policy))


async def release(k: Reported, policy: Policy) -> None:
    """What the notifier does when the process ends, if it is bound."""
    await k.io_mm.lock.mutex_lock()
    if not await k.io_mm.list_is_empty():
        await write(k, policy.release)
    await k.io_mm.lock.mutex_unlock()


async def iommu_sva_unbind_device(k: Reported, policy: Policy) -> None:
    """The driver unbinds; a driver with the bug does not stop its device."""
    if policy.stops:
        await k.dev.stop_queue()
        await k.dev.drain_queue()  # redundant: a late DMA meets a dummy that reports nothing
    await k.io_mm.lock.mutex_lock()
    await k.io_mm.list_del(k.bond)
    await write(k, policy.unbind)
    await k.io_mm.io_mm_put()
    await k.io_mm.lock.mutex_unlock()


race = Race(
    "A3",
    world=reported,
    actors={"CPU0": mmput, "CPU1": iommu_sva_unbind_device, "DEV": dma},
    daemons=("DEV",),
    bad=("user_fills_kernel_log", "driver_bug_unreported"),
)

race.case(
    "c2",
    "tempting, and VT-d's way from v4.5 to v5.7: not present at exit, so every error is reported",
    of=Policy(NOT_PRESENT, NOT_PRESENT),
    name="NotPresentAtExit",
    sometimes=["user_fills_kernel_log"],
    states=229,
    source=VTD_NOT_PRESENT,
)
race.case(
    "c6",
    "tempting: the same, and the log is rate-limited",
    of=Policy(NOT_PRESENT, NOT_PRESENT),
    name="RateLimited",
    world=partial(reported, ratelimited=True),
    sometimes=["user_fills_kernel_log"],
    states=229,
    source=proposed("2020-02-24", "<20200224182401.353359-22-jean-philippe@linaro.org>"),
)
race.case(
    "c7",
    "a dummy at exit, and unmapped addresses are printed",
    of=Policy(DUMMY, NOT_PRESENT),
    name="FaultsPrinted",
    world=partial(reported, prints_faults=True),
    sometimes=["user_fills_kernel_log"],
    states=253,
    source=constructed("the prints that the mail of 2020-03-06 forbids"),
)
race.case(
    "c4",
    "tempting: a dummy at exit, and after unbind too",
    of=Policy(DUMMY, DUMMY),
    name="DummyForEver",
    sometimes=["driver_bug_unreported"],
    states=213,
    source=constructed("why the entry is not present in the end"),
)
race.case(
    "c5",
    "not present and quiet at exit, and after unbind too",
    of=Policy(NOT_PRESENT_QUIET, NOT_PRESENT_QUIET),
    name="QuietForEver",
    sometimes=["driver_bug_unreported"],
    states=145,
    source=constructed("why VT-d's entry is loud in the end"),
)
race.case(
    "c4-stopped",
    "a permanent dummy, where every driver stops its device first",
    of=Policy(DUMMY, DUMMY, stops=True),
    name="DummyForEverStopped",
    states=203,
    source=constructed("a permanent dummy hides driver bugs, and causes none"),
)
race.case(
    "c3",
    "as VT-d: quiet at exit, not present after unbind",
    of=Policy(NOT_PRESENT_QUIET, NOT_PRESENT),
    name="QuietThenNotPresent",
    states=180,
    source=VTD_QUIET,
)
race.case(
    "c1",
    "as the thread proposed, and SMMUv3 does: a dummy at exit, not present after unbind",
    of=Policy(DUMMY, NOT_PRESENT),
    name="DummyThenNotPresent",
    states=201,
    source=shipped("v5.11", said=DUMMY_UNTIL_UNBIND, checked=("v6.18", "2026-11-28")),
)
