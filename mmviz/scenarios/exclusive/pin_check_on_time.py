"""A check for pins, and other ways to pin.

Looking for pins after the entry is replaced relies on GUP-fast's second look at the entry
(exclusive/pin_check_too_early).  Without that look the driver could wait for it instead: GUP-fast
runs with interrupts off, and where flushing TLBs takes an interrupt on every CPU, whoever has read
the old entry has pinned by the time the flush is done.  Where the hardware flushes by a broadcast,
nobody waits for anybody.  GUP's slow way needs neither, since it pins only through an entry that is
present.  And no check sees a reference that was taken without a pin.

Promise: A page that the GPU has to itself is not in use by anybody's DMA.

Memory model: sequentially consistent; exclusive/store_buffer_hides_clear has what that hides.

Simplified:
    As in exclusive/pin_check_too_early; the entry is replaced before the flush.
    GivesUp: GUP-fast that may not take the slow way.  A pin that is given back may make the driver
    refuse, so both may go away with nothing; neither hides what the other one has.
    A plain reference is taken as GUP-fast takes a pin, and the disk writes as long as it has it.

Sources:
    <35941260.J9UuDlmC3F@nvdebian> by looking after the entries are in place
    mm/gup.c gup_pte_range(), follow_page_pte(); arch/x86/mm/tlb.c flush_tlb_multi()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access, which has no such check
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import Case, Verdict, field
from mmviz.kernel.gup import get_user_pages, gup_pte_range
from mmviz.kernel.irq import Interrupts
from mmviz.scenarios.exclusive.pin_check_too_early import (
    CheckAfter,
    cpu_and_device_both_map,
    no_recheck,
    pinned_page_hidden,
)
from mmviz.scenarios.exclusive.pin_check_too_early import Machine as Plain

NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES
Actor = Callable[["Machine"], Coroutine[Any, Any, None]]


class Machine(Plain):
    """The same machine, and the CPUs' interrupts."""

    irq: Interrupts = field(default_factory=Interrupts)


class FlushByBroadcast(CheckAfter):
    """Replaces the entry, has the hardware flush the TLBs, then looks for pins."""

    async def flush(self, k: Machine) -> None:
        """Wait for nobody: the flush is a message between the CPUs' MMUs."""

    async def atomic_range_fault_flushed(self, k: Machine) -> None:
        """The GPU's fault handler: make the page exclusive, then map it for the GPU."""
        await k.page.lock_page()
        if await k.cpu.page_make_device_exclusive_one(k.page):
            await self.flush(k)
            if await k.page.page_maybe_dma_pinned():
                await k.cpu.restore_exclusive_pte(k.page)
            else:
                await k.gpu.map_atomic(k.page)
        await k.page.unlock_page()


class FlushByInterrupt(FlushByBroadcast):
    """Replaces the entry, interrupts every CPU to flush its TLB, then looks for pins."""

    async def flush(self, k: Machine) -> None:
        """Wait for every CPU."""
        await k.irq.on_each_cpu_mask()


async def pin_without_recheck(k: Machine) -> None:
    """The NIC's driver pins with interrupts off, and does not read the entry again."""
    await k.irq.local_irq_save()
    page = await no_recheck(k.cpu)
    await k.irq.local_irq_restore()
    if page is None:
        page = await get_user_pages(k.cpu, k.gpu.unmap)
    await k.nic.ib_dma_map_sg(page)


async def pin_fast_only(k: Machine) -> None:
    """The NIC's driver pins the fast way, and gives up where that fails."""
    page = await gup_pte_range(k.cpu)
    if page is not None:
        await k.nic.ib_dma_map_sg(page)


async def pin_slow(k: Machine) -> None:
    """The NIC's driver pins the slow way, which revokes."""
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


async def check_after(k: Machine) -> None:
    """The GPU's fault handler: replace the entry, look for pins, map."""
    await CheckAfter().atomic_range_fault(k)


def case(
    name: str,
    id: str,
    title: str,
    pins: Actor,
    states: int,
    driver: Actor = check_after,
    hidden: Verdict = NEVER,
    kind: str = "race",
    note: str = "",
    schedules: dict[str, str] | None = None,
) -> Case:
    """Race one use of a page against one conversion."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=Machine,
        actors={"CPU0": pins, "CPU1": driver},
        bad=(pinned_page_hidden, cpu_and_device_both_map),
        expect={"pinned_page_hidden": hidden, "cpu_and_device_both_map": NEVER},
        states=states,
        kind=kind,
        note=note,
        schedules=schedules or {},
    )


CASES = (
    case(
        "FlushByBroadcast",
        "C/C.5i-tlbi",
        "no second look in GUP-fast, and a flush that interrupts nobody",
        pin_without_recheck,
        states=66,
        driver=FlushByBroadcast().atomic_range_fault_flushed,
        hidden=SOMETIMES,
        schedules={"the pin comes after the flush": "CPU0*2 CPU1*5 CPU0*3"},
    ),
    case(
        "PlainReference",
        "C/C.8",
        "the page is used by a reference that is no pin: no check sees it",
        o_direct,
        states=38,
        hidden=SOMETIMES,
        kind="contract",
        note="nobody promised it: access by earlier references is documented as not supported",
        schedules={"in use, and not pinned": "CPU0*4 CPU1*4"},
    ),
    case(
        "FlushByInterrupt",
        "C/C.5i",
        "no second look in GUP-fast, but the flush waits until interrupts are on",
        pin_without_recheck,
        states=59,
        driver=FlushByInterrupt().atomic_range_fault_flushed,
    ),
    case(
        "GivesUp",
        "C/C.7",
        "GUP-fast with both looks, and no slow way: both may go away with nothing",
        pin_fast_only,
        states=47,
        note="the driver may refuse because of a pin that is given back at once",
        schedules={"both go away with nothing": "CPU0*2 CPU1*3 CPU0*2 CPU1*2"},
    ),
    case(
        "SlowWay",
        "C/C.9",
        "GUP's slow way: it pins through an entry that is present, or takes the page back",
        pin_slow,
        states=30,
    ),
)

SPARE = {
    "GivesUp: await k.nic.ib_dma_map_sg(page)": "Without the NIC nobody uses the page.",
    "GivesUp: entry = await mapping.ptep_get_lockless()": "Who finds no entry does not pin.",
    "GivesUp: await entry.page.unpin_user_page()": (
        "A pin too many makes the check refuse: it costs, and hides nothing."
    ),
    "GivesUp: await k.cpu.restore_exclusive_pte(k.page)": (
        "A page that is not given back is hidden from the CPU, and mapped by nobody."
    ),
    "SlowWay: await k.cpu.restore_exclusive_pte(k.page)": (
        "A page that is not given back is hidden from the CPU, and mapped by nobody."
    ),
    "SlowWay: await k.nic.ib_dma_map_sg(await get_user_pages(k.cpu, k.gpu.unmap))": (
        "Without the NIC nobody uses the page."
    ),
}
