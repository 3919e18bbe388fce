import sys
from dataclasses import dataclass
from typing import Any

import pytest

from mmviz.engine import (
    Graph,
    ModelError,
    UnknownName,
    Verdict,
    explore,
    mark,
    replay,
)
from mmviz.engine.bits import token
from mmviz.engine.step import atomic
from mmviz.engine.struct import Map, World, field

from .toys import case, locked, lost_update, racy

ABBA = "abba"
explore_module = sys.modules["mmviz.engine.explore"]  # the name is the function's, too


async def ab(k):
    await k.lock.take()
    await k.other.take()
    await k.other.drop()
    await k.lock.drop()


async def ba(k):
    await k.other.take()
    await k.lock.take()
    await k.lock.drop()
    await k.other.drop()


def test_the_lost_update_is_found_with_a_shortest_run_and_a_calm_one():
    report = explore(case())

    assert report.verdicts == {"lost_update": Verdict.SOMETIMES}
    example = report.counterexamples["lost_update"]
    assert len(example.shortest) == 4
    assert example.preemptions == 1
    assert example.fewest_preemptions == ("A", "B", "B", "A")


def test_leaving_an_enabled_device_is_not_a_preemption():
    async def device(k):
        await k.store(1)
        await k.store(2)

    async def takes(k):
        await k.wait_for(1)
        await k.lock.take()

    def taken_early(k):
        return k.value == 1 and k.lock.owner == "A"

    actors = {"A": takes, "DEV": device}
    report = explore(case(actors=actors, bad=(taken_early,), daemons=("DEV",)))

    assert report.counterexamples["taken_early"].fewest_preemptions == ("DEV", "A", "A")
    assert report.counterexamples["taken_early"].preemptions == 0


def test_a_lock_makes_it_never():
    report = explore(case(actors={"A": locked, "B": locked}))

    assert report.verdicts == {"lost_update": Verdict.NEVER}
    assert report.counterexamples == {}
    assert report.deadlock is None
    assert report.complete


def test_states_of_a_racy_counter_are_counted_by_hand():
    # 1 neither has begun        2 3 one loaded 0       4 both loaded 0
    # 5 6 one done, other fresh  7 8 other loaded 1     9 10 other had loaded 0
    # 11 both done with 2        12 both done with 1
    report = explore(case())

    assert (report.states, report.transitions) == (12, 14)


def test_every_run_violates_is_always_and_some_run_is_sometimes():
    def one(k):
        return k.value == 1

    report = explore(case(bad=(one, lost_update)))

    assert report.verdicts == {"one": Verdict.ALWAYS, "lost_update": Verdict.SOMETIMES}


def test_a_deadlock_is_stuck_and_not_a_completed_run():
    report = explore(case(actors={"A": ab, "B": ba}, bad=()))

    assert report.deadlock.shortest == ("A", "B")
    assert replay(report.case, report.deadlock.shortest).deadlock
    assert report.livelock is None


def test_a_device_that_idles_for_ever_is_not_stuck():
    async def device(k):
        await k.wait_for(7)

    report = explore(case(actors={"A": racy, "DEV": device}, bad=(), daemons=("DEV",)))

    assert report.deadlock is None


def test_waiting_for_a_device_that_only_spins_is_stuck():
    async def device(k):
        while True:
            mark("again")
            await k.load()

    async def waits(k):
        await k.wait_for(7)

    report = explore(case(actors={"A": waits, "DEV": device}, bad=(), daemons=("DEV",)))

    assert report.deadlock is not None
    assert report.livelock is None


async def polite(k, first, second):
    while True:
        mark("again")
        await first.take()
        if await second.trylock():
            break
        await first.drop()
    await second.drop()
    await first.drop()


def test_two_who_give_way_to_each_other_for_ever_are_a_livelock():
    actors = {
        "A": lambda k: polite(k, k.lock, k.other),
        "B": lambda k: polite(k, k.other, k.lock),
    }

    report = explore(case(actors=actors, bad=()))

    assert report.deadlock is None
    assert set(report.livelock.cycle) == {"A", "B"}
    run = replay(report.case, report.livelock.prefix + report.livelock.cycle)
    assert run.tip.state == report.livelock.state


def test_a_retry_loop_that_needs_somebody_else_to_go_on_is_no_livelock():
    async def retries(k):
        while True:
            mark("again")
            if await k.load() == 1:
                return

    async def writes(k):
        await k.store(1)

    report = explore(case(actors={"A": retries, "B": writes}, bad=()))

    assert (report.livelock, report.deadlock) == (None, None)


def test_a_search_that_was_cut_off_never_says_never():
    report = explore(case(actors={"A": locked, "B": locked}), max_states=5)

    assert report.verdicts == {"lost_update": Verdict.UNKNOWN}
    assert not report.complete
    assert "limit of 5 states" in report.small_print
    assert not report.as_expected


def test_a_search_can_be_stopped_and_tells_how_far_it_is():
    seen = []

    report = explore(case(), progress=seen.append, stop=lambda: len(seen) >= 2)

    assert report.cut == "stopped by hand"
    assert seen[-1].states == report.states
    assert "states" in str(seen[-1])


