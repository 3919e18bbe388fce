"""The view of page-table entries, and the picture of an entry that somebody brings."""

import pytest

from mmviz.engine import Map, Struct, World
from mmviz.kernel.entry import CowMapping, Pte
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import PageTable
from mmviz.kernel.x86_entry import encode
from mmviz.kernel.x86_kinds import DeviceExclusive, DevicePrivate, PteNone, PtePresent
from mmviz.kernel.x86_layout import RELEASES, Layout, layout
from mmviz.scenarios import load
from mmviz.scene.check import problems
from mmviz.scene.entry import entry, label
from mmviz.scene.entry_bits import differ, parts
from mmviz.scene.entry_stored import chosen, stored
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.theme import CLEAR
from tests.scene.played import shown
from tests.scene.toys import case_of

SAME, PRESENT = 0xF7FFFFFFFDB97400, 0x8000000012345867
LAYOUTS = [Layout(each, levels) for each in RELEASES for levels in (4, 5)]


def texts(scene):
    return [text.text for text in scene.texts if text.role != CLEAR and text.text]


def test_the_text_says_every_entry_in_hexadecimal(played):
    if "entry" not in played.views:
        values = played.rehearsal.reach.values.values()
        assert not any(isinstance(value, Pte) for each in values for value in each)
    for frame, _, said in played.frames("entry"):
        view = played.views["entry"]
        for path in view.paths:
            assert view.word(frame.values[path]).hex in said


@pytest.fixture(scope="module")
def fork():
    """A run in which fork takes a page back from a device, and copies it for the child."""
    return shown("entry", "exclusive/fork_in_window", "RestoreAtFork")


def step_of(run, function):
    return next(frame.index for frame in run.frames if frame.label.startswith(function))


def test_the_release_is_the_one_the_case_shipped_with(fork):
    view, run = fork
    assert (view.where.name, view.why) == ("v5.14", "the first release that does as this case does")
    assert f"As v5.14 stores it on x86-64: {view.why}." in texts(view.scene(run, 0))


def test_a_step_is_shown_before_and_after(fork):
    view, run = fork
    k = step_of(run, "page_make_device_exclusive_one")
    said = texts(view.scene(run, k))

    exclusive = encode(DeviceExclusive(pfn=7, write=True), "5.14")
    assert any(text.startswith(f"{exclusive:#x}"[:-1]) for text in said)
    assert "page, write" in said
    assert any("present → device-exclusive, which v5.14 does in" in text for text in said)
    assert "young, dirty, soft-dirty, uffd-wp (not modelled); exclusive (no place for it)" in said
    lit = {box.key for box in view.scene(run, k).boxes if box.role == "written"}
    assert {"field:parent.pte", "bits:0", "place:device-exclusive"} <= lit
    assert "field:child.pte" not in lit


def test_only_bits_that_are_known_to_differ_are_lit(fork):
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
    assert texts(view.scene(run, 0)).count("?") > 10


def test_a_step_that_moves_an_entry_lights_the_way_it_went(fork):
    view, run = fork
    scene = view.scene(run, step_of(run, "page_make_device_exclusive_one"))
    assert {line.key for line in scene.lines if line.role == "written"} == {
        "way:present>device-exclusive"
    }
    scene = view.scene(run, 0)
    assert not [line for line in scene.lines if line.role == "written"]
    assert {box.key for box in scene.boxes if box.role == "held"} == {"place:present", "place:none"}


def test_the_last_written_entry_stays_until_the_next_is_written(fork):
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


def test_an_entry_that_names_a_freed_page_says_so():
    told = set()
    cases = [*load("exclusive/entry_ledger").cases, *load("exclusive/fault_takes_page_back").cases]
    for case in cases:
        view, run = shown("entry", case.scenario, case.name)
        for k, frame in enumerate(run.frames):
            for path in view.paths:
                value = frame.values[path]
                is_lost = value is not None and frame.values[value.page.path("refs")] == 0
                row = [b for b in view.scene(run, k).boxes if b.key == f"field:{path}"]
                says = "✗ names a page that is free" in view.text(run, k)
                told.add(is_lost)
                if is_lost:
                    assert says
                    assert row[0].role in ("dangling", "written")
    assert told == {True, False}


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


def test_the_release_is_one_that_can_store_what_the_case_has():
    present, exclusive = Pte(Page(7)), Pte(Page(7), exclusive=True)
    assert chosen(("v5.14", ""), [exclusive])[0].name == "v5.14"
    assert chosen(("v6.15", ""), [exclusive])[0].name == "v6.15"
    assert chosen(None, [exclusive, None])[0].name == "v6.14"  # the last with a right to write
    assert chosen(None, [present, None])[0].name == "v6.16"
    where, why = chosen(("v5.9", "v5.10"), [exclusive])
    assert (where.name, why) == ("v6.14", "v5.9 does as this case does, but has no such entries")
    assert chosen(("v4.12", ""), [present])[0].name == "v6.16"


class Wide(World):
    """A table of which one entry is ever touched."""

    page: Page
    table: PageTable


async def zap(k):
    """Throw one page away."""
    await k.table.zap_pte_range("3")


def test_a_large_table_is_folded_and_says_so():
    def world():
        page = Page(7)
        return Wide(page=page, table=PageTable(pte=Map({str(n): page for n in range(512)})))

    rehearsal = Rehearsal(case_of(world, CPU0=zap))
    view = entry(rehearsal)
    run = rehearsal.run(["CPU0"])
    scene = view.scene(run, 1)
    assert view.paths == ["table.pte[3]"]
    assert "… 511 more entries, none of them touched." in texts(scene)
    assert problems(scene) == []
    assert view.modelled == ("page",)
    assert "write" in view.text(run, 1).split("not told: ")[1].split("(not modelled)")[0]


class Other(Struct):
    """Something that is no page table."""

    pte: int = 0


def test_tables_are_recognised_by_their_class():
    from mmviz.scene.entry import entries

    class Mine(CowMapping):
        """A scenario's own mapping."""

    assert list(entries(Mine())) == ["pte"]
    table = PageTable()
    assert list(entries(table)) == []
    assert list(entries(Other())) == []
    assert [label(path) for path in ("mm.vma.pte", "cpu.pte[a]", "parent.pte")] == [
        "mm.vma",
        "cpu[a]",
        "parent",
    ]
