"""A waiter runs out of time, and the worker does not know it.

A driver for QAT accelerators resets a device that has reported an error: it allocates the data of
the reset, queues a work that does it, and waits for at most ten seconds.  Work and completion lie
in the data.  If the time is over first, the waiter frees the data, and the worker completes what is
no longer there.  The first fix lets the worker free the data if completion_done() says that the
waiter has gone.  But that function only tells whether complete() has been called: the data is never
freed.

Promise: The data of a reset is freed once, after its last use.

Memory model: sequentially consistent; completion and list of works change under their locks.

Simplified:
    One reset, waited for; the asynchronous kind and the failed restart are left out.
    Ten seconds may be over at any moment: the environment decides.
    The restart itself is one step.
    A leak is judged when the waiter has gone and the work is neither queued nor running.

Sources:
    <20240209124403.44781-1-damian.muszynski@intel.com> 7d42e097607c (v6.9, CVE-2024-26974)
    <Zjs6VxtkL8QLtHIH@gondor.apana.org.au> d3b17c6d9dba (v6.10): a leak instead of a use after free
    d8cba25d2c68 (v3.17) crypto: qat - Intel(R) QAT driver framework
    drivers/crypto/intel/qat/qat_common/adf_aer.c adf_dev_aer_schedule_reset(),
    adf_device_reset_worker()
    kernel/sched/completion.c completion_done(), wait_for_completion_timeout()
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end, atomic, environment, field
from mmviz.kernel.provenance import shipped
from mmviz.kernel.sync.refcount import Slab
from mmviz.kernel.sync.waitqueue import Completion
from mmviz.kernel.sync.workqueue import WorkerPool, WorkqueueStruct, WorkStruct
from mmviz.scenarios.teardown import CANCEL_FIRST, CHECKED, DONE_MEANS_GONE


class ResetData(Slab):
    """The data of one reset.

    Attributes:
        compl: completed when the device is back.
        reset_work: does the reset.

    Source: drivers/crypto/intel/qat/qat_common/adf_aer.c, struct adf_reset_dev_data.
    """

    compl: Completion = field(default_factory=Completion)
    reset_work: WorkStruct = field(default_factory=WorkStruct)

    @atomic("drivers/crypto/intel/qat/qat_common/adf_aer.c")
    def adf_dev_restart(self) -> None:
        """Restart the device: this may take long."""


class Driver(World):
    """A device that needs a reset, and a workqueue."""

    pool: WorkerPool
    device_reset_wq: WorkqueueStruct
    data: ResetData


def machine() -> Driver:
    """Build the driver before the reset."""
    pool = WorkerPool()
    return Driver(pool, WorkqueueStruct(pool=pool), ResetData())


@at_end
def data_is_leaked(k: Driver) -> bool:
    """The waiter has gone, no work is left, and nothing will free the data."""
    return not k.data.freed and not k.pool.is_busy(k.data.reset_work)


class Ending(Protocol):
    """What the waiter and the worker do at the end."""

    async def waited(self, k: Driver, in_time: bool) -> None: ...
    async def restarted(self, k: Driver) -> None: ...


async def adf_dev_aer_schedule_reset(k: Driver, ending: Ending) -> None:
    """Queue the reset and wait for it, for ten seconds at most."""
    await k.device_reset_wq.queue_work(k.data.reset_work)
    in_time = await k.data.compl.wait_for_completion_timeout()
    await ending.waited(k, in_time)


async def adf_device_reset_worker(k: Driver, ending: Ending) -> None:
    """The work: restart the device, and report that it is back."""
    await k.pool.process_one_work(k.data.reset_work)
    await k.data.adf_dev_restart()
    await ending.restarted(k)
    await k.pool.work_done()


# One reset whose time may be over at any moment.
race = Race(
    world=machine,
    actors={
        "CPU0": adf_dev_aer_schedule_reset,
        "kworker": adf_device_reset_worker,
        "environment": environment,
    },
    daemons=("kworker",),
    bad=("use_after_free", data_is_leaked),
)


@race.case(
    "T3/a",
    "as shipped v3.17 to v6.8: the waiter frees the data, in time or not",
    sometimes=["use_after_free"],
    source=shipped("v3.17", "v6.8", "d8cba25d2c68"),
    states=32,
)
class WaiterFrees:
    """After a timeout the worker still uses the data."""

    async def waited(self, k: Driver, in_time: bool) -> None:
        """Free the data."""
        await k.data.kfree()

    async def restarted(self, k: Driver) -> None:
        """Report that the device is back."""
        await k.data.compl.complete()


@race.case(
    "T3/b",
    "as shipped in v6.9: the worker frees the data if completion_done()",
    sometimes=[data_is_leaked],
    source=shipped("v6.9", "v6.9", said=DONE_MEANS_GONE),
    states=29,
)
class WorkerFreesIfDone(WaiterFrees):
    """completion_done() is false until complete() is called, so the worker never frees."""

    async def waited(self, k: Driver, in_time: bool) -> None:
        if in_time:
            await k.data.kfree()

    async def restarted(self, k: Driver) -> None:
        if await k.data.compl.completion_done():
            await k.data.kfree()
        else:
            await k.data.compl.complete()


@race.case(
    "T3/c",
    "as merged in v6.10: after a timeout the waiter cancels the work, and then frees",
    source=shipped("v6.10", said=CANCEL_FIRST, checked=CHECKED),
    states=29,
)
class CancelThenFree(WaiterFrees):
    """cancel_work_sync() waits for a work that runs, and stops one that does not yet."""

    async def waited(self, k: Driver, in_time: bool) -> None:
        if not in_time:
            await k.device_reset_wq.cancel_work_sync(k.data.reset_work)
        await k.data.kfree()
