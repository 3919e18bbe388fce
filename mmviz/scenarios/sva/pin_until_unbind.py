"""No release() at all: the bond keeps the process's memory until it is unbound.

If a bond were a user of the address space, no exit could tear it down under the device: it would
wait for the unbind, which comes when the device's file is closed.  That works as long as the
file is held by file descriptors only.  A queue that is mapped is held by the mapping, the mapping
goes with the address space, and that waits for the bond.

Promise: When a process has ended and closed its files, its memory is given back, and not before
    the device has let go of it.

Memory model: sequentially consistent; the order of the steps does the rest.

Simplified:
    One process, one queue; the unbind is that of exit_during_dma, run by the file's last fput().
    There is no waiting to be seen in the circle of references: all actors finish, and the memory
    stays; where the reference tells of a deadlock the model shows a leak.

Sources:
    a proposal of 2022, not merged, beside 2667ed10d9f0 (v5.18); not in the seed thread
    kernel/exit.c: exit_mm(), exit_files(); fs/file_table.c: __fput(); mm/mmap.c: remove_vma()
    drivers/misc/uacce/uacce.c: uacce_fops_release()
"""

from functools import partial

from mmviz.engine import Case, Verdict, at_end, expecting, field
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.page import Page
from mmviz.kernel.pasid import NOT_PRESENT, Smmu, SvaDevice
from mmviz.kernel.refcount import Kref
from mmviz.scenarios.sva.exit_during_dma import Bond, device_reads_freed_page, dma, flush


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
    """The process has ended, and its memory is not given back as long as the driver holds on."""
    return k.mm.mm_users > 0


async def do_exit(k: OpenQueue, pinned: bool) -> None:
    """The task ends: its address space, then its files."""
    await mmput(k, pinned)
    await fput(k, pinned)


async def mmput(k: OpenQueue, pinned: bool) -> None:
    """Drop a user; the last one unmaps everything, the queue's mapping too."""
    if await k.mm.mmput():
        await k.mm.exit_mmap()
        if k.mapped:
            await fput(k, pinned)


async def fput(k: OpenQueue, pinned: bool) -> None:
    """Drop a reference on the file; the last one unbinds."""
    if await k.file.kref_put():
        await k.dev.stop_queue()
        await k.dev.drain_queue()
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await flush(k)
        if pinned:
            await mmput(k, pinned)


BAD = (device_reads_freed_page, memory_kept_for_ever)


def case(
    name: str,
    variant: str,
    title: str,
    *,
    states: int,
    mapped: bool = False,
    pinned: bool = True,
    kind: str = "race",
    **broken: Verdict,
) -> Case:
    """Let the process end while the device works."""
    return Case(
        name=name,
        id=f"A1/{variant}",
        title=title,
        world=partial(open_queue, mapped, pinned),
        actors={"CPU0": lambda k: do_exit(k, pinned), "DEV": dma},
        daemons=("DEV",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind=kind,
    )


CASES = (
    case(
        "NotPinned",
        "a1-file",
        "for comparison: the bond is no user, and nobody is told of the exit",
        pinned=False,
        states=30,
        device_reads_freed_page=Verdict.SOMETIMES,
    ),
    case(
        "PinnedMappedQueue",
        "a9-mmap",
        "tempting: the bond is a user, and the queue is mapped",
        mapped=True,
        states=9,
        kind="ordering",
        memory_kept_for_ever=Verdict.ALWAYS,
    ),
    case("PinnedOpenQueue", "a9", "the bond is a user, the queue is a descriptor only", states=24),
)
