"""Closed tables: a superset of what any run meets, found without visiting the states."""

import pytest
from hypothesis import given, settings

from mmviz.engine import Map, MmvizError, Model, Oops, Struct, World, atomic, field, mark, warn
from mmviz.engine import closure as closure_module
from mmviz.engine.closure import Closure
from mmviz.engine.diagram import decide

from .test_random_programs import NAMES, PROGRAMS, Cells, actor, both_two, x_three
from .toys import Counter, case, locked, lost_update, racy


class Tables:
    """The tables as a machine: a state is locations, values, complaints, and whether it is dead."""

    def __init__(self, closure):
        self.closure = closure
        slots = len(closure.values)
        self.start = ((0,) * len(closure.tables), (0,) * slots, frozenset(), False)

    def move(self, state, p):
        """Return the state after actor `p` moves, None if it cannot."""
        at, values, said, dead = state
        if dead:
            return None
        rows = [
            row
            for row in self.closure.tables[p][at[p]].rows
            if all(values[slot] == number for slot, number in row.when)
        ]
        if self.closure.tables[p][at[p]].done:
            assert rows == []
            return None
        assert len(rows) == 1, "situations exclude each other, and none is missing"
        (row,) = rows
        assert not row.left_out, row.left_out
        if row.blocked:
            return None
        said |= set(row.said)
        if row.oops:
            return (at, values, said, True)
        values = list(values)
        for slot, number in row.writes:
            values[slot] = number
        return ((*at[:p], row.after, *at[p + 1 :]), tuple(values), said, False)


def compare(of, closure):
    """Walk the tables and the model side by side; return the number of states.

    In each state the situations of the bad states say what the bad states say.
    """
    model, tables = Model(of), Tables(closure)
    other = {tables.start: model.start}
    back = {model.start: tables.start}
    queue = [tables.start]
    for state in queue:
        found = {
            each.name
            for each in closure.judgements
            if not each.at_end and decide(each.holds, state[1])
        }
        assert found | state[2] == model.judge(other[state])
        for p in range(len(model.actors)):
            after, packed = tables.move(state, p), model.successor(other[state], p)
            assert (after is None) == (packed is None)
            if after is not None:
                if after not in other:
                    queue.append(after)
                assert other.setdefault(after, packed) == packed
                assert back.setdefault(packed, after) == after
    return len(queue)


def program(programs):
    return case(
        world=Cells,
        actors={NAMES[p]: actor(each) for p, each in enumerate(programs)},
        bad=(both_two, x_three),
    )


@settings(max_examples=150, deadline=None)
@given(PROGRAMS)
def test_the_tables_take_the_steps_of_the_model(programs):
    toy = program(programs)
    closure = Closure(toy)

    assert closure.sampled
    compare(toy, closure)


@settings(max_examples=100, deadline=None)
@given(PROGRAMS)
def test_no_search_is_needed_where_values_are_few(programs):
    toy = program(programs)
    closure = Closure(toy, sample=0, room=8)

    assert closure.complete
    assert not closure.sampled
    compare(toy, closure)


@pytest.mark.parametrize("actors", [{"A": racy, "B": racy}, {"A": locked, "B": locked}])
def test_both_ways_to_count_agree_with_the_model(actors):
    toy = case(actors=actors)

    assert compare(toy, Closure(toy)) == compare(toy, Closure(toy, sample=0, room=6))


class Many(World):
    cell: Map = field(default_factory=lambda: Map(dict.fromkeys(range(8), 0)))
    pick: int = 0
    total: int = 0

    @atomic("toy")
    def choose(self, n):
        self.pick = n

    @atomic("toy")
    def set(self, n, value):
        self.cell[n] = value

    @atomic("toy")
    def look(self):
        return self.cell[self.pick] > 0

    @atomic("toy")
    def add(self):
        self.total += 1

    @atomic("toy")
    def add_all(self):
        return sum(self.cell[n] for n in self.cell)

    @atomic("toy")
    def invert(self):
        return 1 // (1 - self.cell[0] * self.cell[1])

    @atomic("toy")
    def walk_round(self):
        at = 0
        while self.cell[at]:
            at = 1 - at


async def choosing(k):
    await k.choose(3)
    await k.look()


async def setting(k):
    for n in range(8):
        await k.set(n, 1)


def situations(closure, p, number):
    paths = closure.model.ledger.paths
    rows = closure.tables[p][number].rows
    return [{paths[slot]: closure.values[slot][n] for slot, n in row.when} for row in rows]


def test_a_slot_that_the_step_does_not_look_at_costs_nothing():
    closure = Closure(case(world=Many, actors={"A": choosing, "B": setting}, bad=()), sample=0)

    look = [set(each) & {f"cell[{n}]" for n in range(8)} for each in situations(closure, 0, 1)]

    assert look == [{"cell[3]"}, {"cell[3]"}]


