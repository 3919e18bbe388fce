"""KVM asks for a new address before the old one is gone.

A virtual CPU keeps the address of one special page, the APIC-access page, in its VMCS.  When
the kernel moves that page, KVM must reload the address.  It asked for that from range_start;
the virtual CPU was quick, looked the page up before the CPU's entry was cleared, and found the
old one again.  Nobody asks a second time.  Asking after the clear helps, and so does what every
other fault of KVM does: look at the sequence and the counter, and if in doubt ask again.

Promise: The guest runs with the address of the page that the CPU's page table names.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One virtual CPU, one unmapping; the reload brings in a fresh page if there is none.
    The hardware only compares addresses with this page's and never reads it, so nothing is
    asked about its memory.  A stale address means that the guest's accesses are not caught.
    The request stands for the kick too: it waits until the virtual CPU is out of the guest.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: KVM's page callback goes with this series
    b1394e745b94 (v4.15): the reload is requested from range_start
    e649b3f0188f (v5.8): KVM: x86: Fix APIC page invalidation race; after the clear
    878940b33d76, 0a8a5f2c8c26 (v6.5): count and sequence in vmx_set_apic_access_page_addr()
"""

from typing import Any

from mmviz.engine import Case, Verdict, at_end, expecting, field, mark
from mmviz.kernel.notifier import MmuNotifierOps
from mmviz.kernel.page import Page
from mmviz.kernel.vcpu import Vcpu
from mmviz.scenarios.invalidate_page.range_start_only import VA, GuardedMirror, SequenceAndCounter
from mmviz.scenarios.invalidate_page.told_under_ptl import try_to_unmap_one


class Guest(GuardedMirror):
    """A guest whose APIC-access page the kernel is about to take away."""

    vcpu: Vcpu = field(default_factory=Vcpu)

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.vcpu.apic_access_page = self.page


def guest_keeps_stale_address(k: Guest) -> bool:
    """The guest runs with a page that is gone: what it does to its APIC is not caught."""
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


class RequestedAtStart(MmuNotifierOps):
    """Asks for a reload in range_start."""

    async def invalidate_range_start(self, k: Guest) -> None:
        await k.vcpu.kvm_make_all_cpus_request()

    async def reload(self, k: Guest) -> None:
        page = await gfn_to_page(k)
        if page is None:
            return
        await k.vcpu.vmx_set_apic_access_page_addr(page)
        await page.put_page()


class RequestedAfterClear(RequestedAtStart):
    """Asks for a reload in invalidate_range, under the page-table lock."""

    async def invalidate_range_start(self, k: Guest) -> None:
        """Nothing yet."""

    async def invalidate_range(self, k: Guest) -> None:
        await k.vcpu.kvm_make_all_cpus_request()


class CheckedReload(RequestedAtStart):
    """Asks in range_start, and whoever reloads looks whether to ask again."""

    async def invalidate_range_start(self, k: Guest) -> None:
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
        await k.update.mutex_lock()
        if await k.notifier.mmu_invalidate_retry(seq):
            await k.vcpu.kvm_make_request()
        else:
            await k.vcpu.vmx_set_apic_access_page_addr(page)
        await k.update.mutex_unlock()
        await page.put_page()


async def vcpu_run(k: Guest, driver: RequestedAtStart) -> None:
    """The virtual CPU's thread: out of the guest on request, and in again."""
    while True:
        mark("vcpu_run")
        await k.vcpu.kvm_check_request()
        await driver.reload(k)
        await k.vcpu.vcpu_enter_guest()


BAD = (guest_keeps_stale_address, guest_is_kept_out)


def case(
    driver: RequestedAtStart,
    variant: str,
    title: str,
    states: int,
    verdict: Verdict = Verdict.NEVER,
    **more: Any,
) -> Case:
    """Take the page away on CPU0 while the virtual CPU reloads its address."""
    return Case(
        name=type(driver).__name__,
        id=variant,
        title=title,
        world=Guest,
        actors={
            "CPU0": lambda k: try_to_unmap_one(k, driver),
            "VCPU": lambda k: vcpu_run(k, driver),
        },
        daemons=("VCPU",),
        bad=BAD,
        expect=expecting(BAD, guest_keeps_stale_address=verdict),
        states=states,
        **more,
    )


CASES = (
    case(
        RequestedAtStart(),
        "MN-D/D2",
        "the reload is requested from range_start, as v4.15 to v5.7 did",
        56,
        Verdict.SOMETIMES,
        shipped=("v4.15", "v5.7"),
        schedules={"reloaded before the clear": "CPU0*2 VCPU*5 CPU0*5"},
        proposed=("2017-11-30", "<20171130180546.4331-1-rkrcmar@redhat.com>"),
    ),
    case(
        RequestedAfterClear(),
        "MN-D/D3",
        "the reload is requested after the clear, as v5.8 to v6.4 did",
        30,
        shipped=("v5.8", "v6.4"),
        schedules={"reloaded when it is gone": "CPU0*4 VCPU CPU0*3 VCPU*6"},
        proposed=("2020-06-06", "<20200606042627.61070-1-eiichi.tsukata@nutanix.com>"),
    ),
    case(
        CheckedReload(),
        "MN-D/D4",
        "the reload is requested from range_start, and looks at both words, as since v6.5",
        227,
        shipped=("v6.5", ""),
        schedules={"asks itself again": "CPU0*5 VCPU*8 CPU0*8 VCPU*10"},
        proposed=("2023-06-02", "<20230602011518.787006-2-seanjc@google.com>"),
    ),
)

SPARE = {
    "CheckedReload: await k.update.mutex_lock()": (
        "Each side reads or writes both words in one step; order_of_the_words has them in two."
    ),
}