def test_a_limit_on_memory_is_respected():
    assert "bytes" in explore(case(), max_bytes=1).cut


def test_differences_from_the_declaration_are_said_in_words():
    report = explore(case(states=5, deadlock=True, livelock=True))

    assert report.differences() == [
        "lost_update is Sometimes, declared Never",
        "no run deadlocks, although one is declared",
        "no livelock, although one is declared",
        "12 states, declared 5",
    ]


def test_names_that_cannot_stand_in_a_schedule_are_refused():
    with pytest.raises(ModelError, match="cannot stand in a schedule"):
        case(actors={"CPU 0": racy})


def test_a_declared_daemon_must_exist():
    with pytest.raises(ModelError, match="daemon 'DEV'"):
        case(daemons=("DEV",))


def test_a_declared_verdict_is_of_one_of_the_bad_states():
    with pytest.raises(ModelError, match=r"other is expected, but not among .*: lost_update"):
        case(expect={"other": Verdict.NEVER})


class Wide(World):
    cells: Map[int, int] = field(default_factory=lambda: Map(dict.fromkeys(range(40), 0)))

    @atomic("toy")
    def bump(self, i: int) -> None:
        self.cells[i] += 1


def test_a_field_may_take_more_values_than_anybody_guessed():
    async def counts(k):
        for _ in range(300):
            await k.bump(0)

    async def once(k):
        await k.bump(1)

    report = explore(case(world=Wide, actors={"A": counts, "B": once, "C": once}, bad=()))

    assert report.states == 301 * 4
    assert replay(report.case, "A*300 B C").tip.values["cells[0]"] == 300


@pytest.mark.parametrize(("first", "second"), [(1, True), ((1,), (True,))])
def test_equal_values_of_different_types_are_told_apart(first, second):
    async def writes(k):
        await k.store(first)
        await k.store(second)

    def says_yes(k):
        return k.value is True or (isinstance(k.value, tuple) and k.value[0] is True)

    report = explore(case(actors={"A": writes}, bad=(says_yes,)))

    assert report.verdicts["says_yes"] == Verdict.ALWAYS


def test_fates_tell_before_when_the_bad_state_became_unavoidable():
    toy = case()
    graph = Graph(toy)
    run = replay(toy, "A B B A")

    names = [fate.name for fate in graph.fates_along(run, "lost_update")]

    assert names == ["POSSIBLE", "POSSIBLE", "UNAVOIDABLE", "UNAVOIDABLE", "UNAVOIDABLE"]
    assert graph.point_of_no_return(run, "lost_update") == 2
    assert graph.point_of_no_return(replay(toy, "A A B B"), "lost_update") is None
    assert len(graph.states) == explore(toy).states


def test_a_fate_of_what_nobody_judges_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="lost_update"):
        Graph(case()).fate("lost_updates")


def test_a_device_may_idle_so_its_violation_is_never_unavoidable():
    async def device(k):
        await k.store(9)

    def nine(k):
        return k.value == 9

    toy = case(actors={"A": racy, "DEV": device}, bad=(nine,), daemons=("DEV",))

    assert Graph(toy).fates_along(replay(toy, "A A"), "nine")[-1].name == "POSSIBLE"
    assert explore(toy).verdicts["nine"] == Verdict.SOMETIMES


@dataclass(frozen=True)
class Answer:
    yes: Any


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (False, 0),
        (frozenset({True}), frozenset({1})),
        ((1, frozenset({True})), (1, frozenset({1}))),
        (Answer(True), Answer(1)),
    ],
)
def test_marks_and_answers_that_are_merely_equal_are_two(first, second):
    """A loop that carries `first` and then `second` has come to another location."""
    assert first == second
    assert token(first) != token(second)

    class Gate(World):
        opened: bool = False

        @atomic("toy")
        def step(self, value):
            """Open the gate when the second value comes."""
            self.opened = self.opened or type(flat(value)) is not type(flat(first))

    def opened(k):
        """The gate is open."""
        return k.opened

    async def turns(k):
        for value in (first, second):
            mark("again", value)
            await k.step(value)

    report = explore(case(world=Gate, actors={"A": turns}, bad=(opened,)))
    assert report.verdicts == {"opened": Verdict.ALWAYS}


def flat(value):
    """Return the innermost value."""
    while isinstance(value, tuple | frozenset | Answer):
        value = value.yes if isinstance(value, Answer) else list(value)[-1]
    return value


def test_a_search_that_was_cut_off_looks_for_no_calmer_run_and_says_that_it_was_cut(monkeypatch):
    def endless(*_):
        raise AssertionError("it has no limits")

    monkeypatch.setattr(explore_module, "fewest_preemptions", endless)
    report = explore(case(), max_states=8)

    assert report.cut
    assert report.differences()[0].startswith("the search was cut off: stopped above the limit")
    for found in report.counterexamples.values():
        assert found.preemptions == -1
        assert "preemptions" not in str(report)
