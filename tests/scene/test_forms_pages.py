"""Entries, accesses, TLBs, store buffers and pages in the picture of memory, and how they move."""

import pytest

from mmviz.engine import Case, Map, Struct, World, atomic, field
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.mm.pagetable import PageTable, PmdTable
from mmviz.scene.cards import pins
from mmviz.scene.check import problems
from mmviz.scene.forms.entries import Kind, kind_of, pte_words
from mmviz.scene.forms.ways import bent, long, on
from mmviz.scene.marks import Box, Flow, Line, Text
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase
from tests.scene.played import searched_case

DRAWN = (
    ("exclusive/fork_in_window", "CheckOutsideMmapLock"),
    ("exclusive/store_buffer_hides_clear", "NoBarrier"),
    ("exclusive/sequence_in_store_buffer", "AsOnX86"),
    ("exclusive/reuse_rules", "FlagCleared"),
    ("exclusive/entry_ledger", "ForkWithoutReference"),
    ("exclusive/half_exclusive", "ForeignPin"),
    ("mremap/flush_before_unlock", "FlushAtTheEnd"),
    ("swap/skip_swapcache", "SkipSwapcache"),
    ("invalidate_page/huge_page_in_part", "FirstPartOnly"),
    ("invalidate_page/apic_page_reload", "RequestedAtStart"),
    ("invalidate_page/sequence_and_counter", "CounterOnly"),
)


class Played:
    """The first run of a case, its marks by key."""

    def __init__(self, searched, schedule=None):
        self.memory = memory(searched)
        self.run = searched.run(schedule or next(iter(searched.runs().values())))

    def __getitem__(self, k):
        return {mark.key: mark for mark in self.memory.marks(self.run.frames[k].state)}

    def after(self, label):
        """Return the marks before and after the first step with a label."""
        k = next(k for k, frame in enumerate(self.run.frames) if label in frame.label)
        return self[k - 1], self[k]


def case_of(world, *roles):
    actors = {f"CPU{n}": role for n, role in enumerate(roles)}
    return SearchedCase(Case(name="Toy", world=world, actors=actors, bad=()))


def middle(box):
    return (box.x + box.w / 2, box.y + box.h / 2)


def lies_in(box, card):
    x, y = middle(box)
    return card.x <= x <= card.x + card.w and card.y <= y <= card.y + card.h


@pytest.fixture(scope="module")
def forked():
    return Played(searched_case("exclusive/fork_in_window", "CheckOutsideMmapLock"))


# -- entries ---------------------------------------------------------------------------------------


def test_the_words_of_entries_and_references():
    page = Page(7, name="page 7")

    assert pte_words(Pte(page)) == "present rw"
    assert pte_words(Pte(page, exclusive=True, write=False)) == "exclusive ro"
    assert pte_words(Pte(page, private=True)) == "private rw"
    assert pte_words(None) == "none"
    assert (pins(2), pins(2 + GUP_PIN_COUNTING_BIAS)) == ("2", "2 + 1 pin")
    assert pins(2 * GUP_PIN_COUNTING_BIAS) == "0 + 2 pins"
    assert kind_of(Pte(page, private=True)) is Kind.PRIVATE


class Kinds(World):
    """A mapping whose entry becomes one kind after the other."""

    cpu: CowMapping = field(default_factory=CowMapping)
    page: Page = field(default_factory=lambda: Page(7))
    other: Page = field(default_factory=lambda: Page(8))


class Setter(CowMapping):
    """A mapping that a test sets."""

    @atomic("test")
    def set(self, entry):
        """Set the entry."""
        self.pte = entry


def kinds():
    return Kinds(cpu=Setter(name="cpu"))


async def every_kind(k):
    for entry in (
        Pte(k.page),
        Pte(k.page, write=False),
        Pte(k.page, exclusive=True),
        Pte(k.page, private=True),
        Pte(k.other),
    ):
        await k.cpu.set(entry)


@pytest.fixture(scope="module")
def each_kind():
    return Played(case_of(kinds, every_kind), ["CPU0"] * 5)


