"""The exclusive thread: the facts of its stories, and what each line of a fix is for."""

import dataclasses

import pytest

from mmviz.engine import Verdict, at_end, atomic, explore, replay
from mmviz.kernel.mm.fork import ForkedMapping
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS
from mmviz.scenarios import find
from mmviz.scenarios.exclusive.worlds.family import Family

from .mutation import HELD, breaks, mutant

ATOMIC = "exclusive/atomic_loses_update"
CHECK = "exclusive/pin_check_too_early"
WINDOW = "exclusive/fork_in_window"
COPY = "exclusive/copy_at_fork"
SEQ = "exclusive/gup_fast_meets_fork"


@at_end
def pin_leaked(k):
    """The page counts a pin that no actor has."""
    return k.page.refs // GUP_PIN_COUNTING_BIAS != (k.nic.page is k.page)


LOCK = ("lock_page", "unlock_page")
MMAP_READ = ("down_read", "up_read")
SEQ_WRITE = ("write_seqcount_begin", "write_seqcount_end")
TWO_MAP, LOST = "cpu_and_device_both_map", "increment_lost"
HIDDEN = "pinned_page_hidden"
GONE, SEEN = "pin_lost_its_page", "foreign_process_sees_dma"

NO_PIN = {HIDDEN, "pin_leaked", "refcount_underflow"}

