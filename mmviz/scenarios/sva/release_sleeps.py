"""One process's release() sleeps, and another process waits.

A single worker answers a device's page faults for all processes.  To answer one it becomes a user
of the process for a moment.  If the process is killed then, the worker's mmput() is the last: it
runs the teardown, and release() with it.  A release() that waits until the device is idle, perhaps
for minutes, keeps the worker from every other process's faults.  If the device needs one of those
faults answered to get idle, the wait is a deadlock.

Promise: A process that is being torn down does not hold up another.

Memory model: sequentially consistent; the waiting is all there is.

Simplified:
    Two faults, of process P1, which is killed, and of P2.
    Time is not modelled: it is bad that the worker sleeps in release() while P2's fault is queued,
    however long.
    The device may finish at any time or never, unless it needs the faults to be answered first.
    That release() makes the entry fail in time is exit_during_dma's matter; nothing shows it here.
    PutAsync is right for this worker; every other caller of mmput() would have to be converted.

Sources:
    <20200306174239.GM31668@ziepe.ca> 2020-03-06, Gunthorpe: over 100 callers of mmput(), and a
    driver's teardown may take minutes
    <20200313191324.GG31668@ziepe.ca> 2020-03-13, Gunthorpe: RDMA's page faults would stop for all
    26b25a2b98e4 (v5.2) iommu_sva_ops::mm_exit, which may sleep; edcc40d2ab5f (v5.8) removes it,
    with the reasons.  No IOMMU driver called it in between; the series v4 did
    drivers/infiniband/hw/mlx5/odp.c: mlx5_ib_eqe_pf_action()
    drivers/infiniband/core/umem_odp.c: ib_umem_odp_map_dma_and_lock()
    kernel/fork.c: mmput(), mmput_async()
"""

from typing import Protocol

from mmviz.engine import Race, World, field
from mmviz.kernel.iommu.pasid import Smmu
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd, last_mmput
from mmviz.kernel.mm.mm_struct import mmput as put_user
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.workqueue import DrainWait, PageFaultQueue, Work
from mmviz.scenarios.sva import NO_MM_EXIT, SERIES_V4


class Faults(World):
    """Process P1 with its notifier, its device, and the queue of all faults."""

    p1: MmStruct
    smmu: Smmu
    device: DrainWait = field(default_factory=lambda: DrainWait(name="device of P1"))
    queue: PageFaultQueue = field(
        default_factory=lambda: PageFaultQueue(("P1", "P2"), name="queue")
    )
    async_put: Work = field(default_factory=lambda: Work(name="async put"))
    dummy: Pgd = field(default_factory=lambda: Pgd(name="dummy pgd"))


def faults() -> Faults:
    """P1's task and the worker use P1."""
    p1 = MmStruct(pgd=Pgd(name="pgd"), mm_users=2, mm_count=2, subscribed=True, name="P1")
    return Faults(p1, Smmu(p1.pgd))


def innocent_process_waits(k: Faults) -> bool:
    """A process that has done nothing waits for its page fault while another one exits."""
    return "CPU0" in k.device.waiters and "P2" in k.queue.faults


class Driver(Protocol):
    async def release(self, k: Faults) -> None: ...
    async def put(self, k: Faults) -> None: ...


async def mlx5_ib_eqe_pf_action(k: Faults, driver: Driver) -> None:
    """The fault worker: P1's fault, then P2's."""
    await k.queue.resolve()
    await driver.put(k)
    await k.queue.resolve()


async def exit_task(k: Faults, driver: Driver) -> None:
    """P1 is killed."""
    await put_user(k.p1, lambda: driver.release(k))


async def mmput_async_fn(k: Faults, driver: Driver) -> None:
    """Another worker tears down what mmput_async() left to it."""
    await k.async_put.process_one_work()
    # redundant: a process that is not torn down does not wait for its device
    await last_mmput(k.p1, lambda: driver.release(k))
    await k.async_put.work_done()  # redundant: this work is not flushed here


async def finish_job(k: Faults) -> None:
    """The device gets idle."""
    await k.device.drained()


async def finish_job_after_faults(k: Faults) -> None:
    """The device gets idle when no fault is left."""
    await k.queue.all_resolved()
    await k.device.drained()


race = Race(
    "A4",
    world=faults,
    actors={
        "CPU0": mlx5_ib_eqe_pf_action,
        "CPU1": exit_task,
        "DEV": finish_job,
        "KWORKER": mmput_async_fn,
    },
    daemons=("DEV", "KWORKER"),
    bad=(innocent_process_waits, "sleeps_in_atomic"),
)


@race.case(
    "d2",
    "as mm_exit allowed, and series v4 did: release() waits until the device is idle",
    sometimes=[innocent_process_waits],
    states=41,
    schedules={"the worker puts last": "CPU0 CPU1 CPU0*3"},
    source=SERIES_V4,
)
class WaitUntilIdle:
    """mm_exit(): the driver stops its device and waits."""

    async def release(self, k: Faults) -> None:
        await k.device.prepare_to_wait()
        await k.device.finish_wait()

    async def put(self, k: Faults) -> None:
        await put_user(k.p1, lambda: self.release(k))


race.case(
    "d3",
    "the same, and the device needs a fault answered by that worker",
    of=WaitUntilIdle,
    name="WaitNeedsFault",
    actors=race.actors | {"DEV": finish_job_after_faults},
    sometimes=[innocent_process_waits],
    deadlock=True,
    states=27,
    source=constructed("the lockup of edcc40d2ab5f: to drain needs the worker that sleeps"),
)


@race.case(
    "d4",
    "tempting: this worker calls mmput_async()",
    states=60,
    source=SERIES_V4,
)
class PutAsync(WaitUntilIdle):
    """Another worker sleeps, and this one goes on: as series v4's own fault handler."""

    async def put(self, k: Faults) -> None:
        # redundant: without the last put the process is not torn down, and no worker waits
        if await k.p1.mmput():
            await k.async_put.schedule_work()  # redundant: work never done makes no worker wait


@race.case(
    "d1",
    "release() never waits for the device",
    states=58,
    source=shipped("v5.8", said=NO_MM_EXIT, checked=("v6.16", "2026-11-28")),
)
class NeverWait(WaitUntilIdle):
    """The entry is switched; release() does not wait until the device notices."""

    async def release(self, k: Faults) -> None:
        # redundant: what release() must clear is judged in sva/exit_during_dma
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        # redundant: what release() must clear is judged in sva/exit_during_dma
        await k.smmu.arm_smmu_sync_cd()
        # redundant: what release() must clear is judged in sva/exit_during_dma
        await k.smmu.arm_smmu_tlb_inv_asid()


@race.case(
    "d5",
    "the device is asked to stop, and release() does not wait",
    states=64,
    source=constructed("not the request to stop does harm, but the wait for it"),
)
class AskToStop(NeverWait):
    """The device is told to stop, and release() returns before it has."""

    async def release(self, k: Faults) -> None:
        # redundant: a device that goes on makes no worker wait; what it reaches is judged elsewhere
        await k.device.ask_to_stop()
        await super().release(k)