def test_an_entry_of_each_kind_has_a_shape_of_its_own(each_kind):
    none, writable, read_only, exclusive, private, _ = (each_kind[k] for k in range(6))

    assert "arrow:cpu.pte" not in none
    assert (none["socket:cpu.pte"].role, writable["socket:cpu.pte"].role) == ("card", "bar")
    assert [m["bar:cpu.pte"].h for m in (none, writable)] == [0, 0]
    assert 0 < read_only["bar:cpu.pte"].h < exclusive["bar:cpu.pte"].h
    assert private["bar:cpu.pte"].h == exclusive["bar:cpu.pte"].h
    assert exclusive["bar:cpu.pte:2"].h == 0 < private["bar:cpu.pte:2"].h
    assert writable["arrow:cpu.pte"].role == read_only["arrow:cpu.pte"].role == "arrow"
    assert exclusive["arrow:cpu.pte"].role == private["arrow:cpu.pte"].role == "excl"


def test_a_barrier_grows_where_it_stands(each_kind):
    bars = [each_kind[k]["bar:cpu.pte"] for k in (1, 2, 3)]

    assert len({middle(bar) for bar in bars}) == 1
    heights = [bar.h for bar in bars]
    assert heights == sorted(heights)
    assert len(set(heights)) == 3


def test_an_access_bounces_passes_or_does_both_by_the_kind_of_the_entry(each_kind):
    ends = [each_kind[k]["cpu:cpu.pte"].end for k in range(6)]

    assert ends == ["bounce", "pass", "pass", "bounce", "bounce", "pass"]
    assert [k for k in range(6) if "cpu:cpu.pte:write" in each_kind[k]] == [2]
    assert each_kind[2]["cpu:cpu.pte:write"].end == "bounce"
    at = [each_kind[k]["cpu:cpu.pte"].at for k in range(6)]
    assert at[0] == at[1] == 1
    assert 0 < at[3] < 1
    counts = {len(each_kind[k]["cpu:cpu.pte"].points) for k in range(6)}
    assert len(counts) == 1  # the way bends, and does not jump


def test_an_access_bounces_at_the_barrier(each_kind):
    flow, bar = each_kind[3]["cpu:cpu.pte"], each_kind[3]["bar:cpu.pte"]

    x, y = on(flow.points, flow.at)
    assert (x, y) == (
        pytest.approx(middle(bar)[0], abs=0.3),
        pytest.approx(middle(bar)[1], abs=0.2),
    )


def test_the_arrow_swings_to_another_page(each_kind):
    before, after = each_kind[4], each_kind[5]
    old, new = before["arrow:cpu.pte"], after["arrow:cpu.pte"]

    assert len(old.points) == len(new.points)
    assert old.points[0] == new.points[0]
    assert old.points[-1][1] != new.points[-1][1]
    assert after["object:page 8"].y <= new.points[-1][1]


def test_an_entry_of_a_case_changes_its_shape_and_its_page(forked):
    hidden = forked.after("page_make_device_exclusive_one")
    copied = forked.after("copy_pte_range")
    written = forked.after("do_wp_page")

    assert hidden[0]["bar:parent.pte"].h == 0 < hidden[1]["bar:parent.pte"].h
    assert copied[0]["socket:child.pte"].role == "card"
    assert copied[1]["socket:child.pte"].role == "bar"
    assert "arrow:child.pte" not in copied[0]
    assert copied[1]["arrow:child.pte"].role == "excl"
    old, new = (marks["arrow:parent.pte"].points[-1] for marks in written)
    assert old[1] != new[1]


def test_marks_of_entries_show_their_field(forked):
    shown = forked[-1]

    for key in ("socket:parent.pte", "bar:parent.pte", "arrow:parent.pte", "cell:parent.pte"):
        assert shown[key].field == "parent.pte"


# -- accesses of devices ---------------------------------------------------------------------------


def test_a_page_that_a_nic_has_for_good_is_shown_with_its_dma(forked):
    for k in (0, len(forked.run.frames) - 1):
        flow = forked[k]["dma:nic.page"]
        assert (flow.role, flow.end) == ("dma", "pass")
    assert forked[0]["object:nic"].x > forked[0]["object:page 7"].x > forked[0]["object:parent"].x


