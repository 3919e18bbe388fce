"""The view of page-table entries."""

import pytest

from mmviz.engine import Map, Struct, World
from mmviz.kernel.entries.coding import encode
from mmviz.kernel.entries.kinds import DeviceExclusive, DevicePrivate, PteNone, PtePresent
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.kernel.provenance import CONSTRUCTED, shipped
from mmviz.kernel.x86.layout import RELEASES, layout
from mmviz.kernel.x86.layout import X86Layout as Layout
from mmviz.scenarios import load
from mmviz.scene.check import problems
from mmviz.scene.entry import entry, label
from mmviz.scene.entry_bits import differ, parts
from mmviz.scene.entry_stored import chosen, stored
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import CLEAR
from tests.scene.played import DANGLING, WRITTEN, of_each_case, shown
from tests.scene.toys import case_of

SAME, PRESENT = 0xF7FFFFFFFDB97400, 0x8000000012345867
LAYOUTS = [Layout(each, levels) for each in RELEASES for levels in (4, 5)]


def visible(scene):
    return [text.text for text in scene.texts if text.role != CLEAR and text.text]


@of_each_case
def test_the_text_has_every_entry_in_hexadecimal(played):
    if "entry" not in played.views:
        values = played.searched.reach.values.values()
        assert not any(isinstance(value, Pte) for each in values for value in each)
    for frame, _, text in played.frames("entry"):
        view = played.views["entry"]
        for path in view.paths:
            assert view.word(frame.values[path]).hex in text


@pytest.fixture(scope="module")
def fork():
    """A run in which fork takes a page back from a device, and copies it for the child."""
    return shown("entry", "exclusive/fork_in_window", "RestoreAtFork")


def step_of(run, function):
    return next(frame.index for frame in run.frames if frame.label.startswith(function))


def test_the_release_is_the_one_the_case_shipped_with(fork):
    view, run = fork
    assert (view.where.name, view.why) == ("v5.14", "the first release with this behaviour")
    assert f"Entries as v5.14 stores them on x86-64: {view.why}." in visible(view.scene(run, 0))


def test_a_step_is_shown_before_and_after(fork):
    view, run = fork
    k = step_of(run, "page_make_device_exclusive_one")
    words = visible(view.scene(run, k))

    exclusive = encode(DeviceExclusive(pfn=7, write=True), "5.14")
    assert any(text.startswith(f"{exclusive:#x}"[:-1]) for text in words)
    assert "page, write" in words
    assert any("present → device-exclusive, which v5.14 does in" in text for text in words)
    assert "young, dirty, soft-dirty, uffd-wp (not modelled); exclusive (no place for it)" in words
    lit = {box.key for box in view.scene(run, k).boxes if box.role == "written"}
    assert {"field:parent.pte", "bits:0", "place:device-exclusive"} <= lit
    assert "field:child.pte" not in lit


def test_only_known_bits_that_differ_are_highlighted(fork):
    view, run = fork
    k = step_of(run, "page_make_device_exclusive_one")
    change = next(c for c in run.frames[k].writes if c.field == "parent.pte")
    before, after = view.word(change.old), view.word(change.new)
    bits = differ(before, after)

    assert bits & before.known & after.known == bits
    assert not bits >> 5 & 1  # accessed
    lit = {box.key for box in view.scene(run, k).boxes if box.role == "written"}
    assert {key for key in lit if key.startswith("bits:")} == {
        f"bits:{part.low}" for part in parts() if bits & part.bits
    }


def test_what_is_not_modelled_is_a_question_mark_in_bits_and_hexadecimal(fork):
    view, run = fork
    shown = view.word(Pte(Page(7)))
    assert shown.hex == "0x??00000000007???"
    assert shown.digits(0, 12) == "??????????11"
    assert shown.digits(12, 4) == "0111"
    assert visible(view.scene(run, 0)).count("?") > 10


def test_a_step_that_changes_the_kind_of_an_entry_highlights_the_transition(fork):
    view, run = fork
    scene = view.scene(run, step_of(run, "page_make_device_exclusive_one"))
    assert {line.key for line in scene.lines if line.role == "written"} == {
        "way:present>device-exclusive"
    }
    scene = view.scene(run, 0)
    assert not [line for line in scene.lines if line.role == "written"]
    assert {box.key for box in scene.boxes if box.role == "held"} == {"place:present", "place:none"}


