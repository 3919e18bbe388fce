"""Groups, domains and the table by RID."""

import pytest

from mmviz.engine import Map
from mmviz.kernel.iommu import (
    BLOCKED,
    BlindIommu,
    CountedDomain,
    Device,
    Domain,
    Iommu,
    IommuGroup,
    TableOnlyIommu,
    UncountedTableIommu,
)


def wired(rids=("1", "2"), driver=Iommu, domain=Domain):
    """Two devices on domain V."""
    a, b = Device(rids[0], name="a"), Device(rids[1], name="b")
    iommu = driver(Map(dict.fromkeys(rids, BLOCKED), name="IOMMU"), (a, b))
    v, d = domain(name="V"), domain(name="D")
    for dev in (a, b):
        iommu.attach_dev(dev, v).do()
    return iommu, a, b, v, d


def test_an_attach_notes_the_domain_and_points_the_rid_at_it():
    iommu, a, b, v, _ = wired()
    assert (a.domain, v.devices, iommu.table["1"]) == (v, (a, b), v)


def test_an_attach_moves_a_device_from_one_domain_to_the_other():
    iommu, a, b, v, d = wired()
    iommu.attach_dev(a, d).do()
    assert (a.domain, v.devices, d.devices) == (d, (b,), (a,))
    assert (iommu.table["1"], iommu.table["2"]) == (d, v)


def test_attaching_one_of_two_aliases_moves_both_in_hardware():
    iommu, a, b, v, d = wired(rids=("1", "1"))
    iommu.attach_dev(a, d).do()
    assert (iommu.table["1"], b.domain) == (d, v)


def test_letting_go_blocks_a_rid_that_nobody_else_uses():
    iommu, a, _, v, _ = wired()
    iommu.let_go(a, iommu.detach_dev(a).do()).do()
    assert (iommu.table["1"], iommu.table["2"], a.domain) == (BLOCKED, v, None)


def test_the_last_alias_blocks_the_rid_and_not_the_first():
    iommu, a, b, v, _ = wired(rids=("1", "1"))
    iommu.detach_and_free(a, v).do()
    assert (iommu.table["1"], a.priv) == (v, False)
    iommu.detach_and_free(b, v).do()
    assert iommu.table["1"] == BLOCKED


def test_a_blind_driver_blocks_the_rid_at_once():
    iommu, a, b, v, _ = wired(rids=("1", "1"), driver=BlindIommu)
    iommu.detach_and_free(a, v).do()
    assert (iommu.table["1"], b.domain) == (BLOCKED, v)


def test_the_hardware_finds_what_the_table_says():
    iommu, a, b, v, d = wired()
    iommu.attach_dev(a, d).do()
    assert (iommu.translate(a).do(), iommu.translate(b).do()) == (d, v)


def test_a_domain_is_gone_when_its_owner_frees_it():
    *_, v, _ = wired()
    v.iommu_domain_free().do()
    assert v.freed


@pytest.mark.parametrize(("rids", "refs"), [(("1", "2"), 5), (("1", "1"), 4)])
def test_a_counted_domain_counts_its_owner_the_notes_and_the_entries(rids, refs):
    iommu, a, b, v, _ = wired(rids=rids, domain=CountedDomain)
    assert v.refs == refs
    v.iommu_domain_free().do()
    iommu.detach_and_free(a, v).do()
    assert not v.freed
    iommu.detach_and_free(b, v).do()
    assert v.freed


def test_a_driver_without_notes_may_still_count_the_table():
    iommu, a, b, v, _ = wired(driver=TableOnlyIommu, domain=CountedDomain)
    assert (v.refs, v.devices, iommu.release_device(a).do()) == (3, (), None)
    v.iommu_domain_free().do()
    for dev in (a, b):
        iommu.detach_and_free(dev, None).do()
    assert v.freed


def test_one_that_does_not_count_the_table_frees_what_it_points_at():
    iommu, *_, v, _ = wired(driver=UncountedTableIommu, domain=CountedDomain)
    v.iommu_domain_free().do()
    assert v.freed
    assert iommu.table["1"] is v


def test_cleaning_up_blocks_only_the_rids_that_still_lead_to_the_domain():
    iommu, a, _, v, d = wired()
    iommu.attach_dev(a, d).do()
    iommu.block_rids_of(v).do()
    assert (iommu.table["1"], iommu.table["2"]) == (d, BLOCKED)


def test_cleaning_up_blindly_blocks_an_alias_that_has_moved_on():
    iommu, a, _, v, d = wired(rids=("1", "1"))
    iommu.attach_dev(a, d).do()
    iommu.block_rids_of_devices(v).do()
    assert iommu.table["1"] == BLOCKED


def test_leftovers_forget_the_domain():
    iommu, a, b, v, _ = wired()
    iommu.list_del_init(v).do()
    assert (a.domain, b.domain, v.devices) == (None, None, ())


def test_a_group_moves_listed_devices_only():
    iommu, a, b, v, d = wired()
    group = IommuGroup(refs=2, default_domain=d, domain=v, devices=(a, b), name="group")
    group.list_del(a).do()
    group.iommu_group_set_core_domain(d, iommu).do()
    assert (group.domain, a.domain, b.domain) == (d, v, d)


def test_the_last_put_of_a_group_frees_its_default_domain():
    _, a, b, v, d = wired()
    group = IommuGroup(refs=2, default_domain=d, domain=v, devices=(a, b), name="group")
    group.iommu_group_put().do()
    assert not d.freed
    group.iommu_group_put().do()
    assert (d.freed, v.freed) == (True, False)
