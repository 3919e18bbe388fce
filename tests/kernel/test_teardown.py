"""The rules of timers, works, delayed works and completions."""

import pytest

from mmviz.engine import Case, ScheduleError, Verdict, World, environment, explore, field, replay
from mmviz.kernel.sync.refcount import Slab
from mmviz.kernel.sync.timer import TimerList, TimerWheel
from mmviz.kernel.sync.waitqueue import Completion, WaitQueueHead
from mmviz.kernel.sync.workqueue import DelayedWork, WorkerPool, WorkqueueStruct, WorkStruct
from tests.kernel.acting import act


class Object(Slab):
    timer: TimerList = field(embedded=True, kw_only=True)
    work: WorkStruct = field(default_factory=WorkStruct)
    poll: DelayedWork = field(default_factory=DelayedWork)
    compl: Completion = field(default_factory=Completion)


class Machine(World):
    base: TimerWheel
    pool: WorkerPool
    wq: WorkqueueStruct
    obj: Object
    queue: WaitQueueHead = field(default_factory=WaitQueueHead)


def machine():
    base, pool = TimerWheel(), WorkerPool()
    return Machine(base, pool, WorkqueueStruct(pool=pool), Object(timer=TimerList(base)))


def armed():
    k = machine()
    k.base.timers = frozenset({k.obj.timer})
    return k


def run(schedule, world=machine, **actors):
    return act(world, schedule, **actors)


async def softirq(k):
    await k.base.expire_timers(k.obj.timer)
    await k.base.timer_done()


async def kworker(k):
    await k.pool.process_one_work(k.obj.work)
    await k.pool.work_done()


# -- timers ----------------------------------------------------------------------------------


def test_a_timer_expires_only_while_it_is_pending():
    async def arms(k):
        assert not await k.obj.timer.mod_timer()
        assert await k.obj.timer.mod_timer()

    with pytest.raises(ScheduleError):
        run("T", arms=arms, T=softirq)
    assert run("arms*2 T*2", arms=arms, T=softirq).tip.world.base.timers == frozenset()


def test_timer_delete_does_not_wait_and_timer_delete_sync_does():
    async def deletes(k):
        await k.obj.timer.timer_delete()

    async def waits(k):
        await k.obj.timer.timer_delete_sync()

    assert run("T D", armed, T=softirq, D=deletes).tip.actor == "D"
    with pytest.raises(ScheduleError):
        run("T D", armed, T=softirq, D=waits)
    assert run("T*2 D", armed, T=softirq, D=waits).tip.answer is False


def test_a_timer_that_deletes_itself_and_waits_deadlocks():
    async def handler(k):
        await k.base.expire_timers(k.obj.timer)
        await k.obj.timer.timer_delete_sync()
        await k.base.timer_done()

    report = explore(Case(name="Self", world=armed, actors={"T": handler}, bad=()))
    assert report.deadlock is not None


@pytest.mark.parametrize("function", ["timer_shutdown", "timer_shutdown_sync"])
def test_a_timer_that_was_shut_down_is_not_armed_again(function):
    async def shuts(k):
        assert await getattr(k.obj.timer, function)()
        await k.obj.timer.mod_timer()

    assert run("S*2", armed, S=shuts).tip.world.base.timers == frozenset()


def test_a_timer_that_was_only_deleted_can_be_armed_again():
    async def deletes(k):
        await k.obj.timer.timer_delete_sync()
        await k.obj.timer.mod_timer()

    world = run("D*2", armed, D=deletes).tip.world
    assert world.base.timers == frozenset({world.obj.timer})


def test_a_timer_that_expires_in_a_freed_object_is_a_use_after_free():
    async def frees(k):
        await k.obj.kfree()

    found = run("F T", armed, F=frees, T=softirq)
    assert found.violated == ("use_after_free",)
    assert "obj was freed by F" in found.tip.log[0]


def test_the_end_of_a_timers_function_does_not_touch_the_timer():
    async def frees(k):
        await k.obj.kfree()

    assert run("T F T", armed, F=frees, T=softirq).violated == ()


# -- works -----------------------------------------------------------------------------------


def test_a_pending_work_is_not_queued_twice_and_a_running_one_is_queued_again():
    async def queues(k):
        assert await k.wq.queue_work(k.obj.work)
        assert not await k.wq.queue_work(k.obj.work)
        assert await k.wq.queue_work(k.obj.work)

    assert run("Q*2 W Q", Q=queues, W=kworker).tip.world.obj.work.pending


def test_cancel_work_sync_waits_for_a_work_that_runs_and_takes_one_that_does_not():
    async def queues(k):
        await k.wq.queue_work(k.obj.work)

    async def cancels(k):
        await k.wq.cancel_work_sync(k.obj.work)

    actors = {"Q": queues, "W": kworker, "C": cancels}
    with pytest.raises(ScheduleError):
        run("Q W C", **actors)
    assert run("Q W*2 C", **actors).tip.answer is False
    taken = run("Q C", **actors)
    assert taken.tip.answer is True
    assert taken.enabled() == ()


