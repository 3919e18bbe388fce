"""The IOMMU view agrees with the fields: columns, ghosts, dangling pointers, keepers."""

from mmviz.engine import Map, World
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup
from mmviz.scene.cards import gone
from mmviz.scene.check import problems
from mmviz.scene.iommu import iommu
from mmviz.scene.reach import structs_in
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import CLEAR
from tests.scene.played import DANGLING, of_each_case, shown
from tests.scene.toys import case_of


def last_picture(scenario, case):
    """Return the view, the first run and its last picture."""
    view, run = shown("iommu", scenario, case)
    return view, run, view.scene(run, len(run.schedule))


def words(scene):
    return {text.text for text in scene.texts if text.role != CLEAR}


@of_each_case
def test_present_pointers_are_visible_and_freed_objects_are_ghosts(played):
    threads = ("iommu_group/", "sva/")
    assert "iommu" not in played.views or played.case.scenario.startswith(threads)
    for frame, scene, text in played.frames("iommu"):
        check_arrows(played.views["iommu"], scene, frame)
        check_ghosts(played.views["iommu"], scene, frame, text)


def check_arrows(view, scene, frame):
    """Compare the visible arrows with the fields, and the dangling ones with the freed objects."""
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
            assert (line.role in DANGLING) == bool(gone(target, frame.values))


def check_ghosts(view, scene, frame, text):
    """Compare the text with the freed objects, and the picture with the text."""
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


def test_a_freed_domain_stays_and_its_pointers_dangle_in_text_and_shape():
    view, run, scene = last_picture("iommu_group/release_order", "DelistThenRelease")
    assert run.frames[-1].values["domain V.freed"]

    dangling = {line.key for line in scene.lines if line.role in DANGLING}
    rows = {box.key for box in scene.boxes if box.role in DANGLING}

    assert dangling == {"field:device a.domain", "field:IOMMU[01:00.0]"}
    assert dangling | {"object:domain V"} == rows
    assert {"freed", "domain V ✗ freed", "✗ 2 pointers dangling"} <= words(scene)
    assert any(line.role == "hatch" for line in scene.lines)
    assert "still pointed at by device a.domain, IOMMU[01:00.0]" in view.text(run, 7)
    assert "pointed at by device b.domain, group.default_domain" in view.text(run, 7)
    before = view.scene(run, 6)
    assert not {"dangling", "ghost"} & {mark.role for mark in (*before.boxes, *before.lines)}
    assert "✗" not in view.text(run, 6)


def test_columns_are_in_the_kernels_order():
    view, _, scene = last_picture("iommu_group/release_order", "DelistThenRelease")
    at = {name: x for name, (x, _) in view.plan.at.items()}

    assert at["device a"] < at["group"] < at["domain V"] < at["iommu"]
    assert at["domain D"] > at["group"]
    heads = sorted((t.x, t.text) for t in scene.texts if t.y < 1)
    assert [text for _, text in heads] == ["devices", "groups", "domains", "hardware tables"]


def test_each_object_names_what_keeps_it_alive():
    view, _, scene = last_picture("iommu_group/release_order", "DelistThenRelease")
    kept = {card.name: view.keepers[card.name] for card in view.plan.cards if card.foot}

    assert kept == {
        "group": "refs, one per device",
        "domain V": "its creator alone",
        "domain D": "the group's refs",
    }
    assert {f"kept by {words}" for words in kept.values()} <= words(scene)
    module, _ = shown("iommu", "iommu_group/domain_outlives_driver", "PutThenRelease")
    assert module.keepers["driver"] == "refs, one per device"
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


def test_a_pasid_entry_its_cached_copy_and_the_devices_copies_lead_to_the_page():
    view, _, scene = last_picture("sva/exit_during_dma", "ReleaseNothing")
    dangling = {line.key for line in scene.lines if line.role in DANGLING}

    assert {"PASID entry", "cached entry", "IOTLB", "ATC"} <= words(scene)
    assert {"field:smmu.iotlb", "field:device.atc"} <= dangling
    assert "free" in words(scene)
    pgd, smmu = view.plan.at["pgd"], view.plan.at["smmu"]
    assert pgd[0] < smmu[0]


class Crowd(World):
    """A world in no scenario: many devices, of which one moves."""

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


def test_fifty_devices_stay_legible_and_unchanged_ones_are_folded():
    searched = SearchedCase(case_of(lambda: crowd(50), CPU0=move_one))
    view, run = iommu(searched), searched.run(["CPU0"] * 2)
    scene = view.scene(run, 2)
    text = " ".join(text.text for text in scene.texts)

    assert problems(scene) == []
    assert scene.width <= 124
    assert scene.height < 60
    assert "… 49 more objects, which no step changes: device 1," in text
    assert "… 49 more rows of iommu, which no step changes: RID 01:00.0," in text
    assert "…, device 49" in text.replace("… ", "…, "), "a long list has its last name"
    assert "device 0" in {card.name for card in view.plan.cards}
    assert "domain N ✗ freed" in text
    assert "✗ 3 pointers dangling" in text  # the note, the RID, the group
