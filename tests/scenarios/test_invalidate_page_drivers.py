"""What drivers do instead: references, a gate, a request; and the length of a huge page."""

import dataclasses

import pytest

from mmviz.engine import Verdict, at_end, explore, replay
from mmviz.scenarios import find, load
from mmviz.scenarios.invalidate_page.apic_page_reload import CheckedReload, RequestedAfterClear
from mmviz.scenarios.invalidate_page.gate_around_fault import GateAroundFault, GateAroundMap
from mmviz.scenarios.invalidate_page.huge_page_in_part import invalidate
from mmviz.scenarios.invalidate_page.reference_is_no_sync import CheckedFault, HoldingMirror
from mmviz.scenarios.invalidate_page.worlds.mirror import BAD, VA

from .mutation import HELD, broken, effects

REFERENCE = "invalidate_page/reference_is_no_sync"
GATE = "invalidate_page/gate_around_fault"
APIC = "invalidate_page/apic_page_reload"
HUGE = "invalidate_page/huge_page_in_part"
ALL = {bad_state.__name__ for bad_state in BAD}
FREED, STALE, DISAGREE = (bad_state.__name__ for bad_state in BAD)
NOT_OWNER = {"unlock_not_owner"}


@at_end
def device_has_a_page(k):
    """The device got what it asked for."""
    return k.gpu.pte[VA] is not None


LOOKED_FOR = {"good": (device_has_a_page,)}
NO_PAGE = {"no device_has_a_page"}


def what_breaks(case, function, **looked_for):
    return [found for _, found in effects(case, function, **looked_for)]


@pytest.mark.parametrize("name", [REFERENCE, GATE, APIC, HUGE])
def test_each_named_run_violates_what_fails_and_only_that(name):
    for case in load(name).cases:
        fails = {
            bad_state for bad_state, verdict in case.expect.items() if verdict != Verdict.NEVER
        }
        for schedule in case.schedules.values():
            run = replay(case, schedule)
            assert set(run.violated) <= fails
            assert bool(run.violated) == bool(fails)
            assert run.deadlock == case.deadlock


# -- references ----------------------------------------------------------------------------


def test_no_reference_keeps_cpu_and_device_in_step():
    *instead, in_sync = load(REFERENCE).cases

    assert all(case.expect[DISAGREE] == Verdict.SOMETIMES for case in instead)
    assert in_sync.expect[DISAGREE] == Verdict.NEVER


def test_what_was_agreed_on_is_no_freed_page():
    contracts = [case for case in load(REFERENCE).cases if case.kind == "contract"]

    assert {case.id for case in contracts} == {"MN-F/F3", "MN-F/F5", "MN-F/F6"}
    assert all(case.expect[FREED] == Verdict.NEVER for case in contracts)


def test_each_line_of_the_checked_reference_is_for_something():
    case = find(REFERENCE, "MN-F/F5")

    assert broken(case, **LOOKED_FOR) == set()
    assert what_breaks(case, CheckedFault.invalidate_range_start, **LOOKED_FOR) == [
        {FREED, STALE} | NOT_OWNER,
        set(),  # kvm_mmu_invalidate_begin: the next test needs it
        {FREED},  # hold
        {"deadlock"} | NO_PAGE,  # range_end waits for its own lock
    ]
    assert what_breaks(case, CheckedFault.invalidate_range_end, **LOOKED_FOR) == [
        NOT_OWNER,  # until the count drops no fault maps anything
        {FREED, STALE},
        {"livelock"} | NO_PAGE,
        {"page_refs_out_of_balance"},
        {"deadlock"} | HELD | NO_PAGE,
    ]


def test_the_counter_is_needed_where_range_start_finds_no_page_to_hold():
    def unmapped():
        k = HoldingMirror()
        k.gpu.pte[VA] = None
        return k

    case = dataclasses.replace(find(REFERENCE, "MN-F/F5"), world=unmapped, states=0)

    assert broken(case) == set()
    assert what_breaks(case, CheckedFault.invalidate_range_start)[1] == {FREED}


# -- the gate ------------------------------------------------------------------------------


