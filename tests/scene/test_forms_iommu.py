"""The picture of an IOMMU moves as its objects do: they slide, swing, tip over, crumble, fall."""

from collections import Counter

import pytest

from mmviz.engine import Map, World
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup
from mmviz.kernel.iommu.pasid import NOT_PRESENT, DmaQueue, Smmu, SvaDevice
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.scene.check import problems
from mmviz.scene.keyed import plain
from mmviz.scene.marks import Box, Flow, Line, Text, sheet
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase
from tests.scene.played import first_run, searched_case
from tests.scene.toys import case_of


class Shown:
    """The marks of each frame of a run, by their keys."""

    def __init__(self, searched, run=None):
        self.memory = memory(searched)
        self.run = first_run(searched) if run is None else run
        self.labels = [frame.label for frame in self.run.frames]

    def at(self, k):
        return {mark.key: mark for mark in self.memory.marks(self.run.frames[k].state)}

    def around(self, step):
        """Return the marks before and after the first step that begins so."""
        k = next(n for n, label in enumerate(self.labels) if label.startswith(step))
        return self.at(k - 1), self.at(k)


def of_case(scenario, name):
    return Shown(searched_case(scenario, name))


def of_world(world, **actors):
    return Shown(SearchedCase(case_of(world, **actors)))


@pytest.fixture(scope="module")
def delisted():
    return of_case("iommu_group/release_order", "DelistThenRelease")


@pytest.fixture(scope="module")
def exiting():
    return of_case("sva/exit_during_dma", "ReleaseNothing")


# -- groups ------------------------------------------------------------------------------------


def test_a_delisted_device_slides_out_of_its_bracket_on_its_row(delisted):
    was, now = delisted.around("list_del(device a)")
    brace = now["object:group:right"].points[1][0]
    before, after = was["object:device a"], now["object:device a"]
    assert before.x + before.w < brace < after.x
    assert before.y == after.y
    for key in ("title:device a", "field:device a.domain", "chip:device a.priv"):
        assert now[key].x - was[key].x == pytest.approx(after.x - before.x)
    assert now["slot:device a"].role == "ghost"
    assert was["slot:device a"].role == "clear"
    assert was["object:device b"] == now["object:device b"]


def test_the_arrows_of_a_delisted_device_keep_their_ends_and_their_points(delisted):
    was, now = delisted.around("list_del(device a)")
    for key in ("arrow:device a.domain", "wire:device a"):
        assert was[key].points[0] != now[key].points[0]
        assert was[key].points[-1] == now[key].points[-1]
        assert len(was[key].points) == len(now[key].points)
    assert was["arrow:IOMMU[01:00.0]"] == now["arrow:IOMMU[01:00.0]"]


def test_pointers_and_the_tag_of_the_group_move_to_the_other_domain(delisted):
    was, now = delisted.around("iommu_group_set_core_domain")
    old, new = now["object:domain V"].points[0], now["object:domain D"].points[0]
    for key in ("arrow:IOMMU[02:00.0]", "arrow:device b.domain"):
        assert len(was[key].points) == len(now[key].points)
        assert was[key].points[-1][1] < new[1] < now[key].points[-1][1]
    assert old[1] < was["tag:group.domain"].y < new[1] < now["tag:group.domain"].y
    assert was["arrow:IOMMU[01:00.0]"] == now["arrow:IOMMU[01:00.0]"]


def test_a_note_goes_round_the_table_and_the_hardware_does_not(delisted):
    marks = delisted.at(0)
    table = marks["object:iommu"]
    for device, passes in (("device a", "above"), ("device b", "below")):
        note = marks[f"arrow:{device}.domain"]
        lane = {y for x, y in note.points if abs(x - table.x - table.w / 2) < table.w / 2}
        assert note.role == "note"
        assert lane
        if passes == "above":
            assert max(lane) < table.y
        else:
            assert min(lane) > table.y + table.h
    assert marks["arrow:IOMMU[01:00.0]"].points[0][0] == pytest.approx(table.x + table.w)
    assert marks["arrow:IOMMU[01:00.0]"].role == "arrow"


