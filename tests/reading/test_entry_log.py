"""Entries in logs as people paste them: quoted, wrapped, with the prefixes of loggers."""

import pytest

from mmviz.engine import MmvizError, UnknownName
from mmviz.reading.entry_log import MOST_VALUES, Log, entries

BAD = "BUG: Bad page map in process a  pte:fffff8ce8c120 pmd:79462067"
CPU = "CPU: 1 PID: 2 Comm: a Not tainted 6.6.0-rc1-syzkaller #0"
WAYS = {
    "plain": f"{BAD}\n{CPU}",
    "dmesg": f"[   40.438790] {BAD}\n[   40.438800] {CPU}",
    "task": f"[   40.438790][ T3839] {BAD}\n[   40.438790][ T3839] {CPU}",
    "level": f"<1>[   40.438790] {BAD}\n<4>[   40.438790] {CPU}",
    "syslog": f"Mar  6 10:13:53 host kernel: [8883126.9] {BAD}\nMar  6 10:13:53 host kernel: {CPU}",
    "quoted": f"> > {BAD}\n> > {CPU}",
    "wrapped": f"{BAD}\n{CPU}".replace(" pmd", "\npmd"),
    "soft": f"{BAD[:52]}=\n{BAD[52:]}\n{CPU}",
    "tainted": f"{BAD}\n{CPU.replace('Not tainted', 'Tainted: G    B   W  OE  ')}",
    "named": f"{BAD}\n{CPU.replace('Not tainted', 'Tainted: [B]=BAD_PAGE, [W]=WARN')}",
    "new": f"{BAD.split(' pmd')[0]}\npgd:1a067 p4d:1b067 pud:1c067 pmd:79462067\n{CPU}",
}


@pytest.mark.parametrize("way", WAYS)
def test_values_levels_and_kernel_are_found(way):
    found = {each.where.level: each for each in entries(WAYS[way])}
    assert (found["pte"].pfn, found["pmd"].pfn) == (0x73173, 0x79462)
    assert found["pte"].where.name == "v6.6"
    assert all(each.kernel.given for each in found.values())


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("6.5.0-14-generic", "v6.5"),
        ("5.14.0-427.el9.x86_64", "v5.14"),
        ("4.4.180-94.97-default", "v4.4.180"),
        ("6.1.0-rc3-next-20221104", "v6.1"),
        ("2.6.32", "v2.6.32 (read as v3.10, the oldest known)"),
    ],
)
def test_the_release_is_the_one_of_the_cpu_line(release, name):
    text = f"{BAD}\n{CPU.replace('6.6.0-rc1-syzkaller', release)}"
    assert entries(text)[0].kernel.name == name
    assert entries(text, "5.4")[0].kernel.name == "v5.4"


def test_a_dump_of_the_tables_names_each_level_and_the_space():
    text = (
        "BUG: unable to handle page fault for address: ffffffff8f220860\n"
        "PGD 7ae60f067 P4D 7ae60f067 PUD 7ae610063 PMD 1000f1063 PTE 800ffff08c9df060\n"
    )
    found = entries(text)
    assert [each.where.level for each in found] == ["pgd", "p4d", "pud", "pmd", "pte"]
    assert (found[-1].where.space, found[-1].pfn) == ("kernel", 0xF73620)


def test_what_crash_prints_is_read():
    text = "PGD: 7c610067 => 7c61067\nPTE: 0x926f87100 => 0xef980207ffffff8b\n"
    found = entries(text, "RHEL")
    assert [(each.where.level, each.value) for each in found] == [
        ("pgd", 0x7C61067),
        ("pte", 0xEF980207FFFFFF8B),
    ]


@pytest.mark.parametrize(
    ("code", "pte", "note"),
    [
        ("0003", "80000000110a2021", "the fault is a write, and RW is clear"),
        ("0001", "800000010aee9025", "SMAP: the kernel followed a pointer to user memory"),
        ("0011", "80000000110a2161", "an instruction fetch, and NX is set"),
        ("0002", "800ffff08c9df060", "the entry is not present"),
    ],
)
def test_the_error_code_says_why_it_faulted(code, pte, note):
    text = f"#PF: error_code(0x{code})\nPGD 1067 PUD 2067 PMD 3063 PTE {pte}\n"
    assert any(note in each for each in entries(text, "6.11")[-1].notes)


def test_a_dump_of_arm64_is_one():
    text = (
        "[0000ffffb7d3f000] pgd=0800000083a1b003, p4d=0800000083a1b003, pud=0800000083a1c003, "
        "pmd=0800000083a1d003, pte=0060000040000fc3\n"
    )
    found = entries(text, "6.1")
    assert {each.where.arch for each in found} == {"arm64"}
    assert (found[-1].kind, found[-1].pfn) == ("present", 0x40000)


def test_a_bad_entry_of_a_table_has_its_level():
    text = "mm/pgtable-generic.c:50: bad pmd 00000000af22fc02(dffffffe71fbfe02)"
    (found,) = entries(text, "5.15")
    assert (found.where.level, found.kind) == ("pmd", "migration write")
    (found,) = entries("mm/pgtable-generic.c:33: bad pmd 000000083af00074.", "4.11", arch="arm64")
    assert found.kind == "hwpoison"


def test_a_swap_entry_alone_is_stored_as_its_kernel_stores_it():
    (found,) = entries("get_swap_device: Bad swap file entry 40012345\nNot tainted 6.12.58 #1")
    assert found.swap["offset"] == 0x40012345
    assert found.was[0].guess == "none"


def test_values_one_a_line_are_a_list():
    found = entries("0x8000000012345867\npmd 0x79462067\n0x0\n", "6.6")
    assert [each.where.level for each in found] == ["pte", "pmd", "pte"]


def test_what_the_text_does_not_say_can_be_said():
    assert Log("pte:8 x").kernel == ""
    found = entries("pte:00000008", "6.6", space="user")[0]
    assert found.kernel.name == "v6.6"


@pytest.mark.parametrize("text", ["", "no entry here", "pte", "pmd: x", "Bad swap file", "\0" * 50])
def test_a_text_without_an_entry_says_what_to_give(text):
    with pytest.raises(MmvizError, match="there is no page-table entry"):
        entries(text)


def test_hostile_texts_end_in_a_sentence_or_an_answer():
    with pytest.raises(MmvizError, match="more than 1,000,000 characters"):
        entries("pte:00000008 " * 100_000)
    many = entries("\n".join(f"pte:{n:08x}" for n in range(0x1000, 0x1400)), "6.6")
    assert len(many) == MOST_VALUES
    with pytest.raises(MmvizError):
        entries(None)
    with pytest.raises(UnknownName):
        entries(BAD, "six")
    entries(f"Tainted: {'G ' * 2000}\n{BAD}")
    entries("tainted:" + "A " * 20_000 + BAD)


@pytest.mark.parametrize("granule", ["16k", "64k"])
def test_other_granules_are_refused(granule):
    with pytest.raises(MmvizError, match=f"{granule[:2]} KiB pages"):
        entries(f"user pgtable: {granule} pages, 48-bit VAs, pgdp=0\n[0] pgd=0800000083a1b003")
