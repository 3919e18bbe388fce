"""What the code shows is refused where it is wrong, and let pass where it is right.

The wrong models are in tests/slips/code.py; these are the right ones that look like them, and the
reading of the instructions itself.
"""

import dis
import functools
import itertools
from collections import Counter as Multiset
from datetime import timedelta
from types import MappingProxyType, SimpleNamespace
from typing import NamedTuple

import pytest

from mmviz.engine import Case, Map, ModelError, Struct, World, atomic, explore, field, mark
from mmviz.engine.bytecode import Code, known
from mmviz.engine.code_rules import check_code
from mmviz.engine.learn import Model
from tests.engine.toys import Counter, Lock, case, locked, racy

TABLE = {"first": 1, "second": 2}
VIEW = MappingProxyType(TABLE)
ORDER = ("first", "second")
PAUSE = timedelta(seconds=2)
random = 7  # a name that only looks like a module's


class Entry(NamedTuple):
    number: int

    def take(self):
        return self.number


class Owner:
    """A plain object, made anew within a step."""

    def __init__(self):
        self.seen = []

    def note(self, value):
        self.seen.append(value)
        self.last = value
        return len(self.seen)


def in_world(actor, world=Counter):
    """Search a case of one actor; a slip would raise."""
    return explore(case(actors={"A": actor}, bad=(), world=world))


def helper(values):
    """Sort a list that belongs to the caller."""
    values.append(0)
    values.sort()
    return values


async def constants(k):
    await k.store(TABLE[ORDER[0]] + VIEW["second"] + random + PAUSE.seconds)


async def own_containers(k):
    found = []
    counts = Multiset()
    for number in range(2):
        found.append(await k.load())
        counts[number] += 1
    found[0] = 3
    await k.store(len(helper(found)) + sum(counts.values()))


async def own_variable_of_an_inner_function(k):
    turns = 0

    async def once():
        nonlocal turns
        turns += 1
        await k.store(turns)

    await once()
    await once()


async def own_iterator(k):
    numbers = itertools.count()
    await k.store(next(numbers))
    await k.store(next(numbers))


async def a_step_described_first(k):
    load = k.load()
    await k.store(await load)


async def a_method_named_as_a_step(k):
    if Entry(3).take():
        await k.lock.take()


async def marks(k):
    for number in range(2):
        mark("again", number)
        await k.store(number)


@pytest.mark.parametrize(
    "actor",
    [
        constants,
        own_containers,
        own_variable_of_an_inner_function,
        own_iterator,
        a_step_described_first,
        a_method_named_as_a_step,
        marks,
        functools.partial(racy),
        lambda k: locked(k),
    ],
)
def test_what_is_right_and_looks_wrong_passes(actor):
    assert in_world(actor).undecided == ""


def test_an_object_made_in_a_step_may_change():
    class World2(Counter):
        @atomic("toy")
        def work(self):
            """Use an object of its own."""
            owner = Owner()
            owner.note(1)
            owner.last = 3
            return owner.note(2)

    async def works(k):
        await k.store(await k.work())

    assert in_world(works, World2).undecided == ""


def test_an_attribute_named_as_a_global_is_not_that_global():
    def load():
        TABLE["loaded"] = 1

    scope = {**globals(), "load": load}
    exec("async def loads(k):\n    await k.store(await k.load())\n", scope)

    assert in_world(scope["loads"]).undecided == ""
    assert "loaded" not in TABLE


def test_a_function_run_again_in_a_notebook_is_read_again():
    scope = {"TABLE": {}}
    exec("def helper():\n    return 1\nasync def cpu(k):\n    await k.store(helper())\n", scope)
    in_world(scope["cpu"])
    exec("def helper():\n    TABLE['x'] = 1\n    return 1\n", scope)

    with pytest.raises(ModelError, match=r"line 2 in helper\(\).*changes TABLE, a dict"):
        in_world(scope["cpu"])


def test_what_an_object_in_a_closure_keeps_is_seen():
    box = SimpleNamespace(seen=0)

    class Holder:
        def __init__(self):
            self.count = 0

        async def run(self, k):
            self.count += 1
            await k.store(self.count)

    holder = Holder()

    async def sets(k):
        await k.load()
        helps()

    def helps():
        box.seen = 1

    async def holds(k):
        await holder.run(k)

    with pytest.raises(ModelError, match=r"in helps\(\): this line sets box.seen, which lies"):
        in_world(sets)
    with pytest.raises(ModelError, match=r"in run\(\): this line sets self.count between two"):
        in_world(holds)
    with pytest.raises(ModelError, match=r"in run\(\): this line sets self.count between two"):
        in_world(holder.run)


