"""What the model leaves open: every answer is explored, and the environment's step says which."""

import pytest

from mmviz.engine import (
    Case,
    Model,
    ModelError,
    Verdict,
    World,
    atomic,
    choose,
    environment,
    explore,
    replay,
)
from mmviz.engine.mutation import omissions


class Notes(World):
    a: str = ""
    b: str = ""

    @atomic("driver")
    def note(self, who: str, what: str) -> None:
        """Write down what an actor has heard."""
        setattr(self, who, what)


async def allocates(k):
    if await choose("kmalloc() fails"):
        await k.note("a", "failed")
        return
    await k.note("a", "went on")


async def takes_a_slot(k):
    slot = await choose("which slot", "first", "second", "third")
    await k.note("b", slot)


def failed(k):
    """The allocation has failed."""
    return k.a == "failed"


def went_on(k):
    """The allocation has not failed."""
    return k.a == "went on"


def third(k):
    """The third slot is used."""
    return k.b == "third"


def first(k):
    """The first slot is used."""
    return k.b == "first"


def case(*bad, **actors):
    return Case(name="Open", world=Notes, actors=actors, bad=bad)


def test_both_answers_are_explored():
    report = explore(case(failed, went_on, CPU0=allocates, environment=environment))

    assert set(report.verdicts.values()) == {Verdict.SOMETIMES}


def test_of_several_values_each_is_explored():
    report = explore(case(first, third, CPU0=takes_a_slot, environment=environment))

    assert set(report.verdicts.values()) == {Verdict.SOMETIMES}
    assert len(report.counterexamples["third"].shortest) == 5  # ask, twice otherwise, hear, note


@pytest.mark.parametrize("a", [failed, went_on])
@pytest.mark.parametrize("b", [first, third])
def test_two_actors_may_ask_at_once_and_each_pair_of_answers_is_explored(a, b):
    def both(k):
        """Both answers are these."""
        return a(k) and b(k)

    actors = {"CPU0": allocates, "CPU1": takes_a_slot, "environment": environment}
    assert explore(case(both, **actors)).verdicts["both"] == Verdict.SOMETIMES


def test_every_answer_is_heard_even_while_another_actor_asks():
    """The environment turns to the first question; the second actor is answered all the same."""
    actors = {"CPU0": takes_a_slot, "CPU1": allocates, "environment": environment}
    run = replay(case(**actors), "CPU0 CPU1 environment*3 CPU1*2 CPU0*2")

    assert (run.tip.world.a, run.tip.world.b) == ("failed", "third")


def test_the_step_is_the_environments_and_says_what_it_decides():
    actors = {"CPU0": allocates, "environment": environment}
    run = replay(case(**actors), "CPU0")

    assert run.tip.next["environment"].label == "kmalloc() fails"
    assert run.step("environment").label == "kmalloc() fails"
    assert run.step("CPU0").answer is True


def test_an_environment_that_is_asked_nothing_says_so():
    run = replay(case(CPU0=allocates, environment=environment), "")

    assert run.blocked()["environment"].reason == "no actor leaves anything open now"


def test_of_several_values_the_step_names_the_value():
    run = replay(case(CPU0=takes_a_slot, environment=environment), "CPU0 environment")

    assert run.tip.label == "which slot: second"


def test_a_reader_sees_the_line_that_asks():
    model = Model(case(CPU0=allocates, environment=environment))

    assert model.location(model.start, 0).lines[-1].function == "allocates"


def test_the_environment_may_idle_forever():
    assert case(CPU0=allocates, environment=environment).daemons == ("environment",)


@pytest.mark.parametrize("more", [1, 4])
def test_states_multiply_only_while_a_question_is_open(more):
    def states(notes):
        async def asks_first(k):
            await choose("kmalloc() fails")
            for i in range(notes):
                await k.note("a", str(i))

        return explore(case(CPU0=asks_first, environment=environment)).states

    assert states(2 + more) == states(2) + more


def test_a_case_without_questions_has_no_bits_for_them():
    async def notes(k):
        await k.note("a", "x")

    plain, asked = Model(case(CPU0=notes)), Model(case(CPU0=notes, environment=environment))
    for model in (plain, asked):
        assert model.successor(model.start, 0) is not None

    assert plain.width == asked.width


def test_the_environments_turn_is_no_more_than_one_preemption():
    example = explore(case(failed, CPU0=allocates, environment=environment)).counterexamples

    assert example["failed"].preemptions <= 1


def test_without_an_environment_it_is_an_error_that_says_what_to_write():
    with pytest.raises(ModelError, match=r'write actors=\{…, "environment": environment\}'):
        explore(case(CPU0=allocates))


@pytest.mark.parametrize("values", [("one",), ("same", "same")])
def test_values_that_leave_nothing_open_are_an_error(values):
    async def asks(k):
        await choose("which", *values)

    with pytest.raises(ModelError, match="give at least two, each once"):
        explore(case(CPU0=asks, environment=environment))


def test_a_mutable_value_is_an_error():
    async def asks(k):
        await choose("which", [1], [2])

    with pytest.raises(ModelError, match="immutable"):
        explore(case(CPU0=asks, environment=environment))


def test_no_mutant_removes_a_question():
    """A case in which less may happen is no worse, so such a mutant would always survive."""
    found = omissions(case(CPU0=allocates, environment=environment))

    assert {each.spot.step for each in found} == {"note"}
