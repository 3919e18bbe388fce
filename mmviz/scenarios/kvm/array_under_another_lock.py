"""An array is replaced under one lock and walked under another.

A virtual machine keeps its shadow MMUs in an array.  When a virtual CPU is initialised the array
grows: KVM copies it, frees the old one and publishes the new one, all under config_lock.  The MMU
notifier walks the array under mmu_lock, at any time.  Two locks do not exclude each other, so the
notifier may walk an array that is freed meanwhile.  Growing the array under mmu_lock is no answer,
since an allocation and kvfree() may sleep.

Promise: The notifier walks only arrays that are allocated, and no change of an MMU is lost.

Memory model: sequentially consistent.

Simplified:
    One MMU is in use, and the array grows once.
    mmu_lock is a reader-writer lock; every user of it here takes it for writing.
    The new array exists from the start, as memory that is not allocated yet.
    kvrealloc() is an allocation, a copy and a free; each is a step.
    v6.11 adjusted the back pointers before it changed the pointer; that changes no verdict.
    The errors of the allocation are left out.

Sources:
    70543358fa08 (v7.1) KVM: arm64: Reassign nested_mmus array behind mmu_lock (CVE-2026-46317)
    4f128f8e1aaa (v6.11) KVM: arm64: nv: Support multiple nested Stage-2 mmu structures
    arch/arm64/kvm/nested.c kvm_vcpu_init_nested(), kvm_nested_s2_unmap(), get_s2_mmu_nested()
    <2026060912-erasure-visiting-baeb@gregkh> the commit as mailed for the stable kernels
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end
from mmviz.kernel.driver.nested_mmu import KvmArch, KvmPgtable, NestedMmus
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.locks import Mutex, SpinLock
from mmviz.scenarios.kvm import BEHIND_MMU_LOCK, UNDER_CONFIG_LOCK


class Machine(World):
    """A virtual machine, the array it has, the one it will get, and the two locks."""

    kvm: KvmArch
    old: NestedMmus
    tmp: NestedMmus
    pgt: KvmPgtable
    config_lock: Mutex
    mmu_lock: SpinLock


def machine() -> Machine:
    """Build a machine with one virtual CPU and one shadow MMU."""
    old = NestedMmus()
    pgt = KvmPgtable(old)
    old.pgt = pgt
    return Machine(KvmArch(old), old, NestedMmus(freed=True), pgt, Mutex(), SpinLock())


@at_end
def page_stays_mapped(k: Machine) -> bool:
    """The notifier has finished, and the guest's page is still mapped."""
    return k.pgt.mapped


@at_end
def change_is_lost(k: Machine) -> bool:
    """The MMU was given to another guest, and the current array does not say so."""
    return not k.kvm.nested_mmus.pending_unmap


@at_end
def old_array_leaks(k: Machine) -> bool:
    """The array was replaced, and the old one was not freed."""
    return not k.old.freed


class Growth(Protocol):
    """How the array is replaced."""

    async def grow(self, k: Machine) -> None: ...


async def kvm_vcpu_init_nested(k: Machine, how: Growth) -> None:
    """CPU0 initialises a virtual CPU: the array must grow."""
    await k.config_lock.mutex_lock()
    await how.grow(k)
    await k.config_lock.mutex_unlock()


async def kvm_unmap_gfn_range(k: Machine) -> None:
    """CPU1 runs the MMU notifier: it unmaps a page from every shadow MMU."""
    await k.mmu_lock.spin_lock()
    array = await k.kvm.read_nested_mmus()
    pgt = await k.kvm.first_valid(array)
    if pgt is not None:
        await k.kvm.kvm_pgtable_stage2_unmap(pgt)
    await k.mmu_lock.spin_unlock()


async def get_s2_mmu_nested(k: Machine) -> None:
    """CPU2 enters another nested guest, which gets the shadow MMU."""
    await k.mmu_lock.spin_lock()
    array = await k.kvm.read_nested_mmus()
    await k.kvm.set_pending_unmap(array)
    await k.mmu_lock.spin_unlock()


# The array grows once, while the notifier walks it and an MMU changes hands.
race = Race(
    world=machine,
    actors={
        "CPU0": kvm_vcpu_init_nested,
        "CPU1": kvm_unmap_gfn_range,
        "CPU2": get_s2_mmu_nested,
    },
    bad=(
        "use_after_free",
        "sleeps_in_atomic",
        change_is_lost,
        page_stays_mapped,
        old_array_leaks,
        "unlock_not_owner",
    ),
)


