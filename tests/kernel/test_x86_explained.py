"""The explanation of an entry, and the messages about a wrong one."""

import subprocess
import sys

import pytest

import mmviz
from mmviz.kernel.entries.coding import decode, encode, parse
from mmviz.kernel.entries.explained import explain as entry
from mmviz.kernel.entries.kinds import (
    DeviceExclusive,
    EntryError,
    Hwpoison,
    Migration,
    PteMarker,
    PtePresent,
    Swap,
)
from mmviz.kernel.entries.release import named
from mmviz.kernel.x86.layout import RELEASES, layout

SAME = 0xF7FFFFFFFDB97400


@pytest.mark.parametrize(
    ("raw", "kernel", "named"),
    [
        (0x07FFFFFFFDB97408, "5.18", r"no swap entry has bit 3 \(PWT\) set"),
        (SAME | 1 << 3, "6.15", r"no device-exclusive entry has bit 3 \(PWT\) set"),
        (SAME | 1 << 4, "6.15", r"bit 4 \(PCD\) set"),
        (SAME | 1 << 7, "6.15", r"bit 7 \(PAT\) set"),
        (SAME ^ 1 << 50, "6.15", r"bit 50 \(of the offset, stored inverted\) clear"),
        (0x0070000000000001, "6.15", r"no present entry has bits 52, 53, 54 \(reserved\) set"),
        (SAME | 1 << 8, "6.15", r"no present, PROT_NONE entry has bits 52, .* 56 \(reserved\) set"),
        (0xFFFFFFFFFFFFF600, "6.12", r"no marker entry has bit 11 .* clear"),
        (0xFFFFFFFFFFFFFE00, "6.15", r"a marker has a payload, .* one of the bits 9, 10, 11 "),
    ],
)
def test_bits_that_cannot_occur_are_named(raw, kernel, named):
    with pytest.raises(EntryError, match=named) as refused:
        decode(raw, kernel)
    assert f"{raw:#018x} cannot occur on v{kernel}" in str(refused.value)


@pytest.mark.parametrize(
    ("what", "kernel", "why"),
    [
        (DeviceExclusive(pfn=1, write=True), "5.13", "v5.13 has no device-exclusive write entry"),
        (DeviceExclusive(pfn=1, write=False), "6.15", "has no device-exclusive read entry; it has"),
        (DeviceExclusive(pfn=1), "5.14", "v5.14 has no device-exclusive entry"),
        (Migration(pfn=1, access="read-exclusive"), "5.18", "no migration read-exclusive entry"),
        (Migration(pfn=1, access="rw"), "6.1", "access is read, read-exclusive or write"),
        (PteMarker(guard=True), "6.1", "v6.1 has no marker entry"),
        (PteMarker(guard=True, poisoned=True), "6.12", "no place for guard"),
        (PteMarker(), "6.15", "a marker has a payload"),
        (Swap(device=24, offset=0), "6.15", "would read as hwpoison"),
        (Swap(device=0, offset=(1 << 50) - 1), "6.15", "would read as none"),
        (Swap(device=32, offset=0), "6.15", "device has 5 bits"),
        (Swap(device=0, offset=-1), "6.15", "offset has 50 bits"),
        (Swap(device=0, offset=0, exclusive=True), "5.14", "no place for exclusive"),
        (Hwpoison(pfn=1 << 34), "6.15", "pfn has 34 bits"),
        (PtePresent(pfn=1 << 40), "6.15", "pfn has 40 bits"),
        (PtePresent(pfn=1, saved_dirty=True), "6.5", "no place for saved_dirty"),
        (PtePresent(pfn=1, prot_none=True, global_=True), "6.15", "no place for global_"),
    ],
)
def test_what_a_kernel_cannot_store_is_refused(what, kernel, why):
    with pytest.raises(EntryError, match=why):
        encode(what, kernel)


@pytest.mark.parametrize("text", ["0xf7fffffffdb97400", "0xF7FF_FFFF_FDB9_7400", SAME])
def test_raw_bits_are_read_in_each_spelling(text):
    assert parse(text) == SAME


@pytest.mark.parametrize(
    "text",
    [
        *("", "0x", "f7ff", "0xg", "0x_1", "0x1_", "0x1__2", " 0x1", "0x1\n", "-0x1", "0b1"),
        "0x" + "0" * 17,
        "0x\uff11",
    ],
)
def test_the_message_about_a_wrong_text_says_how_to_write_a_raw_entry(text):
    with pytest.raises(EntryError, match="write 0x and up to 16 hexadecimal digits"):
        parse(text)


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_more_than_64_bits_are_refused(value):
    with pytest.raises(EntryError, match="64 bits and no sign"):
        parse(value)


@pytest.mark.parametrize("value", [1.0, None, True, b"0x1"])
def test_other_types_are_refused(value):
    with pytest.raises(EntryError, match="an integer or text such as"):
        parse(value)


