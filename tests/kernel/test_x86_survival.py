"""What survives a change of an entry, as in the thread's table."""

import pytest

from mmviz.kernel.entries.kinds import (
    DeviceExclusive,
    DevicePrivate,
    Migration,
    PteMarker,
    PteNone,
    PtePresent,
    Swap,
)
from mmviz.kernel.x86.layout import layout
from mmviz.kernel.x86.survival import NAMES, survival

FULL = PtePresent(
    pfn=7, write=True, accessed=True, dirty=True, soft_dirty=True, uffd_wp=True, user=True
)


def fates(before, after, kernel, **options):
    found = survival(before, after, layout(kernel), **options)
    assert tuple(each.name for each in found) == NAMES
    return {each.name: each.fate for each in found}


@pytest.mark.parametrize(("kernel", "write"), [("5.14", True), ("6.14", True), ("6.15", None)])
def test_an_exclusive_entry_keeps_what_the_table_says(kernel, write):
    exclusive = DeviceExclusive(pfn=7, write=write, soft_dirty=True, uffd_wp=True)
    assert fates(FULL, exclusive, kernel) == {
        "page": "kept",
        "write": "kept" if write else "lost",
        "young": "lost",
        "dirty": "lost",
        "soft-dirty": "kept",
        "uffd-wp": "kept",
        "exclusive": "no place for it",
    }


def test_migration_carries_accessed_and_dirty_from_v6_1():
    old = fates(FULL, Migration(pfn=7, access="write", soft_dirty=True), "6.0")
    kept = Migration(pfn=7, access="write", young=True, dirty=True)
    new = fates(FULL, kept, "6.1")
    assert (old["young"], old["dirty"]) == ("lost", "lost")
    assert (new["young"], new["dirty"]) == ("kept", "kept")
    assert (old["soft-dirty"], new["soft-dirty"]) == ("kept", "cleared")
    assert new["exclusive"] == "set"


def test_what_a_swap_entry_records_of_its_page():
    slot = Swap(device=0, offset=9, exclusive=True)
    assert fates(FULL, slot, "5.19")["exclusive"] == "set"
    assert fates(FULL, Swap(device=0, offset=9), "5.18")["exclusive"] == "no place for it"
    assert fates(FULL, slot, "5.19")["page"] == "lost"


def test_the_fates_of_other_pages_and_of_empty_entries():
    assert fates(FULL, PtePresent(pfn=8), "6.15")["page"] == "changed"
    assert fates(PtePresent(pfn=0), PtePresent(pfn=0), "6.15")["page"] == "kept"
    assert fates(PteNone(), FULL, "6.15")["page"] == "set"
    assert fates(FULL, PteNone(), "6.15")["write"] == "lost"
    assert fates(DevicePrivate(pfn=7, write=False), FULL, "6.15")["write"] == "set"
    assert fates(FULL, PteMarker(marks_uffd_wp=True), "6.15")["uffd-wp"] == "kept"


def test_a_value_that_is_not_modelled_has_no_fate():
    found = survival(FULL, PtePresent(pfn=7), layout("6.15"), modelled=("page",))
    assert {each.name: each.fate for each in found} == {
        "page": "kept",
        **dict.fromkeys(("write", "young", "dirty", "soft-dirty", "uffd-wp"), "not modelled"),
        "exclusive": "no place for it",
    }
    assert all(each.before is None and each.after is None for each in found[1:])


def test_a_lost_value_has_the_kernels_reason():
    exclusive = DeviceExclusive(pfn=7, write=True)
    why = {each.name: each.why for each in survival(FULL, exclusive, layout("5.14"))}
    assert why["young"] == "comes back old"
    assert "page is marked dirty" in why["dirty"]
    assert why["page"] == why["write"] == ""