@race.case(
    "K1/a",
    "as shipped v6.11 to v7.0: kvrealloc() under config_lock alone",
    sometimes=["use_after_free", change_is_lost],
    source=UNDER_CONFIG_LOCK,
    states=249,
)
class UnderConfigLock:
    """kvrealloc() copies and frees at once; the pointer changes after that."""

    async def grow(self, k: Machine) -> None:
        await k.kvm.kvcalloc(k.tmp)
        await k.kvm.memcpy(k.tmp, k.old)
        await k.kvm.kvfree(k.old)
        await k.kvm.swap(k.tmp)
        await k.kvm.adjust_back_pointers(k.tmp)


@race.case(
    "K1/b",
    "tempting: the same under mmu_lock",
    always=["sleeps_in_atomic"],
    source=constructed("an allocation and kvfree() may sleep, and mmu_lock forbids that"),
    states=108,
)
class AllUnderMmuLock:
    """Nothing walks a freed array, but kvcalloc() and kvfree() may sleep under the lock."""

    async def grow(self, k: Machine) -> None:
        await k.mmu_lock.spin_lock()
        await k.kvm.kvcalloc(k.tmp)
        await k.kvm.memcpy(k.tmp, k.old)
        await k.kvm.adjust_back_pointers(k.tmp)
        await k.kvm.swap(k.tmp)
        await k.kvm.kvfree(k.old)
        await k.mmu_lock.spin_unlock()


@race.case(
    "K1/c",
    "tempting: allocate before, but free under the lock",
    always=["sleeps_in_atomic"],
    source=constructed("kvfree() may sleep, too"),
    states=122,
)
class FreeUnderMmuLock:
    """The allocation is outside; kvfree() is not."""

    async def grow(self, k: Machine) -> None:
        await k.kvm.kvcalloc(k.tmp)
        await k.mmu_lock.spin_lock()
        await k.kvm.memcpy(k.tmp, k.old)
        await k.kvm.adjust_back_pointers(k.tmp)
        await k.kvm.swap(k.tmp)
        await k.kvm.kvfree(k.old)
        await k.mmu_lock.spin_unlock()


@race.case(
    "K1/d",
    "tempting: only the pointer changes under mmu_lock",
    sometimes=[change_is_lost],
    source=constructed("what is copied before the lock is taken may be out of date"),
    states=188,
)
class CopyOutside:
    """A change between the copy and the lock goes to the old array, and is freed with it."""

    async def grow(self, k: Machine) -> None:
        await k.kvm.kvcalloc(k.tmp)
        await k.kvm.memcpy(k.tmp, k.old)
        await k.mmu_lock.spin_lock()
        await k.kvm.adjust_back_pointers(k.tmp)
        await k.kvm.swap(k.tmp)
        await k.mmu_lock.spin_unlock()
        await k.kvm.kvfree(k.old)


@race.case(
    "K1/e",
    "tempting: adjust the back pointers after the old array is freed",
    sometimes=["use_after_free"],
    source=constructed("the page table leads back to the old array until it is told otherwise"),
    states=165,
)
class BackPointersLate:
    """The notifier finds the page table in the new array, and goes back to the freed one."""

    async def grow(self, k: Machine) -> None:
        await k.kvm.kvcalloc(k.tmp)
        await k.mmu_lock.spin_lock()
        await k.kvm.memcpy(k.tmp, k.old)
        await k.kvm.swap(k.tmp)
        await k.mmu_lock.spin_unlock()
        await k.kvm.kvfree(k.old)
        await k.kvm.adjust_back_pointers(k.tmp)


@race.case(
    "K1/f",
    "as merged in v7.1: copy, adjust and replace under mmu_lock",
    source=BEHIND_MMU_LOCK,
    states=142,
)
class BehindMmuLock:
    """What may sleep is outside; what a walker may see is inside."""

    async def grow(self, k: Machine) -> None:
        await k.kvm.kvcalloc(k.tmp)
        await k.mmu_lock.spin_lock()
        await k.kvm.memcpy(k.tmp, k.old)
        await k.kvm.adjust_back_pointers(k.tmp)
        await k.kvm.swap(k.tmp)
        await k.mmu_lock.spin_unlock()
        await k.kvm.kvfree(k.old)
