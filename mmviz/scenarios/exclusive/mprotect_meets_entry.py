"""mprotect on a page that a device has.

A user makes a mapping read-only while a GPU has its page.  The entry is not present, so mprotect
has no right to write to take away from the CPU.  But up to v6.14 the entry remembers that the page
was writable, and the next access of the CPU brings that back.  So mprotect makes the entry forget
it.  Since v6.15 the entry remembers nothing, and the fault that restores the page looks at the
mapping's flag.  The GPU has a right to write, too, which only its driver takes away, if it is
notified and does not ignore the event.

Promise: When mprotect has returned, neither the CPU nor the GPU can write there.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py and mmviz/kernel/driver/svm.py.
    User code reads the page before it writes: a read of an exclusive page brings it back, too.
    A driver that asks for a writable page where the mapping is read-only gets an error.
    The driver of Downgrade retries as in v6.14; mprotect does the same since v5.14.
    A mapping that is made writable again is in exclusive/protected_and_back.

Sources:
    mm/mprotect.c change_pte_range(), mprotect_fixup()
    mm/memory.c restore_exclusive_pte()
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault()
    b756a3b5e7ea (v5.14) writable entries become readable ones
    c25465eb7630, 9a914592140e (v6.15) one kind of entry; restoring asks the mapping
    tools/testing/selftests/mm/hmm-tests.c exclusive_mprotect
"""

from functools import partial

from mmviz.engine import Race, atomic
from mmviz.kernel.driver.svm import Svmm
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.vma import VM_READ, KeepsEntry, Vma
from mmviz.kernel.notifier.interval import MMU_NOTIFY_PROTECTION_VMA
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import NOUVEAU_UNLOCK, READ, REWORK
from mmviz.scenarios.exclusive.lock_or_sequence import page_lock_only
from mmviz.scenarios.exclusive.worlds.svm import (
    BAD,
    Machine,
    lock_and_sequence,
    mprotect,
    since_v615,
    touch,
    write_after_mprotect,
)


def machine(vma: type[Vma] = Vma, svmm: type[Svmm] = Svmm) -> Machine:
    """Build the machine with a mapping, and a driver's filter."""
    return Machine(mm=ExclusiveMm(vma=vma()), svmm=svmm())


race = Race(
    "G",
    world=Machine,
    actors={"CPU0": touch, "CPU1": lock_and_sequence, "CPU2": mprotect},
    bad=BAD,
)


class KeepsEntryBlindly(KeepsEntry):
    """mprotect leaves the entry alone, and bringing it back trusts what it remembers."""

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the entry present again, as writable as it was."""
        if self.pte is None or not self.pte.exclusive or self.pte.page is not page:
            return False
        self.pte = self.pte.restored()
        return True


race.case(
    "G.3",
    "the entry is left alone, and bringing it back trusts what it remembers",
    name="RestoreBlindly",
    of=KeepsEntryBlindly,
    world=partial(machine, vma=KeepsEntryBlindly),
    sometimes=[write_after_mprotect],
    states=927,
    schedules={"a read brings back the right to write": "CPU1*14 CPU2*10 CPU0*11"},
    source=constructed("shows what the look at the mapping is for"),
)


async def mprotect_silently(k: Machine) -> None:
    """User code makes the mapping read-only, and mprotect notifies no driver."""
    await k.mm.mmap_lock.down_write()
    await k.mm.vma.mprotect_fixup(VM_READ)
    await k.mm.vma.change_pte_range()
    await k.mm.mmap_lock.up_write()


race.case(
    "G.4",
    "mprotect notifies no driver",
    name="NoNotifier",
    of=mprotect_silently,
    actors=race.actors | {"CPU2": mprotect_silently},
    sometimes=[write_after_mprotect],
    states=446,
    schedules={"mprotect does not notify the driver": "CPU1*14 CPU2*4"},
    source=constructed("shows what the notification is for"),
)


class SwallowsProtection(Svmm):
    """A driver whose filter ignores changes of protection as well."""

    def ignores(self, event: str, owner: str) -> bool:
        """Return whether the callback returns at once."""
        return event == MMU_NOTIFY_PROTECTION_VMA or super().ignores(event, owner)


race.case(
    "G.5",
    "the driver's filter ignores changes of protection as well",
    name="SwallowedByFilter",
    of=SwallowsProtection,
    world=partial(machine, svmm=SwallowsProtection),
    sometimes=[write_after_mprotect],
    states=544,
    schedules={"the driver does not listen": "CPU1*14 CPU2*6"},
    source=constructed("shows that the filter must ignore no other event"),
)


race.case(
    "G.6",
    "the driver trusts the page lock, which mprotect does not take",
    name="NoSequence",
    of=page_lock_only,
    actors=race.actors | {"CPU1": page_lock_only},
    sometimes=[write_after_mprotect],
    states=675,
    schedules={"mapped after it was told": "CPU1*7 CPU2*10 CPU1*2"},
    source=constructed("shows what the sequence is for"),
)

race.case(
    "G.1",
    "v6.14: mprotect takes the right to write from the entry, as since v5.14",
    name="Downgrade",
    of=lock_and_sequence,
    states=894,
    source=shipped("v6.14", "v6.14", said=NOUVEAU_UNLOCK),
)

race.case(
    "G.2",
    "since v6.15: the entry is left alone, bringing it back asks the mapping",
    name="AskTheMapping",
    of=lock_and_sequence,
    world=since_v615,
    states=894,
    note="no verdict changed: another place forbids the write",
    source=shipped("v6.15", said=REWORK, checked=READ),
)
