import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmviz.engine import (
    Conflict,
    Graph,
    MmvizError,
    Run,
    atomic,
    conflict,
    happens_before,
    parse_schedule,
    races,
    replay,
    turned,
)
from mmviz.engine.causes import COMPLETES, STOPS, VIOLATES
from mmviz.scenarios import find, names
from tests.searched import searched_cases

from .toys import Counter, case, locked


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
    assert conflict(run, "lost_update") == Conflict(1, 4, ("value",), COMPLETES)


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


def seen_at_once(k):
    """The number was written before B looked."""
    return k.table["b"] == 1


class Looked(Counter):
    @atomic("toy")
    def look(self):
        """Note whether the number has been written."""
        self.table["b"] = self.value


async def writes(k):
    await k.store(1)


async def looks(k):
    await k.look()


def test_a_run_that_waits_for_a_device_when_reversed_goes_on_with_the_device():
    async def looks_and_waits(k):
        await k.look()
        await k.wait_for(2)

    async def device(k):
        await k.wait_for(1)
        await k.other.take()
        await k.store(2)

    actors = {"A": writes, "B": looks_and_waits, "D": device}
    run = replay(case(world=Looked, actors=actors, daemons=("D",), bad=(seen_at_once,)), "A B")

    race = conflict(run, "seen_at_once")
    twin = turned(run, race)

    assert race.reversed == COMPLETES
    assert twin.schedule == ("B", "A", "D", "D", "D", "B")
    assert twin.finished


def test_a_reversal_that_avoids_the_bad_state_and_then_deadlocks_is_said_to_stop():
    async def looks_and_waits(k):
        await k.look()
        await k.wait_for(7)

    run = replay(
        case(world=Looked, actors={"A": writes, "B": looks_and_waits}, bad=(seen_at_once,)), "A B"
    )

    race = conflict(run, "seen_at_once")

    assert race == Conflict(1, 2, ("value",), STOPS)
    assert race.decides
    assert not turned(run, race).finished


def test_where_no_single_reversal_avoids_the_bad_state_none_decides():
    async def writes_too(k):
        await k.store(1)

    actors = {"A": writes, "C": writes_too, "B": looks}
    run = replay(case(world=Looked, actors=actors, bad=(seen_at_once,)), "A C B")

    race = conflict(run, "seen_at_once")

    assert race.reversed == VIOLATES
    assert not race.decides
    assert race.second == 3


@pytest.mark.parametrize("scenario", names())
def test_what_is_said_of_a_deciding_race_holds_in_the_reversed_run(scenario):
    for each in searched_cases(scenario):
        found = each.report.counterexamples.values()
        runs = {schedule for example in found for schedule in example[:2]}
        runs |= {parse_schedule(each.case, text) for text in each.case.schedules.values()}
        for run in map(each.run, runs):
            for bad_state in run.violated:
                race = conflict(run, bad_state)
                if race is None:
                    continue
                twin = turned(run, race)
                assert race.decides == (bad_state not in twin.violated)
                assert (race.reversed == STOPS) == (race.decides and not twin.finished)
                if not race.decides:
                    at = next(
                        k for k, frame in enumerate(run.frames) if bad_state in frame.violated
                    )
                    reversals = [other for other in races(run) if other.second <= at]
                    assert all(bad_state in turned(run, other).violated for other in reversals)


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
