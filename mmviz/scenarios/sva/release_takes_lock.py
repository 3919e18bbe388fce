"""The last mmput() comes where a lock is held that release() takes.

The task that drops the last user of a process runs its teardown on the spot, and with it release()
of every driver.  mmput() is called in more than a hundred places, some with locks held.  If
release() takes such a lock, flushes the work it is called from, or waits for a fence whose
signaller needs the lock, the caller waits for itself.  Which mmput() is the last depends on timing,
so tests seldom see it.

Promise: Each call of mmput() returns.

Memory model: sequentially consistent; only who waits for whom is modelled.

Simplified:
    Of release() only what it waits for is modelled.
    ReleaseTakesLockPutLater and the asynchronous ones are right for this caller; with over a
    hundred callers, each would have to be audited.
    A lock that is left out breaks nothing here: what it protects is not modelled.
    The work and the locks stand for themselves: what they do is left out.
    ReleaseTakesLock: in RDMA ODP release() is the interval notifier's invalidate().

Sources:
    <20200306174239.GM31668@ziepe.ca> 2020-03-06, Gunthorpe: over 100 callers of mmput(), so
    release() must be simple
    <20200313191324.GG31668@ziepe.ca> 2020-03-13, Gunthorpe: trivial locking only; dma_fence
    26b25a2b98e4 (v5.2) the comment of iommu_sva_ops::mm_exit: lock(A), mmput(), mm_exit(), lock(A)
    edcc40d2ab5f (v5.8) removes mm_exit: the fault handler's mmput() would drain its own queue
    36f30e486dce (v5.10) RDMA ODP: mmput() under umem_mutex; 85eaeb5058f0 (v6.0) mmput_async()
    2a9de42e8d3c amdkfd: mmput_async() in svm_range_deferred_list_work()
    <YllADL6uMoLllzQo@fyu1.sc.intel.com> 2022-04-15, Yu: mmput() in unbind, under sva_lock
    <YmA4pbgevqln/jSO@myrica> 2022-04-20, Brucker: release() takes that lock; put after the unlock?
    d38c28dbefee (v6.11) SMMUv3: release() takes one spinlock, attach runs under others
    kernel/fork.c: mmput(), mmput_async()
"""

from functools import partial
from typing import Any, Protocol

from mmviz.engine import Race, World, field
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd, last_mmput
from mmviz.kernel.mm.mm_struct import mmput as put_user
from mmviz.kernel.provenance import constructed, mistake, proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import Mutex, SpinLock, WaitQueue
from mmviz.kernel.sync.workqueue import Work
from mmviz.scenarios.sva import DUMMY_UNTIL_UNBIND, SERIES_V4


class Worker(World):
    """A process, a worker that uses it too, and what they may wait for."""

    mm: MmStruct
    mutex: Mutex = field(default_factory=lambda: Mutex(name="mutex"))
    leaf: SpinLock = field(default_factory=lambda: SpinLock(name="leaf lock"))
    work: Work = field(default_factory=lambda: Work(queued=True, name="work"))
    async_put: Work = field(default_factory=lambda: Work(name="async put"))
    fence: WaitQueue = field(default_factory=lambda: WaitQueue(name="fence"))


def worker(mm_users: int = 2) -> Worker:
    """The process has a notifier, and one or two users."""
    return Worker(MmStruct(pgd=Pgd(name="pgd"), mm_users=mm_users, mm_count=2, subscribed=True))


class Driver(Protocol):
    async def release(self, k: Any) -> None: ...
    async def act(self, k: Any) -> None: ...


async def exit_task(k: Worker, driver: Driver) -> None:
    """The process's own task drops its user."""
    await put_user(k.mm, lambda: driver.release(k))


async def work(k: Worker, driver: Driver) -> None:
    """A worker does something for the process, as one of its users."""
    await k.work.process_one_work()
    await driver.act(k)
    await k.work.work_done()


async def mmput_async_fn(k: Worker, driver: Driver) -> None:
    """Another worker tears down what mmput_async() left to it."""
    await k.async_put.process_one_work()
    # redundant: without release() the lock is not taken a second time
    await last_mmput(k.mm, lambda: driver.release(k))
    await k.async_put.work_done()  # redundant: release() flushes the driver's own work, not this


async def dma_fence_signal(k: Worker) -> None:
    """A fence is signalled, which needs the mutex."""
    await k.mutex.mutex_lock()
    await k.fence.wake_up_all()
    await k.mutex.mutex_unlock()


async def mmput_async(k: Worker) -> None:
    """Drop a user; if it was the last, let a worker do the rest."""
    # redundant: a put that is not the last calls no release(), which takes no lock then
    if await k.mm.mmput():
        await k.async_put.schedule_work()  # redundant: work that is never done takes no lock


