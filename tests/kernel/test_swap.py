"""Slots of a swap device, the cache flag, and folios."""

from mmviz.engine import Map, World, field
from mmviz.kernel.mm.swap import Folio, SwapEntry, SwapInfo, SwapMapping
from tests.kernel.acting import act


def two_slots():
    return SwapInfo(Map({0: 1, 1: 0}), Map({0: False, 1: False}), Map({0: "old", 1: "nothing"}))


class Machine(World):
    mm: SwapMapping = field(default_factory=lambda: SwapMapping(SwapEntry(0)))
    si: SwapInfo = field(default_factory=two_slots)
    folio: Folio = field(default_factory=lambda: Folio(7, refs=0))


def answers(*steps):
    """Return the answers of an actor's steps, each a function of the world, and the world."""

    async def actor(k):
        for step in steps:
            await step(k)

    run = act(Machine, f"CPU0*{len(steps)}", CPU0=actor)
    return [frame.answer for frame in run.frames[1:]], run.tip.world


SLOT = SwapEntry(0)


def test_one_actor_at_a_time_has_the_cache_flag():
    found, _ = answers(
        lambda k: k.si.swapcache_prepare(SLOT),
        lambda k: k.si.swapcache_prepare(SLOT),
        lambda k: k.si.swapcache_clear(SLOT),
        lambda k: k.si.swapcache_prepare(SLOT),
    )
    assert found == [True, False, None, True]


def test_a_free_slot_has_no_cache_to_prepare():
    found, _ = answers(lambda k: k.si.swapcache_prepare(SwapEntry(1)))
    assert found == [False]


def test_the_lowest_free_slot_is_handed_out_until_the_device_is_full():
    found, _ = answers(
        lambda k: k.si.get_swap_pages(),
        lambda k: k.si.get_swap_pages(),
        lambda k: k.si.swap_free(SLOT),
        lambda k: k.si.get_swap_pages(),
        lambda k: k.si.swp_swapcount(SLOT),
    )
    assert found == [SwapEntry(1), None, None, SLOT, 1]


def test_a_slot_with_the_cache_flag_is_not_handed_out_although_no_entry_names_it():
    found, _ = answers(
        lambda k: k.si.swapcache_prepare(SLOT),
        lambda k: k.si.swap_free(SLOT),
        lambda k: k.si.get_swap_pages(),
        lambda k: k.si.swapcache_clear(SLOT),
        lambda k: k.si.get_swap_pages(),
    )
    assert found == [True, None, SwapEntry(1), None, SLOT]


def test_swapping_in_and_out_keeps_content_counts_and_flags():
    _, read = answers(
        lambda k: k.folio.swap_read_folio(k.si, SLOT),
        lambda k: k.si.swap_free(SLOT),
        lambda k: k.mm.set_pte_at(k.folio),
        lambda k: k.mm.cpu_write("new"),
    )
    assert (read.folio.refs, read.folio.mapcount) == (1, 1)
    assert (read.folio.uptodate, read.folio.dirty, read.folio.data) == (True, True, "new")

    found, out = answers(
        lambda k: k.folio.swap_read_folio(k.si, SLOT),
        lambda k: k.si.swap_free(SLOT),
        lambda k: k.mm.set_pte_at(k.folio),
        lambda k: k.mm.cpu_write("new"),
        lambda k: k.mm.shrink_folio_list(k.si),
        lambda k: k.mm.shrink_folio_list(k.si),
        lambda k: k.mm.pte_same(SLOT),
        lambda k: k.mm.cpu_read(),
    )
    assert found[-4:] == [True, False, True, False]
    assert (out.folio.refs, out.folio.mapcount, out.folio.uptodate) == (0, 0, False)
    assert out.si.data[0] == "new"


def test_a_fault_finds_no_swap_entry_where_a_folio_is_mapped():
    found, _ = answers(
        lambda k: k.mm.handle_pte_fault(),
        lambda k: k.folio.swap_read_folio(k.si, SLOT),
        lambda k: k.mm.set_pte_at(k.folio),
        lambda k: k.mm.handle_pte_fault(),
        lambda k: k.mm.cpu_read(),
    )
    assert [found[0], *found[3:]] == [SLOT, None, True]
