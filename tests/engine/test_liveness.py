"""Locations: what is dead does not tell two histories apart, and what is live always does."""

from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmviz.engine import BadMark, LoopWithoutMark, Verdict, explore, learn, mark
from mmviz.engine.conformance import walk
from mmviz.engine.search import Search
from mmviz.scenarios import every_case

from .test_random_programs import Cells, both_two, x_three
from .toys import case


def toy(**actors):
    return case(world=Cells, actors=actors, bad=(both_two, x_three))


@contextmanager
def by_history():
    """Tell locations apart by the results received alone, as where nothing can be read."""
    read = learn.frames_of
    learn.frames_of = lambda coroutine: None
    try:
        yield
    finally:
        learn.frames_of = read


def locations(of, actor="A"):
    model = learn.Model(of)
    explored, work = {model.start}, [model.start]
    for state in work:
        for p in range(len(model.actors)):
            after = model.successor(state, p)
            if after is not None and after not in explored:
                explored.add(after)
                work.append(after)
    return len(model.locations[model.index[actor]])


async def writer(k):
    await k.write("x", 1)
    await k.write("x", 2)


def test_an_answer_that_no_later_line_uses_does_not_split_locations():
    async def dead(k):
        await k.read("x")
        await k.write("y", 1)
        await k.write("y", 2)

    async def live(k):
        x = await k.read("x")
        await k.write("y", 1)
        await k.write("y", x)

    assert locations(toy(A=dead, B=writer)) == 4
    assert locations(toy(A=live, B=writer)) == 8  # 1 + 3 + 3 + 1


def test_the_turns_of_a_for_loop_are_told_apart():
    async def three(k):
        for _ in ("same", "same", "same"):
            await k.add("x")

    report = explore(toy(A=three))

    assert report.verdicts["x_three"] == Verdict.ALWAYS
    assert report.states == 4


def test_half_an_expression_is_remembered():
    async def adds(k):
        both = await k.read("x") + await k.read("x")
        await k.write("y", both)

    with by_history():
        plain = explore(toy(A=adds, B=writer))
    seen = explore(toy(A=adds, B=writer))

    assert seen.verdicts == plain.verdicts
    assert seen.counterexamples.keys() == plain.counterexamples.keys()


def test_a_list_that_grows_tells_locations_apart():
    async def keeps(k):
        found = []
        for _ in range(2):
            found.append(await k.read("x"))
        await k.write("y", sum(found))

    with by_history():
        plain = explore(toy(A=keeps, B=writer))

    assert explore(toy(A=keeps, B=writer)).verdicts == plain.verdicts


def test_a_mark_in_a_shared_coroutine_does_not_forget_its_caller():
    async def until_two(k):
        while True:
            mark("again")
            if await k.read("x") < 2:
                return

    async def twice(k):
        await until_two(k)
        await until_two(k)
        await k.write("x", 3)

    report = explore(toy(A=twice))

    assert report.verdicts["x_three"] == Verdict.ALWAYS
    assert report.livelock is None


def test_a_loop_needs_no_mark():
    async def waits(k):
        while await k.read("x") < 2:
            pass

    report = explore(toy(A=waits, B=writer))

    assert report.states == 4
    assert report.livelock is None


def test_a_mark_that_leaves_out_a_live_variable_is_an_error_that_says_what_to_write():
    async def forgets(k):
        seen = 0
        while seen < 2:
            mark("again")
            seen += 1
            await k.read("x")

    with pytest.raises(BadMark, match=r"leaves out seen.*Write mark\('again', seen\)"):
        explore(toy(A=forgets))


def test_a_variable_that_only_grows_is_an_error_even_if_it_is_marked():
    async def counts(k):
        turns = 0
        while True:
            mark("again", turns)
            turns += 1
            await k.read("x")

    with pytest.raises(LoopWithoutMark, match="turns had another value each time"):
        explore(toy(A=counts))


