import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmviz.engine import Graph, Run, Verdict, explore, mark, replay
from mmviz.engine.causes import chain
from mmviz.engine.escape import DEADLOCK, deadlocks, escape
from mmviz.scenarios import find, load

from .test_random_programs import NAMES, PROGRAMS, Cells, actor, both_two, x_three
from .toys import case, locked


def program_case(programs):
    return case(
        world=Cells,
        actors={NAMES[p]: actor(program) for p, program in enumerate(programs)},
        bad=(both_two, x_three),
    )


def random_run(toy, dice):
    run = Run(toy)
    while run.enabled() and len(run.schedule) < 20:
        run.step(dice.choice(run.enabled()))
    return run


def step_of(run, bad_state):
    return next((frame.index for frame in run.frames if bad_state in frame.violated), 0)


@settings(max_examples=150, deadline=None)
@given(PROGRAMS, st.randoms(use_true_random=False))
def test_the_point_of_no_return_is_that_of_the_graph(programs, dice):
    run = random_run(program_case(programs), dice)
    graph = Graph(run.case)
    for bad_state in set(run.violated):
        way = escape(run, bad_state, step_of(run, bad_state))

        assert way.cut == ""
        assert way.no_return == graph.point_of_no_return(run, bad_state)


@settings(max_examples=150, deadline=None)
@given(PROGRAMS, st.randoms(use_true_random=False))
def test_a_sibling_is_legal_differs_in_one_choice_and_is_fine(programs, dice):
    run = random_run(program_case(programs), dice)
    report = explore(run.case)
    for bad_state in set(run.violated):
        at = step_of(run, bad_state)
        sibling = escape(run, bad_state, at).sibling

        if sibling is None:
            always = report.verdicts[bad_state] is Verdict.ALWAYS
            assert always or report.deadlock or report.livelock
            continue
        twin = replay(run.case, sibling.run.schedule)
        k = sibling.step
        assert k <= at
        assert twin.schedule[: k - 1] == run.schedule[: k - 1]
        assert twin.schedule[k - 1] != run.schedule[k - 1]
        assert twin.finished
        assert bad_state not in twin.violated
        assert twin.violated == sibling.breaks


@settings(max_examples=150, deadline=None)
@given(PROGRAMS, st.randoms(use_true_random=False))
def test_who_is_stuck_for_good_could_have_got_out_before_the_point_of_no_return(programs, dice):
    run = random_run(program_case(programs), dice)
    ends = not run.enabled() and not run.finished
    assert deadlocks(run) == ends
    if ends:
        way = escape(run, DEADLOCK, len(run.schedule))
        assert way.no_return is not None
        if way.sibling is not None:
            assert replay(run.case, way.sibling.run.schedule).finished
            assert way.sibling.step <= way.no_return
        else:
            assert way.no_return == 0


@settings(max_examples=100, deadline=None)
@given(PROGRAMS, st.randoms(use_true_random=False))
def test_each_link_of_a_chain_gives_a_later_one_what_it_reads_or_decides(programs, dice):
    run = random_run(program_case(programs), dice)
    for bad_state in set(run.violated):
        at = step_of(run, bad_state)
        if not at:
            continue
        links = chain(run, bad_state, at)

        steps = [link.step for link in links]
        assert steps == sorted(set(steps))
        assert steps[-1] == at
        for link in links[:-1]:
            assert link.to in steps
            assert link.to > link.step
            written = {change.field for change in run.frames[link.step].writes}
            assert set(link.gives) <= written
            assert link.gives or run.frames[link.to].actor == run.frames[link.step].actor


def test_a_lost_update_comes_from_a_load_that_a_store_overtook():
    run = replay(case(), "A B A B")

    assert [link.step for link in chain(run, "lost_update", 4)] == [1, 2, 3, 4]
    assert escape(run, "lost_update", 4).no_return == 2
    assert escape(run, "lost_update", 4).sibling.run.schedule == ("A", "A", "B", "B")


def test_a_limit_is_said():
    run = replay(case(), "A B A B")

    way = escape(run, "lost_update", 4, max_states=1)

    assert way.no_return is None
    assert way.sibling is None
    assert way.cut == "not known: looked at 1 states"


def test_two_who_take_two_locks_in_both_orders_could_have_gone_one_after_the_other():
    async def one(k):
        await k.lock.take()
        await k.other.take()
        await k.other.drop()
        await k.lock.drop()

    async def other(k):
        await k.other.take()
        await k.lock.take()
        await k.lock.drop()
        await k.other.drop()

    run = replay(case(actors={"A": one, "B": other}, bad=(), expect={}), "A B")

    assert deadlocks(run)
    assert escape(run, DEADLOCK, 2).no_return == 2
    sibling = escape(run, DEADLOCK, 2).sibling
    assert sibling.step == 2
    assert sibling.run.finished
    assert sibling.run.schedule[:3] == ("A", "A", "A")


def test_a_run_that_goes_on_is_not_stuck():
    run = replay(case(actors={"A": locked, "B": locked}), "A")

    assert not deadlocks(run)
    assert run.loop is None


def test_a_spinning_device_neither_hides_a_deadlock_nor_makes_a_loop():
    async def spins(k):
        while True:
            mark("again")
            await k.load()

    async def waits(k):
        await k.wait_for(7)

    run = replay(case(actors={"A": waits, "DEV": spins}, bad=(), daemons=("DEV",)), "DEV DEV")

    assert run.enabled() == ("DEV",)
    assert deadlocks(run)
    assert run.loop is None


def test_a_livelock_comes_back_to_where_it_was():
    livelock = find("exclusive/retry_loop", explorable("exclusive/retry_loop"))
    lasso = explore(livelock).livelock
    run = replay(livelock, lasso.prefix + lasso.cycle)

    first, last = run.loop

    assert run.frames[first].state == run.frames[last].state
    assert last <= len(run.schedule)


def explorable(scenario):
    return next(case.name for case in load(scenario).cases if case.livelock)


def test_the_thread_s_own_run_has_a_run_beside_it_that_is_fine():
    headline = find("iommu_group/release_order", "DelistThenRelease")
    run = replay(headline, headline.schedules["the thread's own run"])
    bad_state = "device_attached_to_freed_domain"
    way = escape(run, bad_state, step_of(run, bad_state))

    assert way.sibling.breaks == ()
    assert replay(headline, way.sibling.run.schedule).violated == ()


@pytest.mark.parametrize("scenario", ["iommu_group/ways_to_leave", "exclusive/entry_ledger"])
def test_where_no_order_helps_there_is_no_sibling(scenario):
    always, bad_state = next(
        (case, bad_state)
        for case in load(scenario).cases
        for bad_state, verdict in case.expect.items()
        if verdict is Verdict.ALWAYS
    )
    run = replay(always, explore(always).counterexamples[bad_state].shortest)
    way = escape(run, bad_state, len(run.schedule))

    assert way.no_return == 0
    assert way.sibling is None
