"""The picture of a raw entry: its bits, its fields, and a change of it."""

import re
from xml.etree import ElementTree

import pytest

import mmviz
from mmviz.kernel.entries.coding import decode
from mmviz.kernel.entries.kinds import Kind, PtePresent
from mmviz.kernel.x86.layout import RELEASES, layout
from mmviz.kernel.x86.layout import X86Layout as Layout
from mmviz.scene.check import problems
from mmviz.scene.entry_bits import Word, names, parts, spelled, word
from mmviz.scene.entry_shown import entry as shown
from mmviz.scene.layout import ROOM
from mmviz.scene.marks import Text, sheet
from mmviz.scene.theme import CLEAR

SAME, PRESENT = 0xF7FFFFFFFDB97400, 0x8000000012345867
LAYOUTS = [Layout(each, levels) for each in RELEASES for levels in (4, 5)]


def visible(scene):
    return [text.text for text in scene.texts if text.role != CLEAR and text.text]


@pytest.mark.parametrize("where", LAYOUTS, ids=lambda where: f"{where.name}-{where.paging}")
def test_names_of_fields_never_touch(where):
    for kind in (Kind.NONE, Kind.PRESENT, Kind.PROT_NONE, *dict.fromkeys(where.types)):
        marks = []
        for name in names(where, kind):
            assert "".join(text for _, text in name.lines).startswith(name.field.name.split("_")[0])
            marks += [
                Text(x, row, text, "plain") for row, (x, text) in enumerate(name.lines) if text
            ]
        assert problems(sheet(ROOM, 3, marks)) == []


def test_every_bit_has_one_place():
    bits = [bit for part in parts() for bit in range(part.low + part.width - 1, part.low - 1, -1)]
    assert bits == list(range(63, -1, -1))


def test_bits_are_written_as_ranges():
    assert spelled(0) == "none"
    assert spelled(1 << 63 | 0b1011) == "63, 3, 1..0"
    assert spelled((1 << 64) - 1) == "63..0"


def test_a_known_word_has_no_question_mark():
    made = word(PtePresent(pfn=0x12345, write=True), layout("6.15"))
    assert made.hex == "0x0000000012345003"
    assert isinstance(made, Word)
    assert decode(made.hex, "6.15") == made.entry


@pytest.mark.parametrize(
    ("value", "kernel", "after"),
    [
        (SAME, "6.15", None),
        (SAME, "5.14", None),
        (0, "6.15", None),
        (PRESENT, "5.14", SAME),
        (PRESENT, "6.1", PRESENT ^ 2),
        (0xFFFFFFFFFFFFFC00, "6.15", 0),
    ],
)
def test_a_raw_entry_is_shown_as_picture_page_and_text(value, kernel, after):
    explained = shown(value, kernel, after=after)
    assert problems(explained.scene()) == []
    assert explained.scene().width <= ROOM
    bundle = explained._repr_mimebundle_()
    assert bundle["text/plain"] == str(explained) == repr(explained)
    for theme in ("light", "dark", "page"):
        assert ElementTree.fromstring(explained.svg(theme)).tag.endswith("svg")
    ElementTree.fromstring(bundle["image/svg+xml"])
    assert all(len(part.encode()) < 300_000 for part in bundle.values())
    page = bundle["text/html"]
    assert page.count("<svg") == 1
    assert page.count("<table>") == (2 if after is None else 4)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_picture_follows_the_theme_of_the_page():
    page = shown(SAME).picture_html()
    drawn = page[page.index("<svg") :]
    assert not re.search(r"#[0-9a-fA-F]{6}", drawn)
    assert "var(--mm-plain-fill)" in drawn
    assert '[data-jp-theme-light="false"]' in page


def test_a_change_is_described_in_words():
    lines = str(mmviz.entry(PRESENT, kernel="5.14", after="0xf7fffffffdb97402")).splitlines()
    assert lines[0].startswith("before: 0x8000000012345867 on v5.14: present")
    assert lines[1].startswith("after:  0xf7fffffffdb97402 on v5.14: device-exclusive write")
    went = "present → device-exclusive, which v5.14 does in page_make_device_exclusive_one()"
    assert f"transition: {went}" in lines
    assert "kept: page, write, soft-dirty" in lines
    assert "lost: young (comes back old), dirty (the page is marked dirty instead)" in lines


def test_an_entry_that_keeps_its_kind_is_marked_both():
    explained = shown(PRESENT, after=PRESENT ^ 2)
    assert explained.way == "stays present"
    assert "● both" in visible(explained.scene())
    assert shown(SAME).way == ""
