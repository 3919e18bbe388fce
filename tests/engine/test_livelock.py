"""Which loops are livelocks: those that go on although every actor that is enabled gets to run."""

from mmviz.engine import explore, mark, replay

from .toys import case


async def asks_under_the_lock(k):
    while True:
        mark("again")
        await k.lock.take()
        ready = await k.load()
        await k.lock.drop()
        if ready:
            return


async def writes_under_the_lock(k):
    await k.lock.take()
    await k.store(1)
    await k.lock.drop()


async def asks_forever(k):
    while True:
        mark("again")
        await k.load()


def test_taking_a_lock_again_and_again_does_not_starve_who_waits_for_it():
    actors = {"A": asks_under_the_lock, "B": writes_under_the_lock}

    report = explore(case(actors=actors, bad=()))

    assert (report.livelock, report.deadlock) == (None, None)


def test_asking_for_ever_while_somebody_can_never_move_is_a_livelock():
    async def waits_for_ever(k):
        await k.wait_for(7)

    report = explore(case(actors={"A": asks_forever, "B": waits_for_ever}, bad=()))

    assert report.livelock.cycle == ("A",)


def test_the_loop_shown_has_everybody_move_who_moves_for_ever():
    async def writes_for_ever(k):
        while True:
            mark("again")
            await k.store(0)

    actors = {"A": asks_forever, "DEV": writes_for_ever, "B": asks_under_the_lock}

    report = explore(case(actors=actors, bad=(), daemons=("DEV",)))

    run = replay(report.case, report.livelock.prefix + report.livelock.cycle)
    assert {"A", "B"} <= set(report.livelock.cycle)
    assert run.tip.state == report.livelock.state
