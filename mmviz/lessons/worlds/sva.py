"""What the exercises of the thread sva bring: jobs, other machines, other casts, stories."""

from typing import Any

from mmviz.engine import Oops, at_end, atomic, current, warn
from mmviz.kernel.iommu.io_mm import IoMm, SvaBond
from mmviz.kernel.iommu.iopf import INVALID, SUCCESS
from mmviz.kernel.iommu.pasid import Smmu
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.mm_struct import mmput as put_user
from mmviz.scenarios.sva.entry_after_exit import (
    VA,
    Driver,
    Shadow,
)
from mmviz.scenarios.sva.two_drivers_bind import TwoBonds
from mmviz.scenarios.sva.worlds import Bond, bond

# -- what must have been achieved ------------------------------------------------------------


def memory_is_given_back(k: Bond) -> bool:
    """The process's page and its page table are freed: no user and no reference is left."""
    return not k.mm.mm_users and not k.mm.mm_count and k.mm.pgd.page is None and k.mm.pgd.freed


def device_finds_nothing(k: Bond) -> bool:
    """No cache and no entry leads a DMA to the process any more."""
    leads = k.smmu.entry is k.mm.pgd or k.smmu.cached_entry is k.mm.pgd
    return not leads and k.smmu.iotlb is None and k.dev.atc is None


def device_works(k: Bond) -> bool:
    """The device reaches the page of a process that lives."""
    return k.mm.mm_users > 0 and k.dev.inflight is not None


ENDED = (memory_is_given_back, device_finds_nothing)


def process_is_gone(k: Shadow) -> bool:
    """The last user has left and the page is given back; only the notifier's reference is left."""
    return not k.mm.mm_users and k.mm.mm_count == 1 and k.mm.pgd.page is None


def shadow_is_empty(k: Shadow) -> bool:
    """The device's table leads to no page."""
    return k.dev.pte[VA] is None


def fault_is_served(k: Shadow) -> bool:
    """The process lives, and the device is answered SUCCESS and has the page."""
    is_answered = k.prq.response == SUCCESS and not k.prq.pending
    return is_answered and k.dev.pte[VA] is not None and k.mm.mm_users > 0


def answer_is_none(k: Shadow) -> bool:
    """The device is answered neither SUCCESS nor INVALID: it does not know what to do."""
    return k.prq.response not in ("", SUCCESS, INVALID)


def bonds_are_freed(k: TwoBonds) -> bool:
    """Both bonds are off the list and freed."""
    return not k.io_mm.bonds and k.bond1.freed and k.bond2.freed


def references_are_put(k: TwoBonds) -> bool:
    """The library keeps no reference for either bond."""
    return k.io_mm.refs == 0


def entry_leads_nowhere(k: TwoBonds) -> bool:
    """The PASID's entry leads to no page table."""
    return not isinstance(k.smmu.entry, Pgd)


def other_device_works_on(k: TwoBonds) -> bool:
    """One driver has unbound, and the other's device still reaches the process."""
    return len(k.io_mm.bonds) == 1 and k.mm.mm_users > 0 and k.smmu.entry is k.mm.pgd


def entry_outlives_process(k: TwoBonds) -> bool:
    """The process has ended, and the PASID's entry still leads to its page table."""
    return not k.mm.subscribed and k.smmu.entry is k.mm.pgd


UNBOUND = (bonds_are_freed, references_are_put, entry_leads_nowhere)

# -- other machines and casts ----------------------------------------------------------------


class WalksEachTime(Smmu):
    """An IOMMU that keeps no copy of an entry, and no translation.

    Simplified: constructed for a misconception.
    """

    def translate(self) -> Any:
        """Find the page by a walk, inside a step."""
        return self.entry.page if isinstance(self.entry, Pgd) else None


def warm() -> Bond:
    """The process is bound, and the IOMMU has its copy of the entry; the device's cache is cold."""
    k = bond()
    k.smmu.cached_entry = k.mm.pgd
    return k