def test_a_slot_that_one_actor_writes_is_followed_along_its_locations():
    async def choosing_twice(k):
        await k.choose(3)
        await k.look()
        await k.choose(5)
        await k.look()

    def picks(actors):
        closure = Closure(case(world=Many, actors=actors, bad=()), sample=0)
        looks = [table.number for table in closure.tables[0] if table.label == "look()"]
        return [{each["pick"] for each in situations(closure, 0, look)} for look in looks]

    assert picks({"A": choosing_twice, "B": setting}) == [{3}, {5}]
    assert picks({"A": choosing_twice, "B": choosing}) == [{0, 3, 5}, {0, 3, 5}]


def test_a_counter_is_bounded_and_what_is_left_out_is_said():
    async def adding(k):
        for _ in range(2):
            await k.add()

    toy = case(world=Many, actors={"A": adding, "B": adding}, bad=())

    alone = Closure(toy, sample=0, room=2)
    assert not alone.complete
    assert alone.values[alone.model.ledger.paths.index("total")] == [0, 1, 2]
    assert set(alone.left_out) == {
        f"{name} at add(): gives total a value that was not seen" for name in "AB"
    }
    with pytest.raises(AssertionError, match="gives total a value that was not seen"):
        compare(toy, alone)

    seen = Closure(toy)
    assert seen.complete
    compare(toy, seen)


def test_values_that_never_meet_are_left_out_and_not_blocked():
    async def first(k):
        await k.set(0, 1)
        await k.set(0, 0)
        await k.set(1, 1)
        await k.invert()
        await k.walk_round()

    async def second(k):
        await k.set(2, 1)

    async def third(k):
        await k.set(0, 0)
        await k.set(1, 0)

    toy = case(world=Many, actors={"A": first, "B": second, "C": third}, bad=())
    closure = Closure(toy)

    assert len(closure.left_out) == 2
    assert closure.left_out[0].startswith("A at invert(): raises ")
    assert "ZeroDivisionError" in closure.left_out[0]
    assert closure.left_out[1].startswith("A at walk_round(): raises ")
    assert "read more than 10,000 times" in closure.left_out[1]
    compare(toy, closure)


async def adding_all(k):
    await k.add_all()


def test_with_too_many_situations_a_step_has_those_that_the_search_met(monkeypatch):
    monkeypatch.setattr(closure_module, "MOST_ROWS", 100)
    toy = case(world=Many, actors={"A": adding_all, "B": setting}, bad=())

    closure = Closure(toy)

    met = [row for row in closure.tables[0][0].rows if not row.left_out]
    assert len(met) == 9  # B sets the cells in order
    assert closure.left_out == ("A at add_all(): was not met in the short search",)
    assert closure.complete
    compare(toy, closure)


def test_too_many_situations_are_refused_with_the_figure(monkeypatch):
    monkeypatch.setattr(closure_module, "MOST_ROWS", 100)
    toy = case(world=Many, actors={"A": adding_all, "B": setting}, bad=())

    message = r"A at add_all\(\) has more than 100 situations.*cell\[0\] \(2\), .*cell\[7\] \(2\)"
    with pytest.raises(MmvizError, match=message):
        Closure(toy, sample=0)


def all_set(k):
    """All are set."""
    return sum(k.cell[n] for n in k.cell) == 8


def test_a_bad_state_with_too_many_situations_is_refused(monkeypatch):
    monkeypatch.setattr(closure_module, "MOST_JUDGED", 100)
    toy = case(world=Many, actors={"B": setting}, bad=(all_set,))

    with pytest.raises(MmvizError, match="all_set has more than 100 situations"):
        Closure(toy)


def test_the_future_of_a_location_is_what_the_actor_may_still_touch():
    closure = Closure(case(actors={"A": locked, "B": racy}))
    paths = closure.model.ledger.paths

    def future(p, number):
        return [
            {paths[slot] for slot in slots if slot not in closure.model.internal}
            for slots in closure.future(p, number)
        ]

    assert future(0, 0) == [{"lock.owner", "value"}, {"lock.owner", "value"}]
    last = next(t.number for t in closure.tables[1] if t.done)
    assert future(1, 0) == [{"value"}, {"value"}]
    assert future(1, last) == [set(), set()]


class Falling(World):
    on: bool = False
    other: Struct = field(default_factory=Struct)

    @atomic("toy")
    def fall(self):
        if self.on:
            raise Oops("fell", "it fell")
        warn("warned", "it may fall")

    @atomic("toy")
    def turn_on(self):
        self.on = True


def test_complaints_and_an_oops_are_in_the_rows():
    async def falling(k):
        await k.fall()

    async def turning(k):
        await k.turn_on()

    toy = case(world=Falling, actors={"A": falling, "B": turning}, bad=("fell", "warned"))
    closure = Closure(toy)

    on = closure.model.ledger.paths.index("on")
    rows = {dict(row.when)[on]: row for row in closure.tables[0][0].rows}
    assert (rows[0].said, rows[0].oops) == (("warned",), False)
    assert (rows[1].said, rows[1].oops) == (("fell",), True)
    assert compare(toy, closure) == 5


def test_a_loop_is_closed():
    async def looping(k):
        while await k.load() < 1:
            mark("again")

    async def storing(k):
        await k.store(1)

    toy = case(world=Counter, actors={"A": looping, "B": storing}, bad=(lost_update,))

    assert compare(toy, Closure(toy, sample=0)) == 3
