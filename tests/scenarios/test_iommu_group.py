"""The iommu_release_device thread: the facts of its story, and what each line of a fix is for."""

from dataclasses import replace
from functools import partial

import pytest

from mmviz.engine import ScheduleError, at_end, explore, replay
from mmviz.kernel.iommu.iommu import BLOCKED, CountedDomain, UncountedTableIommu
from mmviz.scenarios import find
from mmviz.scenarios.iommu_group.worlds import SHARED as RIDS
from mmviz.scenarios.iommu_group.worlds import plug

from .mutation import HELD, breaks, mutant

ORDER = "iommu_group/release_order"
SHARED = "iommu_group/shared_rid"
DRIVER = "iommu_group/driver_helps_itself"
ONE_RID = "iommu_group/one_rid_for_two"


@pytest.fixture
def threads_run():
    case = find(ORDER, "DelistThenRelease")
    return replay(case, case.schedules["the thread's own run"])


def test_the_threads_own_run_leaves_a_on_a_freed_domain(threads_run):
    free = next(frame for frame in threads_run.frames if frame.violated)

    assert (free.actor, free.label) == ("CPU1", "iommu_domain_free(domain V)")
    assert free.violated == ("device_attached_to_freed_domain",)
    k = free.world
    assert k.v.freed
    assert k.iommu.table[k.a.rid] is k.v
    assert k.a.domain is k.v
    assert k.iommu.table[k.b.rid] is k.d


def test_the_threads_own_run_ends_when_cpu0_follows_the_pointer(threads_run):
    last = threads_run.frames[-1]

    assert (last.actor, last.violated) == ("CPU0", ("use_after_free",))
    assert last.log == ("uses domain V.devices, but domain V was freed by CPU1 in step 7",)
    assert threads_run.finished


def test_b_is_released_in_full_before_a_in_the_threads_own_run(threads_run):
    k = threads_run.frames[-1].world
    assert not k.b.priv
    assert k.iommu.table[k.b.rid] == BLOCKED
    assert k.a.priv


# The diagram of <Yxs+1s+MPENLTUpG@nvidia.com>, line by line: who acts, what the line names (a
# function, or the driver's operation), on which device or domain, and the steps that belong to it.
DIAGRAM = [
    ("CPU0", "iommu_release_device", "device a", [1, 2, 3, 17, 18]),
    ("CPU0", "__iommu_group_remove_device", "device a", [1, 2, 3]),
    ("CPU1", "iommu_device_use_default_domain", "device b", [7, 8, 9]),
    ("CPU1", "iommu_domain_free", "domain V", [10]),
    ("CPU1", "iommu_release_device", "device b", [11, 12, 13, 14, 15, 16]),
    ("CPU1", "ops->release_device", "device b", [14, 15]),
    ("CPU0", "ops->release_device", "device a", [17, 18]),
]
OPERATIONS = {"ops->release_device": ("release_device", "detach_and_free")}


@pytest.fixture
def as_mailed():
    case = find(ORDER, "AsMailed")
    return replay(case, case.schedules["as mailed"])


def where(frame):
    return [line.function for line in frame.before.next[frame.actor].lines]


@pytest.mark.parametrize(
    ("actor", "named", "on", "steps"), DIAGRAM, ids=lambda v: v if isinstance(v, str) else ""
)
def test_each_line_of_the_mailed_diagram_is_a_part_of_the_run(as_mailed, actor, named, on, steps):
    frames = as_mailed.frames
    ours = [frames[step] for step in steps]

    assert [frame.actor for frame in ours] == [actor] * len(steps)
    if named in OPERATIONS:
        assert tuple(frame.label.partition("(")[0] for frame in ours) == OPERATIONS[named]
        assert all(f"({on}" in frame.label for frame in ours)
    else:
        inside = [f.index for f in frames[1:] if f.actor == actor and named in where(f)]
        assert inside == steps
        assert any(f"({on}" in frame.label for frame in ours)