def test_the_last_written_entry_stays_until_another_is_written(fork):
    view, run = fork
    k = step_of(run, "page_make_device_exclusive_one")
    later = next(
        f.index for f in run.frames[k + 1 :] if not {c.field for c in f.writes} & {*view.paths}
    )
    scene = view.scene(run, later)
    assert any(box.key == f"step:{k}" for box in scene.boxes)
    assert not [mark for mark in (*scene.boxes, *scene.lines) if mark.role == "written"]
    before = {box.key for box in view.scene(run, k).boxes if box.role == "written"}
    still = {box.key for box in scene.boxes if box.role == "past"} - {""}
    assert still == {key for key in before if key.startswith("bits:")}


def test_an_entry_of_a_free_page_is_marked():
    found = set()
    cases = [*load("exclusive/entry_ledger").cases, *load("exclusive/fault_takes_page_back").cases]
    for case in cases:
        view, run = shown("entry", case.scenario, case.name)
        for k, frame in enumerate(run.frames):
            for path in view.paths:
                value = frame.values[path]
                is_dangling = value is not None and frame.values[value.page.path("refs")] == 0
                row = [b for b in view.scene(run, k).boxes if b.key == f"field:{path}"]
                found.add(is_dangling)
                if is_dangling:
                    assert "✗ points to a free page" in view.text(run, k)
                    assert row[0].role in DANGLING | WRITTEN
    assert found == {True, False}


def test_a_model_is_stored_as_its_release_stores_it():
    page = Page(7)
    old, new = layout("6.14"), layout("6.15")
    assert stored(None, new).entry == PteNone()
    assert stored(page, new).entry == PtePresent(pfn=7)
    assert stored(Pte(page, write=False), new).entry == PtePresent(pfn=7)
    exclusive = Pte(page, exclusive=True)
    assert stored(exclusive, old).entry == DeviceExclusive(pfn=7, write=True)
    assert stored(exclusive, new).entry == DeviceExclusive(pfn=7)
    assert (stored(exclusive, old).exact, stored(exclusive, new).exact) == (True, False)
    private = Pte(page, write=False, private=True)
    assert stored(private, new).entry == DevicePrivate(pfn=7, write=False)
    assert stored("no entry", new) is None


def since(release):
    return shipped(release, checked=("v6.15", "2026-11-28"))


def test_the_release_is_one_that_can_store_what_the_case_has():
    present, exclusive = Pte(Page(7)), Pte(Page(7), exclusive=True)
    assert chosen(since("v5.14"), [exclusive])[0].name == "v5.14"
    assert chosen(since("v6.15"), [exclusive])[0].name == "v6.15"
    # the last release whose exclusive entries store write permission
    assert chosen(CONSTRUCTED, [exclusive, None])[0].name == "v6.14"
    assert chosen(CONSTRUCTED, [present, None])[0].name == "v7.1"
    where, why = chosen(shipped("v5.9", "v5.10"), [exclusive])
    assert (where.name, why) == ("v6.14", "v5.9 has this behaviour, but no such entries")
    assert chosen(since("v4.12"), [present])[0].name == "v7.1"


class Wide(World):
    """A table with one entry that some step changes."""

    page: Page
    table: PageTable


async def zap(k):
    """Unmap one page."""
    await k.table.zap_pte_range("3")


def test_a_large_table_is_folded_with_a_note():
    def world():
        page = Page(7)
        return Wide(page=page, table=PageTable(pte=Map({str(n): page for n in range(512)})))

    searched = SearchedCase(case_of(world, CPU0=zap))
    view = entry(searched)
    run = searched.run(["CPU0"])
    scene = view.scene(run, 1)
    assert view.paths == ["table.pte[3]"]
    assert "… 511 more entries, which no step changes." in visible(scene)
    assert problems(scene) == []
    assert view.modelled == ("page",)
    assert "write" in view.text(run, 1).split("unknown: ")[1].split("(not modelled)")[0]


class Other(Struct):
    """An object that is not a page table."""

    pte: int = 0


def test_tables_are_recognised_by_their_class():
    from mmviz.scene.entry import entries

    class Mine(CowMapping):
        """A scenario's own kind of mapping."""

    assert list(entries(Mine())) == ["pte"]
    table = PageTable()
    assert list(entries(table)) == []
    assert list(entries(Other())) == []
    assert [label(path) for path in ("mm.vma.pte", "cpu.pte[a]", "parent.pte")] == [
        "mm.vma",
        "cpu[a]",
        "parent",
    ]
