"""A swap entry is moved, and the folio of another one with it.

UFFDIO_MOVE moves a page to another address.  If the page is swapped out, it moves the swap entry,
and if the swap cache has a folio under that entry, the folio's reverse map must go with it.  The
lookup in the swap cache takes no lock.  Meanwhile another thread may swap the page in, so that the
slot is free; a folio of another address may be swapped out to the slot, and in again; and the page
may be swapped out to the same slot once more.  The entry is what it was, and the folio that was
found belongs to another address.

Promise: The reverse map of a folio leads to the address at which it is.

Memory model: sequentially consistent.

Simplified:
    One slot; source and destination have one page-table lock.
    A folio that is read from swap is the one that the page had before.
    A folio's place in the swap cache is checked as one step with its slot.
    Where the kernel returns -EAGAIN, the move is given up here.
    A retry after a folio lock that was taken asleep is part of the two cases that differ in it.

Sources:
    0ea148a79920 (v6.16) mm: userfaultfd: fix race of userfaultfd_move and swap cache
    c50f8e6053b0 (v6.14) mm: fix kernel BUG when userfaultfd_move encounters swapcache
    <20250219112519.92853-1-21cnbao@gmail.com> Barry Song: the folio must be moved, too
    <20250530201710.81365-1-ryncsn@gmail.com> Kairui Song, v1, with the diagram
    <CA+EESO5DWB1C3ggH53n=DQL6xNz1bU+NWh7C7_ao=o9NGLvQ4w@mail.gmail.com> Lokesh Gidra on v2
    mm/userfaultfd.c move_pages_pte(), move_swap_pte(); CVE-2025-38242, CVE-2025-21984
"""

from typing import Protocol

from mmviz.engine import Map, Race, World
from mmviz.kernel.mm.uffd import SLOT, Anon, AnonFolio
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.swap import ENTRY_ONLY, ENTRY_TWICE, MOVE_CHECKED, MOVE_V2

SRC, DST, OTHER = "src", "dst", "other"


class Machine(World):
    """A page that is swapped out, a folio of another address, and where the page is moved to."""

    mm: Anon
    a: AnonFolio
    b: AnonFolio


def machine() -> Machine:
    """Build the machine with the page in the slot."""
    a, b = AnonFolio(SRC), AnonFolio(OTHER)
    return Machine(Anon(Map({SRC: SLOT, DST: None, OTHER: b})), a, b)


def rmap_leads_elsewhere(k: Machine) -> bool:
    """A folio is at one address, and its reverse map leads to another: the kernel meets a BUG."""
    at = {k.mm.cache if pte == SLOT else pte: address for address, pte in k.mm.pte.items()}
    return any(folio in at and at[folio] != folio.index for folio in (k.a, k.b))


class Check(Protocol):
    """What UFFDIO_MOVE makes sure of before it moves the entry and the folio."""

    async def find(self, k: Machine) -> tuple[bool, AnonFolio | None]: ...
    async def is_still_right(self, k: Machine, folio: AnonFolio | None) -> bool: ...


async def uffdio_move(k: Machine, check: Check) -> None:
    """CPU0 moves the page from the source to the destination."""
    if await k.mm.ptep_get(SRC) != SLOT:
        return
    goes_on, folio = await check.find(k)
    if goes_on:
        await k.mm.ptl.spin_lock()
        if await k.mm.is_pte_pages_stable(SRC) and await check.is_still_right(k, folio):
            await k.mm.set_pte_at(SRC, DST, folio)
        await k.mm.ptl.spin_unlock()
    if folio is not None:
        await folio.folio_unlock()


async def other_threads(k: Machine) -> None:
    """CPU1 swaps the page in; B out and in again; and the page out, to the same slot."""
    if await k.mm.read_swap_cache(SRC, k.a):
        await k.mm.do_swap_page(SRC)
    if await k.mm.add_to_swap(OTHER):
        await k.mm.do_swap_page(OTHER)
    if await k.mm.add_to_swap(SRC):
        await k.mm.remove_mapping()


# One move, while the slot comes to another folio and back.
race = Race(
    world=machine,
    actors={"CPU0": uffdio_move, "CPU1": other_threads},
    bad=(rmap_leads_elsewhere, "sleeps_in_atomic", "unlock_not_owner"),
)


