"""Who hears of a DMA that fails: quiet for users, loud for drivers.

An unprivileged process that exits with work under way makes its DMA fail.  That must not print
anything, or a user could fill the kernel's log.  A driver that unbinds and lets its device go on is
a bug, and must be heard of.  Both look the same to the IOMMU, unless the entry tells them apart: as
long as the bond lives it leads nowhere quietly, and it is not present only afterwards.

Promise: While a process is bound its failing DMA prints nothing; after unbind DMA is reported.

Memory model: sequentially consistent; the caches of the IOMMU and of the device are modelled.

Simplified:
    As exit_during_dma.  The driver unbinds without stopping its device, which is its bug; the other
    errors it makes possible are not judged here.
    While unbind is at work, from the bond's removal to the last put, a DMA may be quiet or loud.
    What makes memory safe, IOTLB and device cache, cannot be told from nothing here.
    A page that is reached after unbind through caches is no error here: unbind has flushed them.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>, and Jean-Philippe Brucker, whom
    it answers: an unmapped address is a user's error, a missing pgd a driver's
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c: event 0x0a C_BAD_CD; EPD0 in the quiet entry
    "Disable non-recoverable fault processing before unbind" (v5.8), VT-d's FPD bit
"""

from functools import partial
from typing import NamedTuple

from mmviz.engine import Case, Verdict, expecting, field
from mmviz.kernel.io_mm import IoMm, SvaBond
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm_struct import mmput as put_user
from mmviz.kernel.page import Page
from mmviz.kernel.pasid import NOT_PRESENT, NOT_PRESENT_QUIET, SvaDevice
from mmviz.kernel.report import ReportingSmmu
from mmviz.scenarios.sva.exit_during_dma import SOMETIMES, Bond, dma, flush


class Reported(Bond):
    """A process bound to a device whose IOMMU reports errors."""

    io_mm: IoMm = field(kw_only=True)
    bond: SvaBond = field(kw_only=True)


class Policy(NamedTuple):
    """What release() and unbind write into the entry, and what is printed; "" is the dummy pgd."""

    release: str
    unbind: str
    prints_faults: bool = False
    ratelimited: bool = False
    stops: bool = False


def reported(policy: Policy) -> Reported:
    """Bound."""
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_count=2, subscribed=True)
    bond = SvaBond()
    io_mm = IoMm(refs=1, bonds=(bond,))
    smmu = ReportingSmmu(
        mm.pgd,
        io_mm=io_mm,
        prints_faults=policy.prints_faults,
        ratelimited=policy.ratelimited,
    )
    return Reported(mm, smmu, SvaDevice(smmu, name="device"), io_mm=io_mm, bond=bond)


async def write(k: Reported, entry: str) -> None:
    """Change the entry, and make everybody forget the old one."""
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
    """The driver unbinds, and forgets to stop its device if it is that kind of driver."""
    if policy.stops:
        await k.dev.stop_queue()
        await k.dev.drain_queue()
    await k.io_mm.lock.mutex_lock()
    await k.io_mm.list_del(k.bond)
    await write(k, policy.unbind)
    await k.io_mm.io_mm_put()
    await k.io_mm.lock.mutex_unlock()


BAD = ("user_fills_kernel_log", "driver_bug_unreported")


def case(
    name: str,
    variant: str,
    title: str,
    policy: Policy,
    *,
    states: int,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the exit against an unbind that leaves the device running."""
    return Case(
        name=name,
        id=f"A3/{variant}",
        title=title,
        proposed=proposed,
        world=partial(reported, policy),
        actors={
            "CPU0": lambda k: mmput(k, policy),
            "CPU1": lambda k: iommu_sva_unbind_device(k, policy),
            "DEV": dma,
        },
        daemons=("DEV",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
    )


DUMMY = ""

CASES = (
    case(
        "NotPresentAtExit",
        "c2",
        "tempting: not present at exit already, so that every error is heard",
        Policy(NOT_PRESENT, NOT_PRESENT),
        states=235,
        user_fills_kernel_log=SOMETIMES,
    ),
    case(
        "RateLimited",
        "c6",
        "tempting: the same, and the log takes only so many lines",
        Policy(NOT_PRESENT, NOT_PRESENT, ratelimited=True),
        states=235,
        user_fills_kernel_log=SOMETIMES,
    ),
    case(
        "FaultsPrinted",
        "c7",
        "a dummy at exit, and unmapped addresses are printed",
        Policy(DUMMY, NOT_PRESENT, prints_faults=True),
        states=259,
        user_fills_kernel_log=SOMETIMES,
    ),
    case(
        "DummyForEver",
        "c4",
        "tempting: a dummy at exit, and after unbind too",
        Policy(DUMMY, DUMMY),
        states=222,
        driver_bug_unreported=SOMETIMES,
    ),
    case(
        "QuietForEver",
        "c5",
        "not present and quiet at exit, and after unbind too",
        Policy(NOT_PRESENT_QUIET, NOT_PRESENT_QUIET),
        states=151,
        driver_bug_unreported=SOMETIMES,
    ),
    case(
        "DummyForEverStopped",
        "c4-stopped",
        "a dummy for ever, where every driver stops its device first",
        Policy(DUMMY, DUMMY, stops=True),
        states=206,
    ),
    case(
        "QuietThenNotPresent",
        "c3",
        "as VT-d: quiet at exit, not present after unbind",
        Policy(NOT_PRESENT_QUIET, NOT_PRESENT),
        states=186,
    ),
    case(
        "DummyThenNotPresent",
        "c1",
        "as the thread proposed: a dummy at exit, not present after unbind",
        Policy(DUMMY, NOT_PRESENT),
        states=207,
        proposed=("2020-03-13", "<20200313191324.GG31668@ziepe.ca>"),
    ),
)

SPARE = {
    "DummyForEverStopped: await k.dev.drain_queue()": (
        "A DMA that is late meets a dummy that reports nothing."
    ),
}
