"""Two queues of one device bind one process, since a process may have several domains.

Up to v6.7 each device of a process got a domain of its own, and a second bind of the device only
counted on it.  Since v6.8 a process keeps a list of domains, one for each IOMMU that its devices
are behind, and a bind tries to attach the device to each.  A device that is attached already is
busy, so the second queue of an accelerator was refused.  Taking "busy" for success is tempting: it
lets the second queue in, but the first unbind detaches the device under it.  To detach with the
last user of the domain forgets a second device that shares the domain.  What was merged gives both
queues one handle with a count; its first form forgot to set that where a second device comes.

Promise: Each queue of a living process can be bound, translates until it is unbound, and leaves
    nothing behind.

Memory model: sequentially consistent; iommu_sva_lock orders the accesses.

Simplified:
    As in mmviz/kernel/iommu/sva_domain.py; the process outlives the queues, exit is elsewhere
    (sva/two_drivers_bind), and so are caches and DMA (sva/exit_during_dma).
    Handle and domain of a bind are allocated before anything runs; no allocation fails.
    The handle of v6.8 to v6.10 lies in a list; since v6.11 it is looked up by group and PASID.

Sources:
    092edaddb660 (v6.8-rc1) iommu: Support mm PASID 1:n with sva domains
    <20240221061832.430-1-zhangfei.gao@linaro.org> the report, and a fix that takes -EBUSY for 0
    <20240221110658.529-1-zhangfei.gao@linaro.org> v2 of it: detach with the last user of the domain
    <20240221131725.GR13330@nvidia.com> Gunthorpe: that loses the device to detach where two devices
    share the domain; a handle with a count
    65d4418c5002 (v6.8-rc6) iommu/sva: Restore SVA handle sharing
    <20240227064821.128-1-zhangfei.gao@linaro.org> iommu/sva: Fix SVA handle sharing in multi device
    case
    drivers/iommu/iommu-sva.c iommu_sva_bind_device(), iommu_sva_unbind_device()
"""

from errno import EBUSY
from functools import partial

from mmviz.engine import Race, Struct, World, at_end, atomic, field
from mmviz.kernel.iommu.sva_domain import IommuMm, PasidDevice, SvaDomain, SvaHandle
from mmviz.kernel.provenance import candidate, proposed_elsewhere, shipped

TAKE_BUSY = proposed_elsewhere("2024-02-21", "<20240221061832.430-1-zhangfei.gao@linaro.org>")
"""Gao: a device that is busy with the process's PASID is bound already."""
DETACH_WITH_LAST = proposed_elsewhere(
    "2024-02-21", "<20240221110658.529-1-zhangfei.gao@linaro.org>"
)
"""Gao, v2: a second attach succeeds, and the device is detached with the domain's last user."""
COUNT_IT = proposed_elsewhere("2024-02-27", "<20240227064821.128-1-zhangfei.gao@linaro.org>")
"""Gao: set the count, and list the handle, wherever the domain comes from."""


class Queue(Struct):
    """A queue of a device, which a process has opened.

    Attributes:
        dev: its device. Never changes.
        domain, handle: what a bind of it allocates; a bind may end up with others.
        runs: it sends requests with the process's PASID.
        refused: the bind has failed.

    Source: drivers/misc/uacce/uacce.c.
    """

    dev: PasidDevice
    domain: SvaDomain = field(default_factory=SvaDomain)
    handle: SvaHandle = field(default_factory=SvaHandle)
    runs: bool = False
    refused: bool = False

    @atomic("drivers/misc/uacce/uacce.c")
    def start_queue(self) -> None:
        """Let the queue work with the process's addresses."""
        self.runs = True

    @atomic("drivers/misc/uacce/uacce.c")
    def stop_queue(self) -> None:
        """Stop the queue."""
        self.runs = False

    @atomic("drivers/misc/uacce/uacce.c")
    def fail(self) -> None:
        """Tell the user that the queue cannot be opened."""
        self.refused = True