def test_a_device_without_an_address_does_nothing_and_one_with_an_empty_entry_faults():
    played = Played(searched_case("exclusive/store_buffer_hides_clear", "NoBarrier"))

    assert "dma:nic.page" not in played[0]
    assert played[0]["dma:gpu.page"].end == "bounce"
    assert played[-1]["dma:gpu.page"].end == "pass"
    assert [m["flag:gpu.exclusive"].role for m in (played[0], played[-1])] == ["ghost", "head"]


def test_an_access_to_a_free_page_falls():
    played = Played(searched_case("invalidate_page/sequence_and_counter", "CounterOnly"))
    last = len(played.run.frames) - 1
    before, after = played[last - 1], played[last]

    assert before["dma:gpu.pte[0x1000]"].end == "pass"
    assert after["dma:gpu.pte[0x1000]"].end == "fall"
    assert after["arrow:gpu.pte[0x1000]"].role == "dangling"
    assert all(tile.turn for key, tile in after.items() if key.startswith("tile:page 7:"))


def test_a_guest_reaches_its_page_only_while_it_runs():
    played = Played(searched_case("invalidate_page/apic_page_reload", "RequestedAtStart"))

    for k, frame in enumerate(played.run.frames):
        assert ("dma:vcpu.apic_access_page" in played[k]) == frame.values["vcpu.in_guest"]


# -- TLBs and interrupts ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remapped():
    return Played(searched_case("mremap/flush_before_unlock", "FlushAtTheEnd"))


def test_a_tlb_that_misses_walks_the_table_and_one_that_hits_goes_past_it(remapped):
    missed, hit = remapped.after("translate")
    row = missed["cell:old.pte[0x1000]"]

    def runs_along_the_row(flow):
        points = [on(flow.points, part / 200) for part in range(201)]
        inside = [x for x, y in points if row.x < x < row.x + row.w and abs(y - row.y) < 1.3]
        return len(inside) > 10

    assert missed["socket:tlb1.entries[0x1000]"].role == "card"
    assert runs_along_the_row(missed["cpu:tlb1.entries[0x1000]"])
    assert not runs_along_the_row(hit["cpu:tlb1.entries[0x1000]"])
    assert hit["cpu:tlb1.entries[0x1000]"].end == "pass"
    assert "cpu:old.pte[0x1000]" not in missed  # no CPU gets there but by its TLB


def test_a_stale_tlb_entry_leads_into_a_free_page(remapped):
    shown = remapped[len(remapped.run.frames) - 1]

    assert "arrow:old.pte[0x1000]" not in shown
    assert shown["cpu:tlb1.entries[0x1000]"].end == "fall"


def test_an_interrupt_travels_to_the_other_cpu_and_comes_back_answered():
    searched = searched_case("mremap/flush_before_unlock", "FlushUnderBothLocks")
    played = Played(searched)
    key = "message:mremap_flush:CPU1"
    sent = played.after("smp_call_function_many")
    taken = played.after("generic_smp_call_function_single_interrupt")

    assert lies_in(sent[0][key], sent[0]["object:mremap_flush"])
    assert lies_in(sent[1][key], sent[1]["object:tlb1"])
    assert lies_in(taken[1][key], taken[1]["object:mremap_flush"])
    assert "✓" not in sent[0][f"{key}:to"].text + sent[1][f"{key}:to"].text
    assert "✓" in taken[1][f"{key}:to"].text
    assert sent[1][key].field == "mremap_flush.csd"


# -- store buffers ---------------------------------------------------------------------------------


def test_a_store_waits_in_its_buffer_and_then_goes_to_memory():
    played = Played(searched_case("exclusive/sequence_in_store_buffer", "ProtectFirst"))
    put = played.after("WRITE_ONCE(page 7, refs")
    drained = played.after("drain(buffer0)")
    (key,) = (
        k
        for k, mark in put[1].items()
        if k.startswith("store:buffer0") and isinstance(mark, Box) and mark.w > 0
    )

    assert (put[0][key].w, put[0][f"{key}:words"].role) == (0, "clear")
    assert lies_in(put[0][key], put[0]["object:buffer0"])
    assert put[1][key].w > 10
    assert lies_in(put[1][key], put[1]["object:buffer0"])
    assert drained[1][key].w == 0
    assert lies_in(drained[1][key], drained[1]["cell:page 7.refs"])


