"""One process's release() sleeps, and another process waits.

A single worker answers a device's page faults for all processes.  To answer one it becomes a user
of the process for a moment.  If the process is killed then, the worker's mmput() is the last: it
runs the teardown, and release() with it.  A release() that waits until the device is idle, minutes
perhaps, keeps the worker from everybody else's faults; if the device needs one of those to get
idle, for ever.

Promise: A process that is being torn down does not hold up another.

Memory model: sequentially consistent; the waiting is all there is.

Simplified:
    Two faults, of process P1, which is killed, and of P2.  Time is not modelled: it is bad that the
    worker sleeps in release() while P2's fault is queued, however long.
    The device may finish at any time or never, unless it needs the faults to be answered first.
    That release() makes the entry fail in time is exit_during_dma's matter; nothing shows it here.
    PutAsync is right for this worker; every other caller of mmput() would have to be converted.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>
    edcc40d2ab5f (v5.8) iommu_sva_ops::mm_exit goes, with the reasons
    drivers/infiniband/hw/mlx5/odp.c: mlx5_ib_eqe_pf_action(); drivers/infiniband/core/umem_odp.c:
    ib_umem_odp_map_dma_and_lock(); kernel/fork.c: mmput(), mmput_async()
"""

from typing import Protocol

from mmviz.engine import Case, Verdict, World, expecting, field
from mmviz.kernel.mm_struct import MmStruct, Pgd, last_mmput
from mmviz.kernel.mm_struct import mmput as put_user
from mmviz.kernel.pasid import Smmu
from mmviz.kernel.workqueue import DrainWait, PageFaultQueue, Work


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
    await last_mmput(k.p1, lambda: driver.release(k))
    await k.async_put.work_done()


async def finish_job(k: Faults) -> None:
    """The device gets idle."""
    await k.device.drained()


async def finish_job_after_faults(k: Faults) -> None:
    """The device gets idle when no fault is left."""
    await k.queue.all_resolved()
    await k.device.drained()


class WaitUntilIdle:
    """mm_exit(): the driver stops its device and waits."""

    async def release(self, k: Faults) -> None:
        await k.device.prepare_to_wait()
        await k.device.finish_wait()

    async def put(self, k: Faults) -> None:
        await put_user(k.p1, lambda: self.release(k))


class PutAsync(WaitUntilIdle):
    async def put(self, k: Faults) -> None:
        if await k.p1.mmput():
            await k.async_put.schedule_work()


class NeverWait(WaitUntilIdle):
    """The entry is switched; when the device notices is its own affair."""

    async def release(self, k: Faults) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()


class AskToStop(NeverWait):
    """The device is told to stop, and nobody waits until it has."""

    async def release(self, k: Faults) -> None:
        await k.device.ask_to_stop()
        await super().release(k)


BAD = (innocent_process_waits, "sleeps_in_atomic")
SOMETIMES = Verdict.SOMETIMES


def case(
    driver: Driver,
    variant: str,
    title: str,
    *,
    states: int,
    name: str = "",
    needs_faults: bool = False,
    stuck: bool = False,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the fault worker against the kill and the device."""
    return Case(
        name=name or type(driver).__name__,
        id=f"A4/{variant}",
        title=title,
        proposed=proposed,
        world=faults,
        actors={
            "CPU0": lambda k: mlx5_ib_eqe_pf_action(k, driver),
            "CPU1": lambda k: exit_task(k, driver),
            "DEV": finish_job_after_faults if needs_faults else finish_job,
            "KWORKER": lambda k: mmput_async_fn(k, driver),
        },
        daemons=("DEV", "KWORKER"),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
        stuck=stuck,
        shipped=shipped,
    )


CASES = (
    case(
        WaitUntilIdle(),
        "d2",
        "as v5.2 allowed: release() waits until the device is idle",
        states=42,
        schedules={"the worker puts last": "CPU0 CPU1 CPU0*3"},
        shipped=("v5.2", "v5.7"),
        innocent_process_waits=SOMETIMES,
        proposed=("2020-03-06", "<20200306161519.GB99609@myrica>"),
    ),
    case(
        WaitUntilIdle(),
        "d3",
        "the same, and the device needs a fault answered by that worker",
        name="WaitNeedsFault",
        needs_faults=True,
        states=27,
        stuck=True,
        innocent_process_waits=SOMETIMES,
    ),
    case(PutAsync(), "d4", "tempting: this worker calls mmput_async()", states=60),
    case(AskToStop(), "d5", "the device is asked to stop, nobody waits", states=66),
    case(
        NeverWait(),
        "d1",
        "release() never waits for the device",
        states=60,
        shipped=("v5.8", ""),
        proposed=("2020-04-08", "<20200408140427.212807-1-jean-philippe@linaro.org>"),
    ),
)

SPARE = {
    "await last_mmput(k.p1, lambda: driver.release(k))": (
        "Who does not tear the process down does not wait for its device."
    ),
    "await k.async_put.work_done()": "Nobody flushes this work here.",
    "PutAsync: if await k.p1.mmput():": (
        "Without the last put the process is not torn down, and nobody waits."
    ),
    "PutAsync: await k.async_put.schedule_work()": "Work that is never done makes nobody wait.",
    "await k.smmu.arm_smmu_write_ctx_desc(k.dummy)": (
        "What release() has to clear is judged in sva/exit_during_dma; here, whether it waits."
    ),
    "await k.smmu.arm_smmu_sync_cd()": (
        "What release() has to clear is judged in sva/exit_during_dma; here, whether it waits."
    ),
    "await k.smmu.arm_smmu_tlb_inv_asid()": (
        "What release() has to clear is judged in sva/exit_during_dma; here, whether it waits."
    ),
    "AskToStop: await k.device.ask_to_stop()": (
        "A device that goes on makes nobody wait; what it may reach is judged elsewhere."
    ),
}
