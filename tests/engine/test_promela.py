"""Cases as Promela: the text has the states, verdicts and deadlocks of the search."""

import re

import pytest
from hypothesis import given, settings

from mmviz.engine import (
    Graph,
    Map,
    MmvizError,
    Oops,
    Verdict,
    World,
    at_end,
    atomic,
    explore,
    field,
    warn,
)
from mmviz.engine.closure import Closure
from mmviz.engine.livelock import find_waits
from mmviz.engine.promela import bad_states, digest, identifier, merged, promela

from .promela_text import Text
from .test_closure import program
from .test_random_programs import PROGRAMS
from .toys import Counter, Lock, case, locked, lost_update, racy


def judged(toy):
    """Return the text's number of states, its verdicts, and whether it has a deadlock."""
    closure = Closure(toy)
    text = promela(closure)
    found = Text(text).search()
    assert "known_situation" not in found.failed
    verdicts = {}
    for name in bad_states(closure):
        if identifier(name) not in found.failed:
            verdicts[name] = Verdict.NEVER
            continue
        without = Text(text, f"bad_{identifier(name)}").search()
        avoided = "always" in without.failed or without.deadlock
        verdicts[name] = Verdict.SOMETIMES if avoided else Verdict.ALWAYS
    twice = "active proctype at_start" in text  # each state before and after it has judged
    return found.states // (1 + twice), verdicts, found.deadlock


def agrees(toy):
    """Compare the text with the search; return the verdicts."""
    graph, report = Graph(toy), explore(toy)
    states, verdicts, deadlock = judged(toy)
    model, offset = graph.model, graph.offset
    stuck = [
        state
        for i, state in enumerate(graph.states)
        if offset[i] == offset[i + 1] and not model.is_complete(state) and not model.is_dead(state)
    ]
    endless = report.livelock or find_waits(model, dict.fromkeys(graph.states, -1))
    assert states == len(graph.states)
    assert deadlock == bool(stuck)
    for name, verdict in verdicts.items():
        ours = report.verdicts.get(name, Verdict.NEVER)
        # a run that never ends may avoid a bad state, and spin does not see that
        assert verdict == ours or (verdict, ours, bool(endless)) == ("Always", "Sometimes", True)
    return verdicts


@settings(max_examples=150, deadline=None)
@given(PROGRAMS)
def test_the_text_has_the_states_and_verdicts_of_the_search(programs):
    agrees(program(programs))


def test_a_race_and_its_fix():
    assert agrees(case()) == {"lost_update": "Sometimes"}
    assert agrees(case(actors={"A": locked, "B": locked})) == {"lost_update": "Never"}


async def one_two(k):
    await k.lock.take()
    await k.other.take()


async def two_one(k):
    await k.other.take()
    await k.lock.take()


def test_a_deadlock_is_an_invalid_end_state():
    toy = case(actors={"A": one_two, "B": two_one}, bad=())

    assert agrees(toy) == {}
    assert judged(toy)[2]


def test_a_daemon_may_wait_forever():
    async def waiting(k):
        await k.wait_for(7)

    toy = case(actors={"A": racy, "D": waiting}, bad=(), daemons=("D",))
    assert not judged(toy)[2]
    agrees(toy)

    toy = case(actors={"A": racy, "D": waiting}, bad=())
    assert judged(toy)[2]
    agrees(toy)


def test_a_bad_state_at_the_end_counts_when_all_have_finished():
    @at_end
    def one(k):
        """The number is 1."""
        return k.value == 1

    async def counting(k):
        await k.store(1)
        await k.store(2)

    async def after(k):
        await k.wait_for(2)
        await k.store(1)

    assert agrees(case(actors={"A": counting}, bad=(one,))) == {"one": "Never"}
    assert agrees(case(actors={"A": counting, "B": after}, bad=(one,))) == {"one": "Always"}
    late = case(actors={"A": counting, "D": after}, bad=(one,), daemons=("D",))
    assert agrees(late) == {"one": "Sometimes"}


class Falling(World):
    on: bool = False
    lock: Lock = field(default_factory=Lock)

    @atomic("toy")
    def fall(self):
        """Fall if it is on."""
        if self.on:
            raise Oops("fell", "it fell")
        warn("warned", "it may fall")

    @atomic("toy")
    def turn_on(self):
        """Turn it on."""
        self.on = True


async def falling(k):
    await k.fall()


async def turning(k):
    await k.turn_on()


def on(k):
    """It is on."""
    return k.on


def test_an_oops_ends_the_run_and_is_no_deadlock():
    toy = case(world=Falling, actors={"A": falling, "B": turning}, bad=("fell", on))

    assert agrees(toy) == {"fell": "Sometimes", "on": "Always", "warned": "Sometimes"}
    assert not judged(toy)[2]


def test_always_where_every_run_ends_with_an_oops():
    async def both(k):
        await k.turn_on()
        await k.fall()

    toy = case(world=Falling, actors={"A": both, "B": turning}, bad=("fell", on))
    assert agrees(toy) == {"fell": "Always", "on": "Always"}


