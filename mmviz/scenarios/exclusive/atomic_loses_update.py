"""A device's atomic add that is not atomic for the CPU.

A GPU adds one to a counter by reading it over the bus and writing it back: two steps.  A CPU
adds one in a single step, but its lock does not reach across the bus.  When the CPU comes in
between, its increment is overwritten.  So the kernel hides the page from the CPU behind an
exclusive entry while the device has it; a CPU that touches the page faults, has the driver
revoke the device's access, and only then gets the page back.  Revoking means two things:
no new operation may begin, and every operation that has begun must have finished.

Promise: The counter ends at the number of increments made.

Memory model: sequentially consistent; a CPU's locked add is one step, a device's emulated
    atomic two.

Simplified:
    The driver's sequence check and its own lock are left out: against a CPU fault the page lock
    alone is enough (exclusive/lock_or_sequence), because the fault takes it before it notifies.
    Both matter against zap and mprotect.
    No mmap_lock and no references: no page is unmapped or freed here.
    The entry cannot change between the fault's look at it and its restoring, since there is one
    CPU and it has the page lock.
    The driver converts twice at most, and gives up where it finds its own entry; after that
    the GPU idles.

Sources:
    <20210326000805.2518-6-apopple@nvidia.com> the patch: why the CPU must be kept out
    <20210304061645.29747-9-apopple@nvidia.com> v4: some GPUs cannot do atomics over PCIe, so they
    emulate them by exclusive access
    mm/rmap.c page_make_device_exclusive_one()
    mm/memory.c remove_device_exclusive_entry()
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    8f187163eb89 (v5.14) nouveau/svm: implement atomic SVM access
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import V11
from mmviz.scenarios.exclusive.worlds.counter import (
    Machine,
    atomic_inc,
    cpu_and_device_both_map,
    emulated_atomic_add,
    increment_lost,
    nouveau_atomic_range_fault,
)


def already_mapped() -> Machine:
    """Return a machine whose GPU has an ordinary entry for the page, as before v5.14."""
    k = Machine()
    k.gpu.page = k.page
    return k


async def inc(k: Machine) -> None:
    """User code on the CPU: add one; its page stays present, so it never faults."""
    await atomic_inc(k, UnmapOnly())


race = Race(
    "A",
    world=Machine,
    actors={"CPU0": atomic_inc, "CPU1": nouveau_atomic_range_fault, "GPU": emulated_atomic_add},
    daemons=("GPU",),
    bad=(increment_lost, cpu_and_device_both_map),
)

race.case(
    "A.1",
    "no exclusive entry: CPU and GPU both map the page, the GPU reads and writes",
    name="BothMapped",
    of=emulated_atomic_add,
    world=already_mapped,
    actors={"CPU0": inc, "GPU": emulated_atomic_add},
    sometimes=[increment_lost],
    states=15,
    schedules={"the CPU adds between the GPU's read and write": "GPU CPU0 GPU"},
    source=constructed("shows what the exclusive entry is for"),
)


async def pcie_atomic_add(k: Machine) -> None:
    """Two atomic adds of a GPU that can ask the memory to add."""
    for _ in range(2):
        # redundant: an increment that is not made is not lost
        await k.gpu.fetch_add(k.counter)


race.case(
    "A.2",
    "both map the page, the GPU has genuine PCIe AtomicOps",
    name="HardwareAtomics",
    of=pcie_atomic_add,
    world=already_mapped,
    actors={"CPU0": inc, "GPU": pcie_atomic_add},
    states=6,
    source=constructed("shows which GPUs need no exclusive entry"),
)


@race.case(
    "A.4",
    "exclusive entry, but the callback does not wait for the operation under way",
    sometimes=[increment_lost],
    states=175,
    schedules={"the page goes back too early": "CPU1*4 GPU CPU0*6 GPU CPU1*4"},
    source=constructed("shows what draining is for"),
)
class UnmapOnly:
    """The driver stops new operations and forgets the one under way."""

    async def invalidate(self, k: Machine) -> None:
        """Clear the GPU's entry."""
        await k.gpu.unmap()


@race.case(
    "A.3",
    "as merged in v5.14: exclusive entry, and the callback unmaps and drains",
    states=141,
    source=shipped("v5.14", "v6.14", said=V11),
)
class UnmapAndDrain(UnmapOnly):
    """The driver stops new operations, then waits for the one under way."""

    async def invalidate(self, k: Machine) -> None:
        """Clear the GPU's entry, and wait until the GPU is idle."""
        await k.gpu.unmap()
        await k.gpu.wait_idle()
