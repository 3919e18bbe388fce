"""The last mmput() comes where a lock is held that release() wants.

Whoever drops the last user of a process runs its teardown on the spot, and with it release() of
every driver.  mmput() is called in more than a hundred places, some with locks held.  If release()
takes such a lock, flushes the work it is called from, or waits for a fence whose signaller needs
the lock, the caller waits for itself.  Who is last is a matter of luck, so tests seldom see it.

Promise: Whoever calls mmput() gets to its next line.

Memory model: sequentially consistent; the waiting is all there is.

Simplified:
    Of release() only what it waits for is modelled.
    ReleaseTakesLockPutLater and the asynchronous ones are right for this caller; with over a
    hundred callers, each would have to be looked at.
    So a lock that is left out breaks nothing here: it is there for what is not modelled.
    The work and the locks stand for themselves: what they do is left out.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>: leaf locks only, dma_fence
    kernel/fork.c: mmput(), mmput_async(); edcc40d2ab5f (v5.8) removes mm_exit
    85eaeb5058f0 (v6.0) RDMA ODP: mmput_async() under umem_mutex
    d38c28dbefee (v6.11) SMMUv3: release() takes one spinlock, attach runs under others
"""

from functools import partial
from typing import Any, Protocol

from mmviz.engine import Case, Verdict, World, field
from mmviz.kernel.locks import Mutex, SpinLock, WaitQueue
from mmviz.kernel.mm_struct import MmStruct, Pgd, last_mmput
from mmviz.kernel.mm_struct import mmput as put_user
from mmviz.kernel.workqueue import Work


class Worker(World):
    """A process, a worker that uses it too, and what they may wait for."""

    mm: MmStruct
    mutex: Mutex = field(default_factory=lambda: Mutex(name="mutex"))
    leaf: SpinLock = field(default_factory=lambda: SpinLock(name="leaf lock"))
    work: Work = field(default_factory=lambda: Work(queued=True, name="work"))
    async_put: Work = field(default_factory=lambda: Work(name="async put"))
    fence: WaitQueue = field(default_factory=lambda: WaitQueue(name="fence"))


def worker(mm_users: int) -> Worker:
    """The process has a notifier, and one or two users."""
    return Worker(MmStruct(pgd=Pgd(name="pgd"), mm_users=mm_users, mm_count=2, subscribed=True))


class Driver(Protocol):
    mm_users: int

    async def release(self, k: Any) -> None: ...
    async def act(self, k: Any) -> None: ...


async def exit_task(k: Worker, driver: Driver) -> None:
    """The process's own task is done with it."""
    await put_user(k.mm, lambda: driver.release(k))


async def work(k: Worker, driver: Driver) -> None:
    """A worker does something for the process, as one of its users."""
    await k.work.process_one_work()
    await driver.act(k)
    await k.work.work_done()


async def mmput_async_fn(k: Worker, driver: Driver) -> None:
    """Another worker tears down what mmput_async() left to it."""
    await k.async_put.process_one_work()
    await last_mmput(k.mm, lambda: driver.release(k))
    await k.async_put.work_done()


async def dma_fence_signal(k: Worker) -> None:
    """Somebody signals a fence, and needs the mutex for it."""
    await k.mutex.mutex_lock()
    await k.fence.wake_up_all()
    await k.mutex.mutex_unlock()


async def mmput_async(k: Worker) -> None:
    """Drop a user; if it was the last, let a worker do the rest."""
    if await k.mm.mmput():
        await k.async_put.schedule_work()


class ReleaseTakesLock:
    """The worker puts while it holds the lock that release() wants."""

    mm_users = 2

    async def release(self, k: Worker) -> None:
        await k.mutex.mutex_lock()
        await k.mutex.mutex_unlock()

    async def act(self, k: Worker) -> None:
        await k.mutex.mutex_lock()
        await self.put(k)
        await k.mutex.mutex_unlock()

    async def put(self, k: Worker) -> None:
        await put_user(k.mm, lambda: self.release(k))


class ReleaseTakesLockPutLater(ReleaseTakesLock):
    async def act(self, k: Worker) -> None:
        await k.mutex.mutex_lock()
        await k.mutex.mutex_unlock()
        await self.put(k)


class ReleaseTakesLockPutAsync(ReleaseTakesLock):
    async def put(self, k: Worker) -> None:
        await mmput_async(k)


class ReleaseTakesLeafLock(ReleaseTakesLock):
    """A lock of the driver's own, which is never held across mmput()."""

    async def release(self, k: Worker) -> None:
        await k.leaf.spin_lock()
        await k.leaf.spin_unlock()