def test_a_freed_domain_crumbles_and_a_dma_falls_in_it(delisted):
    was, now = delisted.around("iommu_domain_free(domain V)")
    for index in range(6):
        before, after = was[f"tile:domain V:{index}"], now[f"tile:domain V:{index}"]
        assert (before.turn, before.role) == (0, "tile")
        assert after.turn != 0
        assert (before.x, before.y) != (after.x, after.y)
        assert was[f"tile:domain D:{index}"] == now[f"tile:domain D:{index}"]
    assert was["dma:device a"].end == "pass"
    assert now["dma:device a"].end == "fall"
    assert 0.5 < now["dma:device a"].at < 1
    xs, ys = zip(*now["object:domain V"].points, strict=True)
    x, y = now["dma:device a"].points[-1]
    assert min(xs) < x < max(xs)
    assert min(ys) < y < max(ys)
    assert now["dma:device b"].end == "pass"
    assert now["title:domain V"].text == "domain V ✗ freed"
    assert "✗" in now["field:IOMMU[01:00.0]"].text


def test_a_blocked_dma_bounces_at_a_bar_and_the_data_of_the_driver_tip_over():
    shown = of_case("iommu_group/release_order", "ReleaseThenDelist")
    was, now = shown.around("detach_and_free")
    name = "device b" if now["dma:device b"].end == "bounce" else "device a"
    rid = "02:00.0" if name == "device b" else "01:00.0"
    assert was[f"dma:{name}"].end == "pass"
    assert now[f"dma:{name}"].end == "bounce"
    assert f"arrow:IOMMU[{rid}]" in was
    assert f"arrow:IOMMU[{rid}]" not in now
    bar = now[f"bar:IOMMU[{rid}]"]
    assert (was[bar.key].role, bar.role) == ("clear", "bar")
    assert now[f"dma:{name}"].points[-1][0] <= bar.points[0][0]
    assert was[f"chip:{name}.priv"].turn == 0 != now[f"chip:{name}.priv"].turn


def test_devices_that_share_a_rid_go_through_one_entry():
    marks = of_case("iommu_group/shared_rid", "BlindDriver").at(0)
    entry = marks["entry:IOMMU[00:1e.0]"]
    ends = {marks[f"wire:device {name}"].points[-1] for name in "ab"}
    assert len(ends) == 1
    assert entry.y < next(iter(ends))[1] < entry.y + entry.h


def test_a_freed_group_is_dashed_and_its_references_are_counted_down():
    shown = of_case("iommu_group/release_order", "PutGroupFirst")
    last = len(shown.run.frames) - 1
    first, end = shown.at(0), shown.at(last)
    assert first["object:group:left"].role == "brace"
    assert end["object:group:left"].role == "ghost"
    assert first["field:group.refs"].text == "2"
    assert end["field:group.refs"].text == "0"
    assert end["title:group"].text == "group ✗ freed"


# -- shared virtual addressing -----------------------------------------------------------------


def test_a_dma_walks_the_entry_first_and_then_uses_what_is_cached(exiting):
    start = exiting.at(0)
    table, pgd = start["object:smmu"], start["object:pgd"].points
    xs = [x for x, _ in start["dma:device"].points]
    assert start["dma:device"].end == "pass"
    assert min(xs) < table.x < pgd[0][0] < pgd[1][0] < max(xs)
    _, later = exiting.around("translate(device)")
    assert {"arrow:smmu.iotlb", "arrow:device.atc", "arrow:device.inflight"} <= set(later)
    short = later["dma:device"].points
    assert short[0] == later["arrow:device.inflight"].points[0]
    over = [y for x, y in short if table.x < x < pgd[1][0]]
    assert max(over, default=0) < table.y


def test_a_dma_in_flight_falls_into_a_page_that_is_free(exiting):
    was, now = exiting.around("exit_mmap")
    assert (was["dma:device"].end, now["dma:device"].end) == ("pass", "fall")
    assert now["arrow:device.inflight"].role == "dangling"
    assert was["bar:pgd.page"].role == "clear"
    assert now["bar:pgd.page"].role == "bar"


def test_the_entry_swings_to_the_dummy_table_and_ends_at_a_bar():
    shown = of_case("sva/exit_during_dma", "DummyPgd")
    was, now = shown.around("arm_smmu_write_ctx_desc(dummy pgd)")
    key = "arrow:smmu.entry"
    assert was[key].points[0] == now[key].points[0]
    assert was[key].points[-1][1] < now[key].points[-1][1]
    assert len(was[key].points) == len(now[key].points)
    _, end = shown.around("arm_smmu_write_ctx_desc(not present)")
    assert key not in end
    assert end["bar:smmu.entry"].role == "bar"


