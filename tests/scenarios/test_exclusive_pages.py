"""Pins, forks and counts of exclusive pages: what a fix is for, and the facts of the stories."""

import pytest

from mmviz.engine import explore, replay
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS
from mmviz.scenarios import find

from .mutation import breaks, mutant

BUFFER = "exclusive/store_buffer_hides_clear"
CHECK = "exclusive/pin_check_on_time"
FORK = "exclusive/fork_meets_check"
REUSE = "exclusive/reuse_rules"
LEDGER = "exclusive/entry_ledger"
HALF = "exclusive/half_exclusive"

HIDDEN, TWO_MAP, LOST = "pinned_page_hidden", "cpu_and_device_both_map", "increment_lost"
SHARED = {"pin_lost_its_page", "foreign_process_sees_dma"}
PAGE_LOCK = ("lock_page", "unlock_page")
MMAP_READ = ("down_read", "up_read")
PTL = ("spin_lock", "spin_unlock")
LOOK = ("page_maybe_dma_pinned",)
IRQ = ("local_irq_save", "local_irq_restore")
SEQ = ("write_seqcount_begin", "write_seqcount_end")

MUTANTS = [
    # scenario, case, actor, lines left out, the answer heard instead, what breaks
    (BUFFER, "BothBarriers", "CPU0", ("smp_mb",), None, {HIDDEN}),
    (BUFFER, "BothBarriers", "CPU1", ("smp_mb",), None, {HIDDEN}),
    (CHECK, "FlushByInterrupt", "CPU0", IRQ, None, {HIDDEN}),
    (CHECK, "FlushByInterrupt", "CPU1", ("on_each_cpu_mask",), None, {HIDDEN}),
    (CHECK, "SlowWay", "CPU0", ("unmap",), None, {HIDDEN, TWO_MAP}),
    (CHECK, "SlowWay", "CPU0", PAGE_LOCK, None, {HIDDEN, TWO_MAP}),
    (CHECK, "SlowWay", "CPU1", LOOK, False, {HIDDEN}),
    (FORK, "ForkGivesUp", "CPU0", PAGE_LOCK, None, SHARED),
    (FORK, "ForkGivesUp", "CPU0", LOOK, False, SHARED),
    (FORK, "CheckInOneHold", "CPU0", PTL, None, SHARED),
    (FORK, "CheckInOneHold", "CPU1", PTL, None, SHARED),
    (FORK, "CheckInOneHold", "CPU0", LOOK, False, SHARED),
    (FORK, "CheckInOneHold", "CPU2", ("read_seqcount_retry",), False, SHARED),
    (FORK, "PinMeetsBoth", "CPU0", LOOK, False, SHARED),
    (FORK, "PinMeetsBoth", "CPU0", MMAP_READ, None, SHARED),
    (FORK, "PinMeetsBoth", "CPU1", SEQ, None, SHARED),
    (FORK, "PinMeetsBoth", "CPU2", ("read_seqcount_retry",), False, SHARED),
    (FORK, "PinMeetsBoth", "CPU2", MMAP_READ, None, SHARED),
    (HALF, "ReadOnly", "CPU0", ("wait_idle",), None, {LOST}),
    (HALF, "ReadOnly", "CPU0", ("unmap",), None, {LOST}),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines", "answer", "expected"), MUTANTS)
def test_a_line_left_out_of_a_right_fix_breaks_it(scenario, name, actor, lines, answer, expected):
    case = find(scenario, name)

    assert breaks(explore(mutant(case, actor, *lines, answer=answer))) == expected


BREAKS = [
    # scenario, case, bad state, and the actor and step that its named schedule breaks it with
    (BUFFER, "NoBarrier", HIDDEN, "CPU1", "map_atomic(page 7)"),
    (BUFFER, "BarrierInGup", HIDDEN, "CPU0", "ib_dma_map_sg(page 7)"),
    (BUFFER, "BarrierInDriver", HIDDEN, "CPU1", "map_atomic(page 7)"),
    (CHECK, "PlainReference", HIDDEN, "CPU1", "map_atomic(page 7)"),
    (FORK, "PinMeetsBothNoSequence", "pin_lost_its_page", "CPU1", "do_wp_page(page 8)"),
    (FORK, "OneHoldNoSecondLook", "foreign_process_sees_dma", "CPU1", "copy_nonpresent_pte(child)"),
    (REUSE, "ChildExitsFirst", "pin_lost_its_page", "CPU0", "do_wp_page(page 8)"),
    (REUSE, "FlagLeft", "cow_broken", "CPU0", "do_wp_page(page 8)"),
    (LEDGER, "ForkWithoutReference", "free_page_has_entry", "CPU1", "zap_pte_range(child)"),
    (HALF, "ForeignPin", LOST, "GPU", "write(counter)"),
]


@pytest.mark.parametrize(("scenario", "name", "bad_state", "actor", "label"), BREAKS)
def test_the_story_goes_wrong_at_the_step_it_names(scenario, name, bad_state, actor, label):
    case = find(scenario, name)
    run = replay(case, *case.schedules.values())
    bad = next(frame for frame in run.frames if bad_state in frame.violated)

    assert (bad.actor, bad.label) == (actor, label)


def test_memory_still_holds_the_old_entry_when_both_sides_have_looked():
    run = replay(find(BUFFER, "NoBarrier"), "CPU1*3 CPU0*5 CPU1*2")

    assert str(run.tip.world.cpu.pte) == "present page 7 rw"
    assert [str(store) for store in run.tip.world.buffer1.stores] == [
        "cpu.pte = None",
        "cpu.pte = exclusive page 7 rw",
    ]


def test_a_cpu_sees_its_own_stores_at_once_and_others_when_they_drain():
    run = replay(find(BUFFER, "NoBarrier"), "CPU1*2")
    ahead = run.fork()
    ahead.step("CPU0")
    assert str(ahead.tip.answer) == "present page 7 rw"

    run.step("SB1")
    run.step("CPU0")
    assert run.tip.answer is None


def test_nobody_gets_the_page_where_pin_and_check_meet():
    case = find(CHECK, "GivesUp")
    run = replay(case, *case.schedules.values())

    assert run.finished
    assert (run.tip.world.gpu.page, run.tip.world.nic.page) == (None, None)
    assert run.tip.world.page.refs == 1


def test_the_pin_is_seen_even_when_the_child_is_gone():
    case = find(REUSE, "ChildExitsFirst")
    run = replay(case, *case.schedules.values())
    page = run.tip.world.page

    assert run.tip.world.child.pte is None
    assert page.refs == GUP_PIN_COUNTING_BIAS


@pytest.mark.parametrize(("name", "moves"), [("NotMovable", False), ("EntriesMapped", True)])
def test_a_page_can_be_moved_where_its_entry_is_a_mapping(name, moves):
    case = find(LEDGER, name)

    assert replay(case, *case.schedules.values()).tip.answer is moves
