"""Entries of every architecture, release, level and space: encoded, decoded, and numbered."""

import random

import pytest

from mmviz.engine import UnknownName
from mmviz.kernel.arm64.layout import ARM_RELEASES, ArmLayout
from mmviz.kernel.entries.coding import chosen, decode, decode_at, encode_at
from mmviz.kernel.entries.kinds import SWAP_KINDS, EntryError, Kind
from mmviz.kernel.entries.layout import LEVELS, SPACES
from mmviz.kernel.entries.numbering import Config, meanings, options, types
from mmviz.kernel.entries.reading import read
from mmviz.kernel.x86.layout import RELEASES, X86Layout

ALL = (1 << 64) - 1


def layouts(release, make):
    """Yield every layout of a release."""
    for level in LEVELS:
        for space in SPACES:
            yield make(release, level=level, space=space)
    if make is X86Layout and release < (4, 19):
        yield make(release, inverted=True)
        yield make(release, inverted=True, level="pmd")
    if (5, 19) <= release < (6, 2):
        yield make(release, pte_marker=True)
    yield make(release, config=Config(device_private=False))
    yield make(release, config=Config(memory_failure=False, migration=False))


def drawn(where, kind, dice):
    """Return an entry of a kind with random values."""
    values = {}
    for field in where.fields(kind):
        if field.attribute and field.fixed is None:
            values[field.attribute] = field.get(dice.getrandbits(64))
        elif field.attribute:
            values[field.attribute] = bool(field.fixed)
    if "device" in values:
        values["device"] %= where.types.count(Kind.SWAP)
    if kind is Kind.MARKER:
        values["marks_uffd_wp"] = True
    return where.made(kind)(**values)


@pytest.mark.parametrize(
    ("make", "release"),
    [(X86Layout, each) for each in RELEASES] + [(ArmLayout, each) for each in ARM_RELEASES],
    ids=lambda value: getattr(value, "arch", None) or f"{value[0]}.{value[1]}",
)
def test_each_kind_of_entry_encodes_and_decodes(make, release):
    dice = random.Random(f"{make.arch} {release}")
    for where in layouts(release, make):
        for kind in where.kinds:
            what = drawn(where, kind, dice)
            raw = encode_at(what, where) if where.kind(_raw(what, where)) is kind else None
            if raw is None:  # present and invalid, or PROT_NONE, as other bits say
                assert {kind, where.kind(_raw(what, where))} <= {Kind.INVALID, Kind.PROT_NONE}
                continue
            assert decode_at(raw, where) == what
            assert where.kind(raw) is kind


def _raw(what, where):
    """Return the bits of an entry, whatever they read as."""
    raw = 0
    for field in where.fields(what.kind):
        raw |= field.put(getattr(what, field.attribute) if field.attribute else field.fixed or 0)
    return raw


def oldest(raw):
    return raw >> 1 & 31, raw >> 9


def with_numa_hints(raw):
    return raw >> 1 & 31, raw >> 10


def middle(raw):
    return raw >> 9 & 31, raw >> 14


def inverted(raw):
    return raw >> 59, ((~raw & ALL) << 5 & ALL) >> 14


def arm(low, offset):
    return lambda raw: (raw >> low & 31, raw >> offset & (1 << 50) - 1)


SHIFTS = [  # as the kernel's macros shift, written apart from the layouts
    ("x86-64", ("3.10", "3.14", "4.0", "4.7"), oldest),
    ("x86-64", ("3.15", "3.18", "3.19"), with_numa_hints),
    ("x86-64", ("4.8", "4.13", "4.14", "4.18"), middle),
    ("x86-64", ("4.19", "5.4", "5.14", "6.1", "6.15", "7.1"), inverted),
    ("arm64", ("4.0", "5.4", "5.18"), arm(2, 8)),
    ("arm64", ("5.19", "6.1", "6.10"), arm(3, 8)),
    ("arm64", ("6.11", "7.1"), arm(6, 12)),
]


@pytest.mark.parametrize(("arch", "kernels", "shifts"), SHIFTS)
def test_type_and_offset_are_where_the_kernels_macros_shift_them_from(arch, kernels, shifts):
    dice = random.Random(7)
    for kernel in kernels:
        where = chosen(kernel, arch=arch)
        for kind in [each for each in where.kinds if each in SWAP_KINDS]:
            what = drawn(where, kind, dice)
            number, offset = shifts(encode_at(what, where))
            assert where.types[number] is kind
            if kind is Kind.SWAP:
                assert (number, offset) == (what.device, what.offset)
            elif hasattr(what, "pfn"):
                assert offset & (1 << 34) - 1 == what.pfn & (1 << 34) - 1


