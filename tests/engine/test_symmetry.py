"""Symmetry: one order of interchangeable actors stands for all, and the answers stay exact."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmviz.engine import Map, ModelError, Struct, World, at_end, atomic, current, explore, field
from mmviz.engine import replay as replayed
from mmviz.scenarios.invalidate_page.faults_and_invalidators import family

from .toys import case


class Own(Struct):
    """What belongs to one actor."""

    number: int = 0
    flag: bool = False

    @atomic("toy")
    def put(self, number: int) -> None:
        self.number = number

    @atomic("toy")
    def get(self) -> int:
        return self.number


class Shared(World):
    """Two objects of an actor's own, a lock, a table by actor, a number."""

    own: tuple[Own, ...] = field(default_factory=lambda: (Own(), Own(), Own()))
    by_name: Map[str, int] = field(default_factory=lambda: Map({"A": 0, "B": 0, "C": 0}))
    owner: str | None = None
    last: Own | None = None
    queue: tuple[str, ...] = ()
    x: int = 0

    @atomic("toy", when=lambda k: k.owner is None)
    def take(self) -> None:
        self.owner = current().name

    @atomic("toy")
    def drop(self) -> None:
        self.owner = None

    @atomic("toy")
    def line_up(self) -> int:
        self.queue = (*self.queue[-1:], current().name)
        return len(self.queue)

    @atomic("toy", when=lambda k: k.queue[:1] in ((), (current().name,)))
    def first(self) -> None:
        self.queue = self.queue[1:]

    @atomic("toy")
    def show(self, own: Own) -> None:
        self.last = own

    @atomic("toy")
    def seen(self) -> Own | None:
        return self.last

    @atomic("toy", when=lambda k: k.x < 3)
    def add(self) -> int:
        self.x += 1
        return self.x

    @atomic("toy")
    def count(self) -> int:
        self.by_name[current().name] += 1
        return self.by_name[current().name]


def two_at_once(k: Shared) -> bool:
    """Two have counted."""
    return sum(number > 0 for number in k.by_name.values()) == 2


def shown_is_marked(k: Shared) -> bool:
    """The object shown last has number 2."""
    return k.last is not None and k.last.number == 2


@at_end
def queue_left(k: Shared) -> bool:
    """An actor is still queued."""
    return len(k.queue) > 1


STEP = st.sampled_from(
    ["take", "drop", "line_up", "first", "add", "count", "show", "seen", "put", "put_x", "get"]
)


def actor(n, program):
    async def runs(k):
        own, x, other = k.own[n], 0, None
        for op in program:
            if op == "show":
                await k.show(own)
            elif op == "seen":
                other = await k.seen()
            elif op == "put":
                await (other or own).put(2)
            elif op == "put_x":
                await own.put(min(2, x))
            elif op == "get":
                x = await own.get()
            elif op in ("add", "count"):
                x = await getattr(k, op)()
            else:
                await getattr(k, op)()

    return runs


GROUP = (("A own[0]", "B own[1]", "C own[2]"),)


def toy(program, last, members=3):
    actors = {name: actor(n, program) for n, name in enumerate("ABC"[:members])}
    if last:
        actors["D"] = actor(0, last) if members == 0 else _other(last)
    made = case(world=Shared, actors=actors, bad=(two_at_once, shown_is_marked, queue_left))
    return made, replace(made, interchangeable=(GROUP[0][:members],))


def _other(program):
    async def runs(k):
        for op in program:
            if op == "seen":
                own = await k.seen()
                if own is not None:
                    await own.put(2)
            elif op in ("take", "drop", "add"):
                await getattr(k, op)()

    return runs


@settings(max_examples=80, deadline=None)
@given(st.lists(STEP, max_size=4), st.lists(STEP, max_size=2), st.integers(2, 3))
def test_verdicts_and_shortest_runs_are_those_of_the_plain_search(program, last, members):
    plain, declared = toy(program, last, members)
    whole, orbits = explore(plain), explore(declared)

    assert orbits.verdicts == whole.verdicts
    assert orbits.states <= whole.states
    assert (orbits.livelock is None) == (whole.livelock is None)
    assert (orbits.deadlock is None) == (whole.deadlock is None)
    if whole.deadlock is not None:
        assert len(orbits.deadlock.shortest) == len(whole.deadlock.shortest)
        assert replayed(plain, orbits.deadlock.shortest).deadlock
    for bad_state, example in whole.counterexamples.items():
        found = orbits.counterexamples[bad_state]
        assert len(found.shortest) == len(example.shortest)
        assert found.preemptions == example.preemptions
        assert bad_state in replayed(plain, found.shortest).tip.violated


def test_the_family_has_the_orbits_that_were_counted_by_hand():
    for size, orbits in (((2, 2), 696), ((3, 2), 1626), ((3, 3), 4591)):
        declared = family(*size, pages=1, check="both")
        assert explore(declared).states == orbits


def refused(made):
    with pytest.raises(ModelError) as error:
        explore(made)
    return str(error.value)


def test_actors_that_do_not_do_the_same_are_refused():
    _, declared = toy(["add", "count"], [])
    other = dict(declared.actors) | {"B": actor(1, ["add", "take"])}

    said = refused(replace(declared, actors=other))

    assert "not interchangeable" in said
    assert "count()" in said
    assert "take()" in said


def test_a_difference_that_only_a_late_step_shows_is_refused():
    _, declared = toy(["add", "count"], [])

    async def picky(k):
        if await k.add() == 3:
            await k.drop()
        else:
            await k.count()

    said = refused(replace(declared, actors=dict(declared.actors) | {"C": picky}))

    assert "not interchangeable" in said


def test_an_object_that_was_not_declared_is_seen():
    plain, _ = toy(["put"], [])

    said = refused(replace(plain, interchangeable=(("A", "B", "C"),)))

    assert "not interchangeable" in said
    assert "objects that belong to each" in said


def test_a_bad_state_that_looks_at_one_member_is_refused():
    def a_counts(k: Shared) -> bool:
        """A has counted."""
        return k.by_name["A"] > 0

    _, declared = toy(["count"], [])

    said = refused(replace(declared, bad=(a_counts,), expect={}))

    assert "a_counts" in said
    assert "apart" in said


@pytest.mark.parametrize("word", ["E", "own[7]", "x", "owned"])
def test_a_name_that_is_no_actor_and_no_object_is_refused(word):
    plain, _ = toy(["add"], [])

    said = refused(replace(plain, interchangeable=((f"A {word}", "B own[1]"),)))

    assert repr(word) in said
    assert "A, B, C" in said


def test_members_of_different_length_are_refused():
    plain, _ = toy(["add"], [])

    assert "one object for one object" in refused(
        replace(plain, interchangeable=(("A own[0]", "B"),))
    )


def test_what_differs_at_the_start_is_refused_if_the_model_looks_at_it():
    class Unequal(Shared):
        def __post_init__(self) -> None:
            self.own[1].number = 1

    _, declared = toy(["get", "put_x"], [])

    assert "begin equal" in refused(replace(declared, world=Unequal))
