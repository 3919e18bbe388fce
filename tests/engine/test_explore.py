import sys
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mmviz.engine import (
    Graph,
    ModelError,
    UnknownName,
    Verdict,
    at_end,
    explore,
    mark,
    replay,
)
from mmviz.engine.bits import token
from mmviz.engine.errors import Oops
from mmviz.engine.step import atomic
from mmviz.engine.struct import Map, World, field
from mmviz.engine.watch import Ended

from .toys import Counter, case, locked, lost_update, racy

ABBA = "abba"
search_module = sys.modules["mmviz.engine.search"]


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
    assert report.headline == "not decided: the search stopped at 5 states"
    assert "the search stopped at 5 states" in report.small_print
    assert not report.as_expected
    assert not report.safe


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
    with pytest.raises(ModelError, match="daemons= names 'DEV', which is none of A, B"):
        case(daemons=("DEV",))


def test_a_declared_verdict_is_of_one_of_the_bad_states():
    with pytest.raises(ModelError, match=r"'other' is expected, but not among .*: lost_update"):
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


def begun(k):
    """The number is not zero."""
    return k.value != 0


def test_a_calm_run_that_a_limit_left_out_is_not_made_up(monkeypatch):
    def ended(*_):
        raise Ended("stopped after 1 s")

    monkeypatch.setattr(search_module, "fewest_preemptions", ended)
    report = explore(case(bad=(begun,)), max_states=4)

    assert report.differences()[0] == "the search stopped at 4 states"
    assert report.counterexamples["begun"].preemptions == -1
    assert "preemption" not in repr(report.counterexamples["begun"])
    assert "the fewest preemptions were not looked for (stopped after 1 s)" in report.small_print
    assert [row[2] for row in report.rows()] == ["shortest run 2 steps"]


@pytest.mark.parametrize("max_states", [3, 4, 6, 8])
def test_a_cut_search_says_what_it_knows(max_states):
    report = explore(case(bad=(begun, lost_update)), max_states=max_states)

    found = report.verdicts["begun"]
    assert found in (Verdict.UNKNOWN, Verdict.SOMETIMES)
    assert report.headline.startswith(
        "not decided: " if found is Verdict.UNKNOWN else "goes wrong (search cut): begun Sometimes"
    )
    assert report.outcome == ("not decided" if found is Verdict.UNKNOWN else "goes wrong")


async def stores_and_waits(k):
    await k.store(1)
    await k.wait_for(7)


async def stores_and_oopses(k):
    await k.store(1)
    await k.oops()


class Fragile(Counter):
    @atomic("toy")
    def oops(self) -> None:
        """Stop the machine."""
        raise Oops("toy_oops", "the machine stops")


@at_end
def one_at_end(k):
    """The number is one."""
    return k.value == 1


def test_always_means_every_maximal_run_however_it_ends():
    """A run that deadlocks, or stops in an Oops, counts as one that completes does."""
    stuck = explore(case(actors={"A": stores_and_waits}, bad=(begun,)))
    assert stuck.verdicts == {"begun": Verdict.ALWAYS}
    assert stuck.headline == "goes wrong: begun Always; also deadlocks in every run"

    def first(k):
        return k.value == 2

    async def two(k):
        await k.store(2)

    dies = explore(
        case(world=Fragile, actors={"A": stores_and_oopses, "B": two}, bad=(first, "toy_oops"))
    )
    assert dies.verdicts == {"first": Verdict.SOMETIMES, "toy_oops": Verdict.ALWAYS}
    assert dies.ends == {"oops"}


def test_a_run_that_deadlocks_before_the_bad_state_makes_it_sometimes():
    async def ab_stores(k):
        await ab(k)
        await k.store(1)

    report = explore(case(actors={"A": ab_stores, "B": ba}, bad=(begun,)))

    assert report.headline == "goes wrong: begun Sometimes; also deadlocks"


def test_a_loop_that_avoids_the_bad_state_forever_makes_it_sometimes():
    async def loops(k):
        while True:
            mark("again")
            if await k.load() == 1:
                await k.store(5)
                return

    async def either(k):
        if await k.lock.trylock():
            await k.store(2)

    async def other(k):
        if await k.lock.trylock():
            await k.store(1)

    def five(k):
        return k.value == 5

    report = explore(case(actors={"A": loops, "B": either, "C": other}, bad=(five,)))

    assert report.headline == "goes wrong: five Sometimes; also livelocks"


def test_what_is_judged_at_the_end_of_runs_that_never_end_is_not_judged():
    report = explore(case(actors={"A": stores_and_waits}, bad=(one_at_end, begun)))

    assert report.verdicts["one_at_end"] is Verdict.NEVER
    assert ("one_at_end", "Not judged", "no run completes") in report.rows()
    assert "no run completes" in report.small_print
    assert report.case.expect["one_at_end"] is Verdict.NEVER
    assert "one_at_end" not in " ".join(report.differences())

    judged = explore(case(actors={"A": racy}, bad=(one_at_end,)))
    assert judged.rows()[0][1] == "Always"


def test_a_deadlock_in_some_runs_is_sometimes_and_in_all_is_always():
    some = explore(case(actors={"A": ab, "B": ba}, bad=()))
    assert some.headline == "deadlocks"
    assert some.rows() == [("deadlock", "Sometimes", "no actor can step after 2 steps")]

    every = explore(case(actors={"A": stores_and_waits}, bad=()))
    assert every.headline == "deadlocks in every run"
    assert every.rows() == [("deadlock", "Always", "no actor can step after 1 steps")]


def test_safe_means_that_nothing_is_open():
    safe = explore(case(actors={"A": locked, "B": locked}))
    assert (safe.headline, safe.outcome, safe.safe) == ("safe", "safe", True)

    for change in (
        {"cut": "interrupted"},
        {"undecided": "A read another value"},
        {"missing": ("livelocks were not looked for everywhere (stopped at 5 bytes)",)},
    ):
        other = replace(safe, **change)
        assert other.safe is False
        assert other.headline.startswith("not decided: ")
    assert replace(safe, undecided="A read another value").rows()[0][1] == "Not decided"


def test_a_model_that_is_learned_differently_the_second_time_decides_nothing(monkeypatch):
    why = "A at load(): the step returned 0 first and 1 when it was learned again"
    monkeypatch.setattr(search_module, "find_difference", lambda _model, _ask: why)

    report = explore(case(bad=(begun,), expect={"begun": Verdict.ALWAYS}))

    assert report.headline == f"not decided: {why}"
    assert report.undecided == why
    assert report.rows()[0][1] == "Not decided"
    assert report.differences() == [f"not decided: {why}"]
    assert not report.as_expected
    assert not report.safe


def test_a_report_is_no_condition():
    with pytest.raises(TypeError, match=r"Write report\.safe .* or report\.as_expected"):
        bool(explore(case()))


@pytest.mark.parametrize("devices", [2, 3])
def test_several_moves_to_one_state_are_counted_one_by_one(devices):
    """Each device may stop the machine, and each may idle: it is possible, not unavoidable."""

    async def oops(k):
        await k.oops()

    async def waits(k):
        await k.wait_for(1)

    names = [f"DEV{n}" for n in range(devices)]
    actors = dict.fromkeys(names, oops) | {"A": waits}
    graph = Graph(case(world=Fragile, actors=actors, bad=("toy_oops",), daemons=tuple(names)))

    assert len(graph.states) == 2
    assert list(graph.fate("toy_oops")) == [1, 2]
