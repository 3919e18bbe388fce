"""The transitions of an entry: between places of a release, by functions of that release."""

import pytest

from mmviz.kernel.entries.kinds import Kind
from mmviz.kernel.x86.layout import X86Layout as Layout
from mmviz.kernel.x86.layout import layout
from mmviz.kernel.x86.transitions import KNOWN as RELEASES
from mmviz.kernel.x86.transitions import SAID, Place, place, places, transitions, way

EVERY = [Layout(each, pte_marker=marker) for each in RELEASES for marker in (False, True)]


def functions(kernel, source, target):
    return {
        each.function
        for each in transitions(layout(kernel))
        if (each.source, each.target) == (source, target)
    }


@pytest.mark.parametrize("where", EVERY, ids=lambda where: f"{where.name}{where.pte_marker}")
def test_a_release_has_only_transitions_between_its_own_places(where):
    kinds = {Kind.NONE, Kind.PRESENT, Kind.PROT_NONE, *where.types}
    known = {place(kind) for kind in kinds}
    found = transitions(where)

    assert set(places(where)) == known
    assert {end for each in found for end in (each.source, each.target)} == known
    assert all(each.source is not each.target for each in found)
    assert len(set(found)) == len(found)
    for each in known - {Place.NONE}:  # each place can be left and reached
        assert any(one.source is each for one in found)
        assert any(one.target is each for one in found)


def test_each_kind_is_in_the_place_of_its_name():
    without = {Kind.TABLE, Kind.UNMAPPED, Kind.FILE}  # of other levels, spaces and releases
    placed = {kind: place(kind) for kind in Kind if kind not in without}
    assert {kind: where for kind, where in placed.items() if where.value != kind.value} == {
        **dict.fromkeys((Kind.PROT_NONE, Kind.NUMA, Kind.INVALID), Place.PROT_NONE),
        Kind.MIGRATION_READ: Place.MIGRATION,
        Kind.MIGRATION_READ_EXCLUSIVE: Place.MIGRATION,
        Kind.MIGRATION_WRITE: Place.MIGRATION,
        Kind.DEVICE_PRIVATE_READ: Place.PRIVATE,
        Kind.DEVICE_PRIVATE_WRITE: Place.PRIVATE,
        Kind.DEVICE_EXCLUSIVE_READ: Place.EXCLUSIVE,
        Kind.DEVICE_EXCLUSIVE_WRITE: Place.EXCLUSIVE,
    }
    assert set(SAID) == set(Place)


def test_exclusive_entries_came_in_v5_14_and_were_reworked_in_v6_15():
    assert Place.EXCLUSIVE not in places(layout("5.13"))
    old, new = {"page_make_device_exclusive_one()"}, {"make_device_exclusive()"}
    assert functions("5.14", Place.PRESENT, Place.EXCLUSIVE) == old
    assert functions("6.14", Place.PRESENT, Place.EXCLUSIVE) == old
    assert functions("6.15", Place.PRESENT, Place.EXCLUSIVE) == new
    assert functions("6.14", Place.EXCLUSIVE, Place.MIGRATION) == set()
    assert functions("6.15", Place.EXCLUSIVE, Place.MIGRATION) == {"try_to_migrate_one()"}
    assert functions("6.14", Place.EXCLUSIVE, Place.SWAP) == set()


def test_migration_has_a_function_of_its_own_from_v5_14():
    assert "try_to_unmap_one()" in functions("5.13", Place.PRESENT, Place.MIGRATION)
    assert "try_to_migrate_one()" in functions("5.14", Place.PRESENT, Place.MIGRATION)


@pytest.mark.parametrize(
    ("kernel", "installers"),
    [
        ("6.5", {"change_pte_range()"}),
        ("6.6", {"change_pte_range()", "mfill_atomic_pte_poison()"}),
        (
            "6.13",
            {"change_pte_range()", "mfill_atomic_pte_poison()", "guard_install_set_pte()"},
        ),
    ],
)
def test_each_function_that_installs_a_marker_has_a_payload_bit(kernel, installers):
    assert functions(kernel, Place.NONE, Place.MARKER) == installers
    names = {field.name for field in layout(kernel).fields(Kind.MARKER)}
    assert ("guard_install_set_pte()" in installers) == ("GUARD" in names)
    assert ("mfill_atomic_pte_poison()" in installers) == ("POISONED" in names)


def test_a_transition_is_described_in_words():
    where = layout("5.14")
    assert way(Place.PRESENT, Place.PRESENT, where) == "stays present"
    assert way(Place.EXCLUSIVE, Place.PRESENT, where) == (
        "device-exclusive → present, which v5.14 does in restore_exclusive_pte()"
    )
    assert "no function of v5.14 is known" in way(Place.EXCLUSIVE, Place.SWAP, where)