race = Race(
    "A5",
    world=worker,
    actors={
        "CPU0": work,
        "CPU1": exit_task,
        "CPU2": dma_fence_signal,
        "KWORKER": mmput_async_fn,
    },
    daemons=("KWORKER",),
    bad=("sleeps_in_atomic",),
)
ONE_USER = partial(worker, mm_users=1)


@race.case(
    "e1",
    "as RDMA ODP from v5.10 to v5.19: release() takes a lock under which mmput() is called",
    deadlock=True,
    states=90,
    source=shipped("v5.10", "v5.19", "36f30e486dce"),
)
class ReleaseTakesLock:
    """The worker puts while it holds the lock that release() takes."""

    async def release(self, k: Worker) -> None:
        await k.mutex.mutex_lock()
        await k.mutex.mutex_unlock()

    async def act(self, k: Worker) -> None:
        await k.mutex.mutex_lock()
        await self.put(k)
        await k.mutex.mutex_unlock()

    async def put(self, k: Worker) -> None:
        await put_user(k.mm, lambda: self.release(k))


@race.case(
    "e3",
    "mmput() after the unlock; every other caller would have to do so too",
    states=110,
    source=proposed_elsewhere("2022-04-20", "<YmA4pbgevqln/jSO@myrica>"),
)
class ReleaseTakesLockPutLater(ReleaseTakesLock):
    """The worker puts after it has dropped the lock."""

    async def act(self, k: Worker) -> None:
        # redundant in ReleaseTakesLockPutLater: what the lock protects is not modelled
        await k.mutex.mutex_lock()
        await k.mutex.mutex_unlock()
        await self.put(k)


@race.case(
    "e4",
    "mmput_async() under the lock, as RDMA ODP does since v6.0",
    states=162,
    source=shipped("v6.0", where="85eaeb5058f0", checked=("v6.16", "2026-11-28")),
)
class ReleaseTakesLockPutAsync(ReleaseTakesLock):
    """Another worker runs release(), and takes the lock when it is free."""

    async def put(self, k: Worker) -> None:
        await mmput_async(k)


@race.case(
    "e2",
    "release() takes a leaf lock of its own and no other",
    states=112,
    source=DUMMY_UNTIL_UNBIND,
)
class ReleaseTakesLeafLock(ReleaseTakesLock):
    """A lock of the driver's own, which is never held across mmput()."""

    async def release(self, k: Worker) -> None:
        await k.leaf.spin_lock()  # redundant: what the leaf lock protects is not modelled
        await k.leaf.spin_unlock()


@race.case(
    "e5",
    "release() flushes the work that calls mmput()",
    deadlock=True,
    states=64,
    source=mistake("2a9de42e8d3c: amdkfd's svm_range_deferred_list_work() called mmput()"),
)
class ReleaseFlushesWork(ReleaseTakesLock):
    """release() waits for the work that may be running it."""

    async def release(self, k: Worker) -> None:
        await k.work.flush_work()

    async def act(self, k: Worker) -> None:
        await self.put(k)


@race.case(
    "e6",
    "the work calls mmput_async()",
    states=104,
    source=SERIES_V4,
)
class ReleaseFlushesWorkPutAsync(ReleaseFlushesWork):
    """As series v4's fault handler, whose queue release() drains."""

    async def put(self, k: Worker) -> None:
        await mmput_async(k)


@race.case(
    "e7",
    "tempting: no lock at all, only a fence; its signaller needs the lock",
    deadlock=True,
    states=77,
    source=constructed("the dma_fence that the mail of 2020-03-13 warns of"),
)
class ReleaseWaitsForFence(ReleaseTakesLock):
    """release() takes no lock, but waits for an actor that does."""

    async def release(self, k: Worker) -> None:
        await k.fence.wait_event()


@race.case(
    "e8",
    "bind pins the process under a lock that release() takes",
    world=ONE_USER,
    deadlock=True,
    states=156,
    source=proposed_elsewhere("2022-04-15", "<YllADL6uMoLllzQo@fyu1.sc.intel.com>"),
)
class BindUnderLock(ReleaseTakesLock):
    """Bind pins the process itself, and so may become its last user.

    The RFC of 2022 put under sva_lock as well, in unbind.
    """

    async def act(self, k: Worker) -> None:
        await k.mutex.mutex_lock()
        if await k.mm.mmget_not_zero():
            await self.put(k)
        await k.mutex.mutex_unlock()


@race.case(
    "e9",
    "bind pins under one lock, and release() takes another (SMMUv3, v6.11)",
    world=ONE_USER,
    states=176,
    source=shipped("v6.11", where="d38c28dbefee", checked=("v6.18", "2026-11-28")),
)
class BindUnderOtherLock(BindUnderLock):
    """attach under iommu_sva_lock and group->mutex, release() under a spinlock."""

    async def release(self, k: Worker) -> None:
        await k.leaf.spin_lock()  # redundant: what the leaf lock protects is not modelled
        await k.leaf.spin_unlock()