@pytest.mark.parametrize(
    ("kernel", "read", "name"),
    [
        ("6.15", "v6.15", "v6.15"),
        ("v6.15-rc1", "v6.15", "v6.15"),
        ("5.15.0-91-generic", "v5.15", "v5.15"),
        ("6.5.0-syzkaller-11704-g3f86ed6ec0b3", "v6.5", "v6.5"),
        ("4.4.180-94.97-default", "v4.4", "v4.4.180"),
        ("3.10.0-1160.el7.x86_64", "v3.10", "v3.10"),
        ("2.6.35.10", "v3.10", "v2.6.35 (read as v3.10, the oldest known)"),
        ("3.3-rc5", "v3.10", "v3.3 (read as v3.10, the oldest known)"),
        ("9.9", "v7.1", "v9.9 (read as v7.1, the newest known)"),
        ("", "v7.1", "v7.1 (the newest known; no release is given)"),
        ("RHEL", "v7.1", "an unknown release"),
    ],
)
def test_a_kernel_is_read_as_the_known_release_that_fits(kernel, read, name):
    assert layout(kernel).name == read
    assert named(kernel, RELEASES).name == name


@pytest.mark.parametrize("kernel", ["six", "6", "5.20", "6.015", 6.15, None, "6." + "1" * 300])
def test_what_is_no_kernel_is_refused(kernel):
    with pytest.raises(mmviz.UnknownName, match=r"release|no kernel"):
        decode(0, kernel)


def test_an_unknown_number_of_levels_is_refused():
    with pytest.raises(mmviz.UnknownName, match="4 or 5 levels, not 3"):
        decode(0, paging=3)


@pytest.mark.parametrize("kernel", ["5.13", "5.14", "5.19", "6.1", "6.15"])
def test_a_release_is_written_with_or_without_its_v(kernel):
    assert layout(f"v{kernel}") == layout(kernel)
    assert layout(kernel).name == f"v{kernel}"


def test_from_v6_19_an_entry_has_softleafs_word():
    assert "SWP_DEVICE_EXCLUSIVE, SOFTLEAF_DEVICE_EXCLUSIVE" in entry(SAME, "6.19").story
    assert "SOFTLEAF" not in entry(SAME, "6.18").story


def test_the_text_says_field_by_field_what_the_bits_mean():
    lines = str(mmviz.entry(hex(SAME), kernel="6.15")).splitlines()

    assert lines[0] == "0xf7fffffffdb97400 on v6.15: device-exclusive, pfn 0x12345"
    assert lines[1].startswith("A device has the page to itself")
    rows = {tuple(line.split()[:3]) for line in lines}
    assert {
        ("bits", "name", "value"),
        ("63..59", "TYPE", "30"),
        ("42..9", "PFN", "0x12345"),
    } <= rows


def test_an_explanation_has_the_meaning_in_other_releases():
    found = dict(mmviz.entry(SAME).meanings())

    assert found["v4.19 to v5.13"] == "device-private write, pfn 0x12345"
    assert found["v5.14 to v5.18"] == "device-exclusive write, pfn 0x12345"
    assert found["v5.19 to v6.14"] == "device-exclusive read, pfn 0x12345"
    assert found["v6.15 to v7.1"] == "device-exclusive, pfn 0x12345"
    assert found["v5.19 to v6.1 with CONFIG_PTE_MARKER"].startswith("cannot occur: no marker entry")
    text = " ".join(str(mmviz.entry(SAME)).split())
    assert all(span in text and meaning in text for span, meaning in found.items())


def test_an_option_without_effect_is_not_mentioned():
    assert [span for span, _ in entry(0x12345067).meanings()] == ["v3.10 to v7.1"]


def test_the_html_shows_the_same_as_the_text():
    found = mmviz.entry(SAME, kernel="5.14")
    page = found._repr_html_()

    assert page.count("<table>") == page.count("</table>") == 2
    assert page.count("<svg") == page.count("</svg>") == 1
    cells = [cell for row in (*found.rows(), *found.meanings()) for cell in row]
    assert all(cell.replace("'", "&#x27;") in page for cell in cells)
    assert found.title in page


def test_importing_mmviz_does_not_import_the_entry_module():
    loaded = "'mmviz.kernel.entries.coding' in sys.modules"
    code = f"import sys, mmviz; print({loaded}, mmviz.entry(0).value)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "0"]


@pytest.mark.parametrize(("kernel", "name"), [("6.5", "SWAPIN_ERROR"), ("6.6", "POISONED")])
def test_a_payload_bit_has_the_name_of_its_release(kernel, name):
    rows = entry(encode(PteMarker(poisoned=True), kernel), kernel).rows()
    assert [row[1] for row in rows if row[0] == "10"] == [name]