@race.case(
    "SW2/a",
    "as shipped v6.8 to v6.13: move the entry, and no folio",
    sometimes=[rmap_leads_elsewhere],
    source=ENTRY_ONLY,
    states=46,
)
class EntryOnly:
    """A folio in the swap cache stays behind with its old address."""

    async def find(self, k: Machine) -> tuple[bool, AnonFolio | None]:
        return True, None

    async def is_still_right(self, k: Machine, folio: AnonFolio | None) -> bool:
        return True


@race.case(
    "SW2/b",
    "as shipped v6.14 and v6.15: look the folio up, lock it, compare the entry again",
    sometimes=[rmap_leads_elsewhere],
    source=ENTRY_TWICE,
    schedules={"the diagram in the commit": "CPU0 CPU1*3 CPU0 CPU1*3 CPU0*6"},
    states=123,
)
class EntryTwice(EntryOnly):
    """The entry is equal; what lay under it in between is another folio."""

    async def find(self, k: Machine) -> tuple[bool, AnonFolio | None]:
        folio = await k.mm.swap_cache_get_folio()
        if folio is not None and not await folio.folio_trylock():
            return False, None
        return True, folio


@race.case(
    "SW2/c",
    "tempting: check the folio that was found, and nothing where none was found",
    sometimes=[rmap_leads_elsewhere],
    source=constructed("a folio may enter the swap cache after the lookup has found none"),
    states=121,
)
class FolioOnly(EntryTwice):
    """The folio that came later stays behind."""

    async def is_still_right(self, k: Machine, folio: AnonFolio | None) -> bool:
        return folio is None or await k.mm.folio_test_swapcache(folio)


@race.case(
    "SW2/d",
    "tempting: check the folio before it is locked",
    sometimes=[rmap_leads_elsewhere],
    source=constructed("until the folio is locked, it may leave the swap cache"),
    states=131,
)
class CheckBeforeLock(EntryTwice):
    """Between the check and the lock the folio is swapped in again."""

    async def find(self, k: Machine) -> tuple[bool, AnonFolio | None]:
        folio = await k.mm.swap_cache_get_folio()
        if folio is None:
            return True, None
        if not await k.mm.folio_test_swapcache(folio) or not await folio.folio_trylock():
            return False, None
        return True, folio

    async def is_still_right(self, k: Machine, folio: AnonFolio | None) -> bool:
        return folio is not None or not await k.mm.swap_has_cache()


@race.case(
    "SW2/e",
    "as merged in v6.16: under the locks, the folio is in the swap cache, or there is none",
    source=MOVE_CHECKED,
    states=119,
)
class FolioOrNone(EntryTwice):
    """A locked folio stays in the cache; another enters it before its entry names the slot."""

    async def is_still_right(self, k: Machine, folio: AnonFolio | None) -> bool:
        if folio is not None:
            return await k.mm.folio_test_swapcache(folio)
        return not await k.mm.swap_has_cache()


async def holds_b(k: Machine) -> None:
    """CPU2 holds B's lock for a moment: the move must sleep for it."""
    await k.b.folio_lock()
    await k.b.folio_unlock()


class CheckInTrylock(FolioOrNone):
    """v2 checks only the folio whose lock was free; after a sleep it trusts what it has."""

    async def find(self, k: Machine) -> tuple[bool, AnonFolio | None]:
        folio = await k.mm.swap_cache_get_folio()
        if folio is None:
            return True, None
        if not await folio.folio_trylock():
            await folio.folio_lock()
            return await k.mm.ptep_get(SRC) == SLOT, folio
        return await k.mm.folio_test_swapcache(folio), folio

    async def is_still_right(self, k: Machine, folio: AnonFolio | None) -> bool:
        return folio is not None or not await k.mm.swap_has_cache()


race.case(
    "SW2/f",
    "v2, where the lock is taken: the check is skipped after a sleep",
    name="CheckSkippedAfterSleep",
    of=CheckInTrylock,
    actors={"CPU0": uffdio_move, "CPU1": other_threads, "CPU2": holds_b},
    sometimes=[rmap_leads_elsewhere],
    source=MOVE_V2,
    states=316,
)
