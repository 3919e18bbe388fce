"""What a value was that cannot be an entry: each guess for values made to be it."""

import random

import pytest

from mmviz.kernel.arm64.addresses import linear_region
from mmviz.kernel.entries.patterns import poison
from mmviz.kernel.entries.reading import read
from mmviz.kernel.entries.was import Context
from mmviz.kernel.x86.addresses import region

PRESENT = 0x8000000012345867


def first(value, kernel="5.10", **options):
    found = read(value, kernel, **options)
    assert not found.possible, found
    return found.was[0]


def guesses(value, kernel="5.10", **options):
    return [look.guess for look in read(value, kernel, **options).was]


@pytest.mark.parametrize(
    "words", [b"/bin/sh\0", b"passwd: ", b"1234567\n", b"ols)\0pkg", "root".encode("utf-16-le")]
)
def test_text_is_read_in_memory_order(words):
    look = first(int.from_bytes(words, "little"))
    assert look.guess == "text"
    assert words.decode("utf-16-le" if b"r\0o" in words else "latin-1").rstrip("\0\n") in (
        look.evidence.encode().decode("unicode_escape")
    )


@pytest.mark.parametrize("byte", [0x6B, 0x5A, 0xAA, 0xCC, 0xFF, 0xFB])
def test_a_fill_pattern_is_named_even_with_another_byte(byte):
    whole = int.from_bytes(bytes([byte] * 8), "little")
    assert first(whole).guess == "poison"
    assert first(whole ^ 0x3F << 24).guess == "poison"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0xFFFF888112345678, "direct map"),
        (0xFFFFC90001234560, "vmalloc area"),
        (0xFFFFEA0004567880, "struct page"),
        (0xFFFFFFFF81234567, "text"),
        (0xFFFFFFFFC0123456, "module"),
        (0xFF1100011A2B3C40, "direct map"),
    ],
)
def test_a_kernel_pointer_is_placed(value, says):
    paging = 5 if value >> 48 == 0xFF11 else 4
    look = first(value, paging=paging)
    assert look.guess == "pointer"
    assert says in look.evidence


def test_a_pointer_into_its_own_table_is_stronger_evidence():
    own = first(0xFFFF8881A700FF00, context=Context(table=0x1A700F))
    other = first(0xFFFF8881A700FF00, context=Context(table=0x1A7011))
    assert "into the very page of this table" in own.evidence
    assert "does not point into this table" in other.evidence


@pytest.mark.parametrize("bit", [*range(52, 58), 46, 49])
def test_a_flipped_bit_is_found(bit):
    look = next(each for each in read(PRESENT ^ 1 << bit, "5.10").was if each.guess == "flip")
    assert f"bit {bit} flipped" in look.evidence
    assert f"{PRESENT:#x}" in look.evidence


@pytest.mark.parametrize("bit", [47, 51])
def test_the_bit_of_memory_encryption_may_be_flipped_or_meant(bit):
    found = read(PRESENT ^ 1 << bit, "5.10")
    assert (found.possible, found.pfn) == (True, 0x12345)
    assert "AMD's C bit" in found.was[0].evidence
    assert first(PRESENT ^ 1 << bit, "4.13").guess in ("flip", "overwrite")


def test_neighbours_choose_among_flips():
    lone = read(PRESENT ^ 1 << 53, "5.10").was[0]
    near = read(PRESENT ^ 1 << 53, "5.10", context=Context(neighbours=(PRESENT + 0x1000,))).was[0]
    assert "near the frames of its neighbours" in near.evidence
    assert "near the frames" not in lone.evidence


def test_a_stray_bit_in_an_empty_entry():
    for bit in (0, 3, 12, 40, 63):
        assert first(1 << bit).guess == "flip"


def test_an_entry_of_another_release_is_named():
    migration = 0x4FED803C00  # read, in the layout of v4.8 to v4.18
    look = read(migration, "5.10", level="pmd").was
    assert look[0].guess == "release"
    assert "from v4.8 to v4.18" in look[0].evidence


