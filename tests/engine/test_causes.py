import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmviz.engine import (
    Conflict,
    Graph,
    MmvizError,
    Run,
    conflict,
    happens_before,
    races,
    replay,
    turned,
)
from mmviz.scenarios import find

from .toys import case, locked


def test_conflicting_steps_are_ordered_and_the_others_are_not():
    async def elsewhere(k):
        await k.other.take()
        await k.other.drop()

    run = replay(case(actors={"A": locked, "B": elsewhere}), "A B A B A A")

    assert happens_before(run) == [
        frozenset(),
        frozenset(),
        frozenset(),
        frozenset({1}),
        frozenset({2}),
        frozenset({1, 3}),
        frozenset({1, 3, 5}),
    ]


def test_happens_before_is_transitive():
    async def writes(k):
        await k.store(1)

    async def reads_and_takes(k):
        await k.load()
        await k.lock.take()

    async def tries(k):
        await k.lock.trylock()

    run = replay(case(actors={"A": writes, "B": reads_and_takes, "C": tries}), "A B B C")

    assert happens_before(run)[4] == {1, 2, 3}


def test_a_lost_update_is_a_race_between_a_load_and_a_store():
    run = replay(case(), "A B A B")

    assert [(race.first, race.second) for race in races(run)] == [(2, 3), (1, 4), (3, 4)]
    assert conflict(run, "lost_update") == Conflict(1, 4, ("value",))


def test_a_race_turned_round_gives_the_run_that_is_fine():
    run = replay(case(), "A B A B")

    twin = turned(run, conflict(run, "lost_update"))

    assert twin.violated == ()
    assert twin.schedule == ("B", "B", "A", "A")


def test_two_critical_sections_race_at_their_locks_only():
    run = replay(case(actors={"A": locked, "B": locked}), "A*4 B*4")

    assert [(race.first, race.second) for race in races(run)] == [(1, 5)]
    assert turned(run, races(run)[0]).schedule[:4] == ("B", "B", "B", "B")


def test_steps_of_one_thread_are_never_a_race():
    async def twice(k):
        await k.load()
        await k.store(1)

    assert races(replay(case(actors={"A": twice}), "A A")) == []


def test_a_run_without_the_violation_has_no_conflict_to_show():
    with pytest.raises(ValueError, match="does not violate lost_update"):
        conflict(replay(case(), "A A B B"), "lost_update")


@given(st.randoms(use_true_random=False))
def test_steps_that_are_not_ordered_can_be_swapped(dice):
    run = Run(case(actors={"A": locked, "B": locked}))
    while run.enabled():
        run.step(dice.choice(run.enabled()))
    past = happens_before(run)
    for k in range(2, len(run.frames)):
        if k - 1 not in past[k]:
            names = list(run.schedule)
            names[k - 2], names[k - 1] = names[k - 1], names[k - 2]
            assert str(replay(run.case, names).tip.values) == str(run.tip.values)


def test_the_race_of_the_thread_is_between_the_list_and_the_move():
    headline = find("iommu_group/release_order", "DelistThenRelease")
    run = replay(headline, headline.schedules["the thread's own run"])

    race = conflict(run, "device_attached_to_freed_domain")

    assert {run.frames[race.first].actor, run.frames[race.second].actor} == {"CPU0", "CPU1"}


def test_a_graph_that_is_too_large_says_so():
    with pytest.raises(MmvizError, match="more than 5 states"):
        Graph(case(), max_states=5)
