"""Every line of every safe case is for something, or the scenario records why it is not."""

import pytest

from mmviz.scenarios import names
from mmviz.scenarios.mutations import UNEXPLAINED, mutations_of, stale

NOT_YET = {
    # their authors still owe the reasons: `mmviz mutate thread/race` names the lines
    "exclusive/atomic_loses_update",
    "exclusive/copy_at_fork",
    "exclusive/entry_ledger",
    "exclusive/fork_in_window",
    "exclusive/fork_meets_check",
    "exclusive/gup_fast_meets_fork",
    "exclusive/late_read_begin",
    "exclusive/lock_or_sequence",
    "exclusive/owner_filter",
    "exclusive/pin_check_on_time",
    "exclusive/protected_and_back",
    "exclusive/restore_at_fork",
    "exclusive/retry_loop",
    "exclusive/two_devices",
    "hmm/armed_after_release",
    "hmm/comment_or_assertion",
    "hmm/count_and_list_under_one_lock",
    "hmm/create_meets_dying",
    "hmm/double_unregister",
    "hmm/flag_is_no_sequence",
    "hmm/free_under_callback",
    "hmm/look_then_sleep",
    "hmm/mmap_sem_in_callback",
    "hmm/put_is_no_fence",
    "hmm/range_without_mirror",
    "hmm/ranges_on_stack",
    "hmm/release_meets_unregister",
    "hmm/wait_is_no_proof",
    "invalidate_page/apic_page_reload",
    "invalidate_page/callback_after_unlock",
    "invalidate_page/gate_around_fault",
    "invalidate_page/hook_not_implemented",
    "invalidate_page/new_page_before_notify",
    "invalidate_page/range_start_only",
    "invalidate_page/reaper_must_not_wait",
    "invalidate_page/reference_is_no_sync",
    "invalidate_page/registered_in_between",
    "invalidate_page/registration_shut_out",
    "invalidate_page/sleep_under_spinlock",
    "invalidate_page/told_under_ptl",
}


def unexplained(scenario):
    return [
        f"{each.case.name}: {entry.text}"
        for each in mutations_of(scenario)
        for entry in each.those(UNEXPLAINED)
    ]


@pytest.mark.parametrize("scenario", [name for name in names() if name not in NOT_YET])
def test_each_line_of_a_safe_case_is_for_something_or_a_reason_is_recorded(scenario):
    assert unexplained(scenario) == []


@pytest.mark.parametrize("scenario", names())
def test_no_reason_is_recorded_for_a_line_that_is_for_something(scenario):
    assert stale(scenario) == []


@pytest.mark.parametrize("scenario", sorted(NOT_YET))
def test_the_list_of_scenarios_to_do_shrinks(scenario):
    assert unexplained(scenario), f"{scenario} is done: take it off NOT_YET"
