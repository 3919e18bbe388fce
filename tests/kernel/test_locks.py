"""Locks admit one holder, name it, and forbid or allow sleeping."""

import pytest

from mmviz.engine import World, field
from mmviz.kernel.sync.locks import Mutex, RwSemaphore, SeqCount, SpinLock, WaitQueue

from .acting import act, steps


class Locks(World):
    spin: SpinLock = field(default_factory=SpinLock)
    mutex: Mutex = field(default_factory=Mutex)
    sem: RwSemaphore = field(default_factory=RwSemaphore)
    seq: SeqCount = field(default_factory=SeqCount)
    queue: WaitQueue = field(default_factory=WaitQueue)


EXCLUSIVE = pytest.mark.parametrize(
    ("lock", "unlock"),
    [
        ("spin.spin_lock", "spin.spin_unlock"),
        ("mutex.mutex_lock", "mutex.mutex_unlock"),
        ("sem.down_write", "sem.up_write"),
    ],
)


@EXCLUSIVE
def test_a_second_taker_waits_and_its_blame_names_the_first(lock, unlock):
    actor = steps(lock, unlock)

    run = act(Locks, "A", A=actor, B=actor)

    assert run.enabled() == ("A",)
    assert run.blocked()["B"].by == (("A", 1),)
    assert "A" in str(run.blocked()["B"])
    run.step("A")
    assert run.enabled() == ("B",)


@EXCLUSIVE
def test_a_lock_is_held_until_it_is_dropped(lock, unlock):
    run = act(Locks, "A", A=steps(lock, unlock))

    assert [held.name for held in run.tip.tasks["A"].held] == [lock.partition(".")[0]]
    run.step("A")
    assert run.tip.tasks["A"].held == ()


@EXCLUSIVE
def test_dropping_a_lock_that_is_not_held_is_reported(lock, unlock):
    run = act(Locks, "A", A=steps(unlock))

    assert run.tip.violated == ("unlock_not_owner",)
    assert "A does not hold" in run.tip.log[0]


@pytest.mark.parametrize(
    ("take", "drop"), [("sem.down_read", "sem.up_write"), ("sem.down_write", "sem.up_read")]
)
def test_a_semaphore_that_is_dropped_in_the_other_way_is_reported(take, drop):
    run = act(Locks, "A*2", A=steps(take, drop))

    assert "unlock_not_owner" in run.tip.violated
    assert [held.name for held in run.tip.tasks["A"].held] == ["sem"]
    assert any("does not hold sem in this way" in line for line in run.tip.log)


@EXCLUSIVE
def test_an_actor_that_takes_a_lock_twice_waits_for_itself(lock, unlock):
    run = act(Locks, "A", A=steps(lock, lock))

    assert run.deadlock
    assert "itself" in str(run.blocked()["A"])


@pytest.mark.parametrize("sleeper", ["mutex.mutex_lock", "sem.down_read", "sem.down_write"])
def test_a_function_that_may_sleep_complains_under_a_spinlock_even_if_it_would_not_sleep(sleeper):
    run = act(Locks, "A*2", A=steps("spin.spin_lock", sleeper))

    assert "sleeps_in_atomic" in run.tip.violated
    assert "while it holds spin" in run.tip.log[0]


def test_a_spinlock_may_be_taken_under_a_mutex():
    run = act(Locks, "A*2", A=steps("mutex.mutex_lock", "spin.spin_lock"))

    assert "sleeps_in_atomic" not in run.violated


def test_after_the_spinlock_is_dropped_sleeping_is_allowed():
    run = act(Locks, "A*3", A=steps("spin.spin_lock", "spin.spin_unlock", "mutex.mutex_lock"))

    assert "sleeps_in_atomic" not in run.violated


def test_locks_are_dropped_in_any_order():
    names = ("spin.spin_lock", "mutex.mutex_trylock", "spin.spin_unlock", "mutex.mutex_unlock")
    run = act(Locks, "A*3", A=steps(*names))

    assert [held.name for held in run.tip.tasks["A"].held] == ["mutex"]
    run.step("A")
    assert run.violated == ()


@pytest.mark.parametrize(
    ("take", "try_it"),
    [("spin.spin_lock", "spin.spin_trylock"), ("mutex.mutex_lock", "mutex.mutex_trylock")],
)
def test_a_trylock_on_a_held_lock_fails_without_waiting(take, try_it):
    run = act(Locks, "A B", A=steps(take), B=steps(try_it))

    assert run.tip.answer is False
    assert run.tip.tasks["B"].held == ()
    assert act(Locks, "B", A=steps(take), B=steps(try_it)).tip.answer is True


def test_readers_share_and_a_writer_waits_for_each_of_them():
    readers = {
        "A": steps("sem.down_read", "sem.up_read"),
        "B": steps("sem.down_read", "sem.up_read"),
    }

    run = act(Locks, "A B", **readers, W=steps("sem.down_write"))

    assert run.tip.world.sem.readers == {"A", "B"}
    assert {actor for actor, _ in run.blocked()["W"].by} == {"A", "B"}
    run.step("A")
    assert "W" not in run.enabled()
    run.step("B")
    assert run.enabled() == ("W",)


def test_a_reader_waits_for_the_writer():
    run = act(Locks, "W", R=steps("sem.down_read"), W=steps("sem.down_write", "sem.up_write"))

    assert run.enabled() == ("W",)


def test_a_reader_of_a_sequence_waits_while_it_is_odd_and_retries_if_it_changed():
    async def reader(k):
        start = await k.seq.read_seqcount_begin()
        await k.seq.read_seqcount_retry(start)

    writer = steps("seq.write_seqcount_begin", "seq.write_seqcount_end")

    assert act(Locks, "W", R=reader, W=writer).enabled() == ("W",)
    assert act(Locks, "R W R", R=reader, W=writer).tip.answer is True
    assert act(Locks, "W*2 R*2", R=reader, W=writer).tip.answer is False


def test_a_raw_read_of_a_sequence_does_not_wait():
    writer = steps("seq.write_seqcount_begin")

    assert act(Locks, "W R", R=steps("seq.raw_read_seqcount"), W=writer).tip.answer == 1


def test_a_wake_up_that_comes_first_is_not_lost():
    sleeper, waker = steps("queue.wait_event"), steps("queue.wake_up_all")

    assert act(Locks, "", S=sleeper, W=waker).enabled() == ("W",)
    assert act(Locks, "W S", S=sleeper, W=waker).finished


def test_two_locks_in_two_orders_deadlock():
    mutex_first = steps("mutex.mutex_lock", "sem.down_write", "sem.up_write", "mutex.mutex_unlock")
    sem_first = steps("sem.down_write", "mutex.mutex_lock", "mutex.mutex_unlock", "sem.up_write")

    run = act(Locks, "A B", A=mutex_first, B=sem_first)

    assert run.deadlock
    assert run.blocked()["A"].by == (("B", 2),)
    assert run.blocked()["B"].by == (("A", 1),)