def test_the_mailed_lines_come_in_their_order(as_mailed):
    begins = [steps[0] for *_, steps in DIAGRAM]
    assert begins == sorted(begins)


def test_what_the_diagram_leaves_out_is_that_vfio_gives_the_group_up(as_mailed):
    told = {step for *_, steps in DIAGRAM for step in steps}
    rest = [frame for frame in as_mailed.frames[1:] if frame.index not in told]

    assert [frame.index for frame in rest] == [4, 5, 6]
    assert {where(frame)[-1] for frame in rest} == {"iommu_group_release_dma_owner"}


def test_the_mailed_run_ends_in_the_boom(as_mailed):
    freed, boom = as_mailed.frames[10], as_mailed.frames[18]

    assert freed.violated == ("device_attached_to_freed_domain",)
    assert (freed.world.a.domain, freed.world.iommu.table[freed.world.a.rid]) == (
        freed.world.v,
    ) * 2
    assert boom.violated == ("use_after_free",)
    assert as_mailed.finished


def test_the_mailed_run_is_infeasible_under_the_merged_order():
    merged = find(ORDER, "AsMailedUnderMutex")

    with pytest.raises(ScheduleError, match=r"step 3: CPU1 is blocked: mutex_lock\(group\.mutex\)"):
        replay(merged, "CPU0*2 CPU1")  # a is off the list; the third line of the diagram must wait


def freed_between_removal_and_release(k):
    """VFIO's domain is freed while device a is off the list, and still attached to it."""
    return k.v.freed and k.a not in k.group.devices and k.a.domain is k.v


@pytest.mark.parametrize(("name", "possible"), [("AsMailed", True), ("AsMailedUnderMutex", False)])
def test_no_order_of_the_merged_code_frees_the_domain_where_the_diagram_does(name, possible):
    case = find(ORDER, name)
    asked = replace(case, bad=(*case.bad, freed_between_removal_and_release))
    assert ("freed_between_removal_and_release" in explore(asked).counterexamples) == possible


def test_to_the_letter_the_third_line_fails_while_vfio_owns_the_group():
    run = replay(find(ORDER, "AsMailedStillOwned"), "CPU0*3 CPU1*3")
    k = run.tip.world

    assert run.frames[5].label == "iommu_device_use_default_domain(device b)"
    assert run.frames[5].answer is False  # -EBUSY
    assert run.enabled() == ("CPU0",)
    assert (k.group.owner, k.v.freed) == ("vfio", False)


def test_the_patch_that_rebinds_needs_the_reference_that_it_holds():
    case = find(ORDER, "HoldAndRebind")
    assert breaks(explore(case)) == set()
    assert breaks(explore(mutant(case, "CPU0", "iommu_group_get"))) >= {ATTACHED, "use_after_free"}


def test_in_the_merged_order_cpu1_waits_for_cpu0():
    run = replay(find(ORDER, "ReleaseUnderMutex"), "CPU0*3")
    assert run.blocked()["CPU1"].by == (("CPU0", 1),)


def test_a_driver_that_takes_the_mutex_again_waits_for_itself():
    run = replay(find(ORDER, "ReleaseTakesMutex"), "CPU0*2")
    assert run.deadlock
    assert run.blocked()["CPU0"].by == (("CPU0", 1),)
    assert "itself" in run.blocked()["CPU0"].reason


def test_before_5_8_even_one_cpu_after_the_other_fails():
    case = find(ORDER, "PutGroupFirst")
    run = replay(case, "CPU1*10 CPU0*4")
    assert run.frames[-1].violated == ("device_attached_to_freed_domain",)
    assert run.frames[-1].world.d.freed


def test_an_extra_group_reference_protects_the_default_domain_only():
    case = find(ORDER, "HoldGroupReference")
    example = explore(case).counterexamples["device_attached_to_freed_domain"]
    k = replay(case, example.shortest).frames[-1].world
    assert (k.v.freed, k.d.freed) == (True, False)