MUTANTS = [
    # scenario, case, actor, lines left out, the answer heard instead, what breaks
    (ATOMIC, "UnmapAndDrain", "CPU0", ("unmap",), None, {LOST, TWO_MAP}),
    (ATOMIC, "UnmapAndDrain", "CPU0", ("wait_idle",), None, {LOST}),
    (ATOMIC, "UnmapAndDrain", "CPU0", LOCK, None, {LOST, TWO_MAP}),
    (ATOMIC, "UnmapAndDrain", "CPU0", ("unlock_page",), None, {"deadlock"} | HELD),
    (ATOMIC, "UnmapAndDrain", "CPU0", ("restore_exclusive_pte",), None, {"livelock"}),
    (ATOMIC, "UnmapAndDrain", "CPU1", LOCK, None, {LOST, TWO_MAP}),
    (ATOMIC, "UnmapAndDrain", "CPU1", ("unlock_page",), None, {"deadlock"}),
    (ATOMIC, "UnmapAndDrain", "CPU1", ("page_make_device_exclusive_one",), True, {LOST, TWO_MAP}),
    (CHECK, "CheckAfter", "CPU1", ("page_maybe_dma_pinned",), False, {HIDDEN}),
    (CHECK, "CheckAfter", "CPU1", LOCK, None, {HIDDEN, TWO_MAP}),
    (CHECK, "CheckAfter", "CPU0", LOCK, None, {HIDDEN, TWO_MAP}),
    (CHECK, "CheckAfter", "CPU0", ("unmap",), None, {HIDDEN, TWO_MAP}),
    (CHECK, "CheckAfter", "CPU0", ("try_grab_page",), True, NO_PIN),
    (CHECK, "CheckAfter", "CPU0", ("unpin_user_page",), None, {"pin_leaked"}),
    (WINDOW, "CheckInsideMmapLock", "CPU0", MMAP_READ, None, {GONE, SEEN}),
    (WINDOW, "CheckInsideMmapLock", "CPU0", ("page_maybe_dma_pinned",), False, {GONE, SEEN}),
    (WINDOW, "CheckInsideMmapLock", "CPU0", ("restore_exclusive_pte",), None, {GONE, SEEN}),
    (WINDOW, "CheckInsideMmapLock", "CPU0", ("up_read",), None, {"deadlock"} | HELD),
    (WINDOW, "CheckInsideMmapLock", "CPU0", ("unlock_page",), None, {"deadlock"} | HELD),
    (SEQ, "WriteProtectSeq", "CPU0", SEQ_WRITE, None, {GONE, SEEN}),
    (SEQ, "WriteProtectSeq", "CPU1", ("read_seqcount_retry",), False, {GONE, SEEN}),
    (SEQ, "WriteProtectSeq", "CPU1", MMAP_READ, None, {GONE, SEEN}),
    (SEQ, "WriteProtectSeq", "CPU0", ("down_write", "up_write"), None, {GONE, SEEN}),
    (SEQ, "WriteProtectSeq", "CPU1", ("unpin_user_page",), None, {"pin_leaked"}),
    (SEQ, "RestoredAtFork", "CPU0", SEQ_WRITE, None, {GONE, SEEN}),
    (SEQ, "RestoredAtFork", "CPU1", ("read_seqcount_retry",), False, {GONE, SEEN}),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines", "answer", "expected"), MUTANTS)
def test_a_line_left_out_of_a_right_fix_breaks_it(scenario, name, actor, lines, answer, expected):
    case = find(scenario, name)
    extra = pin_leaked if "nic" in dict(case.world().fields()) else None

    broken = breaks(explore(mutant(case, actor, *lines, answer=answer, extra=extra)))

    assert broken == expected


HARMLESS = [
    # what the scenario says under "Simplified:": the model is too small to need these lines
    (CHECK, "CheckAfter", "CPU1", ("restore_exclusive_pte",)),
    (WINDOW, "CheckInsideMmapLock", "CPU0", LOCK),
    (SEQ, "WriteProtectSeq", "CPU0", ("write_seqcount_end",)),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines"), HARMLESS)
def test_a_line_that_matters_elsewhere_only_changes_nothing(scenario, name, actor, lines):
    report = explore(mutant(find(scenario, name), actor, *lines, extra=pin_leaked))

    assert breaks(report) == set()


def test_waiting_for_the_device_before_unmapping_is_too_early():
    case = find(ATOMIC, "UnmapAndDrain")

    async def drain_first(k):
        if await k.lock_add():
            return
        await k.page.lock_page()
        await k.gpu.wait_idle()
        await k.gpu.unmap()
        await k.cpu.restore_exclusive_pte(k.page)
        await k.page.unlock_page()
        await k.lock_add()

    report = explore(dataclasses.replace(case, actors={**case.actors, "CPU0": drain_first}))

    assert breaks(report) == {LOST}


def test_notifying_after_the_entry_is_restored_is_too_late():
    case = find(ATOMIC, "UnmapAndDrain")

    async def notify_late(k):
        while not await k.lock_add():
            await k.page.lock_page()
            await k.cpu.restore_exclusive_pte(k.page)
            await k.gpu.unmap()
            await k.gpu.wait_idle()
            await k.page.unlock_page()

    report = explore(dataclasses.replace(case, actors={**case.actors, "CPU0": notify_late}))

    assert breaks(report) >= {TWO_MAP}


def test_an_entry_restored_and_then_not_copied_leaves_the_child_with_nothing():
    class RestoredOnly(ForkedMapping):
        @atomic("mm/memory.c")
        def copy_nonpresent_pte(self, child):
            """Restore the entry, and tell the caller that it has been dealt with (E.5)."""
            self.pte = self.pte.restored()
            return 0

    case = dataclasses.replace(
        find(COPY, "RestoreThenCopy"), world=lambda: Family(parent=RestoredOnly())
    )

    assert explore(case).livelock is not None  # the child faults without end


def broken_by(case, schedule):
    """Return (bad state, actor, label) for each bad state a schedule breaks, in order."""
    run = replay(case, schedule)
    return [(bad_state, f.actor, f.label) for f in run.frames for bad_state in f.violated]


def test_the_increment_is_lost_when_the_gpu_writes_back():
    case = find(ATOMIC, "UnmapOnly")
    run = replay(case, case.schedules["the page goes back too early"])

    assert [(f.actor, f.label) for f in run.frames if LOST in f.violated] == [
        ("GPU", "write(counter)")
    ]
    assert (run.tip.world.counter.value, run.tip.world.counter.added) == (1, 2)


def test_the_check_before_sees_no_pin_and_hides_a_pinned_page():
    case = find(CHECK, "CheckBefore")
    run = replay(case, case.schedules["the pin slips in"])

    looked = next(f for f in run.frames if f.label.startswith("page_maybe_dma_pinned"))
    assert looked.answer is False
    assert broken_by(case, run.schedule) == [(HIDDEN, "CPU1", "map_atomic(page 7)")]


def test_the_child_sees_the_dma_before_the_driver_looks_for_pins():
    case = find(WINDOW, "CheckOutsideMmapLock")
    run = replay(case, case.schedules["fork at that instant"])

    assert broken_by(case, run.schedule) == [
        (SEEN, "CPU1", "copy_pte_range(child, page 9)"),
        (GONE, "CPU1", "do_wp_page(page 8)"),
    ]
    assert str(run.tip.world.parent.pte) == "present page 8 rw"
    assert str(run.tip.world.child.pte) == "exclusive page 7 ro"
    assert run.tip.world.nic.page.pfn == 7


def test_fork_gives_up_where_the_driver_holds_the_page_lock():
    case = find(WINDOW, "RestoreAtFork")
    run = replay(case, case.schedules["fork meets a locked page"])

    assert next(f for f in run.frames if f.label.startswith("copy_pte_range")).answer is False
    assert run.finished
    assert run.tip.world.child.pte is None
    assert run.violated == ()


def test_no_timing_is_needed_once_the_entry_is_copied():
    for name in ("EntryCopied", "EntryCopiedWritable"):
        assert explore(find(COPY, name)).verdicts[SEEN] == Verdict.ALWAYS


def test_gup_fast_pins_between_forks_look_and_its_write_protection():
    case = find(SEQ, "NoSequence")
    schedule = case.schedules["the pin slips in"]

    assert broken_by(case, schedule) == [
        (SEEN, "CPU0", "copy_present_pte(child)"),
        (GONE, "CPU0", "do_wp_page(page 8)"),
    ]
