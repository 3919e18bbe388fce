"""A virtual CPU: inside or outside the guest, and the requests it handles outside."""

from mmviz.engine import Struct, atomic
from mmviz.kernel.mm.page import Page


class Vcpu(Struct):
    """A struct kvm_vcpu on VMX, as far as its APIC-access page is concerned.

    Attributes:
        apic_access_page: the page whose address the VMCS holds.
        reload_requested: KVM_REQ_APIC_PAGE_RELOAD is pending.
        in_guest: the guest runs; it uses the address in the VMCS.

    Source: arch/x86/kvm/x86.c, vcpu_enter_guest(); arch/x86/kvm/vmx/vmx.c; virt/kvm/kvm_main.c.
    Simplified: one virtual CPU; other requests and exits are left out.
    """

    apic_access_page: Page | None = None
    reload_requested: bool = False
    in_guest: bool = True

    @atomic("virt/kvm/kvm_main.c")
    def kvm_make_all_cpus_request(self) -> None:
        """Request a reload, and wait until the virtual CPU is out of the guest."""
        self.reload_requested = True
        self.in_guest = False

    @atomic("include/linux/kvm_host.h")
    def kvm_make_request(self) -> None:
        """Request a reload again, from the virtual CPU's own thread, before it enters the guest."""
        self.reload_requested = True

    @atomic("include/linux/kvm_host.h", when=lambda vcpu: vcpu.reload_requested)
    def kvm_check_request(self) -> None:
        """Wait for a request, and take it."""
        self.reload_requested = False

    @atomic("arch/x86/kvm/vmx/vmx.c")
    def vmx_set_apic_access_page_addr(self, page: Page) -> None:
        """Write the page's address into the VMCS; the guest uses it until a reload is requested."""
        self.apic_access_page = page

    @atomic("arch/x86/kvm/x86.c")
    def vcpu_enter_guest(self) -> None:
        """Enter the guest unless a request came meanwhile."""
        self.in_guest = not self.reload_requested