class TwoQueues(World):
    """A process, and two queues that it opens."""

    iommu_mm: IommuMm
    dev1: PasidDevice
    dev2: PasidDevice
    queue0: Queue
    queue1: Queue


def two_queues(second: int = 1, other: str = "SMMU") -> TwoQueues:
    """Build the machine: the second queue's device is the first one, or the second one."""
    dev1, dev2 = PasidDevice("SMMU"), PasidDevice(other)
    return TwoQueues(IommuMm(), dev1, dev2, Queue(dev1), Queue(dev1 if second == 1 else dev2))


def queue_is_refused(k: TwoQueues) -> bool:
    """A queue of a living process cannot be bound: the user gets an error."""
    return k.queue0.refused or k.queue1.refused


def queue_loses_translation(k: TwoQueues) -> bool:
    """A queue is bound and works, and its device's PASID leads nowhere: its DMA fails."""
    return any(queue.runs and queue.dev.domain is None for queue in (k.queue0, k.queue1))


def device_uses_freed_domain(k: TwoQueues) -> bool:
    """A domain is free, and a device's PASID still leads to it."""
    return any(dev.domain is not None and dev.domain.freed for dev in (k.dev1, k.dev2))


@at_end
def left_behind(k: TwoQueues) -> bool:
    """All queues are closed, and a device or the process still has a domain or a handle."""
    attached = any(dev.domain is not None for dev in (k.dev1, k.dev2))
    return attached or bool(k.iommu_mm.domains) or bool(k.iommu_mm.handles)


@at_end
def memory_leaked(k: TwoQueues) -> bool:
    """All queues are closed, and a domain or a handle that was allocated is not freed."""
    queues = (k.queue0, k.queue1)
    domains = any(q.domain.iommu and not q.domain.freed for q in queues)
    return domains or any(q.handle.dev and not q.handle.freed for q in queues)


class OneDomain:
    """v6.7: a device that has a domain for the PASID only counts on it."""

    async def bind(self, k: TwoQueues, queue: Queue) -> SvaHandle | None:
        """Bind the queue's device to the process: iommu_sva_bind_device()."""
        await k.iommu_mm.lock.mutex_lock()
        handle = await self.locked_bind(k, queue)
        await k.iommu_mm.lock.mutex_unlock()
        return handle

    async def unbind(self, k: TwoQueues, handle: SvaHandle) -> None:
        """Undo one bind: iommu_sva_unbind_device()."""
        await k.iommu_mm.lock.mutex_lock()
        await self.locked_unbind(k, handle)
        await k.iommu_mm.lock.mutex_unlock()

    async def locked_bind(self, k: TwoQueues, queue: Queue) -> SvaHandle | None:
        """Bind, the lock held."""
        domain = await queue.dev.iommu_get_domain_for_dev_pasid()
        if domain is None:
            domain = queue.domain
            await domain.iommu_sva_domain_alloc(queue.dev.iommu)
            await queue.dev.iommu_attach_device_pasid(domain)
        await domain.users_inc()
        await queue.handle.fill_in(queue.dev, domain)
        return queue.handle

    async def locked_unbind(self, k: TwoQueues, handle: SvaHandle) -> None:
        """Unbind, the lock held."""
        dev, domain = await handle.device_and_domain()
        if await domain.users_dec_and_test():
            await dev.iommu_detach_device_pasid()
            await domain.kfree()
        await handle.kfree()


async def first_queue(k: TwoQueues, library: OneDomain) -> None:
    """One thread opens a queue, uses it, and closes it."""
    handle = await library.bind(k, k.queue0)
    if handle is None:
        await k.queue0.fail()
        return
    await k.queue0.start_queue()
    await k.queue0.stop_queue()
    await library.unbind(k, handle)


