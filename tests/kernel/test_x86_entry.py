"""The 64 bits of an entry: every kind in every release, encoded and decoded."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmviz.engine import UnknownName
from mmviz.kernel.entries.coding import decode, encode, parse
from mmviz.kernel.entries.explained import explain as entry
from mmviz.kernel.entries.kinds import (
    DeviceExclusive,
    DevicePrivate,
    EntryError,
    Hwpoison,
    Kind,
    Migration,
    PteMarker,
    PteNone,
    PtePresent,
    Swap,
    SwapinError,
)
from mmviz.kernel.x86.layout import RELEASES as ALL
from mmviz.kernel.x86.layout import layout

RELEASES = tuple(each for each in ALL if (5, 7) <= each < (6, 17))  # with DEVMAP and UFFD_WP
EVERY = tuple(f"{major}.{minor}" for major, minor in RELEASES)
PFN = 0x12345
SAME = 0xF7FFFFFFFDB97400


def since(first, last="6.16"):
    return EVERY[EVERY.index(first) : EVERY.index(last) + 1]


VECTORS = [
    (
        0x0000000012345067,
        EVERY,
        PtePresent(pfn=PFN, write=True, user=True, accessed=True, dirty=True),
    ),
    (
        0x8000000012345867,
        EVERY,
        PtePresent(
            pfn=PFN, write=True, user=True, accessed=True, dirty=True, soft_dirty=True, nx=True
        ),
    ),
    (
        0x8000000012345465,
        EVERY,
        PtePresent(pfn=PFN, user=True, accessed=True, dirty=True, uffd_wp=True, nx=True),
    ),
    (SAME, since("5.14", "5.18"), DeviceExclusive(pfn=PFN, write=True)),
    (SAME, since("5.19", "6.14"), DeviceExclusive(pfn=PFN, write=False)),
    (SAME, since("6.15"), DeviceExclusive(pfn=PFN)),
    (0xFFFFFFFFFDB97400, since("5.14", "5.18"), DeviceExclusive(pfn=PFN, write=False)),
    (0xEFFFFFFFFDB97400, since("5.19", "6.14"), DeviceExclusive(pfn=PFN, write=True)),
    (
        0xF7FFFFFFFDB97402,
        since("5.14", "5.18"),
        DeviceExclusive(pfn=PFN, write=True, soft_dirty=True),
    ),
    (
        0xF7FFFFFFFDB97406,
        since("6.15"),
        DeviceExclusive(pfn=PFN, soft_dirty=True, uffd_wp=True),
    ),
    (0x07FFFFFFFDB97408, since("5.19"), Swap(device=0, offset=PFN, exclusive=True)),
    (0xFFFFFFFFFFFFFC00, since("6.2"), PteMarker(marks_uffd_wp=True)),
]


@pytest.mark.parametrize(("raw", "kernels", "meant"), VECTORS)
def test_each_known_entry_decodes_and_encodes(raw, kernels, meant):
    for kernel in kernels:
        assert decode(raw, kernel) == meant, kernel
        assert encode(meant, kernel) == raw, kernel


def test_bits_of_the_marker_type_are_refused_from_v6_2():
    """0xfffffffffdb97400: the type is marker, the payload is one that no marker has."""
    for kernel in since("6.2"):
        with pytest.raises(EntryError, match=r"no marker entry has bits .*15, 17, 18, 22, 25"):
            decode(0xFFFFFFFFFDB97400, kernel)


NUMBERS = {
    "5.13": (27, 28, None, 29, 30, 31, None, None, None, None, None),
    "5.14": (25, 26, None, 27, 28, 29, 30, 31, None, None, None),
    "5.19": (23, 24, 25, 26, 27, 28, 29, 30, None, None, 31),
    "6.1": (23, 24, 25, 26, 27, 28, 29, 30, None, None, 31),
    "6.2": (23, 24, 25, 26, 27, 28, 29, 30, None, 31, None),
    "6.15": (24, 25, 26, 27, 28, 29, None, None, 30, 31, None),
}
SPECIAL = (
    Kind.HWPOISON,
    Kind.MIGRATION_READ,
    Kind.MIGRATION_READ_EXCLUSIVE,
    Kind.MIGRATION_WRITE,
    Kind.DEVICE_PRIVATE_WRITE,
    Kind.DEVICE_PRIVATE_READ,
    Kind.DEVICE_EXCLUSIVE_WRITE,
    Kind.DEVICE_EXCLUSIVE_READ,
    Kind.DEVICE_EXCLUSIVE,
    Kind.MARKER,
    Kind.SWAPIN_ERROR,
)


@pytest.mark.parametrize("kernel", NUMBERS)
def test_the_type_numbers_are_those_of_the_release(kernel):
    types = layout(kernel).types
    found = tuple(types.index(kind) if kind in types else None for kind in SPECIAL)

    assert found == NUMBERS[kernel]
    assert len(types) == 32
    assert set(types[: found[0]]) == {Kind.SWAP}


@pytest.mark.parametrize("kernel", ["5.19", "6.0", "6.1"])
def test_a_marker_where_it_was_optional_moves_the_other_numbers_down(kernel):
    plain, types = layout(kernel).types, layout(kernel, pte_marker=True).types

    assert types[30:] == (Kind.MARKER, Kind.SWAPIN_ERROR)
    assert types[:30] == plain[1:31]
    made = PteMarker(marks_uffd_wp=True)
    assert decode(0xF7FFFFFFFFFFFC00, kernel, pte_marker=True) == made
    assert encode(made, kernel, pte_marker=True) == 0xF7FFFFFFFFFFFC00


def test_the_option_matters_for_these_three_releases_only():
    for kernel in EVERY:
        same = layout(kernel).types == layout(kernel, pte_marker=True).types
        assert same == (kernel not in ("5.19", "6.0", "6.1"))


flags, pages = st.booleans(), st.integers(0, (1 << 34) - 1)
wide = st.integers(0, (1 << 40) - 1)
notes = dict.fromkeys(("stray_accessed", "stray_dirty", "soft_dirty", "uffd_wp"), flags)


def present(release):
    names = ["write", "user", "pwt", "pcd", "accessed", "dirty", "pat"]
    names += ["special", "uffd_wp", "soft_dirty", "devmap", "nx"]
    if release >= (6, 6):
        names.append("saved_dirty")
    rest = {"pfn": wide, "pkey": st.integers(0, 15), **dict.fromkeys(names, flags)}
    seen = st.builds(PtePresent, global_=flags, **rest)
    return seen | st.builds(PtePresent, prot_none=st.just(True), **rest)


@st.composite
def entries(draw, releases=RELEASES):
    """Draw a release, its options and a possible entry, without using the layout."""
    release, levels, marker = draw(st.sampled_from(releases)), draw(st.sampled_from((4, 5))), False
    optional = (5, 19) <= release < (6, 2)
    if optional:
        marker = draw(flags)
    pfn = pages if release >= (6, 1) and levels == 4 else wide
    new, ways = release >= (5, 19), ["read", "write"]
    ad = {"young": flags, "dirty": flags} if release >= (6, 1) else {}
    if new:
        ways.append("read-exclusive")
    devices, offsets = st.integers(0, 21), st.integers(0, (1 << 50) - 2)
    known = [
        st.builds(PteNone, stray_accessed=flags, stray_dirty=flags),
        present(release),
        st.builds(
            Swap, device=devices, offset=offsets, **notes, **({"exclusive": flags} if new else {})
        ),
        st.builds(Migration, pfn=pfn, access=st.sampled_from(ways), **notes, **ad),
        st.builds(DevicePrivate, pfn=pfn, write=flags, **notes),
        st.builds(Hwpoison, pfn=pfn, **notes),
    ]
    if release >= (5, 14):
        write = st.none() if release >= (6, 15) else flags
        known.append(st.builds(DeviceExclusive, pfn=pfn, write=write, **notes))
    if optional:
        known.append(st.builds(SwapinError, pfn=pfn, **notes))
    if marker or release >= (6, 2):
        payload = {"marks_uffd_wp": flags} if release >= (6, 2) else {}
        payload |= {"poisoned": flags} if release >= (6, 2) else {}
        payload |= {"guard": flags} if release >= (6, 13) else {}
        last = list(payload)[-1] if payload else "marks_uffd_wp"
        known.append(st.builds(PteMarker, **notes, **{**payload, last: st.just(True)}))
    options = {"kernel": f"{release[0]}.{release[1]}", "paging": levels, "pte_marker": marker}
    return draw(st.one_of(known)), options


@given(entries())
def test_an_encoded_entry_decodes_to_itself(drawn):
    what, options = drawn
    raw = encode(what, **options)

    assert 0 <= raw < 1 << 64
    assert decode(raw, **options) == what


PROMISED = ((5, 13), (5, 14), (5, 19), (6, 1), (6, 15))


@pytest.mark.parametrize("release", PROMISED)
def test_every_kind_of_a_release_encodes_and_decodes(release):
    """The kinds that are drawn are the kinds of the layout."""
    met = set()

    @settings(max_examples=400, derandomize=True, database=None)
    @given(entries((release,)))
    def encode_and_decode(drawn):
        what, options = drawn
        raw = encode(what, **options)
        assert decode(raw, **options) == what
        assert encode(decode(raw, **options), **options) == raw
        met.add(what.kind)

    encode_and_decode()
    kernel = f"{release[0]}.{release[1]}"
    known = {*layout(kernel).types, *layout(kernel, pte_marker=True).types}
    assert met == {Kind.NONE, Kind.PRESENT, Kind.PROT_NONE, *known}


@given(entries(), st.sets(st.integers(0, 63), max_size=3))
def test_decoded_bits_encode_to_the_same_bits(drawn, flips):
    """Flip some bits of a possible entry: the result is possible as well, or is refused."""
    what, options = drawn
    raw = encode(what, **options)
    for bit in flips:
        raw ^= 1 << bit
    try:
        found = decode(raw, **options)
    except EntryError:
        return
    assert encode(found, **options) == raw


@given(entries(), st.integers(0, 63))
def test_a_refused_entry_names_the_flipped_bit(drawn, bit):
    """If the flipped bit changes the kind, the named bits are those of the new kind."""
    what, options = drawn
    raw = encode(what, **options) ^ 1 << bit
    try:
        decode(raw, **options)
    except EntryError as error:
        named = re.findall(r"bits? ([0-9, ]+) \(", str(error)) or re.findall(
            r"one of the bits ([0-9, ]+) is clear", str(error)
        )
        bits = {int(each) for group in named for each in group.split(", ")}
        assert bits
        if layout(**options).kind(raw) is what.kind:
            assert bit in bits


@given(entries())
def test_type_and_offset_are_where_the_kernel_shifts_them_from(drawn):
    what, options = drawn
    raw = encode(what, **options)
    if what.kind in (Kind.NONE, Kind.PRESENT, Kind.PROT_NONE):
        return
    all_bits = (1 << 64) - 1
    offset = ((~raw & all_bits) << 5 & all_bits) >> 14
    number = raw >> 59

    assert layout(**options).types[number] is what.kind
    if isinstance(what, Swap):
        assert (number, offset) == (what.device, what.offset)
    elif not isinstance(what, PteMarker):
        assert offset & ((1 << 34) - 1) == what.pfn & ((1 << 34) - 1)


@given(entries())
def test_an_explanation_has_each_bit_once(drawn):
    what, options = drawn
    rows = entry(encode(what, **options), **options).rows()
    bits = []
    for span, *_ in rows:
        high, _, low = span.partition("..")
        bits += range(int(high), int(low or high) - 1, -1)

    assert bits == list(range(63, -1, -1))
    assert all(name and value and meaning for _, name, value, meaning in rows)


def test_prot_none_keeps_its_page_inverted_and_is_present_to_the_kernel():
    hidden = PtePresent(pfn=PFN, prot_none=True, accessed=True)

    assert encode(hidden) == 0x000FFFFFEDCBA120
    assert decode(0x000FFFFFEDCBA120) == hidden


def test_stray_bits_of_an_old_processor_leave_an_entry_none():
    assert decode(0x60) == PteNone(stray_accessed=True, stray_dirty=True)
    assert decode(0) == PteNone()


def test_a_migration_entry_carries_accessed_and_dirty_from_v6_1():
    moving = Migration(pfn=PFN, access="read", young=True)

    assert encode(moving, "6.1") == encode(Migration(pfn=PFN, access="read"), "6.1") ^ 1 << 43
    assert encode(moving, "6.1", paging=5) == encode(moving, "6.1") ^ (1 << 43 | 1 << 49)
    with pytest.raises(EntryError, match="no place for young"):
        encode(moving, "6.0")


def test_the_device_memory_bit_moved_in_v6_6():
    assert decode(1 | 1 << 58, "6.5").devmap
    assert decode(1 | 1 << 58, "6.6").saved_dirty
    assert decode(1 | 1 << 57, "6.6").devmap
    with pytest.raises(EntryError, match=r"bit 57 \(reserved\) set"):
        decode(1 | 1 << 57, "6.5")


class Number:
    """An integer that is no `int`, as those of numpy are."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