@pytest.mark.parametrize(
    ("kernel", "is_inverted"),
    [
        *(("4.18", False), ("4.18.1", True), ("4.17.14", False), ("4.17.15", True)),
        *(("4.14.62", False), ("4.14.63", True), ("4.9.119", False), ("4.9.120", True)),
        *(("4.4.147", False), ("4.4.148", True), ("4.16.9", False), ("4.19-rc1", True)),
        *(("3.16.58", False), ("3.16.59", True)),
        ("3.10.0-957.el7.x86_64", True),
    ],
)
def test_stable_kernels_have_the_l1tf_form_from_a_point_release_on(kernel, is_inverted):
    hidden = 0x000FFFFFEDCBA120  # PROT_NONE, frame 0x12345 inverted
    if not kernel.startswith(("4.17", "4.18", "4.19")):
        hidden &= (1 << 46) - 1  # frames had 46 bits of address then
    found = read(hidden, kernel)
    assert found.where.is_inverted == is_inverted
    assert (found.pfn == 0x12345) == is_inverted


def test_a_distribution_kernel_is_read_in_the_form_that_fits():
    assert read("0x00003fffedcba120", "4.4.0-128-generic").pfn == 0x12345
    assert read("0x0000000012345120", "4.4.0-128-generic").pfn == 0x12345


def test_a_distribution_that_follows_a_patched_stable_kernel_has_the_l1tf_form():
    found = read(1 << 58, "4.18.8-200.fc28.x86_64")  # "Bad swap offset entry 1ffffffffffff"
    assert found.swap["offset"] == 0x1FFFFFFFFFFFF


def test_a_number_means_each_kind_on_a_condition_that_holds_exactly():
    for release in ((3, 10), (4, 14), (5, 13), (5, 19), (6, 1), (6, 2), (6, 15)):
        names = options(release)
        for number in range(32):
            for bits in range(1 << len(names)):
                on = {name: bool(bits >> at & 1) for at, name in enumerate(names)}
                kind = types(release, Config(**on))[number]
                true = [k for k, when in meanings(number, release) if _holds(when, on)]
                assert true == [kind]


def _holds(when, on):
    if not when:
        return True
    said = {f"CONFIG_{name.upper()}={'y' if way else 'n'}" for name, way in on.items()}
    return any(set(term.split(", ")) <= said for term in when.split(" or "))


def test_levels_have_their_own_entries():
    table = 0x0000000079462067
    assert decode(table, "6.6", level="pmd").kind is Kind.TABLE
    assert decode(table, "6.6", level="pte").kind is Kind.PRESENT
    huge = decode(0x80000003DE4010E7, "6.6", level="pmd")
    assert (huge.huge, huge.pat, huge.pfn) == (True, True, 0x3DE400)
    with pytest.raises(EntryError, match=r"bit 13 .reserved. set"):
        decode(0x80000003DE4020E7, "6.6", level="pmd")
    with pytest.raises(EntryError, match="at the pmd level none is ever written"):
        decode(0x07FFFFFFFFFFFC00, "6.6", level="pmd")
    with pytest.raises(EntryError, match=r"bit 7 .PAT. set"):
        decode(0x000000007946206F | 1 << 7, "6.6", level="pgd")


@pytest.mark.parametrize(("kernel", "possible"), [("6.5", False), ("6.16", True), ("6.17", False)])
def test_the_device_memory_bit_ends_with_v6_17(kernel, possible):
    assert read(0x8200000012345067, kernel).possible == possible


def test_a_frame_beyond_the_physical_width_cannot_occur():
    far = 0x8000000000000067 | 1 << 45
    assert read(far, "6.6").possible
    assert not read(far, "6.6", physical_bits=39).possible
    encrypted = 0x8000000000000067 | 1 << 51 | 0x12345000
    assert not read(encrypted, "6.6", physical_bits=48).possible
    found = read(encrypted, "6.6", physical_bits=48, encryption_bit=51)
    assert (found.possible, found.pfn) == (True, 0x12345)
    with pytest.raises(UnknownName, match="physical_bits is a number from 32 to 52"):
        read(far, physical_bits=99)


def test_five_levels_hold_wider_frames():
    far = 0x8000000000000067 | 1 << 48
    assert not read(far, "6.6").possible
    assert read(far, "6.6", paging=5).possible