def test_a_class_is_no_place_for_a_count():
    class Counts(Counter):
        @atomic("toy")
        def count(self):
            """Count for all objects of the class."""
            Lock.taken = 1

    async def counts(k):
        await k.count()

    with pytest.raises(ModelError, match=r"in count\(\): this line sets Lock.taken, which lies"):
        in_world(counts, Counts)


def test_kernel_names_that_differ_by_a_letter_are_two_names():
    class Srcu(Struct):
        readers: int = 0

        @atomic("toy")
        def synchronize_srcu(self):
            """Wait."""

        @atomic("toy")
        def read1(self):
            """Read."""

        def free(self):
            """Free."""

    class Rcu(Srcu):
        @atomic("toy")
        def synchronize_rcu(self):
            """Wait."""

        @atomic("toy")
        def read2(self):
            """Read."""

        def kfree(self):
            """Free."""

    class Rcus(World):
        rcu: Rcu = field(default_factory=Rcu)
        locks: Map = field(default_factory=lambda: Map({0: Lock()}))

    async def waits(k):
        await k.rcu.synchronize_srcu()
        await k.rcu.read1()
        await k.locks[0].take()

    assert in_world(waits, Rcus).undecided == ""


def test_a_complaint_may_be_named_by_any_code_that_is_reached():
    class Complains(Counter):
        @atomic("toy")
        def complain(self):
            """Say the name by a variable."""
            return "value_is_odd"

    made = case(bad=("value_is_odd",), world=Complains)

    check_code(made, Model(made).ledger.structs)
    with pytest.raises(ModelError, match=r"'value_is_od'; did you mean value_is_odd\?"):
        explore(case(bad=("value_is_od",), world=Complains))


@pytest.mark.parametrize("bad_state", [lambda k: False, lambda k, most=3: k.value > most])
def test_a_bad_state_takes_the_world(bad_state):
    assert in_world(racy).verdicts == {}
    assert case(bad=(bad_state,)).bad == (bad_state,)


def test_guards_may_name_their_arguments_or_take_them_all():
    class Waits(Counter):
        @atomic("toy", when=lambda k, *more: k.value == 0)
        def first(self, one, two):
            """Wait."""

        @atomic("toy", when=lambda k, one, *, by=0: k.value == 0)
        def second(self, one, *, by=0):
            """Wait."""

        @atomic("toy", when=lambda k, one: k.value == 0)
        def third(self, one, two=2):
            """Wait."""

    async def waits(k):
        await k.first(1, 2)
        await k.second(1, by=2)
        await k.third(1)

    assert in_world(waits, Waits).undecided == ""


def test_the_names_of_globals_are_those_that_the_instructions_load():
    for function in (constants, own_containers, helper, in_world, check_code, Case.__post_init__):
        code = function.__code__
        loaded = {
            each.argval
            for part in (code, *(c for c in code.co_consts if hasattr(c, "co_code")))
            for each in dis.get_instructions(part)
            if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        }
        assert known(code).globals == loaded


def test_more_than_256_names_are_read_as_well():
    names = [f"name{i}" for i in range(400)]
    scope = {}
    exec("def many():\n    return [" + ", ".join(names) + "]\n", scope)

    assert Code(scope["many"].__code__).globals == set(names)


def test_stores_and_results_are_found_with_the_chain_they_belong_to():
    def code(k, self, x):
        TABLE[x] = 1
        TABLE[x] += 1
        self.a.b[x] = 4
        del TABLE[x]
        k.lock.take()
        if k.locks[0].take():
            pass
        return k.value.load() == 3

    scan = known(code.__code__).scan
    first = code.__code__.co_firstlineno

    assert [
        (each.line - first, str(each.chain)) for each in scan.stores if each.what == "item"
    ] == [
        (1, "TABLE"),
        (2, "TABLE"),
        (3, "self.a.b"),
        (4, "TABLE"),
    ]
    assert [(each.line - first, each.name, each.use) for each in scan.unused] == [
        (5, "take", "dropped"),
        (6, "take", "tested"),
        (8, "load", "tested"),
    ]
