"""The iommu_release_device thread: the facts of its story, and what each line of a fix is for."""

from dataclasses import replace
from functools import partial

import pytest

from mmviz.engine import at_end, explore, replay
from mmviz.kernel.iommu import BLOCKED, CountedDomain, UncountedTableIommu
from mmviz.scenarios import find
from mmviz.scenarios.iommu_group.release_order import SHARED as RIDS
from mmviz.scenarios.iommu_group.release_order import plug

from .mutation import breaks, mutant

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


def test_in_the_merged_order_cpu1_waits_for_cpu0():
    run = replay(find(ORDER, "ReleaseUnderMutex"), "CPU0*3")
    assert run.blocked()["CPU1"].by == (("CPU0", 1),)


def test_a_driver_that_takes_the_mutex_again_waits_for_itself():
    run = replay(find(ORDER, "ReleaseTakesMutex"), "CPU0*2")
    assert run.stuck
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
    """Everybody has left the group, and its default domain is still there."""
    return not k.d.freed


LOCK = ("mutex_lock", "mutex_unlock")
DRIVER_LOCK = ("spin_lock", "spin_unlock")
ATTACHED, LOST = "device_attached_to_freed_domain", "survivor_loses_translation"
MUTANTS = [
    # scenario, case, actor, lines left out, what breaks
    (ORDER, "ReleaseUnderMutex", "CPU0", LOCK, {ATTACHED, "use_after_free"}),
    (ORDER, "ReleaseUnderMutex", "CPU0", ("mutex_unlock",), {"stuck"}),
    (ORDER, "ReleaseUnderMutex", "CPU0", ("list_del",), {"attach_after_release"}),
    (ORDER, "ReleaseUnderMutex", "CPU0", ("detach_and_free",), {ATTACHED}),
    (ORDER, "ReleaseUnderMutex", "CPU0", ("iommu_group_put",), {"default_domain_leaked"}),
    (ORDER, "ReleaseUnderMutex", "CPU1", ("iommu_group_put",), {"default_domain_leaked"}),
    (SHARED, "VfioEndsReleaseUnderMutex", "CPU0", LOCK, {"use_after_free"}),
    (SHARED, "VfioEndsReleaseUnderMutex", "CPU0", ("list_del",), {"attach_after_release"}),
    (DRIVER, "CleanUpUnderLock", "CPU0", DRIVER_LOCK, {"use_after_free"}),
    (DRIVER, "CleanUpUnderLock", "CPU1", ("spin_unlock",), {"stuck", "sleeps_in_atomic"}),
    (DRIVER, "CleanUpUnderLock", "CPU1", ("block_rids_of",), {ATTACHED}),
    (DRIVER, "CleanUpUnderLock", "CPU1", ("list_del_init",), {"use_after_free"}),
    (DRIVER, "DetachUnderMutex", "CPU0", LOCK, {"use_after_free"}),
    (DRIVER, "DetachUnderMutex", "CPU0", ("let_go",), {ATTACHED, "use_after_free"}),
]


@pytest.mark.parametrize(
    ("scenario", "name", "actor", "lines", "broken"), MUTANTS, ids=lambda v: str(v)
)
def test_each_line_of_a_fix_matters(scenario, name, actor, lines, broken):
    case = find(scenario, name)
    assert breaks(explore(mutant(case, actor, extra=default_domain_leaked))) == set()
    assert breaks(explore(mutant(case, actor, *lines, extra=default_domain_leaked))) == broken