CELL = st.sampled_from("xy")
EXPRESSION = st.one_of(
    st.sampled_from(["0", "1", "a", "b"]),
    st.builds("(await k.read({!r}))".format, CELL),
    st.builds("((await k.read({!r})) + (await k.read({!r})))".format, CELL, CELL),
    st.builds("max(a, await k.read({!r}))".format, CELL),
    st.builds("(await helper(k, {!r}, b))".format, CELL),
    st.just("sum(found)"),
)
SIMPLE = st.one_of(
    st.builds("{} = {}".format, st.sampled_from("ab"), EXPRESSION),
    st.builds("await k.write({!r}, min(2, {}))".format, CELL, EXPRESSION),
    st.builds("found.append({})".format, EXPRESSION),
    st.builds("await k.add({!r})".format, CELL),
    st.just("await k.take()"),
    st.just("await k.drop()"),
)


def indented(lines):
    return ["    " + line for line in lines]


def blocks(inner):
    body = st.lists(inner, min_size=1, max_size=3).map(lambda parts: [*chain(*parts)])
    return st.one_of(
        st.builds(lambda e, b: [f"if {e} == 1:", *indented(b)], EXPRESSION, body),
        st.builds(lambda n, b: [f"for a in range({n}):", *indented(b)], st.integers(0, 2), body),
        st.builds(lambda b: ["for b in (1, 1):", *indented(b)], body),
        st.builds(
            lambda e, b: [f"if {e} > 1:", *indented(b), "else:", *indented(b[::-1][:1])],
            EXPRESSION,
            body,
        ).filter(lambda lines: not lines[-1].strip().endswith(":")),
    )


BODY = st.lists(
    st.recursive(SIMPLE.map(lambda line: [line]), blocks, max_leaves=4), min_size=1, max_size=4
).map(lambda parts: [*chain(*parts)])

HELPER = """
async def helper(k, cell, low):
    x = await k.read(cell)
    if x < low:
        x = await k.read("y")
    await k.write("y", min(2, x))
    return x
"""


def compiled(body):
    lines = ["a, b, found = 0, 0, []", *body, "await k.read('x')"]
    source = "\n".join([HELPER, "async def actor(k):", *indented(lines)])
    names = {}
    exec(compile(source, "<random>", "exec"), names)
    return names["actor"]


@settings(max_examples=120, deadline=None)
@given(st.lists(BODY, min_size=1, max_size=2))
def test_locations_by_live_variables_agree_with_locations_by_history(bodies):
    made = toy(**dict(zip("AB", map(compiled, bodies), strict=False)))
    try:
        with by_history():
            plain = explore(made, max_states=30_000)
    except LoopWithoutMark:  # a history that is too long
        return
    found = explore(made, max_states=30_000)
    if plain.cut or found.cut:
        return

    assert found.verdicts == plain.verdicts
    assert found.states <= plain.states
    assert (found.deadlock is None) == (plain.deadlock is None)
    for bad_state, example in plain.counterexamples.items():
        mine = found.counterexamples[bad_state]
        assert len(mine.shortest) == len(example.shortest)
        assert mine.preemptions == example.preemptions
    walk(made, walks=5, steps=60)


def test_the_catalogue_agrees_with_locations_by_history():
    compared = 0
    for each in list(every_case())[::3]:
        found = explore(replace(each, interchangeable=()))
        with by_history():
            search = Search(each, 3 * found.states, 0, None, None)
            if search.cut:  # a history is endless where a loop is
                continue
            plain = search.report()
        assert found.verdicts == plain.verdicts, each.name
        assert found.states <= plain.states
        assert (found.deadlock is None) == (plain.deadlock is None)
        assert {b: len(e.shortest) for b, e in found.counterexamples.items()} == {
            b: len(e.shortest) for b, e in plain.counterexamples.items()
        }
        compared += 1

    assert compared > 100