# -- pages and swap --------------------------------------------------------------------------------


def test_the_page_lock_goes_to_its_holder(forked):
    free, held = forked.after("lock_page")

    assert lies_in(free["lock:page 7.locked:body"], free["object:page 7"])
    assert held["lock:page 7.locked:body"].y < held["object:page 7"].y
    assert held["lock:page 7.locked:words"].text == "page 7"


def test_pins_are_told_apart_from_references(forked):
    assert forked[0]["field:page 7.refs"].text == "1 + 1 pin"


def test_an_entry_that_names_a_slot_points_there_and_lets_no_cpu_through():
    played = Played(searched_case("swap/skip_swapcache", "SkipSwapcache"))
    before, after = played[0], played[len(played.run.frames) - 1]
    arrows = [marks["arrow:mm.pte"] for marks in (before, after)]

    assert [arrow.role for arrow in arrows] == ["excl", "arrow"]
    assert len({len(arrow.points) for arrow in arrows}) == 1
    assert before["bar:mm.pte"].h > 0 == after["bar:mm.pte"].h
    assert [m["cpu:mm.pte"].end for m in (before, after)] == ["bounce", "pass"]
    device = before["object:si"]
    assert arrows[0].points[-1][0] == pytest.approx(device.x)
    assert device.y < arrows[0].points[-1][1] < device.y + device.h
    assert before["flag:page 10.uptodate"].role == "ghost"
    assert after["flag:page 10.uptodate"].role == "head"


def test_a_slot_is_one_row_with_the_flag_of_the_cache():
    played = Played(searched_case("swap/skip_swapcache", "PrepareForReading"))
    before, after = played.after("swapcache_prepare")

    assert [m["flag:si.has_cache[0]"].role for m in (before, after)] == ["ghost", "head"]
    assert after["field:si.swap_map[0]"].text == "1 PTE"
    assert after["cell:si.has_cache[0]"].field == "si.has_cache[0]"


# -- places ----------------------------------------------------------------------------------------


def crosses(arrow, card):
    points = [on(arrow.points, part / 100) for part in range(101)]
    return any(card.x < x < card.x + card.w and card.y < y < card.y + card.h for x, y in points)


@pytest.mark.parametrize(
    ("scenario", "name", "arrow", "cards"),
    [
        ("mremap/flush_before_unlock", "FlushAtTheEnd", "tlb1.entries[0x1000]", ("old", "new")),
        ("swap/skip_swapcache", "SkipSwapcache", "mm.pte", ("page 10", "page 11")),
    ],
)
def test_an_arrow_past_a_column_goes_between_its_cards(scenario, name, arrow, cards):
    played = Played(searched_case(scenario, name))
    for k in range(len(played.run.frames)):
        shown = played[k]
        line = shown.get(f"arrow:{arrow}")
        if line is not None and line.points[-1][0] > max(shown[f"object:{c}"].x for c in cards) + 9:
            assert not any(crosses(line, shown[f"object:{card}"]) for card in cards)


def test_what_no_arrow_joins_shares_a_column_before_the_sheet_gets_wider(forked):
    shown = forked[0]

    assert forked.memory.size[0] == 80
    parent, lock = shown["object:parent"], shown["object:mmap_lock"]
    assert abs(middle(parent)[0] - middle(lock)[0]) < 1
    assert parent.x + parent.w < shown["object:page 7"].x


# -- two levels ------------------------------------------------------------------------------------


class TwoLevels(World):
    """A huge page that is split: the upper entry then names a table."""

    pmd: PmdTable
    pte: PageTable
    huge: Page


def two_levels():
    huge = Page(512, name="huge page")
    return TwoLevels(PmdTable(Map({"0x200000": huge})), PageTable(Map({"0x200000": huge})), huge)


async def split(k):
    await k.pmd.pmdp_invalidate("0x200000")
    await k.pmd.pmd_populate("0x200000", k.pte)
    await k.pte.zap_pte_range("0x200000")