async def second_queue(k: TwoQueues, library: OneDomain) -> None:
    """Another thread opens the other queue, uses it, and closes it."""
    handle = await library.bind(k, k.queue1)
    if handle is None:
        await k.queue1.fail()
        return
    await k.queue1.start_queue()
    await k.queue1.stop_queue()
    await library.unbind(k, handle)


race = Race(
    "S8",
    world=two_queues,
    actors={"CPU0": first_queue, "CPU1": second_queue},
    bad=(
        queue_is_refused,
        queue_loses_translation,
        device_uses_freed_domain,
        left_behind,
        memory_leaked,
        "refcount_underflow",
        "use_after_free",
    ),
)

race.case(
    "m1",
    "v6.7: a domain for each device, and a second bind counts on it",
    name="OneDomainPerDevice",
    of=OneDomain,
    source=shipped("v6.7", "v6.7", "drivers/iommu/iommu-sva.c"),
    states=192,
)


@race.case(
    "m2",
    "v6.8-rc1 to rc5: several domains; a device that is attached already is refused",
    sometimes=[queue_is_refused],
    note="the verdict changed with the list of domains: in v6.7 the second queue only counts",
    source=candidate("v6.8", "092edaddb660"),
    states=152,
    schedules={"the second queue is refused": "CPU0*8 CPU1*8"},
)
class SeveralDomains(OneDomain):
    """Try each domain of the process; else attach a new one."""

    def fits(self, status: int) -> bool:
        """Return whether the device has this domain now."""
        return status == 0

    async def attach(self, k: TwoQueues, queue: Queue) -> SvaDomain | None:
        """Attach the device to a domain of the process, or to a new one."""
        for domain in await k.iommu_mm.list_for_each_entry():
            if self.fits(await queue.dev.iommu_attach_device_pasid(domain)):
                await domain.users_inc()
                return domain
        fresh = queue.domain
        await fresh.iommu_sva_domain_alloc(queue.dev.iommu)
        if await queue.dev.iommu_attach_device_pasid(fresh):
            await fresh.kfree()
            return None
        await fresh.users_inc()
        await k.iommu_mm.list_add(fresh)
        return fresh

    async def detach(self, k: TwoQueues, handle: SvaHandle) -> None:
        """Detach the device; the last user frees the domain."""
        dev, domain = await handle.device_and_domain()
        await dev.iommu_detach_device_pasid()
        if await domain.users_dec_and_test():
            await k.iommu_mm.list_del(domain)
            await domain.kfree()

    async def locked_bind(self, k: TwoQueues, queue: Queue) -> SvaHandle | None:
        """Attach, and return a handle of its own."""
        domain = await self.attach(k, queue)
        if domain is None:
            return None
        await queue.handle.fill_in(queue.dev, domain)
        return queue.handle

    async def locked_unbind(self, k: TwoQueues, handle: SvaHandle) -> None:
        """Detach, even while another queue has the device bound."""
        await self.detach(k, handle)
        await handle.kfree()


@race.case(
    "m3",
    "proposed: a device that is busy is bound already, which counts on the domain",
    sometimes=[queue_loses_translation],
    source=TAKE_BUSY,
    states=222,
    schedules={"detached under the second queue": "CPU0*9 CPU1*11"},
)
class BusyIsBound(SeveralDomains):
    """The first unbind detaches the device, which the second queue still uses."""

    def fits(self, status: int) -> bool:
        """Take a device that is busy for one that has this domain."""
        return status in (0, -EBUSY)


class DetachWithLast(BusyIsBound):
    """The last user of a domain detaches its own device, and no other."""

    async def detach(self, k: TwoQueues, handle: SvaHandle) -> None:
        """Detach the device if the domain has no other user, and free the domain."""
        dev, domain = await handle.device_and_domain()
        if await domain.users_dec_and_test():
            await dev.iommu_detach_device_pasid()
            await k.iommu_mm.list_del(domain)
            await domain.kfree()


