"""KVM requests a new address before the old one is gone.

A virtual CPU keeps the address of one special page, the APIC-access page, in its VMCS.  When
the kernel moves that page, KVM must reload the address.  KVM requested that from range_start;
a quick virtual CPU looked the page up before the CPU's entry was cleared, and found the old
address again.  No second request follows.  A request after the clear helps, and so does what
every other fault of KVM does: check the sequence and the counter, and if in doubt request again.

Promise: The guest runs with the address of the page that the CPU's page table names.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One virtual CPU, one unmapping; the reload brings in a fresh page if there is none.
    The hardware only compares addresses with this page's and never reads it, so no bad state
    asks about its memory.  A stale address means that the guest's accesses are not caught.
    The request stands for the kick, too: it waits until the virtual CPU is out of the guest.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: KVM's page callback goes with this series
    b1394e745b94 (v4.15): the reload is requested from range_start; posted as
    <20171130180546.4331-1-rkrcmar@redhat.com>
    e649b3f0188f (v5.8): KVM: x86: Fix APIC page invalidation race; after the clear; posted as
    <20200606042627.61070-1-eiichi.tsukata@nutanix.com>
    878940b33d76, 0a8a5f2c8c26 (v6.5): count and sequence in vmx_set_apic_access_page_addr();
    posted as <20230602011518.787006-2-seanjc@google.com>
    arch/x86/kvm/vmx/vmx.c, v7.0: vmx_set_apic_access_page_addr(); arch/x86/kvm/mmu/mmu.c
"""

from typing import Final

from mmviz.engine import Race, at_end, field
from mmviz.kernel.driver.vcpu import Vcpu
from mmviz.kernel.mm.page import Page
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierOps
from mmviz.kernel.provenance import proposed_elsewhere, shipped
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds.mirror import VA, GuardedMirror
from mmviz.scenarios.invalidate_page.worlds.unmapping import try_to_unmap_one

AT_START: Final = proposed_elsewhere("2017-11-30", "<20171130180546.4331-1-rkrcmar@redhat.com>")
AFTER_CLEAR: Final = proposed_elsewhere(
    "2020-06-06", "<20200606042627.61070-1-eiichi.tsukata@nutanix.com>"
)
CHECKED: Final = proposed_elsewhere("2023-06-02", "<20230602011518.787006-2-seanjc@google.com>")


class Guest(GuardedMirror):
    """A guest whose APIC-access page the kernel is about to take away."""

    vcpu: Vcpu = field(default_factory=Vcpu)

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.vcpu.apic_access_page = self.page


def guest_keeps_stale_address(k: Guest) -> bool:
    """The guest runs with a page that is gone: its accesses to its APIC are not caught."""
    runs = k.vcpu.in_guest and k.mm.active_invalidate_ranges == 0
    return runs and k.vcpu.apic_access_page is not k.cpu.pte[VA]


@at_end
def guest_is_kept_out(k: Guest) -> bool:
    """The page has gone, and what KVM left behind keeps the guest from ever running again."""
    return k.notifier.mmu_invalidate_in_progress != 0 or k.update.owner == "CPU0"


async def gfn_to_page(k: Guest) -> Page | None:
    """Look the page up; a fresh one comes in if there is none."""
    page = await k.cpu.get_user_pages(VA)
    if page is None:
        await k.cpu.handle_mm_fault(VA, k.fresh)
        page = await k.cpu.get_user_pages(VA)
    return page


async def vcpu_run(k: Guest, driver: "RequestedAtStart") -> None:
    """The virtual CPU's thread: out of the guest on request, and in again."""
    while True:
        await k.vcpu.kvm_check_request()
        await driver.reload(k)
        await k.vcpu.vcpu_enter_guest()


# Reclaim takes the page away on CPU0, and the virtual CPU reloads its address.
race = Race(
    world=Guest,
    actors={"CPU0": try_to_unmap_one, "VCPU": vcpu_run},
    daemons=("VCPU",),
    bad=(guest_keeps_stale_address, guest_is_kept_out),
)


@race.case(
    "MN-D/D2",
    "the reload is requested from range_start, as v4.15 to v5.7 did",
    sometimes=[guest_keeps_stale_address],
    states=56,
    schedules={"reloaded before the clear": "CPU0*2 VCPU*5 CPU0*5"},
    source=shipped("v4.15", "v5.7", said=AT_START),
)
class RequestedAtStart(MmuNotifierOps):
    """Requests the reload in range_start."""

    async def invalidate_range_start(self, k: Guest) -> None:
        await k.vcpu.kvm_make_all_cpus_request()

    async def reload(self, k: Guest) -> None:
        """What the virtual CPU does on request."""
        page = await gfn_to_page(k)
        if page is None:
            return
        await k.vcpu.vmx_set_apic_access_page_addr(page)
        await page.put_page()


@race.case(
    "MN-D/D3",
    "the reload is requested after the clear, as v5.8 to v6.4 did",
    states=30,
    schedules={"reloaded when it is gone": "CPU0*4 VCPU CPU0*3 VCPU*6"},
    source=shipped("v5.8", "v6.4", said=AFTER_CLEAR),
)
class RequestedAfterClear(RequestedAtStart):
    """Requests the reload in invalidate_range, under the page-table lock."""

    async def invalidate_range_start(self, k: Guest) -> None:
        """Nothing yet."""

    async def invalidate_range(self, k: Guest) -> None:
        await k.vcpu.kvm_make_all_cpus_request()


@race.case(
    "MN-D/D4",
    "the reload is requested from range_start, and checks both words, as since v6.5",
    states=178,
    schedules={"asks itself again": "CPU0*5 VCPU*8 CPU0*8 VCPU*10"},
    source=shipped("v6.5", said=CHECKED, checked=("v7.0", "2026-11-28")),
)
class CheckedReload(RequestedAtStart):
    """Requests the reload in range_start; the reload checks both words, and may request again."""

    async def invalidate_range_start(self, k: Guest) -> None:
        # redundant: the reload reads both words in one step
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_begin()
        await k.update.mutex_unlock()
        await k.vcpu.kvm_make_all_cpus_request()

    async def invalidate_range_end(self, k: Guest) -> None:
        await SequenceAndCounter().invalidate_range_end(k)

    async def reload(self, k: Guest) -> None:
        seq = await k.notifier.read_mmu_invalidate_seq()
        page = await gfn_to_page(k)
        if page is None:
            return
        # redundant: range_start and range_end write both words in one step each
        await k.update.mutex_lock()
        if await k.notifier.mmu_invalidate_retry(seq):
            await k.vcpu.kvm_make_request()
        else:
            await k.vcpu.vmx_set_apic_access_page_addr(page)
        await k.update.mutex_unlock()
        await page.put_page()
