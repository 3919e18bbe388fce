import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmviz.engine import (
    Allocated,
    Change,
    LoopWithoutMark,
    MmvizError,
    ModelError,
    NotDeterministic,
    Oops,
    Run,
    ScheduleError,
    World,
    atomic,
    explore,
    field,
    parse_schedule,
    replay,
    short,
    spoken,
    table,
)
from mmviz.engine.text import printable, quoted

from .toys import case, locked

LOCKED = {"A": locked, "B": locked}
COUNT = "the count is not a number from 0 to 10,000; write A*3"
LIST = 'a schedule in a list is a list of actors, ["A", "B"]'
EITHER = 'write "A*3 B" or ["A", "B"]'


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
        ("B C", "step 2: 'C' is not an actor of Toy (actors: A, B; write A or A*3)"),
        ("B A*x", f"step 2: in 'A*x' {COUNT}"),
        ("B A*²", f"step 2: in 'A*²' {COUNT}"),
        ("A*①", f"step 1: in 'A*①' {COUNT}"),
        ("A*", f"step 1: in 'A*' {COUNT}"),
        ("A*-1", f"step 1: in 'A*-1' {COUNT}"),
        ("A*999999999", f"step 1: in 'A*999999999' {COUNT}"),
        (f"A*{'9' * 5000}", f"step 1: in 'A*{'9' * 25}...{'9' * 28}' {COUNT}"),
        (["A", 3], f"step 2: 3 is not text; {LIST}"),
        ([["A"]], f"step 1: ['A'] is not text; {LIST}"),
        ([None], f"step 1: None is not text; {LIST}"),
        (5, f"a schedule is text or a list of actors, not 5; {EITHER}"),
        (None, f"a schedule is text or a list of actors, not None; {EITHER}"),
        (b"A", f"a schedule is text or a list of actors, not b'A'; {EITHER}"),
        ({"A"}, f"a schedule is text or a list of actors, not {{'A'}}; {EITHER}"),
        ({"A": 3}, f"a schedule is text or a list of actors, not {{'A': 3}}; {EITHER}"),
        (
            "A*10000 " * 11,
            "a schedule has at most 100,000 steps, and this one has more; write a shorter one",
        ),
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
    with pytest.raises(MmvizError, match="the step at which a run forks is an integer, not '3'"):
        run.fork("3")


@pytest.mark.parametrize("actor", ["C", 3, None, ["A"], b"A"])
def test_what_is_no_actor_cannot_step(actor):
    with pytest.raises(ScheduleError, match=r"step 1: there is no actor .* here \(actors: A, B\)"):
        Run(case()).step(actor)


@pytest.mark.parametrize("count", ["A*3", "A*03", "A*0000000003"])
def test_a_count_may_have_leading_zeros(count):
    assert parse_schedule(case(), count) == ("A", "A", "A")


def test_a_run_of_what_is_no_case_says_how_to_get_one():
    with pytest.raises(MmvizError, match=r"what is run is a Case, not 'Toy'; write mmviz\.find"):
        Run("Toy")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x" * 10_000_000, "'" + "x" * 27 + "..." + "x" * 28 + "'"),
        ("\x1b[31m\u202e\ud800", r"'\x1b[31m\u202e\ud800'"),
        (
            [["A"] * 9] * 9,
            "[['A', 'A', 'A', 'A', 'A', 'A', ...], ['A', 'A', 'A', 'A',…]",
        ),
        (10**5000, "<int>"),
        (type("Odd", (), {"__repr__": lambda self: 1 / 0})(), "<Odd"),
        ("it's", '"it\'s"'),
        (None, "None"),
    ],
    ids=["long", "control", "nested", "digits", "odd", "quote", "none"],
)
def test_a_message_repeats_an_input_on_one_line_and_shortened(value, words):
    said = quoted(value)

    assert said.startswith(words)
    assert len(said) <= 60
    assert said.isprintable()


@pytest.mark.parametrize("empty", [None, "", (), frozenset()])
def test_an_empty_value_is_displayed_as_none(empty):
    assert spoken(empty) == "none"
    assert str(Change("ioasid.owner", "P1", empty)) == "ioasid.owner: P1 -> none"


@pytest.mark.parametrize(("value", "words"), [(0, "0"), (False, "no"), (("", 1), "(none, 1)")])
def test_a_value_that_is_not_empty_is_displayed(value, words):
    assert spoken(value) == words


def test_what_a_terminal_would_obey_is_escaped():
    assert printable("\x1b[31mred\n\u202eé\ud800\r") == "\\x1b[31mred\n\\u202eé\\ud800\\r"


def test_a_thousand_steps_can_be_replayed_and_looked_at():
    async def spins(k):
        while True:
            value = await k.load()
            await k.store(1 - value)

    run = replay(case(actors={"A": spins}, bad=()), "A*1200")

    assert run.frames[1200].writes[0].field == "value"
    assert run.frames[1200].broken == frozenset()
    assert sys.getrecursionlimit() < 5000


def test_an_actor_that_is_not_deterministic_is_named_with_the_likely_cause():
    hidden = {"coin": random.random}  # a plain random.random() is refused at once

    async def moody(k):
        await k.load()
        await (k.store(1) if hidden["coin"]() < 0.5 else k.store(2))
        await k.load()

    def explore_often():
        for _ in range(100):
            explore(case(actors={"A": moody}))

    with pytest.raises(NotDeterministic, match=r"A did store\(\d\) after 1 answers.*random number"):
        explore_often()


def test_a_loop_that_counts_without_end_names_the_line_and_the_variable():
    async def spins(k):
        turns = 0
        while True:
            await k.load()
            turns += 1

    with pytest.raises(
        LoopWithoutMark, match=r"500 steps.*line \d+ of spins\(\).*turns had another"
    ):
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
    assert text.splitlines()[-1] == "mmviz.replay(case, 'A B A B')  # case: Toy"
    column = text.splitlines()[0].index("B")
    assert [line.index("store") for line in text.splitlines() if "store" in line] == [0, column]


def test_a_use_after_free_names_the_actor_that_freed_whatever_the_words():
    class Box(Allocated):
        content: int = 0

    class Boxes(World):
        one: Box = field(default_factory=lambda: Box(name="one"))
        other: Box = field(default_factory=lambda: Box(name="other"))

        @atomic("toy")
        def free_both(self) -> None:
            """Free both boxes."""
            self.other.free()
            self.one.free()

        @atomic("toy")
        def walk(self) -> None:
            """Walk the first box."""
            if self.one.freed:
                raise Oops("use_after_free", "the walker meets rubbish")

    async def frees(k):
        await k.free_both()

    async def walks(k):
        await k.walk()

    boxes = case(world=Boxes, actors={"A": frees, "B": walks}, bad=("use_after_free",))

    log = replay(boxes, "A B").tip.log

    assert log == ("the walker meets rubbish by A in step 1",)
