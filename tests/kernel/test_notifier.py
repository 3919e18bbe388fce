"""The two words of a driver's notifier, and the core's count of open invalidations."""

import pytest

from mmviz.engine import World, field
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions

from .acting import act, steps


class Notified(World):
    mm: MmuNotifierSubscriptions = field(default_factory=MmuNotifierSubscriptions)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


BEGIN, END = "notifier.kvm_mmu_invalidate_begin", "notifier.kvm_mmu_invalidate_end"


async def faults(k):
    seq = await k.notifier.read_mmu_invalidate_seq()
    await k.notifier.mmu_invalidate_retry(seq)


@pytest.mark.parametrize(
    ("schedule", "retry"),
    [
        ("F F", False),  # no invalidation
        ("I F F", True),  # one is open all the time
        ("F I F", True),  # one begins in between
        ("F I*2 F", True),  # one begins and ends in between
        ("I F I F", True),  # one ends in between
        ("I*2 F F", False),  # it ended before
    ],
)
def test_a_fault_must_retry_if_an_invalidation_was_open_at_any_time(schedule, retry):
    run = act(Notified, schedule, F=faults, I=steps(BEGIN, END))

    assert run.tip.answer is retry


def test_the_end_of_one_invalidation_leaves_the_other_in_progress():
    run = act(Notified, "A B A", A=steps(BEGIN, END), B=steps(BEGIN, END))

    assert run.tip.world.notifier.mmu_invalidate_in_progress == 1
    assert run.tip.world.notifier.mmu_invalidate_seq == 1


def test_the_words_can_be_written_and_read_one_by_one():
    async def reader(k):
        await k.notifier.read_mmu_invalidate_in_progress()
        await k.notifier.mmu_invalidate_seq_changed(0)

    writer = steps(
        BEGIN, "notifier.bump_mmu_invalidate_seq", "notifier.drop_mmu_invalidate_in_progress"
    )

    half = act(Notified, "W*2 R*2", W=writer, R=reader)
    assert [frame.answer for frame in half.frames[3:]] == [1, True]
    assert act(Notified, "W*3 R", W=writer, R=reader).tip.answer == 0
    assert act(Notified, "R*2", W=writer, R=reader).tip.answer is False


def test_an_invalidation_is_open_from_start_to_end():
    actor = steps("mm.mmu_notifier_invalidate_range_start", "mm.mmu_notifier_invalidate_range_end")

    run = act(Notified, "A B A B", A=actor, B=actor)

    assert [f.world.mm.active_invalidate_ranges for f in run.frames] == [0, 1, 2, 1, 0]