class ReleaseFlushesWork(ReleaseTakesLock):
    """release() waits for the work that may be running it."""

    async def release(self, k: Worker) -> None:
        await k.work.flush_work()

    async def act(self, k: Worker) -> None:
        await self.put(k)


class ReleaseFlushesWorkPutAsync(ReleaseFlushesWork):
    async def put(self, k: Worker) -> None:
        await mmput_async(k)


class ReleaseWaitsForFence(ReleaseTakesLock):
    """The lock is not release()'s, but that of somebody it waits for."""

    async def release(self, k: Worker) -> None:
        await k.fence.wait_event()


class BindUnderLock(ReleaseTakesLock):
    """Bind pins the process itself, and may so become its last user."""

    mm_users = 1

    async def act(self, k: Worker) -> None:
        await k.mutex.mutex_lock()
        if await k.mm.mmget_not_zero():
            await self.put(k)
        await k.mutex.mutex_unlock()


class BindUnderOtherLock(BindUnderLock):
    async def release(self, k: Worker) -> None:
        await k.leaf.spin_lock()
        await k.leaf.spin_unlock()


def case(
    driver: Driver,
    variant: str,
    title: str,
    *,
    states: int,
    stuck: bool = False,
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Race the worker against the exiting task, a fence's signaller and the async worker."""
    return Case(
        name=type(driver).__name__,
        id=f"A5/{variant}",
        title=title,
        world=partial(worker, driver.mm_users),
        actors={
            "CPU0": lambda k: work(k, driver),
            "CPU1": lambda k: exit_task(k, driver),
            "CPU2": dma_fence_signal,
            "KWORKER": lambda k: mmput_async_fn(k, driver),
        },
        daemons=("KWORKER",),
        bad=("sleeps_in_atomic",),
        expect={"sleeps_in_atomic": Verdict.NEVER},
        states=states,
        stuck=stuck,
        shipped=shipped,
        proposed=proposed,
    )


CASES = (
    case(
        ReleaseTakesLock(),
        "e1",
        "release() takes the lock mmput() is called under",
        states=90,
        stuck=True,
    ),
    case(
        ReleaseFlushesWork(),
        "e5",
        "release() flushes the work that calls mmput()",
        states=64,
        stuck=True,
    ),
    case(
        ReleaseWaitsForFence(),
        "e7",
        "tempting: no lock at all, only a fence; its signaller needs the lock",
        states=79,
        stuck=True,
        proposed=("2020-03-13", "<20200313191324.GG31668@ziepe.ca>"),
    ),
    case(
        BindUnderLock(),
        "e8",
        "bind pins the process under a lock that release() takes",
        states=186,
        stuck=True,
    ),
    case(
        ReleaseTakesLockPutLater(),
        "e3",
        "mmput() after the unlock; every other caller would have to do so too",
        states=114,
    ),
    case(
        ReleaseTakesLockPutAsync(),
        "e4",
        "mmput_async() under the lock, as RDMA ODP does since v6.0",
        states=162,
        shipped=("v6.0", ""),
    ),
    case(ReleaseFlushesWorkPutAsync(), "e6", "the work calls mmput_async()", states=104),
    case(
        BindUnderOtherLock(),
        "e9",
        "bind pins under one lock, release() takes another (SMMUv3, v6.11)",
        states=224,
        shipped=("v6.11", ""),
    ),
    case(
        ReleaseTakesLeafLock(),
        "e2",
        "release() takes a leaf lock of its own and no other",
        states=118,
        proposed=("2020-03-13", "<20200313191324.GG31668@ziepe.ca>"),
    ),
)

SPARE = {
    "ReleaseTakesLockPutLater: await k.mutex.mutex_lock()": (
        "What the lock guards is not modelled, only who waits for it."
    ),
    "if await k.mm.mmput():": (
        "Who does not put the last reference does not call release(), and takes no lock for it."
    ),
    "await k.async_put.schedule_work()": "Work that is never done takes no lock.",
    "await last_mmput(k.mm, lambda: driver.release(k))": (
        "Without release() nobody takes the lock a second time."
    ),
    "await k.async_put.work_done()": (
        "Nobody flushes this work: release() flushes the driver's own."
    ),
    "await k.leaf.spin_lock()": "What the leaf lock guards is not modelled, only who waits for it.",
    "await k.leaf.spin_unlock()": (
        "release() runs once here, so nobody comes to the leaf lock again."
    ),
}
