from mmviz.scenarios import load
from mmviz.scene.held import Order
from mmviz.scene.lock_order import cycle
from mmviz.scene.locks import locks
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.theme import CLEAR
from tests.scene.played import shown

SLEEPS = ("invalidate_page/sleep_under_spinlock", "MutexUnderPageTableLock")
CROSSED = ("invalidate_page/sleep_under_spinlock", "LocksInBothOrders")


def said(scene):
    return [text.text for text in scene.texts if text.role != CLEAR and text.text]


def test_what_the_picture_complains_of_is_in_the_text_too(played):
    if "locks" not in played.views:
        values = played.rehearsal.reach.values
        assert not any(len(values[f"{actor}.held"]) > 1 for actor in played.case.actors)
    for _, scene, words in played.frames("locks"):
        for text in said(scene):
            if text.startswith("✗ deadlock") or "sleeping is forbidden" in text:
                assert text.split("…")[0] in words


def test_who_holds_and_who_waits_is_told_with_the_step_that_took_it():
    view, run = shown("locks", *CROSSED)
    scene = view.scene(run, 3)

    keys = {box.key for box in scene.boxes if box.role in ("held", "written")}
    assert keys == {"step:1", "step:3"}
    assert "cpu.ptl spinlock: CPU0 holds since step 1, CPU1 waits since step 3" in view.text(run, 3)


def test_a_deadlock_is_told_as_a_ring():
    view, run = shown("locks", *CROSSED)

    words = "✗ deadlock: CPU0 waits for CPU1 since step 3, CPU1 waits for CPU0 since step 1"
    assert words in said(view.scene(run, len(run.frames) - 1))
    assert not any("deadlock" in text for text in said(view.scene(run, 2)))


def test_two_orders_that_disagree_are_a_circle_and_one_alone_is_none():
    view, run = shown("locks", *CROSSED)
    end = len(run.frames) - 1

    assert "✗ a circle: CPU0 and CPU1 disagree on the order" in said(view.scene(run, end))
    bad = [line for line in view.scene(run, end).lines if line.role == "bad"]
    assert len(bad) == 2
    assert all(line.role == CLEAR for line in view.scene(run, 1).lines)


def test_a_circle_may_be_longer_than_two():
    ring = [Order("a", "b"), Order("b", "c"), Order("c", "a"), Order("a", "d")]

    assert set(cycle(ring)) == set(ring[:3])
    assert cycle(ring[1:]) == ()


def test_sleeping_under_a_spinlock_is_marked_at_its_step():
    view, run = shown("locks", *SLEEPS)
    at = next(frame.index for frame in run.frames if "sleeps_in_atomic" in frame.violated)

    words = f"✗ in step {at}, where sleeping is forbidden: CPU0 calls mutex_lock()"
    assert any(text.startswith(words) for text in said(view.scene(run, at)))
    assert any(box.key == f"step:{at}" and box.role == "bad" for box in view.scene(run, at).boxes)
    assert not any("sleeping is forbidden" in text for text in said(view.scene(run, at - 1)))
    assert any(text.endswith("may not sleep") for text in said(view.scene(run, at)))


def test_a_holder_is_in_the_text_exactly_when_the_lock_has_it():
    for case in load("hmm/mmap_sem_in_callback").cases:
        rehearsal = Rehearsal(case)
        view = locks(rehearsal)
        run = rehearsal.run(next(iter(rehearsal.runs().values())))
        for k, frame in enumerate(run.frames):
            moment = view.moments.at(frame)
            for actor in case.actors:
                held = {lock.name for lock in frame.values[f"{actor}.held"]}
                assert held <= {lock for lock, who in moment.holds if who == actor}
            for (lock, actor), hold in moment.holds.items():
                assert f"{actor} {hold.mode}" in next(
                    line for line in view.text(run, k).splitlines() if line.startswith(lock)
                )