def test_an_upper_entry_leads_to_a_huge_page_or_on_through_a_table():
    played = Played(case_of(two_levels, split), ["CPU0"] * 3)
    key = "cpu:pmd.pmd[0x200000]"

    ends = [played[k][key].end for k in range(4)]
    assert ends == ["pass", "bounce", "pass", "bounce"]
    assert "cpu:pte.pte[0x200000]" not in played[0]
    through, straight = played[2][key], played[0][key]
    assert long(through.points) > long(straight.points)
    assert len(through.points) == len(straight.points)


# -- worlds that no class has a form for -----------------------------------------------------------


class Shadow(Struct):
    """A kind of table without a form."""

    last: Page | None = None

    @atomic("driver")
    def install(self, page):
        """Note a page."""
        self.last = page


class Unknown(World):
    shadow: Shadow = field(default_factory=Shadow)
    page: Page = field(default_factory=lambda: Page(9))


async def install(k):
    await k.shadow.install(k.page)


def test_a_class_without_entries_has_an_arrow_and_no_access():
    played = Played(case_of(Unknown, install), ["CPU0"])

    assert "arrow:shadow.last" in played[1]
    assert not [mark for mark in played[1].values() if isinstance(mark, Flow)]


def test_a_way_is_measured_along_its_curves():
    way = bent((0, 0), (10, 0))

    assert long(way) == pytest.approx(6.1)
    assert on(way, 0) == (0, 0)
    assert on(way, 1) == (10, 0)
    assert on(way, 0.5) == (pytest.approx(5), pytest.approx(0))


@pytest.mark.parametrize(("scenario", "name"), DRAWN)
def test_every_frame_is_legible_and_has_each_key_once(scenario, name):
    searched = searched_case(scenario, name)
    picture = memory(searched)
    for schedule in list(searched.runs().values())[:3]:
        run = searched.run(schedule)
        for k, frame in enumerate(run.frames):
            keys = [mark.key for mark in picture.marks(frame.state)]
            assert len(keys) == len(set(keys))
            assert problems(picture.scene(run, k)) == []


@pytest.mark.parametrize(("scenario", "name"), DRAWN)
def test_a_key_is_always_of_one_type_and_an_arrow_has_as_many_points(scenario, name):
    searched = searched_case(scenario, name)
    picture, run = memory(searched), searched.run(next(iter(searched.runs().values())))
    known = {}
    for frame in run.frames:
        for mark in picture.marks(frame.state):
            points = len(mark.points) if isinstance(mark, Line | Flow) else 0
            assert known.setdefault(mark.key, (type(mark), points)) == (type(mark), points)
            assert isinstance(mark, Box | Line | Text | Flow)


def test_a_cleared_flag_is_struck_out_and_its_light_does_not_fill_its_outline():
    played = Played(searched_case("swap/skip_swapcache", "SkipSwapcache"))
    before, after = played.after("shrink_folio_list")
    flag = "page 11.dirty"
    assert before[f"cell:{flag}"].w == before[f"flag:{flag}"].w
    assert after[f"cell:{flag}"].w < after[f"flag:{flag}"].w
    assert [m[f"strike:{flag}"].role for m in (before, after)] == ["clear", "ghost"]
    assert [m[f"flag:{flag}"].role for m in (before, after)] == ["head", "ghost"]


def test_a_page_that_is_free_at_the_start_has_not_crumbled():
    played = Played(searched_case("swap/skip_swapcache", "SkipSwapcache"))
    start = played[0]
    assert start["title:page 11"].text == "page 11 (free)"
    for index in range(6):
        tile = start[f"tile:page 11:{index}"]
        assert (tile.role, tile.turn) == ("clear", 0)
    taken = next(k for k, f in enumerate(played.run.frames) if f.values["page 11.refs"])
    assert played[taken]["title:page 11"].text == "page 11"
    assert played[taken]["tile:page 11:0"].role == "tile"


def test_a_wait_for_an_interrupt_names_who_must_take_it_and_not_who_has_finished():
    run = Played(searched_case("mremap/flush_before_unlock", "FlushAtTheEnd")).run
    last = run.frames[-1]
    assert "CPU1" in last.done
    assert last.blocked["CPU0"].reason == "csd_lock_wait(mremap_flush) waits for IRQ1"
    assert [actor for actor, _ in last.blocked["CPU0"].by] == ["IRQ1"]