race.case(
    "m4",
    "proposed, v2: the device is detached with the last user of its domain",
    name="DetachWithLast",
    of=DetachWithLast,
    source=DETACH_WITH_LAST,
    states=210,
)

race.case(
    "m5",
    "v2 with a second device, as its review objects: the first one is never detached",
    name="DetachWithLastTwoDevices",
    of=DetachWithLast,
    world=partial(two_queues, 2),
    sometimes=[device_uses_freed_domain, left_behind],
    source=DETACH_WITH_LAST,
    states=212,
    schedules={"the first device keeps a freed domain": "CPU0*10 CPU1*13 CPU0*8"},
)


@race.case(
    "m6",
    "v6.8-rc6: one handle for all binds of a device",
    source=candidate("v6.8", "65d4418c5002"),
    states=202,
)
class SharedHandle(SeveralDomains):
    """The count of the handle is set where the domain is new."""

    async def locked_bind(self, k: TwoQueues, queue: Queue) -> SvaHandle | None:
        """Share the device's handle, or attach and fill in a new one."""
        handle = await k.iommu_mm.find_handle(queue.dev)
        if handle is not None:
            await handle.refcount_inc()
            return handle
        domain = await self.attach(k, queue)
        if domain is None:
            return None
        await queue.handle.fill_in(queue.dev, domain)
        if domain is queue.domain:
            await self.publish(k, queue.handle)
        return queue.handle

    async def publish(self, k: TwoQueues, handle: SvaHandle) -> None:
        """Count the first bind, and let later ones find the handle."""
        await handle.refcount_set()
        await k.iommu_mm.list_add(handle)

    async def locked_unbind(self, k: TwoQueues, handle: SvaHandle) -> None:
        """Detach with the last bind of the device."""
        if await handle.refcount_dec_and_test():
            await k.iommu_mm.list_del(handle)
            await self.detach(k, handle)
            await handle.kfree()


race.case(
    "m7",
    "v6.8-rc6: a second device shares the domain, and its handle has no count",
    name="SharedHandleTwoDevices",
    of=SharedHandle,
    world=partial(two_queues, 2),
    sometimes=[left_behind, memory_leaked, "refcount_underflow"],
    source=candidate("v6.8", "65d4418c5002"),
    states=232,
    schedules={"a handle without a count": "CPU0*13 CPU1*12 CPU0*8"},
)


class CountedHandle(SharedHandle):
    """The count is set wherever the domain comes from."""

    async def locked_bind(self, k: TwoQueues, queue: Queue) -> SvaHandle | None:
        """Share the device's handle, or attach, fill in a new one, and count it."""
        # redundant in CountedHandleTwoDevices, CountedHandleTwoDomains: no device is bound twice
        handle = await k.iommu_mm.find_handle(queue.dev)
        if handle is not None:
            await handle.refcount_inc()
            return handle
        domain = await self.attach(k, queue)
        if domain is None:
            return None
        await queue.handle.fill_in(queue.dev, domain)
        await self.publish(k, queue.handle)
        return queue.handle


race.case(
    "m8",
    "as in v6.8: one handle for all binds of a device, counted from the first",
    name="CountedHandle",
    of=CountedHandle,
    note="the verdict is that of v6.7 again",
    source=shipped("v6.8", "v6.10", said=COUNT_IT),
    states=202,
)

race.case(
    "m9",
    "as in v6.8: a second device behind the same IOMMU shares the domain",
    name="CountedHandleTwoDevices",
    of=CountedHandle,
    world=partial(two_queues, 2),
    source=shipped("v6.8", "v6.10", said=COUNT_IT),
    states=292,
)

race.case(
    "m10",
    "as in v6.8: a second device behind another IOMMU gets a domain of its own",
    name="CountedHandleTwoDomains",
    of=CountedHandle,
    world=partial(two_queues, 2, "SMMU2"),
    source=shipped("v6.8", "v6.10", said=COUNT_IT),
    states=266,
)