def test_an_entry_of_the_kernel_is_not_called_swap():
    found = read(0x800FFFF08C9DF060, "5.10", space="kernel")
    assert (found.kind, found.swap, found.present) == (Kind.UNMAPPED, None, False)
    assert read(0x800FFFF08C9DF060, "5.10").kind is Kind.UNMAPPED  # as user mode's it cannot occur
    assert not read(0x800FFFF08C9DF060, "5.10", space="user").possible


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("level", "pte (32-bit PAE)", "32-bit kernel"),
        ("level", "page", "level is one of pte, pmd, pud, p4d, pgd"),
        ("arch", "i386", "another layout"),
        ("arch", "sparc", "known are x86-64 and arm64"),
        ("space", "device", "space is one of user, kernel"),
        ("paging", 3, "4 or 5 levels"),
    ],
)
def test_what_is_not_known_is_refused_with_the_reason(option, value, says):
    with pytest.raises(UnknownName, match=says):
        read(0x67, "6.6", **{option: value})


@pytest.mark.parametrize("kernel", ["4.19.0-20-686-pae", "4.19.0-20-686", "5.6.6-300.fc32.i686"])
def test_a_32_bit_kernel_is_refused_by_its_name(kernel):
    with pytest.raises(UnknownName, match="32-bit kernel"):
        read(0x8000000400000000, kernel)


def test_prot_none_on_arm64_moved_in_v6_11():
    old = decode(0x0460000040000FC2, "6.10", arch="arm64")
    new = decode(0x0060000040000F82, "6.11", arch="arm64")
    assert (old.kind, old.pfn) == (new.kind, new.pfn) == (Kind.PROT_NONE, 0x40000)
    invalid = decode(0x0060000040000FC2, "6.11", arch="arm64")  # user mode could reach it
    assert invalid.kind is Kind.INVALID


ARM_PAGE = 0x0060000040000F43  # of user mode, read by all: PXN, UXN, nG, AF, SH, USER


def arm_fails(raw, kernel, **options):
    with pytest.raises(EntryError):
        decode(raw, kernel, arch="arm64", **options)
    return True


def test_the_write_bit_of_arm64_moved_into_dbm_with_v4_3():
    old, new = ARM_PAGE | 1 << 57, ARM_PAGE | 1 << 51
    assert decode(old, "4.2", arch="arm64").write
    assert decode(new, "4.3", arch="arm64").write
    assert arm_fails(new, "4.2")
    assert arm_fails(old, "4.3")


def test_device_memory_has_a_bit_on_arm64_from_v5_3_to_v6_16():
    assert arm_fails(ARM_PAGE | 1 << 57, "5.2")
    assert arm_fails(ARM_PAGE | 1 << 57, "6.17")
    for kernel in ("5.3", "6.16"):
        assert decode(ARM_PAGE | 1 << 57, kernel, arch="arm64").devmap


def test_an_invalid_block_of_arm64_is_present_from_v5_10():
    block = 0x0060000040000F40 | 1 << 59
    assert decode(block, "5.10", arch="arm64", level="pmd").kind is Kind.INVALID
    assert arm_fails(block, "5.9", level="pmd")


def test_arm64_has_protection_keys_from_v6_12_for_user_mode():
    keyed = ARM_PAGE | 5 << 60
    assert decode(keyed, "6.12", arch="arm64").pkey == 5
    assert arm_fails(keyed, "6.11")
    assert arm_fails(keyed, "6.12", space="kernel")


def test_numa_hints_have_a_bit_of_their_own_until_v3_19():
    hint = 0x12345000 | 1 << 9 | 1 << 5
    kinds = [X86Layout(release).kind(hint) for release in ((3, 14), (3, 15), (3, 19), (4, 0))]
    assert kinds == [Kind.SWAP, Kind.NUMA, Kind.NUMA, Kind.SWAP]


@pytest.mark.parametrize(("release", "low"), [((3, 10), 9), ((3, 16), 10), ((4, 4), 9)])
def test_the_l1tf_form_of_v3_16_leaves_a_bit_to_numa_hints(release, low):
    where = X86Layout(release, inverted=True)
    raw = encode_at(drawn(where, Kind.SWAP, random.Random(3)), where)
    what = decode_at(raw, where)
    assert (raw >> 59, ((~raw & ALL) << 5 & ALL) >> low + 5) == (what.device, what.offset)