def test_an_entry_of_another_level_is_named():
    assert "level" in guesses(0x000FFFFFEDCBA120, level="pmd")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0x700000, "a small number, 7340032"),
        (0xFFFFFFFFFFFFFFF4, "a small negative number, -12"),
        (0x00007F1234567890, "pointer of user mode"),
        (0xFFFFFFFF12345067, "32 bits were overwritten"),
        (0xF000FF53F000FF53, "BIOS"),
        (0x9402E1E2B18C8AE9, "no known pattern"),
    ],
)
def test_overwritten_memory_says_what_shows_it(value, says):
    looks = [each for each in read(value, "5.10").was if each.guess == "overwrite"]
    assert any(says in each.evidence for each in looks)


def test_stray_bits_of_an_old_processor_were_worked_around_in_v4_8():
    assert first(0x60, "4.7").guess == "erratum"
    assert read(0x60, "4.8").possible


def test_a_fault_that_says_reserved_and_not_present_at_once():
    healthy = 0x07FFFFFFFDB97400
    assert guesses(healthy, context=Context(error=0xC)) == ["erratum"]
    assert guesses(healthy, context=Context(error=0x4)) == []


def test_a_possible_value_is_not_explained_away():
    dice = random.Random(1)
    for _ in range(50):
        raw = 0x8000000000000067 | dice.getrandbits(30) << 12
        assert read(raw, "6.6").was == ()


def test_every_impossible_value_has_a_guess_with_evidence():
    dice = random.Random(2)
    for _ in range(25):
        found = read(dice.getrandbits(64), "6.6")
        assert found.possible or (all(each.evidence for each in found.was) and found.was)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0xDEAD000000000100, "LIST_POISON1"),
        (0xDEAD000000000122, "LIST_POISON2, "),
        (0xDEAD000000000200, "LIST_POISON2 (until v5.2)"),
        (0xDEAD000000100100, "LIST_POISON1 (until v4.2)"),
        (0xDEAD000000200200, "LIST_POISON2 (until v4.2)"),
        (0xDEAD000000000300, "a timer initialised at build time"),
        (0xDEAD000000000800, "SKB_LIST_POISON_NEXT"),
        (0x09F911029D74E35B, "RED_INACTIVE"),
        (0xD84156C5635688C0, "RED_ACTIVE"),
        (0xF4F4F4F4F2F2F2F2, "KASAN shadow bytes"),
    ],
)
def test_a_poison_has_the_name_that_the_kernel_gives_it(value, said):
    look = poison(value)
    assert look is not None
    assert look.guess == "poison"
    assert said in look.evidence


MAP = "the memory map (struct page)"
FIXED = "a fixed mapping or PCI's I/O space"


@pytest.mark.parametrize(
    ("address", "release", "what"),
    [  # of memory.rst and memory.h
        (0xFFFF7E0010220000, (5, 3), MAP),
        (0xFFFF7E0010220000, (5, 4), "the linear map"),
        (0xFFFF800010220000, (5, 3), "the linear map"),
        (0xFFFF800010220000, (5, 4), "modules, the kernel's text or the vmalloc area"),
        (0xFFFFFC0012345000, (5, 10), "modules, the kernel's text or the vmalloc area"),
        (0xFFFFFC0012345000, (5, 11), MAP),
        (0xFFFFFDFFFFE00000, (5, 4), MAP),
        (0xFFFFFDFFFE7FE000, (5, 10), FIXED),
        (0xFFFFFBFFFDBFE000, (6, 8), FIXED),
        (0xFFFFFC0012345000, (6, 9), "modules, the kernel's text or the vmalloc area"),
        (0xFFFFFDFFC0000000, (6, 9), MAP),
        (0xFFFFFFFFFF5FD000, (7, 0), FIXED),
        (0x0000FFFFBE05B000, (7, 0), ""),
    ],
)
def test_an_address_of_arm64_lies_where_its_release_has_it(address, release, what):
    assert linear_region(address, release) == what


def test_kasans_shadow_is_wider_with_five_levels():
    assert region(0xFFDF123456789ABC, (6, 5), 5).startswith("KASAN's shadow")
    assert region(0xFFFFEC1234567890, (4, 4)) == "KASAN's shadow"