class WatchedIoMm(IoMm):
    """An io_mm whose list is used under its lock only, and from which a bond is taken once."""

    @atomic("include/linux/list.h")
    def list_del(self, bond: SvaBond) -> None:
        """Take a bond off the list: callbacks no longer see it."""
        self.check_lock("list_del()")
        if bond not in self.bonds:
            raise Oops("follows_poisoned_pointer", f"{bond} is taken off the list a second time")
        super().list_del(bond).do()

    @atomic("include/linux/list.h")
    def list_is_empty(self) -> bool:
        """Check whether the list of bonds is empty."""
        self.check_lock("list_empty()")
        return not self.bonds

    @atomic("include/linux/rculist.h")
    def list_for_each_entry(self) -> tuple[SvaBond, ...]:
        """Begin a walk over the bonds that are listed now."""
        self.check_lock("list_for_each_entry()")
        return self.bonds

    def check_lock(self, function: str) -> None:
        """Complain, inside a step, if the actor does not hold iommu_sva_lock."""
        if self.lock.owner != current().name:
            warn("lockdep_complains", f"{function} without {self.lock.name}")


def watched_bonds() -> TwoBonds:
    """Two drivers have bound the process, and the lock checker is on."""
    mm = MmStruct(pgd=Pgd(name="pgd"), mm_count=2, subscribed=True)
    io_mm = WatchedIoMm(refs=2)
    io_mm.bonds = bonds = SvaBond(io_mm=io_mm), SvaBond(io_mm=io_mm)
    return TwoBonds(mm, Smmu(mm.pgd), io_mm, *bonds)


def bond_without_caches() -> Bond:
    """The process is bound, on a machine whose IOMMU caches nothing."""
    k = bond()
    smmu = WalksEachTime(k.mm.pgd)
    k.dev.smmu = smmu
    return Bond(k.mm, smmu, k.dev, k.dummy)


async def stays(k: Shadow, driver: Driver) -> None:
    """The process goes on: its task looks at its own memory, and stays a user."""
    await k.mm.has_users()


async def exits_with_two_users(k: Shadow, driver: Driver) -> None:
    """A second user comes and leaves, then the process's own task leaves."""
    if await k.mm.mmget_not_zero():
        await put_user(k.mm, lambda: driver.release(k))
    await put_user(k.mm, lambda: driver.release(k))


def one_bond() -> TwoBonds:
    """Only one driver has bound the process."""
    k = watched_bonds()
    k.io_mm.bonds, k.io_mm.refs = (k.bond1,), 1
    return k


@at_end
def page_is_kept(k: Shadow) -> bool:
    """The device has the page at the end."""
    return k.dev.pte[VA] is not None


# -- the stories ------------------------------------------------------------------------------

EXIT = """
CPU0 ends a process while a device works with its addresses: the last user leaves, your `release(k)`
is called, and then the process's page is given back. CPU1 unbinds the device, sooner or later. The
IOMMU keeps a copy of the PASID's entry and a copy of what it found by walking it; the device keeps
one more (its ATC). Each is filled from the one before.
"""
COMMANDS = """
Steps that you may await: `k.smmu.arm_smmu_write_ctx_desc(entry)` (the entry may be `k.dummy`,
`NOT_PRESENT` or `NOT_PRESENT_QUIET`), `k.smmu.arm_smmu_sync_cd()` (drops the IOMMU's copy of the
entry), `k.smmu.arm_smmu_tlb_inv_asid()` (drops its translations),
`k.dev.arm_smmu_atc_inv_domain()` (drops the device's), `k.dev.arm_smmu_cmdq_issue_sync()` (waits
until all this is done and no DMA is under way), `k.dev.stop_queue()`, `k.dev.drain_queue()`.
"""
TWO = """
Two drivers have bound one process. The devices share one table, so both use the one entry of the
PASID. CPU0 ends the process, which calls `release(k)`; CPU1 and CPU2 unbind one driver each, which
calls `unbind(k, bond)`. Both do their work under `k.io_mm.lock`: `locked_release(k)` and
`locked_unbind(k, bond)`.
"""
TWO_JOB = """
When the process has ended, the entry must not lead to its page table any more. When all is over
both bonds are freed, each reference is put once, and the entry leads nowhere. As long as the
process lives and one driver is bound, its device works on. Steps that you may await:
`k.io_mm.list_for_each_entry()`, `k.io_mm.list_del(bond)`, `k.io_mm.list_is_empty()`,
`k.io_mm.io_mm_put()`, `k.smmu.arm_smmu_write_ctx_desc(entry)` with `k.dummy` or `NOT_PRESENT`,
`bond.forget_io_mm()`, `bond.io_mm_of_bond()`, `bond.set_cleared()`, `bond.kfree()`; `detach(k,
bond)` is written already. The list of bonds is used under the lock only: lockdep watches.
"""
