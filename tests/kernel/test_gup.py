"""Pinning a page: GUP-fast, GUP, and what the count says."""

import pytest

from mmviz.engine import Case, World, field, replay
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.gup import get_user_pages, gup_pte_range, lockless_pages_from_mm
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SeqCount


class Small(World):
    """One mapping, and a driver that pins its page."""

    page: Page = field(default_factory=lambda: Page(7))
    spare: Page = field(default_factory=lambda: Page(8, refs=0))
    mapping: CowMapping = field(default_factory=CowMapping)
    seq: SeqCount = field(default_factory=SeqCount)
    nic: Umem = field(default_factory=Umem)


async def fast(k):
    page = await gup_pte_range(k.mapping)
    if page is not None:
        await k.nic.ib_dma_map_sg(page)


async def fast_beside_fork(k):
    page = await lockless_pages_from_mm(k.mapping, k.seq)
    if page is not None:
        await k.nic.ib_dma_map_sg(page)


async def slow(k):
    page = await get_user_pages(k.mapping, copy=k.spare)
    await k.nic.ib_dma_map_sg(page)


async def convert(k):
    await k.mapping.page_make_device_exclusive_one(k.page)


async def write_side(k):
    await k.seq.write_seqcount_begin()
    await k.seq.write_seqcount_end()


def after(schedule, pins, other=convert, refs=1, **flags):
    """Return the world after a schedule of CPU0, which pins, and CPU1; then CPU0 finishes."""

    def world():
        k = Small()
        k.page.refs = refs
        k.mapping.pte = Pte(k.page, **flags)
        return k

    actors = {"CPU0": pins, "CPU1": other}
    case = Case(name="Pin", id="-", title="a pin", world=world, actors=actors, bad=(), expect={})
    run = replay(case, schedule)
    while "CPU0" in run.enabled():
        run.step("CPU0")
    return run.tip.world


def test_a_pin_counts_1024():
    k = after("", fast)

    assert k.page.refs == 1025
    assert k.page.is_maybe_dma_pinned
    assert k.nic.page is k.page


@pytest.mark.parametrize("flags", [{"write": False}, {"exclusive": True}])
def test_gup_fast_leaves_an_entry_it_cannot_write_through(flags):
    k = after("", fast, **flags)

    assert k.page.refs == 1
    assert k.nic.page is None


def test_gup_fast_unpins_if_the_entry_has_changed():
    for schedule in ("CPU0 CPU1", "CPU0 CPU0 CPU1"):
        k = after(schedule, fast)
        assert k.page.refs == 1
        assert k.nic.page is None


def test_gup_fast_does_not_touch_a_free_page():
    k = after("", fast, refs=0)

    assert k.page.refs == 0
    assert k.nic.page is None


def test_gup_slow_makes_an_exclusive_entry_present_before_it_pins():
    k = after("", slow, exclusive=True)

    assert str(k.mapping.pte) == "present page 7 rw"
    assert k.page.refs == 1025


def test_gup_slow_copies_a_shared_page_before_it_pins():
    k = after("", slow, refs=2, write=False)

    assert k.nic.page is k.spare
    assert (k.page.refs, k.spare.refs) == (1, 1025)


def test_gup_fast_gives_up_if_it_overlaps_a_fork():
    assert after("", fast_beside_fork, write_side).page.refs == 1025
    assert after("CPU1", fast_beside_fork, write_side).page.refs == 1
    assert after("CPU0*3 CPU1", fast_beside_fork, write_side).page.refs == 1


def test_an_unpin_without_a_pin_is_reported():
    async def unpin(k):
        await k.page.unpin_user_page()

    case = Case(
        name="Unpin",
        id="-",
        title="one unpin too many",
        world=Small,
        actors={"CPU0": unpin},
        bad=("refcount_underflow",),
        expect={"refcount_underflow": "Always"},
    )

    assert replay(case, "CPU0").violated == ("refcount_underflow",)