def test_a_bad_state_that_holds_from_the_start():
    def off(k):
        """It is off."""
        return not k.on

    toy = case(world=Falling, actors={"B": turning}, bad=(off,))
    text = promela(Closure(toy))

    assert "active proctype at_start()" in text
    assert judged(toy)[1] == {"off": "Always"} == explore(toy).verdicts


def test_a_situation_that_was_left_out_is_an_assertion():
    async def adding(k):
        value = await k.load()
        await k.store(value + 1)
        value = await k.load()
        await k.store(value + 1)

    toy = case(actors={"A": adding, "B": adding}, bad=(lost_update,))
    text = promela(Closure(toy, sample=0, room=1))

    assert "known_situation" in Text(text).search().failed
    assert "Left out; spin reports known_situation if a run meets one:" in text
    assert "store(2): gives value a value that was not seen" in text


def test_a_bad_state_that_raises_is_an_assertion():
    def divides(k):
        """It divides."""
        return 1 // (1 - k.value) > 7

    async def counting(k):
        await k.store(1)

    text = promela(Closure(case(actors={"A": counting}, bad=(divides,)), sample=0))

    assert Text(text).search().failed == {"known_situation"}


def test_names_are_those_of_promela_and_comments_end_where_they_should():
    class Odd(World):
        a_b: int = 0
        register: int = 0
        lock: Lock = field(default_factory=lambda: Lock(name="a.b */ né"))

        @atomic("toy")
        def set_all(self):
            """Set all."""
            self.a_b = self.register = 1

    async def runs(k):
        await k.lock.take()
        await k.set_all()

    text = promela(Closure(case(world=Odd, actors={"init": runs, "in-it": runs}, bad=())))

    names = re.findall(r"^(?:bit|byte) (\w+)|^active proctype (\w+)", text, re.MULTILINE)
    flat = [one or other for one, other in names]
    assert "k_register" in flat
    assert "run_init" in flat
    assert "run_in_it" in flat
    assert len(set(flat) - {"dead"}) == len([name for name in flat if name != "dead"])
    assert text.count("/*") == text.count("*/")
    assert all(word.isascii() for word in flat)
    agrees(case(world=Odd, actors={"init": runs, "in-it": runs}, bad=()))


def test_the_size_follows_the_rows_and_not_the_states():
    def sized(actors):
        toy = case(actors={f"A{n}": locked for n in range(actors)})
        return len(promela(Closure(toy)).splitlines()), len(Graph(toy).states)

    (small, few), (large, many) = sized(2), sized(6)
    assert many > 30 * few
    assert large < 5 * small


def test_no_variable_is_hidden_which_spin_s_multi_core_mode_refuses():
    assert "hidden" not in promela(Closure(case()))


def test_the_text_is_the_same_each_time():
    toy = case()
    assert digest(promela(Closure(toy))) == digest(promela(Closure(toy)))
    assert len(digest("")) == 16


def cube(**values):
    return tuple((ord(slot), frozenset(numbers)) for slot, numbers in values.items())


def test_conditions_are_merged_without_a_change_of_meaning():
    full = {ord(slot): frozenset({0, 1, 2}) for slot in "ab"}
    ones = [cube(a={n}, b={0}) for n in range(3)]

    assert merged([cube(a={0}), cube(a={1})], full) == [cube(a={0, 1})]
    assert merged(ones, full) == [cube(b={0})]
    assert merged([*ones, *(cube(a={n}, b={m}) for n in range(3) for m in (1, 2))], full) == [()]
    assert merged([cube(a={0}, b={0}), cube(a={1}, b={1})], full) == [
        cube(a={0}, b={0}),
        cube(a={1}, b={1}),
    ]
    assert merged([], full) == []


class Row(World):
    cell: Map = field(default_factory=lambda: Map(dict.fromkeys(range(5), 0)))
    other: Map = field(default_factory=lambda: Map(dict.fromkeys(range(5), 0)))

    @atomic("toy")
    def set(self, n, value):
        """Set a cell."""
        self.cell[n] = value

    @atomic("toy")
    def copy(self, n):
        """Copy a cell."""
        self.other[n] = self.cell[n]


def some_differ(k):
    """Some cells differ."""
    return any(k.cell[n] != k.other[n] for n in k.cell)


def all_one(k):
    """All cells are 1, and copied."""
    return all(k.cell[n] == k.other[n] == 1 for n in k.cell)


def test_a_condition_on_many_objects_grows_with_their_sum():
    async def setting(k):
        for n in range(5):
            await k.set(n, 1 + n % 2)
            await k.copy(n)

    async def late(k):
        for n in range(5):
            await k.set(n, 1)
            await k.copy(n)

    toy = case(world=Row, actors={"A": setting, "B": late}, bad=(some_differ, all_one))
    text = promela(Closure(toy))

    assert max(len(line) for line in text.splitlines()) < 700
    assert agrees(toy) == {"some_differ": "Always", "all_one": "Sometimes"}


def test_export_is_refused_rather_than_incomplete(monkeypatch):
    monkeypatch.setattr("mmviz.engine.closure.MOST_ROWS", 2)

    with pytest.raises(MmvizError, match="has more than 2 situations"):
        promela(Closure(case(world=Counter), sample=0, room=6))