def test_a_freed_page_table_crumbles():
    shown = of_case("sva/exit_during_dma", "DummyPgd")
    was, now = shown.at(0), shown.at(len(shown.run.frames) - 1)
    assert {was[f"tile:pgd:{n}"].turn for n in range(6)} == {0}
    assert 0 not in {now[f"tile:pgd:{n}"].turn for n in range(6)}
    assert was["field:device.stopped"].text == "running"
    assert now["field:device.stopped"].text == "stopped"
    assert "dma:device" not in now


def test_a_bond_slides_out_of_the_list_of_its_io_mm():
    shown = of_case("sva/two_drivers_bind", "ReleaseDetaches")
    was, now = shown.around("list_del(bond1)")
    assert was["object:bond1"].x < now["object:bond1"].x
    assert was["object:bond1"].y == now["object:bond1"].y


def test_a_page_request_travels_to_the_queue_and_its_answer_back():
    shown = of_case("sva/entry_after_exit", "UserOrNothing")
    was, asked = shown.around("request(prq)")
    key = "request:prq:box"
    assert was[key].role == "clear"
    assert asked["request:prq:text"].text == "page?"
    assert was[key].x != asked[key].x
    _, answered = shown.around("iommu_page_response")
    assert answered[key].x == was[key].x
    assert answered["request:prq:text"].text == answered["field:prq.response"].text


def test_situations_are_the_rows_of_a_table():
    marks = of_case("iommu_group/warn_at_removal", "ForeignDomain").at(0)
    rows = [mark for key, mark in marks.items() if key.startswith("object:")]
    assert len(rows) == 9
    assert len({row.x for row in rows}) == 1
    assert len({row.y for row in rows}) == 9
    legal = {
        mark.text
        for key, mark in marks.items()
        if key.endswith(".legal") and isinstance(mark, Text)
    }
    assert legal == {"yes", "no"}


# -- worlds that are not in the catalogue ------------------------------------------------------


class Nic(Device):
    """A device of a class that the form does not name."""


class TwoGroups(World):
    devices: tuple
    one: IommuGroup
    two: IommuGroup
    iommu: Iommu
    v: Domain
    d: Domain


def two_groups():
    devices = tuple(Nic(f"0{n}:00.0", name=f"nic {n}") for n in range(4))
    v, d = Domain(name="domain V"), Domain(name="domain D")
    iommu = Iommu(Map({each.rid: BLOCKED for each in devices}, name="RIDs"), devices)
    for each in devices:
        iommu.attach(each, v)
    group = {"refs": 2, "default_domain": d, "domain": v}
    one = IommuGroup(devices=devices[:2], name="one", **group)
    two = IommuGroup(devices=devices[2:], name="two", **group)
    return TwoGroups(devices, one, two, iommu, v, d)


async def leaves(k):
    await k.one.list_del(k.devices[1])
    await k.one.iommu_group_set_core_domain(k.d, k.iommu)
    await k.iommu.detach_and_free(k.devices[1], k.v)
    await k.two.iommu_group_set_core_domain(k.d, k.iommu)
    await k.v.iommu_domain_free()


class Unbound(World):
    dev: SvaDevice
    nic: DmaQueue
    smmu: Smmu
    mm: MmStruct


def unbound():
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"))
    smmu = Smmu(NOT_PRESENT)
    return Unbound(SvaDevice(smmu, name="gpu"), DmaQueue(smmu, name="nic"), smmu, mm)


async def binds(k):
    await k.smmu.arm_smmu_write_ctx_desc(k.mm.pgd)
    await k.dev.translate()
    await k.dev.access()
    await k.nic.translate()
    await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
    await k.mm.exit_mmap()


class Alone(World):
    dev: Device
    iommu: Iommu
    v: Domain


def alone():
    dev, v = Device("01:00.0", name="eth0"), Domain(name="V")
    return Alone(dev, Iommu(Map({"01:00.0": BLOCKED}, name="T"), (dev,)), v)


async def attaches(k):
    await k.iommu.attach_dev(k.dev, k.v)
    await k.v.iommu_domain_free()


@pytest.mark.parametrize(
    ("world", "actor"), [(two_groups, leaves), (unbound, binds), (alone, attaches)]
)
def test_worlds_that_the_form_has_not_seen_are_legible(world, actor):
    shown = of_world(world, CPU0=actor)
    for frame in shown.run.frames:
        check_marks(shown.memory, frame.state)


