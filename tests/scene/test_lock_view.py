from mmviz.scenarios import load
from mmviz.scene.held import Order
from mmviz.scene.lock_order import cycle
from mmviz.scene.locks import locks
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import CLEAR
from tests.scene.played import of_each_case, shown

SLEEPS = ("invalidate_page/sleep_under_spinlock", "MutexUnderPageTableLock")
CROSSED = ("invalidate_page/sleep_under_spinlock", "LocksInBothOrders")


def visible(scene):
    return [text.text for text in scene.texts if text.role != CLEAR and text.text]


@of_each_case
def test_the_violations_in_the_picture_are_in_the_text(played):
    if "locks" not in played.views:
        values = played.searched.reach.values
        assert not any(len(values[f"{actor}.held"]) > 1 for actor in played.case.actors)
    for _, scene, words in played.frames("locks"):
        for text in visible(scene):
            if text.startswith("✗ deadlock") or "sleeping is forbidden" in text:
                assert text.split("…")[0] in words


def test_holders_and_waiters_come_with_the_step_since_which():
    view, run = shown("locks", *CROSSED)
    scene = view.scene(run, 3)

    keys = {box.key for box in scene.boxes if box.role in ("held", "written")}
    assert keys == {"step:1", "step:3"}
    words = "cpu.ptl spinlock: CPU0 holding since step 1, CPU1 waiting since step 3"
    assert words in view.text(run, 3)


def test_a_deadlock_names_a_cycle_of_blocked_actors():
    view, run = shown("locks", *CROSSED)

    words = "✗ deadlock: CPU0 blocked by CPU1 since step 3, CPU1 blocked by CPU0 since step 1"
    assert words in visible(view.scene(run, len(run.frames) - 1))
    assert not any("deadlock" in text for text in visible(view.scene(run, 2)))


def test_two_opposite_orders_are_a_cycle_and_one_order_is_not():
    view, run = shown("locks", *CROSSED)
    end = len(run.frames) - 1

    assert "✗ cycle: CPU0 and CPU1 disagree on the order" in visible(view.scene(run, end))
    bad = [line for line in view.scene(run, end).lines if line.role == "bad"]
    assert len(bad) == 2
    assert all(line.role == CLEAR for line in view.scene(run, 1).lines)


def test_a_cycle_can_have_more_than_two_orders():
    ring = [Order("a", "b"), Order("b", "c"), Order("c", "a"), Order("a", "d")]

    assert set(cycle(ring)) == set(ring[:3])
    assert cycle(ring[1:]) == ()


def test_sleeping_under_a_spinlock_is_marked_at_its_step():
    view, run = shown("locks", *SLEEPS)
    at = next(frame.index for frame in run.frames if "sleeps_in_atomic" in frame.violated)

    words = f"✗ step {at} sleeps where sleeping is forbidden: CPU0 calls mutex_lock()"
    assert any(text.startswith(words) for text in visible(view.scene(run, at)))
    assert any(box.key == f"step:{at}" and box.role == "bad" for box in view.scene(run, at).boxes)
    assert not any("sleeping is forbidden" in text for text in visible(view.scene(run, at - 1)))
    assert any(text.endswith("must not sleep") for text in visible(view.scene(run, at)))


def test_the_holders_in_the_text_are_those_of_the_lock():
    for case in load("hmm/mmap_sem_in_callback").cases:
        searched = SearchedCase(case)
        view = locks(searched)
        run = searched.run(next(iter(searched.runs().values())))
        for k, frame in enumerate(run.frames):
            state = view.history.at(frame)
            for actor in case.actors:
                held = {lock.name for lock in frame.values[f"{actor}.held"]}
                assert held <= {lock for lock, holder in state.holds if holder == actor}
            for (lock, actor), hold in state.holds.items():
                assert f"{actor} {hold.mode}" in next(
                    line for line in view.text(run, k).splitlines() if line.startswith(lock)
                )
