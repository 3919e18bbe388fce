import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmviz.engine import (
    LoopWithoutMark,
    ModelError,
    NotDeterministic,
    Run,
    ScheduleError,
    explore,
    mark,
    parse_schedule,
    replay,
    short,
    table,
)

from .toys import case, locked

LOCKED = {"A": locked, "B": locked}


def test_a_blocked_actor_says_by_whom_and_since_which_step():
    run = replay(case(actors=LOCKED), "B A*0 B")

    assert run.enabled() == ("B",)
    assert run.blocked()["A"].reason == "take(lock) waits: held by B since step 1"
    assert run.blocked()["A"].by == (("B", 1),)


def test_a_guard_without_an_owner_names_the_last_who_changed_what_it_looks_at():
    async def waits(k):
        await k.wait_for(2)

    run = replay(case(actors={"A": locked, "B": waits}), "A A A")

    assert run.blocked()["B"].reason == "wait_for(2) waits: last changed by A in step 3"


def test_a_guard_on_a_field_nobody_changed_names_the_field():
    async def waits(k):
        await k.wait_for(2)

    run = Run(case(actors={"A": locked, "B": waits}))

    assert run.blocked()["B"].reason == "wait_for(2) waits for a change of value"


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (
            "B A",
            "step 2: A is blocked: take(lock) waits: held by B since step 1. Enabled: B.",
        ),
        ("B*5", "step 5: B has finished. Enabled: A."),
        ("B C", "step 2: 'C' is not an actor of Toy (actors: A, B; write CPU0 or CPU0*3)"),
        ("B A*x", "step 2: 'A*x' is not an actor of Toy (actors: A, B; write CPU0 or CPU0*3)"),
    ],
)
def test_an_illegal_schedule_names_the_step_the_actor_why_and_who_can(schedule, says):
    with pytest.raises(ScheduleError) as error:
        replay(case(actors=LOCKED), schedule)

    assert str(error.value) == says


@given(st.lists(st.sampled_from("AB"), max_size=30))
def test_a_schedule_survives_being_written_down(names):
    toy = case()

    assert parse_schedule(toy, short(names)) == tuple(names)
    assert parse_schedule(toy, ",".join(names)) == tuple(names)


@given(st.randoms(use_true_random=False))
def test_a_schedule_replays_to_the_same_frames(dice):
    run = Run(case(actors=LOCKED))
    while run.enabled():
        run.step(dice.choice(run.enabled()))

    again = replay(run.case, run.schedule)

    assert [str(f.values) for f in again.frames] == [str(f.values) for f in run.frames]
    assert [f.writes for f in again.frames] == [f.writes for f in run.frames]
    assert [f.label for f in again.frames] == [f.label for f in run.frames]


@given(st.randoms(use_true_random=False), st.integers(0, 8))
def test_undo_takes_back_exactly_one_step_and_a_fork_leaves_its_parent_alone(dice, steps):
    run = Run(case())
    for _ in range(steps):
        if run.enabled():
            run.step(dice.choice(run.enabled()))
    before = (run.schedule, run.tip.values)
    if run.enabled():
        twin = run.fork()
        twin.step(dice.choice(twin.enabled()))
        assert (run.schedule, run.tip.values) == before
        twin.undo()
        assert (twin.schedule, twin.tip.values) == before


def test_undo_at_the_start_does_nothing_and_a_fork_beyond_the_end_is_refused():
    run = Run(case())
    run.undo()
    assert run.schedule == ()
    with pytest.raises(IndexError, match="0 steps has no step 3"):
        run.fork(3)


def test_a_thousand_steps_can_be_replayed_and_looked_at():
    async def spins(k):
        for _ in range(2000):
            mark("again")
            value = await k.load()
            mark("loaded", value)
            await k.store(1 - value)

    # the loop variable of the range is forgotten by the marks on purpose: it never ends
    run = replay(case(actors={"A": spins}, bad=()), "A*1200")

    assert run.frames[1200].writes[0].field == "value"
    assert run.frames[1200].broken == frozenset()
    assert sys.getrecursionlimit() < 5000


def test_an_actor_that_is_not_deterministic_is_named_with_the_likely_cause():
    async def moody(k):
        await k.load()
        await (k.store(1) if random.random() < 0.5 else k.store(2))
        await k.load()

    def explore_often():
        for _ in range(100):
            explore(case(actors={"A": moody}))

    with pytest.raises(NotDeterministic, match=r"A did store\(\d\) after 1 answers.*random number"):
        explore_often()


def test_a_loop_without_a_mark_names_the_actor_and_the_line():
    async def spins(k):
        while True:
            await k.load()

    with pytest.raises(LoopWithoutMark, match=r"A has heard 500 answers without a mark.*spins"):
        explore(case(actors={"A": spins}))


def test_awaiting_something_that_is_no_step_is_refused():
    class Future:
        def __await__(self):
            yield "later"

    async def lost(k):
        await Future()

    with pytest.raises(ModelError, match="A awaited 'later'"):
        Run(case(actors={"A": lost}))


def test_a_step_in_a_finally_block_is_refused_with_the_way_out():
    async def tidy(k):
        try:
            await k.load()
        finally:
            await k.store(0)

    with pytest.raises(ModelError, match="A awaits in a `finally`"):
        Run(case(actors={"A": tidy}))


def test_an_actor_must_be_an_async_function():
    with pytest.raises(ModelError, match="actor A is not an async function"):
        Run(case(actors={"A": lambda k: None}))


def test_the_next_step_of_an_actor_knows_its_lines_of_code():
    run = replay(case(actors=LOCKED), "A")

    described = run.describe("A")

    assert (described.label, described.cite, described.doc) == ("load()", "toy", "Read the number.")
    assert described.lines[-1].function == "locked"
    assert described.lines[-1].file.endswith("toys.py")


def test_the_text_twin_has_a_column_an_actor_marks_the_violation_and_replays():
    run = replay(case(), "A B A B")

    text = table(run)

    assert text.splitlines()[0].split() == ["A", "B"]
    assert "!! lost_update: An increment got lost" in text
    assert text.splitlines()[-1] == "replay(Toy, 'A B A B')"
    column = text.splitlines()[0].index("B")
    assert [line.index("store") for line in text.splitlines() if "store" in line] == [0, column]