def test_an_integer_of_any_class_is_read():
    raw = 0xF7FFFFFFFDB97400

    assert parse(Number(raw)) == raw
    assert decode(Number(raw), "6.15", paging=Number(4)) == decode(raw, "6.15")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-1, "64 bits and no sign; -0x1 does not fit"),
        (2**64, "64 bits and no sign; 0x10000000000000000 does not fit"),
        (10**5000, "64 bits and no sign; one of 16610 bits does not fit"),
        (Number(2**64), "64 bits and no sign"),
        (1.5, "an integer or text such as '0xf7fffffffdb97400', not 1.5"),
        (True, "an integer or text .*, not True"),
        (None, "an integer or text .*, not None"),
        (b"0x0", "an integer or text .*, not b'0x0'"),
        ("zz", "'zz' is not a raw entry: write 0x and up to 16 hexadecimal digits"),
        ("", "'' is not a raw entry"),
        ("0x" + "f" * 10_000_000, r"'0xff+\.\.\.f+' is not a raw entry"),
        ("0x\x1b[31m\u202e0", r"'0x\\x1b\[31m\\u202e0' is not a raw entry"),
        ("0x\ud800", r"'0x\\ud800' is not a raw entry"),
        ("0x٣", "'0x٣' is not a raw entry"),
    ],
    ids=range(14),
)
def test_what_is_no_raw_entry_is_refused_in_a_short_sentence(value, words):
    with pytest.raises(EntryError, match=words) as error:
        entry(value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "kernel", [["6.15"], 6.15, None, b"6.15", "6", "six", "5.20", "6." + "9" * 5000]
)
def test_what_names_no_kernel_is_refused_in_a_short_sentence(kernel):
    with pytest.raises(UnknownName, match=r"release|no kernel") as error:
        entry("0x0", kernel)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("levels", [3, 4.0, "4", None, [4]])
def test_other_levels_are_refused(levels):
    with pytest.raises(UnknownName, match="page tables have 4 or 5 levels, not"):
        entry("0x0", paging=levels)


@pytest.mark.parametrize("marker", ["no", 1, None, []])
def test_the_option_is_true_or_false(marker):
    with pytest.raises(UnknownName, match="pte_marker is True or False, not"):
        entry("0x0", pte_marker=marker)
