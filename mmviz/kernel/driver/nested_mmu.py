"""KVM on arm64: the array of shadow stage-2 MMUs of a virtual machine with nested guests."""

from mmviz.engine import Allocated, Struct, atomic
from mmviz.kernel.sync.locks import might_sleep


class KvmPgtable(Struct):
    """The page table of one shadow stage-2 MMU; it is allocated apart from the array.

    Attributes:
        mmu: the back pointer: the array in which its MMU stands.
        mapped: the guest's page is mapped.

    Source: arch/arm64/include/asm/kvm_pgtable.h, struct kvm_pgtable.
    """

    mmu: "NestedMmus"
    mapped: bool = True


class NestedMmus(Allocated):
    """An array of struct kvm_s2_mmu, with the one MMU that is in use.

    Attributes:
        pgt: its page table; None while nothing has been copied into the array.
        pending_unmap: the MMU was given to another guest, and must be emptied before it is used.

    Source: arch/arm64/include/asm/kvm_host.h, struct kvm_s2_mmu; kvm->arch.nested_mmus.
    """

    pgt: KvmPgtable | None = None
    pending_unmap: bool = False


class KvmArch(Struct):
    """What KVM keeps of a virtual machine: the array that is current.

    Attributes:
        nested_mmus: the array.

    Source: arch/arm64/kvm/nested.c, kvm_vcpu_init_nested(), kvm_nested_s2_unmap(),
    get_s2_mmu_nested().
    Simplified: the array always grows; its size is not modelled.
    """

    nested_mmus: NestedMmus

    @atomic("mm/slub.c")
    def kvcalloc(self, to: NestedMmus) -> None:
        """Allocate a larger array; this may sleep."""
        might_sleep("kvcalloc()")
        to.freed = False

    @atomic("lib/string.c")
    def memcpy(self, to: NestedMmus, old: NestedMmus) -> None:
        """Copy the entries of the old array."""
        to.pgt, to.pending_unmap = old.pgt, old.pending_unmap

    @atomic("arch/arm64/kvm/nested.c")
    def adjust_back_pointers(self, to: NestedMmus) -> None:
        """Point the page table of each MMU at its new place."""
        if to.pgt is not None:
            to.pgt.mmu = to

    @atomic("arch/arm64/kvm/nested.c")
    def swap(self, to: NestedMmus) -> NestedMmus:
        """Make another array the current one; return the one before."""
        old = self.nested_mmus
        self.nested_mmus = to
        return old

    @atomic("mm/slub.c")
    def kvfree(self, old: NestedMmus) -> None:
        """Free an array; this may sleep."""
        might_sleep("kvfree()")
        old.free()

    @atomic("arch/arm64/kvm/nested.c")
    def read_nested_mmus(self) -> NestedMmus:
        """Read which array is current."""
        return self.nested_mmus

    @atomic("arch/arm64/kvm/nested.c")
    def first_valid(self, array: NestedMmus) -> KvmPgtable | None:
        """Find the page table of the MMU that is in use."""
        return array.pgt

    @atomic("arch/arm64/kvm/hyp/pgtable.c")
    def kvm_pgtable_stage2_unmap(self, pgt: KvmPgtable) -> bool:
        """Unmap the page in a page table; its MMU is found by the back pointer."""
        pgt.mapped = False
        return pgt.mmu.pending_unmap

    @atomic("arch/arm64/kvm/nested.c")
    def set_pending_unmap(self, array: NestedMmus) -> None:
        """Give the MMU to another guest, to be emptied before its first use."""
        array.pending_unmap = True