def test_each_group_has_a_bracket_a_tag_and_its_own_members():
    shown = of_world(two_groups, CPU0=leaves)
    was, now = shown.around("iommu_group_set_core_domain")
    one, two = now["object:one:left"].points[1], now["object:two:left"].points[1]
    assert one != two
    assert was["tag:one.domain"].y < now["tag:one.domain"].y
    assert was["tag:two.domain"] == now["tag:two.domain"]
    assert now["tag:two.domain:text"].text == "two"
    assert now["object:nic 0"].x < now["object:nic 1"].x


def test_a_queue_meets_no_entry_before_its_process_is_bound():
    shown = of_world(unbound, CPU0=binds)
    was, now = shown.around("arm_smmu_write_ctx_desc(pgd)")
    assert was["dma:nic"].end == "bounce"
    assert now["dma:nic"].end == "pass"
    assert shown.at(len(shown.run.frames) - 1)["dma:nic"].end == "fall"


def test_a_lone_device_is_drawn_without_a_bracket():
    shown = of_world(alone, CPU0=attaches)
    marks = shown.at(len(shown.run.frames) - 1)
    assert not [key for key in marks if key.startswith("slot:")]
    assert marks["dma:eth0"].end == "fall"


def test_a_dma_in_flight_has_the_way_through_the_tables_that_it_took():
    shown = of_case("sva/pasid_reused", "FreeInMmput")
    was, now = shown.at(len(shown.run.frames) - 2), shown.at(len(shown.run.frames) - 1)
    assert was["arrow:pgd of P2.page"].role == "arrow"
    way = now["arrow:queue of P1.inflight"].points
    for key in ("arrow:smmu.entry", "arrow:pgd of P2.page"):
        ends = now[key].points[0], now[key].points[-1]
        assert all(any(end == pytest.approx(point) for point in way) for end in ends)
    assert set(way) <= set(now["dma:queue of P1"].points)


# -- every state -------------------------------------------------------------------------------

CASES = (
    ("iommu_group/domain_outlives_driver", "PutThenRelease"),
    ("iommu_group/driver_helps_itself", "CountReferencesSharedRid"),
    ("iommu_group/file_outlives_device", "Disassociate"),
    ("iommu_group/kernel_or_user", "JoinsOnDefault"),
    ("iommu_group/release_order", "DelistThenRelease"),
    ("iommu_group/release_under_locks", "CallbackOutside"),
    ("iommu_group/removed_from_outside", "OutsideRealDevice"),
    ("sva/bind_during_exit", "Unpinned"),
    ("sva/clear_order", "NoIotlb"),
    ("sva/exit_during_dma", "DummyPgd"),
    ("sva/pasid_reused", "FreeInMmput"),
    ("sva/report_policy", "FaultsPrinted"),
    ("sva/two_drivers_bind", "ReleaseDetaches"),
    ("sva/munmap_under_dma", "ClearFreeInvalidate"),
    ("iommu_group/warn_at_removal", "ForeignDomain"),
)


@pytest.mark.parametrize(("scenario", "name"), CASES)
def test_every_state_is_legible_and_fits_the_sheet(scenario, name):
    searched = searched_case(scenario, name)
    drawn = memory(searched)
    assert drawn.picture.by_form
    assert drawn.size[0] <= 92.5
    assert drawn.size[1] <= 21
    for state in states(searched.model, 300):
        check_marks(drawn, state)


def states(model, most):
    """Return the first states of a case, in the order in which they are met."""
    found = dict.fromkeys([model.start])
    queue = list(found)
    for state in queue:
        for number in range(len(model.actors)):
            after = model.successor(state, number)
            if after is not None and after not in found and len(found) < most:
                found[after] = None
                queue.append(after)
    return queue


def check_marks(drawn, state):
    """Check that one picture is legible, and that what shows a field says so."""
    marks = drawn.marks(state)
    assert problems(sheet(*drawn.size, marks)) == []
    keys = Counter(mark["k"] for mark in plain(marks))
    assert [key for key, count in keys.items() if count > 1] == []
    for mark in marks:
        if isinstance(mark, Text | Line) and mark.key.startswith(("field:", "arrow:")):
            assert mark.field
        if isinstance(mark, Flow):
            assert 0 <= mark.at <= 1
        if isinstance(mark, Line | Flow) and getattr(mark, "curved", True):
            assert len(mark.points) % 3 == 1
        if isinstance(mark, Box):
            assert mark.w >= 0
