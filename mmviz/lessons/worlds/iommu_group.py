"""What the exercises of the thread iommu_group bring: a watched group, jobs, other casts."""

from mmviz.engine import Oops, atomic, current, field, warn
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.iommu_group.kernel_or_user import (
    Owned,
)
from mmviz.scenarios.iommu_group.worlds import (
    Plug,
    Release,
    iommu_detach_group,
    iommu_domain_free,
    plug,
    unplug_a,
)

# -- the group and the driver, watched by the lock checker ------------------------------------


def lockdep_assert_held(mutex: Mutex, function: str) -> None:
    """Complain, inside a step, if the actor does not hold the mutex.

    Source: include/linux/lockdep.h; drivers/iommu/iommu.c asserts group->mutex wherever the list
    or the attachment of a group's device changes.
    """
    if mutex.owner != current().name:
        warn("lockdep_complains", f"{function} changes the group without {mutex.name}")


class AssertingGroup(IommuGroup):
    """A group whose list may be changed under its mutex only."""

    @atomic("include/linux/list.h")
    def list_del(self, dev: Device) -> None:
        """Take the device off the group's list: operations on the group no longer reach it."""
        lockdep_assert_held(self.mutex, "list_del()")
        if dev not in self.devices:
            raise Oops("follows_poisoned_pointer", f"{dev} is taken off the list a second time")
        super().list_del(dev).do()


class AssertingIommu(Iommu):
    """A driver that may be told to attach and detach under the group's mutex only.

    Attributes:
        mutex: the group's.
    """

    mutex: Mutex = field(kw_only=True)

    @atomic("driver")
    def attach_dev(self, dev: Device, domain: Domain) -> None:
        """Attach a device to a domain: record it, and point its RID at the page tables."""
        lockdep_assert_held(self.mutex, "attach_dev()")
        self.attach(dev, domain)

    @atomic("driver")
    def let_go(self, dev: Device, domain: Domain | None) -> None:
        """Take the device off that domain's list and stop its DMA; the driver's data stays."""
        lockdep_assert_held(self.mutex, "let_go()")
        super().let_go(dev, domain).do()

    @atomic("driver")
    def detach_and_free(self, dev: Device, domain: Domain | None) -> None:
        """Take the device off that domain's list, stop its DMA, free the driver's data."""
        if not dev.priv:
            raise Oops("use_after_free", f"the driver's data of {dev} is freed a second time")
        super().detach_and_free(dev, domain).do()


def watched_plug() -> Plug:
    """The group as VFIO uses it, with the lock checker on."""
    k = plug()
    both = (k.a, k.b)
    group = AssertingGroup(refs=2, default_domain=k.d, domain=k.v, devices=both)
    return Plug(k.a, k.b, group, AssertingIommu(k.iommu.table, both, mutex=group.mutex), k.v, k.d)


# -- what must have been achieved ------------------------------------------------------------


def both_are_released(k: Plug) -> bool:
    """Both devices are off the group's list, and the driver has let them go."""
    return not k.group.devices and not k.a.priv and not k.b.priv


def dma_is_stopped(k: Plug) -> bool:
    """No requester id leads to a domain: an unplugged device does no DMA."""
    return all(to == BLOCKED for to in k.iommu.table.values())


def nothing_leaks(k: Plug) -> bool:
    """Every reference on the group is put, and with the last one its default domain is freed."""
    return k.group.refs == 0 and k.d.freed and k.v.freed


def device_a_is_released(k: Plug) -> bool:
    """Device a is off the group's list, and the driver has let it go."""
    return k.a not in k.group.devices and not k.a.priv


RELEASED = (both_are_released, dma_is_stopped, nothing_leaks)


def group_is_given_back(k: Owned) -> bool:
    """The group has no owner and no user, and its devices are on the default domain."""
    group = k.group
    is_free = not group.owner and not group.owner_cnt and not group.kernel_dma
    return is_free and not group.user_dma and group.domain is k.d and k.a.domain is k.d


def driver_uses_owned_group(k: Owned) -> bool:
    """A kernel driver is counted as a user of a group that has an owner."""
    return bool(k.group.owner) and k.group.owner_cnt > 1


def kernel_driver_works(k: Owned) -> bool:
    """A kernel driver gets its device and works with it."""
    return k.group.kernel_dma


def user_works(k: Owned) -> bool:
    """A user gets the other device and works with it, on the user's own domain."""
    return k.group.user_dma and k.a.domain is k.v


# -- other casts, for the seeds --------------------------------------------------------------


async def unplug_b(k: Plug, order: Release) -> None:
    """Device b is unplugged."""
    await order.iommu_release_device(k, k.b)


async def vfio_ends_then_a_is_unplugged(k: Plug, order: Release) -> None:
    """VFIO's last user leaves, then device a is released."""
    await iommu_detach_group(k)
    await iommu_domain_free(k)
    await order.iommu_release_device(k, k.a)


async def vfio_ends(k: Plug) -> None:
    """VFIO's last user leaves."""
    await iommu_detach_group(k)
    await iommu_domain_free(k)


async def vfio_keeps_its_domain(k: Plug, order: Release) -> None:
    """VFIO's last user leaves, and V is kept for the next one."""
    await iommu_detach_group(k)
    await order.iommu_release_device(k, k.b)


OTHER_DEVICE = {"CPU0": unplug_b, "CPU1": vfio_ends_then_a_is_unplugged}
THREE_CPUS = {"CPU0": unplug_a, "CPU1": unplug_b, "CPU2": vfio_ends}