def test_a_fault_that_waits_at_the_gate_already_has_the_old_page():
    case = find(GATE, "MN-D/D5")
    run = replay(case, case.schedules["looked up before the gate"])

    assert run.frames[1].label.startswith("get_user_pages")
    (locked,) = [f for f in run.frames if f.actor == "GPU" and f.label.startswith("mutex_lock")]
    assert locked.world.cpu.pte[VA].name == "page 8"


def test_a_lookup_that_calls_range_start_waits_for_itself():
    report = explore(find(GATE, "MN-D/D6x"))

    assert report.deadlock.preemptions == 0
    run = replay(report.case, report.deadlock.fewest_preemptions)
    assert [by for by, _ in run.blocked()["GPU"].by] == ["GPU"]


def test_nobody_copies_a_page_that_has_gone():
    case = find(GATE, "MN-D/D6x")
    late = replay(case, "CPU0*7 CPU1 GPU*5")
    early = replay(case, "GPU*3")

    assert late.finished
    assert late.tip.world.gpu.pte[VA].name == "page 8"
    assert early.tip.label == "copy_user_highpage(page 7)"
    assert early.tip.world.page.refs == 2


def test_each_line_of_the_gate_is_for_something():
    case = find(GATE, "MN-D/D6")

    assert broken(case, **LOOKED_FOR) == set()
    assert what_breaks(case, GateAroundMap.invalidate_range_start, **LOOKED_FOR) == [
        ALL | NOT_OWNER,
        ALL,
    ]
    assert what_breaks(case, GateAroundMap.invalidate_range_end, **LOOKED_FOR) == [
        {"deadlock"} | HELD | NO_PAGE
    ]
    assert what_breaks(case, GateAroundFault.fault, **LOOKED_FOR) == [
        ALL | NOT_OWNER,
        NO_PAGE,
        NO_PAGE,
        {"page_refs_out_of_balance"},
        {"deadlock"} | HELD,
    ]


# -- the APIC-access page ------------------------------------------------------------------


def test_the_old_address_is_reloaded_and_nobody_asks_again():
    case = find(APIC, "MN-D/D2")
    run = replay(case, case.schedules["reloaded before the clear"])

    assert run.tip.world.vcpu.in_guest
    assert not run.tip.world.vcpu.reload_requested
    assert run.tip.world.vcpu.apic_access_page.is_free


def test_whoever_reloads_asks_itself_again():
    case = find(APIC, "MN-D/D4")
    run = replay(case, case.schedules["asks itself again"])

    assert [f.actor for f in run.frames if f.label.startswith("kvm_make_request")] == ["VCPU"]
    assert run.tip.world.vcpu.apic_access_page.name == "page 8"


def test_each_line_of_the_requests_is_for_something():
    stale = {"guest_keeps_stale_address"}
    after, checked = find(APIC, "MN-D/D3"), find(APIC, "MN-D/D4")

    assert what_breaks(after, RequestedAfterClear.invalidate_range) == [stale]
    assert what_breaks(checked, CheckedReload.invalidate_range_start) == [
        NOT_OWNER,  # the words are read in one step, so a second lock holder sees no half of them
        stale | {"guest_is_kept_out"},  # the count drops below zero
        {"deadlock"},  # range_end waits for its own lock
        stale,
    ]


# -- the huge page -------------------------------------------------------------------------


def test_the_rest_of_a_huge_page_stays_with_no_other_thread_about():
    case = find(HUGE, "MN-C/C0")
    world = replay(case, case.schedules["the second base page stays"]).tip.world

    assert [page and page.name for page in world.gpu.pte.values()] == [None, "huge page", "page 7"]
    assert world.huge.is_free


@pytest.mark.parametrize(
    ("variant", "kept"),
    [("MN-C/C1", "page 7"), ("MN-C/C3", None), ("MN-C/C4", "page 7")],
)
def test_only_the_whole_mapping_takes_the_neighbour_along(variant, kept):
    case = find(HUGE, variant)
    run = replay(case, "CPU0*8" if kept else "CPU0*9")

    assert run.finished
    assert [page and page.name for page in run.tip.world.gpu.pte.values()] == [None, None, kept]


@pytest.mark.parametrize("variant", ["MN-C/C1", "MN-C/C3", "MN-C/C4"])
def test_each_range_needs_its_unmapping(variant):
    assert what_breaks(find(HUGE, variant), invalidate) == [{FREED, STALE}]
