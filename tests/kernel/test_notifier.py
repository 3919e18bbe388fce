"""The two words of a driver's notifier, and the core's count of open invalidations."""

import pytest

from mmviz.engine import World, field
from mmviz.kernel.notifier import MmuNotifier, MmuNotifierSubscriptions

from .acting import act, steps


class Told(World):
    mm: MmuNotifierSubscriptions = field(default_factory=MmuNotifierSubscriptions)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


BEGIN, END = "notifier.kvm_mmu_invalidate_begin", "notifier.kvm_mmu_invalidate_end"


async def faults(k):
    seq = await k.notifier.read_mmu_invalidate_seq()
    await k.notifier.mmu_invalidate_retry(seq)


@pytest.mark.parametrize(
    ("schedule", "retry"),
    [
        ("F F", False),  # nothing has happened
        ("I F F", True),  # one is under way all the time
        ("F I F", True),  # one has begun
        ("F I*2 F", True),  # one has come and gone
        ("I F I F", True),  # one has ended
        ("I*2 F F", False),  # it was over before
    ],
)
def test_a_fault_has_to_try_again_if_an_invalidation_was_open_at_any_time(schedule, retry):
    run = act(Told, schedule, F=faults, I=steps(BEGIN, END))

    assert run.tip.answer is retry


def test_the_end_of_one_invalidation_leaves_the_other_in_progress():
    run = act(Told, "A B A", A=steps(BEGIN, END), B=steps(BEGIN, END))

    assert run.tip.world.notifier.mmu_invalidate_in_progress == 1
    assert run.tip.world.notifier.mmu_invalidate_seq == 1


def test_the_words_can_be_written_and_read_one_by_one():
    async def reader(k):
        await k.notifier.read_mmu_invalidate_in_progress()
        await k.notifier.mmu_invalidate_seq_changed(0)

    writer = steps(
        BEGIN, "notifier.bump_mmu_invalidate_seq", "notifier.drop_mmu_invalidate_in_progress"
    )

    half = act(Told, "W*2 R*2", W=writer, R=reader)
    assert [frame.answer for frame in half.frames[3:]] == [1, True]
    assert act(Told, "W*3 R", W=writer, R=reader).tip.answer == 0
    assert act(Told, "R*2", W=writer, R=reader).tip.answer is False


def test_an_invalidation_is_open_from_start_to_end():
    actor = steps("mm.mmu_notifier_invalidate_range_start", "mm.mmu_notifier_invalidate_range_end")

    run = act(Told, "A B A B", A=actor, B=actor)

    assert [f.world.mm.active_invalidate_ranges for f in run.frames] == [0, 1, 2, 1, 0]
