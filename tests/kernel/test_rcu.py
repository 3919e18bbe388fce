"""A grace period waits for the readers inside at its start, and for no others."""

import pytest

from mmviz.engine import World, field
from mmviz.kernel.sync.locks import Mutex
from mmviz.kernel.sync.rcu import Rcu, Srcu, SrcuCallbacks
from mmviz.kernel.sync.refcount import Slab

from .acting import act, steps


class Grace(World):
    srcu: Srcu = field(default_factory=Srcu)
    rcu: Rcu = field(default_factory=Rcu)
    later: SrcuCallbacks = field(default_factory=SrcuCallbacks)
    mutex: Mutex = field(default_factory=Mutex)
    thing: Slab = field(default_factory=Slab)


READ = steps("srcu.srcu_read_lock", "srcu.srcu_read_unlock")
WAIT = steps("srcu.start_poll_synchronize_srcu", "srcu.synchronize_srcu")


def test_a_grace_period_waits_for_a_reader_that_was_inside():
    run = act(Grace, "R W", R=READ, W=WAIT)

    assert run.enabled() == ("R",)
    assert ("R", 1) in run.blocked()["W"].by
    run.step("R")
    assert run.enabled() == ("W",)


def test_a_grace_period_does_not_wait_for_a_reader_that_came_later():
    assert act(Grace, "W R W", R=READ, W=WAIT).tip.world.srcu.readers == {"R"}


def test_a_reader_that_waits_for_the_grace_period_waits_for_itself():
    both = steps("srcu.srcu_read_lock", "srcu.start_poll_synchronize_srcu", "srcu.synchronize_srcu")

    run = act(Grace, "A*2", A=both)

    assert run.deadlock
    assert "itself since step 1" in str(run.blocked()["A"])


@pytest.mark.parametrize(("lock", "complains"), [("srcu.srcu", False), ("rcu.rcu", True)])
def test_only_the_sleepable_kind_lets_its_readers_sleep(lock, complains):
    run = act(Grace, "A*2", A=steps(f"{lock}_read_lock", "mutex.mutex_lock"))

    assert ("sleeps_in_atomic" in run.violated) == complains


def test_leaving_a_section_without_entering_it_is_reported():
    run = act(Grace, "A", A=steps("rcu.rcu_read_unlock"))

    assert run.tip.violated == ("unlock_not_owner",)


async def frees_later(k):
    await k.later.call_srcu(k.thing)


LATER = steps("later.srcu_read_lock", "later.srcu_read_unlock")
WORKER = steps("later.srcu_invoke_callbacks")


def test_an_object_handed_over_is_freed_when_the_reader_has_left():
    run = act(Grace, "R A", R=LATER, A=frees_later, kworker=WORKER)

    assert run.enabled() == ("R",)
    run.step("R")
    run.step("kworker")
    assert run.tip.world.thing.freed
    assert run.finished


def test_without_readers_an_object_may_be_freed_at_once():
    assert act(Grace, "A kworker", R=LATER, A=frees_later, kworker=WORKER).tip.world.thing.freed


def test_the_worker_is_blocked_while_no_object_is_handed_over():
    run = act(Grace, "", R=LATER, A=frees_later, kworker=WORKER)

    assert "kworker" not in run.enabled()


def test_handing_over_a_freed_object_stops_the_machine():
    run = act(Grace, "B A", A=frees_later, B=steps("thing.kfree"))

    assert run.tip.violated == ("use_after_free",)
    assert "freed by B in step 1" in run.tip.log[0]


def test_handing_an_object_over_twice_frees_it_twice():
    run = act(Grace, "A B kworker", A=frees_later, B=frees_later, kworker=WORKER)

    assert run.tip.violated == ("use_after_free",)
