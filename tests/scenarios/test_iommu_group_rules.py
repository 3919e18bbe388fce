"""What surrounds a group's release: the facts of the stories, and what each line is for."""

import pytest

from mmviz.engine import explore, replay
from mmviz.kernel.iommu.iommu import BLOCKED
from mmviz.scenarios import find

from .mutation import breaks, mutant

LOCKS = "iommu_group/release_under_locks"
OUTSIDE = "iommu_group/removed_from_outside"
DRIVER = "iommu_group/domain_outlives_driver"
OWNER = "iommu_group/kernel_or_user"
FILE = "iommu_group/file_outlives_device"
CHECK = "iommu_group/warn_at_removal"
LEAVE = "iommu_group/ways_to_leave"
ATTACHED, UAF, GONE = "device_attached_to_freed_domain", "use_after_free", "calls_unloaded_code"
AFTER, OWNED = "attach_after_release", "released_while_owned"
MIXED, REACHES = "kernel_and_user_mixed", "user_reaches_kernel_domain"
LOST = "survivor_loses_translation"
LOCK = ("mutex_lock", "mutex_unlock")


def last_of(scenario, name, bad_state):
    case = find(scenario, name)
    return replay(case, explore(case).counterexamples[bad_state].shortest).frames[-1]


def test_two_locks_in_two_orders_stop_both():
    case = find(LOCKS, "MutexThenDeviceLock")
    run = replay(case, explore(case).deadlock.shortest)
    assert run.blocked()["CPU0"].by[0][0] == "CPU1"
    assert run.blocked()["CPU1"].by[0][0] == "CPU0"


def test_a_driver_that_takes_the_mutex_again_needs_no_second_cpu():
    run = replay(find(LOCKS, "CallbackTakesMutex"), "CPU0*3")
    assert run.blocked()["CPU0"].by[0][0] == "CPU0"


def test_a_driver_that_finds_no_domain_leaves_the_device_attached():
    run = replay(find(LOCKS, "GroupForgottenFirst"), "CPU0*9 CPU1*3")
    k = run.tip.world

    asked = next(f for f in run.frames if f.label.startswith("iommu_get_domain_for_dev"))
    assert asked.answer is None
    assert run.violated == (ATTACHED,)
    assert k.d.freed
    assert (k.a.domain, k.iommu.table[k.a.rid]) == (k.d, k.d)
    assert k.a not in k.group.devices


def test_a_driver_that_follows_the_answer_dereferences_null():
    last = last_of(LOCKS, "AnswerNotTested", "null_dereference")
    assert last.label.startswith("enter_detach")


def test_each_warning_comes_with_the_removal():
    for name in ("OutsideWarned", "OutsideWarnedOfDefault"):
        last = last_of(OUTSIDE, name, "misuse_is_reported")
        assert last.label.startswith("list_del")


def test_the_last_put_frees_the_domain_under_the_table():
    last = last_of(OUTSIDE, "OutsideRealDevice", ATTACHED)
    assert last.label.startswith("iommu_group_put")
    assert last.world.iommu.table["01:00.0"] is last.world.d


def test_a_file_that_is_closed_late_calls_a_driver_that_is_gone():
    last = last_of(DRIVER, "LastPutFrees", GONE)
    assert last.actor == "CPU2"
    assert (last.world.driver.loaded, last.world.group.devices) == (False, ())


def test_both_sides_look_before_either_takes():
    last = last_of(OWNER, "OwnershipUnlocked", MIXED)
    assert (last.world.group.kernel_dma, last.world.group.user_dma) == (True, True)


def test_a_driver_that_comes_later_meets_bug_on():
    assert last_of(OWNER, "LookWhenOpened", "bug_on").label.startswith("vfio_group_notifier")


def test_a_new_device_of_a_claimed_group_is_blocked():
    run = replay(find(OWNER, "JoinsOnGroupDomain"), "CPU1*6 CPU2*4")
    k = run.frames[-1].world
    assert k.group.user_dma
    assert k.iommu.table[k.joining.rid] == BLOCKED


def test_the_close_attaches_a_device_that_is_gone():
    last = last_of(FILE, "NoWait", AFTER)
    assert (last.actor, last.world.a.priv) == ("CPU1", False)


