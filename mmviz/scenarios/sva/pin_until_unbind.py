"""No release() at all: the bond keeps the process's memory until it is unbound.

If a bond is a user of the address space, no exit can tear it down under the device.  It waits for
the unbind, which comes when the device's file is closed.  That works as long as the file is held
by file descriptors only.  A queue that is mapped is held by the mapping, the mapping goes with the
address space, and the address space waits for the bond.

VT-d did so in v4.4, and stopped in v4.5 because of mapped queues.  In 2022 it was proposed again,
for SMMUv3 and VT-d.

Promise: When a process has ended and closed its files, its memory is given back, and not before
    the device has let go of it.

Memory model: sequentially consistent; the order of the steps does the rest.

Simplified:
    One process, one queue; the unbind is that of exit_during_dma, run by the file's last fput().
    No actor waits in the circle of references: all actors finish, and the memory stays.  Where the
    research notes call it a deadlock the model shows a leak.

Sources:
    2f26e0a9c986 (v4.4) VT-d: intel_svm_bind_mm() keeps the get_task_mm() until unbind
    <1452720905.88154.75.camel@infradead.org> 2016-01-13, Woodhouse: "recursive reference count";
    merged as e57e58bd390a (v4.5)
    <YllADL6uMoLllzQo@fyu1.sc.intel.com> 2022-04-15, Yu: mmget() in bind and mmput() in unbind,
    suggested by Dave Hansen; not merged, 2667ed10d9f0 (v5.18) was
    <YmA4pbgevqln/jSO@myrica> 2022-04-20, Brucker: the same without the release() notifier
    kernel/exit.c: exit_mm(), exit_files(); fs/file_table.c: __fput(); mm/mmap.c: remove_vma()
    drivers/misc/uacce/uacce.c: uacce_fops_release()
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Race, at_end, field
from mmviz.kernel.iommu.pasid import NOT_PRESENT, Smmu, SvaDevice
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.refcount import Kref
from mmviz.scenarios.sva.worlds import Bond, device_reads_freed_page, dma, flush

VTD_V44 = shipped("v4.4", "v4.4", "2f26e0a9c986")


class OpenQueue(Bond):
    """A process with a queue of a device: a file, which may be mapped too."""

    file: Kref = field(kw_only=True)
    mapped: bool = field(kw_only=True)


def open_queue(mapped: bool = False, pinned: bool = True) -> OpenQueue:
    """The queue is open, and bound."""
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_users=1 + pinned)
    smmu = Smmu(mm.pgd)
    file = Kref(refs=1 + mapped, name="file")
    return OpenQueue(mm, smmu, SvaDevice(smmu, name="device"), file=file, mapped=mapped)


@at_end
def memory_kept_for_ever(k: OpenQueue) -> bool:
    """The process has ended, and its memory is not freed until the driver unbinds."""
    return k.mm.mm_users > 0


class BondKind(Protocol):
    async def unbound(self, k: OpenQueue) -> None: ...


async def do_exit(k: OpenQueue, bond: BondKind) -> None:
    """The task ends: its address space, then its files."""
    await mmput(k, bond)
    await fput(k, bond)


async def mmput(k: OpenQueue, bond: BondKind) -> None:
    """Drop a user; the last one unmaps everything, the queue's mapping too."""
    if await k.mm.mmput():
        await k.mm.exit_mmap()
        if k.mapped:
            await fput(k, bond)


async def fput(k: OpenQueue, bond: BondKind) -> None:
    """Drop a reference on the file; the last one unbinds."""
    if await k.file.kref_put():
        await k.dev.stop_queue()
        await k.dev.drain_queue()
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await flush(k)
        await bond.unbound(k)


race = Race(
    "A1",
    world=open_queue,
    actors={"CPU0": do_exit, "DEV": dma},
    daemons=("DEV",),
    bad=(device_reads_freed_page, memory_kept_for_ever),
)


@race.case(
    "a1-file",
    "for comparison: the bond is not a user, and no callback announces the exit",
    world=partial(open_queue, pinned=False),
    sometimes=[device_reads_freed_page],
    states=30,
    source=constructed("what the pin stands in for"),
)
class NotPinned:
    """The bond holds no reference that matters here."""

    async def unbound(self, k: OpenQueue) -> None:
        pass


@race.case(
    "a9",
    "as VT-d in v4.4: the bond is a user, the queue is a descriptor only",
    states=24,
    source=VTD_V44,
)
class PinnedOpenQueue:
    """The bond is a user of the address space from bind to unbind."""

    async def unbound(self, k: OpenQueue) -> None:
        await mmput(k, self)


race.case(
    "a9-mmap",
    "tempting: the bond is a user, and the queue is mapped (why VT-d stopped it in v4.5)",
    of=PinnedOpenQueue,
    name="PinnedMappedQueue",
    world=partial(open_queue, mapped=True),
    always=[memory_kept_for_ever],
    kind="ordering",
    states=9,
    source=VTD_V44,
)