def test_rebinding_takes_the_shared_entry_away_under_b():
    case = find(SHARED, "RebindToDefault")
    run = replay(case, "CPU0*3 DEV")
    assert run.violated == ("survivor_loses_translation",)
    assert run.frames[-1].answer.name == "domain D"


def test_with_one_rid_only_the_drivers_pointer_dangles():
    case = find(SHARED, "VfioEndsDelistThenRelease")
    example = explore(case).counterexamples["use_after_free"]
    k = replay(case, example.shortest).frames[-1].world
    assert k.iommu.table[k.a.rid] is k.d
    assert k.a.domain is k.v


def test_behind_one_rid_b_takes_the_hardware_along_and_leaves_the_note():
    case = find(ONE_RID, "HoldGroupReference")
    k = replay(case, explore(case).counterexamples["use_after_free"].shortest).tip.world

    assert k.v.freed
    assert k.a.domain is k.v
    assert k.v not in k.iommu.table.values()


def test_a_driver_without_notes_must_know_its_aliases():
    case = find(ONE_RID, "CountPointersOnly")
    unaware = partial(plug, RIDS, CountedDomain, UncountedTableIommu)

    assert breaks(explore(case)) == set()
    assert breaks(explore(replace(case, world=unaware))) == {LOST}


def test_a_counted_domain_outlives_its_owner():
    case = find(DRIVER, "CountReferences")
    run = replay(case, "CPU0*3 CPU1*4")
    k = run.frames[-1].world
    assert not k.v.freed
    assert k.v.refs == 2  # a's note, and a's table entry


@at_end
def default_domain_leaked(k):
    """All devices have left the group, and its default domain is still there."""
    return not k.d.freed


LOCK = ("mutex_lock", "mutex_unlock")
DRIVER_LOCK = ("spin_lock", "spin_unlock")
ATTACHED, LOST = "device_attached_to_freed_domain", "survivor_loses_translation"
MUTANTS = [
    # scenario, case, actor, lines left out, what breaks
    (ORDER, "ReleaseUnderMutex", "CPU0", LOCK, {ATTACHED, "use_after_free"}),
    (ORDER, "ReleaseUnderMutex", "CPU0", ("mutex_unlock",), {"deadlock"} | HELD),
    (ORDER, "ReleaseUnderMutex", "CPU0", ("list_del",), {"attach_after_release"}),
    (ORDER, "ReleaseUnderMutex", "CPU0", ("detach_and_free",), {ATTACHED}),
    (ORDER, "ReleaseUnderMutex", "CPU0", ("iommu_group_put",), {"default_domain_leaked"}),
    (ORDER, "ReleaseUnderMutex", "CPU1", ("iommu_group_put",), {"default_domain_leaked"}),
    (SHARED, "VfioEndsReleaseUnderMutex", "CPU0", LOCK, {"use_after_free"}),
    (SHARED, "VfioEndsReleaseUnderMutex", "CPU0", ("list_del",), {"attach_after_release"}),
    (DRIVER, "CleanUpUnderLock", "CPU0", DRIVER_LOCK, {"use_after_free"}),
    (DRIVER, "CleanUpUnderLock", "CPU1", ("spin_unlock",), {"deadlock", "sleeps_in_atomic"}),
    (DRIVER, "CleanUpUnderLock", "CPU1", ("block_rids_of",), {ATTACHED}),
    (DRIVER, "CleanUpUnderLock", "CPU1", ("list_del_init",), {"use_after_free"}),
    (DRIVER, "DetachUnderMutex", "CPU0", LOCK, {"use_after_free"}),
    (DRIVER, "DetachUnderMutex", "CPU0", ("let_go",), {ATTACHED, "use_after_free"}),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines", "broken"), MUTANTS)
def test_each_line_of_a_fix_matters(scenario, name, actor, lines, broken):
    case = find(scenario, name)
    assert breaks(explore(mutant(case, actor, extra=default_domain_leaked))) == set()
    assert breaks(explore(mutant(case, actor, *lines, extra=default_domain_leaked))) == broken