@pytest.mark.parametrize(
    ("name", "steps"), [("AliasJoinsOnDefault", 3), ("AliasJoinsOnGroupDomain", 4)]
)
def test_an_alias_that_joins_leads_the_users_entry_where_it_goes_itself(name, steps):
    run = replay(find(OWNER, name), f"CPU1*9 CPU2*{steps}")
    k = run.tip.world

    assert k.group.user_dma
    assert k.a.domain is k.v
    assert k.iommu.table[k.a.rid] is k.joining.domain
    assert (k.joining.domain is k.v) == (run.violated == ())


def test_the_merged_core_never_attaches_it_and_says_that_it_was_owned():
    report = explore(find(FILE, "NoWaitMergedCore"))
    assert set(report.counterexamples) == {OWNED}


def test_to_wait_for_a_file_that_stays_open_hangs_the_unplug():
    run = replay(find(FILE, "WaitForUsersFileKept"), "CPU0")
    assert run.deadlock


def test_which_situations_the_first_check_is_wrong_about():
    run = replay(find(CHECK, "ForeignDomain"), "CPU0*9")
    wrong = [sentence for frame in run.frames for sentence in frame.log]
    assert wrong == [
        "a WARN fires: one of two VFIO devices on V",
        "no WARN fires: the last device, still claimed",
        "no WARN fires: from outside, on the default domain",
    ]


def test_without_the_empty_list_the_check_fires_on_three_legal_uses():
    run = replay(find(CHECK, "OwnerOrDomain"), "CPU0*6")
    assert len([sentence for frame in run.frames for sentence in frame.log]) == 3


def test_an_alias_that_attaches_afresh_blocks_its_peer_for_a_moment():
    case = find(LEAVE, "AttachDetachesFirst")
    run = replay(case, "CPU0*3 DEV CPU0*2")
    assert run.frames[4].answer == BLOCKED
    assert run.frames[-1].world.iommu.table[run.frames[-1].world.b.rid].name == "domain V"


MUTANTS = [
    # scenario, case, actor, lines left out, what breaks
    (LOCKS, "MutexOnly", "CPU0", LOCK, {ATTACHED, UAF}),
    (LOCKS, "MutexOnly", "CPU1", LOCK, {ATTACHED, UAF}),
    (LOCKS, "MutexOnly", "CPU0", ("list_del",), {AFTER}),
    (LOCKS, "MutexOnly", "CPU0", ("detach_and_free",), {ATTACHED}),
    (LOCKS, "DeviceLockThenMutex", "CPU1", ("iommu_change_dev_def_domain",), {ATTACHED, UAF}),
    (OUTSIDE, "SharedPath", "CPU0", ("detach_and_free",), {ATTACHED}),
    (DRIVER, "LastDeviceFrees", "CPU0", ("list_del",), {GONE}),
    (DRIVER, "LastDeviceFrees", "CPU0", ("iommu_deinit_device",), {GONE}),
    (DRIVER, "LastDeviceFrees", "CPU0", ("module_put",), {"deadlock"}),
    (DRIVER, "LastDeviceFrees", "CPU1", ("try_stop_module",), {GONE}),
    (OWNER, "OwnershipUnderMutex", "CPU0", LOCK, {MIXED}),
    (OWNER, "OwnershipUnderMutex", "CPU0", ("use",), {MIXED}),
    (OWNER, "OwnershipUnderMutex", "CPU1", LOCK, {MIXED}),
    (OWNER, "OwnershipUnderMutex", "CPU1", ("set_blocking_domain",), {REACHES}),
    (OWNER, "JoinsOnGroupDomain", "CPU2", LOCK, {REACHES}),
    (FILE, "WaitForUsers", "CPU0", ("wait_for_users",), {AFTER, OWNED}),
    (FILE, "WaitForUsers", "CPU1", ("drop_user",), {"deadlock"}),
    (FILE, "Disassociate", "CPU0", ("iommu_group_set_core_domain",), {OWNED}),
    (FILE, "Disassociate", "CPU0", ("disassociate",), {AFTER}),
    (FILE, "Disassociate", "CPU0", LOCK, {AFTER}),
    (FILE, "Disassociate", "CPU1", LOCK, {AFTER}),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines", "broken"), MUTANTS)
def test_each_line_of_a_fix_matters(scenario, name, actor, lines, broken):
    case = find(scenario, name)
    assert breaks(explore(mutant(case, actor, *lines))) == broken
