"""Groups, domains and the table by RID."""

import pytest

from mmviz.engine import Map
from mmviz.kernel.iommu.iommu import (
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


def test_an_attach_records_the_domain_and_points_the_rid_at_it():
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


def test_a_detach_blocks_a_rid_without_another_user():
    iommu, a, _, v, _ = wired()
    iommu.let_go(a, iommu.detach_dev(a).do()).do()
    assert (iommu.table["1"], iommu.table["2"], a.domain) == (BLOCKED, v, None)


def test_the_last_alias_to_leave_blocks_the_rid():
    iommu, a, b, v, _ = wired(rids=("1", "1"))
    iommu.detach_and_free(a, v).do()
    assert (iommu.table["1"], a.priv) == (v, False)
    iommu.detach_and_free(b, v).do()
    assert iommu.table["1"] == BLOCKED


def test_a_blind_driver_blocks_the_rid_at_once():
    iommu, a, b, v, _ = wired(rids=("1", "1"), driver=BlindIommu)
    iommu.detach_and_free(a, v).do()
    assert (iommu.table["1"], b.domain) == (BLOCKED, v)


def test_the_hardware_translates_by_the_table():
    iommu, a, b, v, d = wired()
    iommu.attach_dev(a, d).do()
    assert (iommu.translate(a).do(), iommu.translate(b).do()) == (d, v)


def test_a_domain_without_a_count_is_freed_by_its_owner():
    *_, v, _ = wired()
    v.iommu_domain_free().do()
    assert v.freed


@pytest.mark.parametrize(("rids", "refs"), [(("1", "2"), 5), (("1", "1"), 4)])
def test_a_counted_domain_counts_its_owner_the_records_and_the_entries(rids, refs):
    iommu, a, b, v, _ = wired(rids=rids, domain=CountedDomain)
    assert v.refs == refs
    v.iommu_domain_free().do()
    iommu.detach_and_free(a, v).do()
    assert not v.freed
    iommu.detach_and_free(b, v).do()
    assert v.freed


def test_a_driver_without_records_may_still_count_the_table():
    iommu, a, b, v, _ = wired(driver=TableOnlyIommu, domain=CountedDomain)
    assert (v.refs, v.devices, iommu.release_device(a).do()) == (3, (), None)
    v.iommu_domain_free().do()
    for dev in (a, b):
        iommu.detach_and_free(dev, None).do()
    assert v.freed


def test_a_driver_that_does_not_count_the_table_frees_a_domain_in_use():
    iommu, *_, v, _ = wired(driver=UncountedTableIommu, domain=CountedDomain)
    v.iommu_domain_free().do()
    assert v.freed
    assert iommu.table["1"] is v


def test_cleaning_up_blocks_only_the_rids_that_still_lead_to_the_domain():
    iommu, a, _, v, d = wired()
    iommu.attach_dev(a, d).do()
    iommu.block_rids_of(v).do()
    assert (iommu.table["1"], iommu.table["2"]) == (d, BLOCKED)


def test_cleaning_up_by_device_blocks_an_alias_on_another_domain():
    iommu, a, _, v, d = wired(rids=("1", "1"))
    iommu.attach_dev(a, d).do()
    iommu.block_rids_of_devices(v).do()
    assert iommu.table["1"] == BLOCKED


def test_cleaning_up_clears_the_remaining_records_of_the_domain():
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
