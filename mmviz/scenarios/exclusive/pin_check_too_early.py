"""A check for pins that GUP-fast overtakes.

A NIC wants to write a page for as long as the user likes, so it pins the page.  A GPU wants the
same page to itself.  The kernel cannot grant both, so the GPU's driver should refuse
pinned pages.  But GUP-fast takes no lock at all: if the driver checks before it replaces
the entry, a pin may come right after the check.  Looking after the entry is replaced
works, because GUP-fast reads the entry once more after it has pinned: either the driver sees
the pin, or GUP-fast sees the new entry, drops its pin and takes the slow path.

Promise: A page that the GPU has to itself is not pinned.

Memory model: sequentially consistent.  Each side writes one thing and then reads the other's;
    on real machines both need a full barrier in between (exclusive/store_buffer_hides_clear).

Simplified:
    One attempt on each side.
    mmap_lock is left out, because no actor takes it for writing.
    The page lock is held from before the conversion to after the check, as
    make_device_exclusive_range() returns pages locked; the slow way needs it to undo the entry.
    Putting the entry back after a refusal spares the next CPU access a fault and nothing more
    here; with a concurrent fork it matters (exclusive/fork_in_window).
    A pin that is given back again may still make the driver refuse (exclusive/pin_check_on_time).
    References taken without a pin (FOLL_GET) are invisible to any such check (there, too).
    No check was ever merged; pinned pages may be under an exclusive entry to this day, and what
    keeps them safe is what fork does (exclusive/fork_in_window, exclusive/copy_at_fork).
    The driver converts as v5.14 to v6.14 do.
    make_device_exclusive(), the folio walk of v6.15, does not look for pins either.

Sources:
    <20210331131854.GI1463678@nvidia.com> can a pinned page end up under such an entry?
    <2124945.3NMGunUBXV@nvdebian> it can; a check is planned
    <20210331134604.GK1463678@nvidia.com> how could the check not race with GUP-fast?
    <35941260.J9UuDlmC3F@nvdebian> by looking after the entries are in place
    mm/gup.c gup_pte_range(), gup_fast_pte_range() in v6.15
    mm/rmap.c page_make_device_exclusive_one(), make_device_exclusive() in v6.15
    arch/x86/mm/gup.c gup_pte_range(): x86's own GUP-fast, without a second look
    088b8aa537c2 (v6.1) the same handshake elsewhere in mm, with its barriers
"""

from typing import Protocol

from mmviz.engine import Race
from mmviz.kernel.mm.entry import CowMapping
from mmviz.kernel.mm.gup import get_user_pages, gup_pte_range
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import CHECK_AFTERWARDS, CHECK_PLANNED, V7
from mmviz.scenarios.exclusive.worlds.pins import (
    BAD,
    Machine,
    atomic_range_fault,
    no_recheck,
    pinned_page_hidden,
)


class Walk(Protocol):
    async def gup_pte_range(self, mapping: CowMapping) -> Page | None: ...


async def pin_user_pages_fast(k: Machine, gup: Walk) -> None:
    """The NIC's driver pins by the fast path, or else by the slow path, which revokes."""
    page = await gup.gup_pte_range(k.cpu)
    if page is None:
        page = await get_user_pages(k.cpu, k.gpu.unmap)
    await k.nic.ib_dma_map_sg(page)


# One pin against one conversion.
race = Race(
    world=Machine, actors={"CPU0": pin_user_pages_fast, "CPU1": atomic_range_fault}, bad=BAD
)


class GupFast:
    """GUP-fast as it is: it reads the entry again after it has pinned."""

    async def gup_pte_range(self, mapping: CowMapping) -> Page | None:
        return await gup_pte_range(mapping)


@race.case(
    "C/C.0",
    "v7, and merged in v5.14: pins are not looked for",
    sometimes=[pinned_page_hidden],
    states=43,
    schedules={"the pin slips in": "CPU0*4 CPU1*4"},
    kind="contract",
    source=shipped("v5.14", "v6.14", said=V7),
)
class NoCheck(GupFast):
    """What was posted as v7, and what was merged."""

    async def make_device_exclusive(self, k: Machine) -> bool:
        return await k.cpu.page_make_device_exclusive_one(k.page)


@race.case(
    "C/C.1",
    "look for pins, then replace the entry",
    sometimes=[pinned_page_hidden],
    states=52,
    schedules={"the pin slips in": "CPU1*2 CPU0*4 CPU1*3"},
    source=CHECK_PLANNED,
)
class CheckBefore(GupFast):
    """Looks for pins, then replaces the entry."""

    async def make_device_exclusive(self, k: Machine) -> bool:
        if await k.page.page_maybe_dma_pinned():
            return False
        return await k.cpu.page_make_device_exclusive_one(k.page)


class LooksAfterwards:
    """Replaces the entry, then looks for pins, and puts the entry back if there are any."""

    async def make_device_exclusive(self, k: Machine) -> bool:
        if not await k.cpu.page_make_device_exclusive_one(k.page):
            return False
        if await k.page.page_maybe_dma_pinned():
            # redundant in pin_check_on_time: a page that stays hidden is not mapped by a device
            await k.cpu.restore_exclusive_pte(k.page)
            return False
        return True


@race.case(
    "C/C.5",
    "look after replacing, but GUP-fast does not read the entry again",
    sometimes=[pinned_page_hidden],
    states=46,
    schedules={"the pin slips in": "CPU0 CPU1*5 CPU0*2"},
    source=constructed(
        "what GUP-fast's second look is for; x86's own GUP-fast (arch/x86/mm/gup.c, before pins "
        "were counted) had none"
    ),
)
class NoRecheckInGup(LooksAfterwards):
    """GUP-fast pins, and trusts that the entry has not changed."""

    async def gup_pte_range(self, mapping: CowMapping) -> Page | None:
        return await no_recheck(mapping)


@race.case(
    "C/C.6",
    "look after replacing, but GUP-fast reads the entry again before it pins",
    sometimes=[pinned_page_hidden],
    states=52,
    schedules={"the pin slips in": "CPU0*2 CPU1*5 CPU0*2"},
    source=constructed("that the second look must come after the pin"),
)
class RecheckBeforePin(LooksAfterwards):
    """GUP-fast reads the entry twice, then pins the page."""

    async def gup_pte_range(self, mapping: CowMapping) -> Page | None:
        entry = await mapping.ptep_get_lockless()
        if entry is None or not entry.is_writable:
            return None
        again = await mapping.ptep_get_lockless()
        if again != entry:
            return None
        await entry.page.try_grab_page()
        return entry.page


@race.case(
    "C/C.2",
    "replace the entry, then look for pins; GUP-fast pins, then reads again",
    states=66,
    source=CHECK_AFTERWARDS,
)
class CheckAfter(GupFast, LooksAfterwards):
    """The driver looks after it has replaced the entry; GUP-fast after it has pinned."""
