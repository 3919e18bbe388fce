"""Columns by kind, ghosts and the pointers that dangle, what keeps what: as the fields say."""

from mmviz.engine import Map, World
from mmviz.kernel.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup
from mmviz.scene.cards import gone
from mmviz.scene.check import problems
from mmviz.scene.iommu import iommu
from mmviz.scene.reach import structs_in
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.theme import CLEAR
from tests.scene.played import shown
from tests.scene.toys import case_of


def staged(scenario, case):
    """Return the view, the first run and its last picture."""
    view, run = shown("iommu", scenario, case)
    return view, run, view.scene(run, len(run.schedule))


def words(scene):
    return {text.text for text in scene.texts if text.role != CLEAR}


def test_the_pointers_there_are_are_drawn_and_what_is_freed_is_a_ghost(played):
    threads = ("iommu_group/", "sva/")
    assert "iommu" not in played.views or played.case.scenario.startswith(threads)
    for frame, scene, text in played.frames("iommu"):
        check_arrows(played.views["iommu"], scene, frame)
        check_ghosts(played.views["iommu"], scene, frame, text)


def check_arrows(view, scene, frame):
    """Hold the arrows that are seen against the fields, and the dangling ones against the freed."""
    drawn = {card.name for card in view.plan.cards}
    arrows = [line for line in scene.lines if line.arrow]
    for route, line in zip(view.plan.routes, arrows, strict=True):
        to = {struct.name: struct for struct in structs_in(frame.values[route.path])}
        target = (
            next(to[name] for name in to if name == route.target) if route.target in to else None
        )
        assert {route.card, route.target} <= drawn
        assert line.key == f"field:{route.path}"
        assert (line.role == CLEAR) == (target is None)
        if target is not None:
            assert (line.role == "dangling") == bool(gone(target, frame.values))


def check_ghosts(view, scene, frame, text):
    """Hold each object's word against whether it is freed, and the words against the picture."""
    for card in view.plan.cards:
        end = gone(card.struct, frame.values)
        x, y = view.plan.at[card.name]
        lines = [line for line in text.split("\n") if line.startswith(card.title)]
        shown = [t for t in scene.texts if abs(t.y - (y + 1.7)) < 1e-6 and x < t.x < x + card.width]
        assert (f"{card.title} ✗ {end}:" in text) == bool(end)
        assert lines
        if end:
            assert end in {t.text for t in shown}
        dangling = any("still pointed at" in line for line in lines)
        at = (x + 1, y + 1.6 + card.height)
        foot = [
            t for t in scene.texts if t.x == at[0] and y + 1.6 < t.y < at[1] and "dangl" in t.text
        ]
        assert bool(foot) == (dangling and card.foot > 1)


def test_a_freed_domain_stays_and_what_leads_to_it_dangles_in_word_and_shape():
    view, run, scene = staged("iommu_group/release_order", "DelistThenRelease")
    assert run.frames[-1].values["domain V.freed"]

    dangling = {line.key for line in scene.lines if line.role == "dangling"}
    rows = {box.key for box in scene.boxes if box.role == "dangling"}

    assert dangling == {"field:device a.domain", "field:IOMMU[01:00.0]"}
    assert dangling | {"object:domain V"} == rows
    assert {"freed", "domain V ✗ freed", "✗ 2 pointers dangling"} <= words(scene)
    assert any(line.role == "hatch" for line in scene.lines)
    assert "still pointed at by device a.domain, IOMMU[01:00.0]" in view.text(run, 7)
    assert "pointed at by device b.domain, group.default_domain" in view.text(run, 7)
    before = view.scene(run, 6)
    assert not {"dangling", "ghost"} & {mark.role for mark in (*before.boxes, *before.lines)}
    assert "✗" not in view.text(run, 6)


