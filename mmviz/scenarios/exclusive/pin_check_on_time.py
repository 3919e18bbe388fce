"""A check for pins, and other ways to pin.

Looking for pins after the entry is replaced relies on GUP-fast's second look at the entry
(exclusive/pin_check_too_early).  Without that look the driver could wait for GUP-fast instead:
GUP-fast runs with interrupts off, and where flushing TLBs takes an interrupt on every CPU, a pin
through the old entry is taken by the time the flush is done.  Where the hardware flushes by a
broadcast, the flush waits for no CPU.  GUP's slow way needs neither, since it pins only through an
entry that is present.  And no check sees a reference that was taken without a pin.

Promise: A page that the GPU has to itself is not in use by another device's DMA.

Memory model: sequentially consistent; exclusive/store_buffer_hides_clear has what that hides.

Simplified:
    As in exclusive/pin_check_too_early; the entry is replaced before the flush.
    FlushByInterrupt is a machine whose flush interrupts every CPU.  x86 was such a machine until
    v6.14; since v6.15 it flushes by a broadcast where an AMD CPU can.
    GivesUp: GUP-fast that may not take the slow way.  A pin that is given back may make the driver
    refuse, so both may go away with nothing; neither hides what the other one has.
    A plain reference is taken as GUP-fast takes a pin, and the disk writes as long as it has it.

Sources:
    <35941260.J9UuDlmC3F@nvdebian> by looking after the entries are in place
    <9244031.kThbcIvB84@nvdebian> GUP falls back, or fails where only the fast way is allowed
    mm/gup.c gup_pte_range(), follow_page_pte()
    arch/x86/mm/tlb.c flush_tlb_multi()
    arch/x86/mm/gup.c: x86's own GUP-fast had no second look, and relied on interrupts being off
    4afeb0ed1753 (v6.15) x86/mm: broadcast TLB invalidation for multi-threaded processes
    b756a3b5e7ea (v5.14) mm: device exclusive memory access, which has no such check
    mm/rmap.c make_device_exclusive(): access through earlier references is not supported (v6.15)
"""

from typing import Protocol

from mmviz.engine import Race, field
from mmviz.kernel.mm.gup import get_user_pages, gup_pte_range
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.irq import Interrupts
from mmviz.scenarios.exclusive import CHECK_AFTERWARDS, RESTORE_AT_FORK
from mmviz.scenarios.exclusive.pin_check_too_early import CheckAfter
from mmviz.scenarios.exclusive.worlds.pins import (
    BAD,
    atomic_range_fault,
    no_recheck,
    pinned_page_hidden,
)
from mmviz.scenarios.exclusive.worlds.pins import Machine as Plain


class Machine(Plain):
    """The same machine, and the CPUs' interrupts."""

    irq: Interrupts = field(default_factory=Interrupts)


class Flush(Protocol):
    async def flush(self, k: Machine) -> None: ...


async def pin_without_recheck(k: Machine) -> None:
    """The NIC's driver pins with interrupts off, and does not read the entry again."""
    await k.irq.local_irq_save()
    page = await no_recheck(k.cpu)
    await k.irq.local_irq_restore()
    if page is None:
        page = await get_user_pages(k.cpu, k.gpu.unmap)
    await k.nic.ib_dma_map_sg(page)


async def atomic_range_fault_flushed(k: Machine, tlb: Flush) -> None:
    """The GPU's fault handler: make the page exclusive, flush, look for pins, then map it."""
    await k.page.lock_page()
    if await k.cpu.page_make_device_exclusive_one(k.page):
        await tlb.flush(k)
        if await k.page.page_maybe_dma_pinned():
            await k.cpu.restore_exclusive_pte(k.page)
        else:
            await k.gpu.map_atomic(k.page)
    await k.page.unlock_page()


async def pin_fast_only(k: Machine) -> None:
    """The NIC's driver pins the fast way, and gives up where that fails."""
    page = await gup_pte_range(k.cpu)
    if page is not None:
        # redundant: a NIC without the page does not use it
        await k.nic.ib_dma_map_sg(page)


async def pin_slow(k: Machine) -> None:
    """The NIC's driver pins the slow way, which revokes."""
    # redundant: a NIC without the page does not use it
    await k.nic.ib_dma_map_sg(await get_user_pages(k.cpu, k.gpu.unmap))


async def o_direct(k: Machine) -> None:
    """A disk reads into the page, as drivers did before pins: by a plain reference."""
    entry = await k.cpu.ptep_get_lockless()
    if entry is None or not entry.is_writable:
        return
    await entry.page.get_page()
    if await k.cpu.ptep_get_lockless() == entry:
        await k.nic.ib_dma_map_sg(entry.page)
    else:
        await entry.page.put_page()


# One use of a page against one conversion.
race = Race(
    world=Machine,
    actors={"CPU0": pin_without_recheck, "CPU1": atomic_range_fault_flushed},
    bad=BAD,
)


@race.case(
    "C/C.5i-tlbi",
    "no second look in GUP-fast, and a flush that interrupts no CPU",
    sometimes=[pinned_page_hidden],
    states=65,
    schedules={"the pin comes after the flush": "CPU0*2 CPU1*5 CPU0*3"},
    source=constructed("a broadcast does not wait for a CPU whose interrupts are off"),
)
class FlushByBroadcast:
    """Replaces the entry, has the hardware flush the TLBs, then looks for pins."""

    async def flush(self, k: Machine) -> None:
        """Wait for no CPU: the flush is a message between the CPUs' MMUs."""


race.case(
    "C/C.8",
    "the page is used by a reference that is not a pin: no check sees it",
    name="PlainReference",
    of=CheckAfter,
    actors={"CPU0": o_direct, "CPU1": atomic_range_fault},
    sometimes=[pinned_page_hidden],
    states=38,
    kind="contract",
    note="not promised: access by earlier references is documented as not supported",
    schedules={"in use, and not pinned": "CPU0*4 CPU1*4"},
    source=CHECK_AFTERWARDS,
)


@race.case(
    "C/C.5i",
    "no second look in GUP-fast, but the flush waits until interrupts are on",
    states=58,
    source=constructed("what x86's own GUP-fast (arch/x86/mm/gup.c) relied on"),
)
class FlushByInterrupt:
    """Replaces the entry, interrupts every CPU to flush its TLB, then looks for pins."""

    async def flush(self, k: Machine) -> None:
        """Wait for every CPU."""
        await k.irq.on_each_cpu_mask()


race.case(
    "C/C.7",
    "GUP-fast with both looks, and no slow way: both may go away with nothing",
    name="GivesUp",
    of=CheckAfter,
    actors={"CPU0": pin_fast_only, "CPU1": atomic_range_fault},
    states=47,
    note="the driver may refuse because of a pin that is given back at once",
    schedules={"both go away with nothing": "CPU0*2 CPU1*3 CPU0*2 CPU1*2"},
    source=RESTORE_AT_FORK,
)

race.case(
    "C/C.9",
    "GUP's slow way: it pins through an entry that is present, or takes the page back",
    name="SlowWay",
    of=CheckAfter,
    actors={"CPU0": pin_slow, "CPU1": atomic_range_fault},
    states=30,
    source=CHECK_AFTERWARDS,
)