def test_destroy_workqueue_waits_and_frees():
    async def queues(k):
        await k.wq.queue_work(k.obj.work)

    async def destroys(k):
        await k.wq.destroy_workqueue()

    actors = {"Q": queues, "W": kworker, "D": destroys}
    with pytest.raises(ScheduleError):
        run("Q D", **actors)
    assert run("Q W*2 D", **actors).violated == ()
    assert run("D Q", **actors).violated == ("use_after_free",)


async def expires(k):
    await k.pool.delayed_work_timer_fn(k.obj.poll)


async def polls(k):
    await k.pool.process_one_work(k.obj.poll)
    await k.pool.work_done()


def test_a_delayed_work_runs_after_its_timer():
    async def queues(k):
        assert await k.wq.queue_delayed_work(k.obj.poll)
        assert not await k.wq.queue_delayed_work(k.obj.poll)

    actors = {"Q": queues, "T": expires, "W": polls}
    with pytest.raises(ScheduleError):
        run("Q W", **actors)
    assert run("Q*2 T W*2", **actors).finished


def test_mod_delayed_work_arms_a_work_that_waits_for_a_worker_anew():
    async def queues(k):
        await k.wq.queue_delayed_work(k.obj.poll)
        assert await k.wq.mod_delayed_work(k.obj.poll)

    world = run("Q T Q", Q=queues, T=expires, W=polls).tip.world
    assert world.pool.timers == frozenset({world.obj.poll})
    assert world.pool.worklist == frozenset()


def test_cancel_delayed_work_returns_while_the_work_runs_and_the_sync_one_waits():
    def actors(cancel):
        async def queues(k):
            await k.wq.queue_delayed_work(k.obj.poll)

        async def cancels(k):
            await getattr(k.wq, cancel)(k.obj.poll)

        return {"Q": queues, "T": expires, "W": polls, "C": cancels}

    assert run("Q T W C", **actors("cancel_delayed_work")).tip.answer is False
    with pytest.raises(ScheduleError):
        run("Q T W C", **actors("cancel_delayed_work_sync"))
    assert run("Q C", **actors("cancel_delayed_work_sync")).tip.answer is True


def test_flush_delayed_work_queues_now_and_waits():
    async def flushes(k):
        await k.wq.queue_delayed_work(k.obj.poll)
        await k.wq.flush_delayed_work(k.obj.poll)

    actors = {"F": flushes, "T": expires, "W": polls}
    with pytest.raises(ScheduleError):
        run("F*3", **actors)
    assert run("F*2 W*2 F", **actors).tip.done == ("F", "W")


# -- timeouts --------------------------------------------------------------------------------


class Waits(World):
    compl: Completion = field(default_factory=Completion)
    queue: WaitQueueHead = field(default_factory=WaitQueueHead)


def waiting(*bad, **actors):
    return Case(name="Waits", world=Waits, actors=actors, bad=bad)


def test_a_wait_with_a_timeout_ends_in_both_ways_and_never_deadlocks():
    async def waits(k):
        await k.compl.wait_for_completion_timeout()

    async def completes(k):
        await k.compl.complete()

    alone = explore(waiting(CPU0=waits, environment=environment))
    assert alone.deadlock is None
    case = waiting(CPU0=waits, CPU1=completes, environment=environment)
    answers = {
        replay(case, schedule).tip.answer
        for schedule in ("CPU0 CPU1 CPU0", "CPU0 environment CPU0", "CPU0 environment CPU1 CPU0")
    }
    assert answers == {True, False}
    assert replay(case, "CPU0 environment CPU1 CPU0").tip.answer is True  # done counts
    with pytest.raises(ScheduleError):
        replay(case, "CPU0*2")


def test_completion_done_says_nothing_about_a_waiter_that_has_gone():
    async def waits(k):
        await k.compl.wait_for_completion_timeout()
        await k.compl.completion_done()

    assert (
        replay(waiting(CPU0=waits, environment=environment), "CPU0 environment CPU0*2").tip.answer
        is False
    )


def test_schedule_timeout_tells_a_wake_up_from_a_timeout():
    async def sleeps(k):
        await k.queue.prepare_to_wait()
        await k.queue.schedule_timeout()
        await k.queue.finish_wait()

    async def wakes(k):
        await k.queue.wake_up_all()

    case = waiting(CPU0=sleeps, CPU1=wakes, environment=environment)
    assert replay(case, "CPU0*2 CPU1 CPU0").tip.answer is True
    assert replay(case, "CPU0*2 environment CPU0").tip.answer is False
    assert explore(waiting(CPU0=sleeps, environment=environment)).deadlock is None


def test_without_an_environment_a_timeout_is_an_error():
    async def waits(k):
        await k.compl.wait_for_completion_timeout()

    with pytest.raises(Exception, match="no actor of the case is the environment"):
        explore(waiting(CPU0=waits))


def test_wait_event_timeout_returns_whether_the_condition_holds():
    def holds(k):
        """The waiter has found that the condition holds."""
        return k.compl.done == 5

    async def waits(k):
        if await k.queue.wait_event_timeout(k.compl.completion_done):
            for _ in range(4):
                await k.compl.complete()

    async def sets(k):
        await k.compl.complete()
        await k.queue.wake_up_all()

    report = explore(waiting(holds, CPU0=waits, CPU1=sets, environment=environment))
    assert report.verdicts["holds"] == Verdict.SOMETIMES
    assert report.deadlock is None