def test_columns_stand_in_the_kernels_order():
    view, _, scene = staged("iommu_group/release_order", "DelistThenRelease")
    at = {name: x for name, (x, _) in view.plan.at.items()}

    assert at["device a"] < at["group"] < at["domain V"] < at["iommu"]
    assert at["domain D"] > at["group"]
    heads = sorted((t.x, t.text) for t in scene.texts if t.y < 1)
    assert [text for _, text in heads] == ["devices", "groups", "domains", "hardware tables"]


def test_each_object_says_what_keeps_it():
    view, _, scene = staged("iommu_group/release_order", "DelistThenRelease")
    kept = {card.name: view.keepers[card.name] for card in view.plan.cards if card.foot}

    assert kept == {
        "group": "refs, one a device",
        "domain V": "its maker alone",
        "domain D": "the group's refs",
    }
    assert {f"kept by {words}" for words in kept.values()} <= words(scene)
    module, _ = shown("iommu", "iommu_group/domain_outlives_driver", "PutThenRelease")
    assert module.keepers["driver"] == "refs, one a device"
    counted, run = shown("iommu", "iommu_group/driver_helps_itself", "CountReferences")
    assert counted.keepers["domain V"] == "its refs"
    assert "kept by its refs" in counted.text(run, 0)


def test_the_rid_table_the_owner_and_its_count_are_the_fields():
    view, run = shown("iommu", "iommu_group/kernel_or_user", "OwnershipUnderMutex")

    for k, frame in enumerate(run.frames):
        text = view.text(run, k)
        for rid in ("01:00.0", "02:00.0"):
            assert f"RID {rid} {frame.values[f'IOMMU[{rid}]']}" in text
        assert f"owner {frame.values['group.owner'] or 'none'}" in text
        assert f"owner_cnt {frame.values['group.owner_cnt']}" in text


def test_a_pasids_entry_its_cached_copy_and_what_the_device_keeps_lead_to_the_page():
    view, _, scene = staged("sva/exit_during_dma", "ReleaseNothing")
    dangling = {line.key for line in scene.lines if line.role == "dangling"}

    assert {"PASID entry", "cached entry", "IOTLB", "ATC"} <= words(scene)
    assert {"field:smmu.iotlb", "field:device.atc"} <= dangling
    assert "free" in words(scene)
    pgd, smmu = view.plan.at["pgd"], view.plan.at["smmu"]
    assert pgd[0] < smmu[0]


class Crowd(World):
    """A scenario nobody has drawn: many devices, of which one moves."""

    devices: tuple
    group: IommuGroup
    iommu: Iommu
    old: Domain
    new: Domain


def crowd(many):
    devices = tuple(Device(f"{n:02}:00.0", name=f"device {n}") for n in range(many))
    old, new = Domain(name="domain O"), Domain(name="domain N")
    table = Map({device.rid: BLOCKED for device in devices}, name="IOMMU")
    hardware = Iommu(table, devices)
    for device in devices:
        hardware.attach(device, old)
    group = IommuGroup(default_domain=new, domain=old, devices=devices[:2], name="group")
    return Crowd(devices, group, hardware, old, new)


async def move_one(k):
    await k.iommu.attach_dev(k.devices[0], k.new)
    await k.new.iommu_domain_free()


def test_fifty_devices_stay_legible_and_those_nothing_touches_are_folded():
    rehearsal = Rehearsal(case_of(lambda: crowd(50), CPU0=move_one))
    view, run = iommu(rehearsal), rehearsal.run(["CPU0"] * 2)
    scene = view.scene(run, 2)
    said = " ".join(text.text for text in scene.texts)

    assert problems(scene) == []
    assert scene.width <= 124
    assert scene.height < 60
    assert "… 49 more objects, which no step changes: device 1," in said
    assert "… 49 more rows of iommu, which no step changes: RID 01:00.0," in said
    assert "…, device 49" in said.replace("… ", "…, "), "a long list says where it ends"
    assert "device 0" in {card.name for card in view.plan.cards}
    assert "domain N ✗ freed" in said
    assert "✗ 3 pointers dangling" in said  # the note, the RID, the group
