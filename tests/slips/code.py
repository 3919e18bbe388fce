"""Slips that the code shows: state outside the world, chance, clocks, names that lead nowhere."""

import asyncio
import itertools
import random
import time
from collections import Counter, deque
from datetime import datetime
from typing import ClassVar

from mmviz.engine import Race, Struct, World, atomic, field, warn
from mmviz.kernel.sync.locks import Mutex

from . import slip
from .toy import Mm, Small, case, count_lost, increment

SEEN = 0
LOG: list[int] = []
TABLE = {"seen": 0}
NUMBERS = itertools.count()
WORLD = "a field of the world"
CODE = "code.py line"


def race(variant, role):
    """A race whose first CPU is played by a variant."""
    made = Race(world=Small, actors={"CPU0": role, "CPU1": increment}, bad=[count_lost])
    return made.build("a variant", of=variant)


# -- state outside the world -----------------------------------------------------------------------


@slip("CPU0", CODE, "in cpu0()", "variable SEEN", WORLD)
def a_global_variable_written_between_two_steps():
    async def cpu0(k):
        global SEEN
        SEEN = await k.mm.load()
        await k.mm.store(SEEN + 1)

    return case(cpu0)


@slip("CPU0", CODE, "in cpu0()", "variable turns", WORLD)
def a_variable_of_the_enclosing_function():
    turns = 0

    async def cpu0(k):
        nonlocal turns
        turns += 1
        await k.mm.store(turns)

    return case(cpu0)


@slip(CODE, "in append()", "LOG", "list", WORLD)
def a_list_of_the_module_changed_in_a_step():
    class Mine(Mm):
        @atomic("driver")
        def append(self):
            """Count."""
            LOG.append(1)
            self.count = len(LOG)

    class K(Small):
        mm: Mine = field(default_factory=Mine)

    async def cpu0(k):
        await k.mm.append()

    return case(cpu0, world=K)


@slip("CPU0", CODE, "in note()", "TABLE", "dict", WORLD)
def a_dict_of_the_module_changed_in_a_helper():
    def note():
        TABLE["seen"] += 1

    async def cpu0(k):
        note()
        await k.mm.store(TABLE["seen"])

    return case(cpu0)


@slip("CPU0", CODE, "in cpu0()", "seen.add()", "set", WORLD)
def a_set_of_the_enclosing_function():
    seen = set()

    async def cpu0(k):
        count = await k.mm.load()
        seen.add(count)
        await k.mm.store(len(seen))

    return case(cpu0)


@slip("CPU0", CODE, "in cpu0()", "queue.append()", "deque", WORLD)
def a_default_that_is_kept_from_call_to_call():
    async def cpu0(k, queue=deque()):  # noqa: B006
        queue.append(1)
        await k.mm.store(len(queue))

    return case(cpu0)


@slip("CPU0", CODE, "in run()", "self.seen", "local variable")
def a_variant_that_remembers():
    class Remembers:
        seen = False

        async def run(self, k):
            await k.mm.store(self.seen)
            self.seen = True

    async def cpu0(k, variant):
        await variant.run(k)

    return race(Remembers, cpu0)


@slip("CPU0", CODE, "in cpu0()", "variant.counts", "local variable")
def a_role_that_counts_on_its_variant():
    class Counts:
        counts = 0

    async def cpu0(k, variant):
        variant.counts += 1
        await k.mm.store(variant.counts)

    return race(Counts, cpu0)


@slip("CPU0", CODE, "in note()", "self.seen.update()", "Counter", WORLD)
def a_container_of_the_variant_changed_in_a_method():
    class Remembers:
        seen: ClassVar = Counter()

        def note(self, name):
            self.seen.update([name])
            return self.seen[name]

    async def cpu0(k, variant):
        await k.mm.store(variant.note("CPU0"))

    return race(Remembers, cpu0)


@slip(CODE, "in load()", "seen", "list", WORLD)
def a_class_attribute_that_a_step_appends_to():
    class Mine(Struct):
        seen = []  # noqa: RUF012

        @atomic("driver")
        def load(self):
            """Count."""
            self.seen.append(1)
            return len(self.seen)

    class K(Small):
        mine: Mine = field(default_factory=Mine)

    async def cpu0(k):
        await k.mm.store(await k.mine.load())

    return case(cpu0, world=K)


@slip("CPU0", CODE, "in cpu0()", "NUMBERS is an iterator", WORLD)
def an_iterator_of_the_module():
    async def cpu0(k):
        await k.mm.store(next(NUMBERS))

    return case(cpu0)


# -- chance, clocks and event loops ----------------------------------------------------------------


@slip("CPU0", CODE, "in cpu0()", "random", "await choose(")
def a_random_number_in_an_actor():
    async def cpu0(k):
        if random.random() < 0.5:
            await k.mm.store(1)

    return case(cpu0)


@slip(CODE, "in lock()", "random number", "await choose(")
def a_random_number_in_a_guard_of_a_step_that_never_runs():
    toss = random.choice

    class Mine(Mutex):
        @atomic("driver", when=lambda lock: lock.owner is None)
        def lock(self):
            """Take it, now and then."""
            return toss([True, False])

    class K(Small):
        mutex: Mine = field(default_factory=Mine)

    return case(world=K)


@slip(CODE, "in slow()", "time", "a clock", "await choose(")
def a_bad_state_that_looks_at_the_clock():
    def slow(k):
        """It takes too long."""
        return time.monotonic() > 1e9

    return case(bad=(slow,))


@slip("CPU0", CODE, "in cpu0()", "datetime.now()", "a clock")
def the_time_of_day():
    async def cpu0(k):
        await k.mm.store(datetime.now().second)

    return case(cpu0)


@slip("CPU0", CODE, "in cpu0()", "id()", "differs from run to run")
def an_address_as_a_number():
    async def cpu0(k):
        await k.mm.store(id(k) & 1)

    return case(cpu0)


@slip("CPU0", CODE, "in cpu0()", "asyncio", "No event loop runs here", "when=lambda")
def a_sleep_of_asyncio():
    async def cpu0(k):
        await asyncio.sleep(1)
        await k.mm.load()

    return case(cpu0)


@slip("CPU0", CODE, "in cpu0()", "`yield`", "await before each step")
def yield_in_place_of_await():
    async def cpu0(k):
        yield k.mm.load()

    return case(cpu0)


@slip("CPU0", CODE, "in cpu0()", "`yield`", "async def")
def a_plain_function_with_yield():
    def cpu0(k):
        yield k.mm.load()

    return case(cpu0)


# -- names that lead nowhere -----------------------------------------------------------------------


@slip("use_after_fee", "did you mean use_after_free?")
def a_complaint_that_no_code_raises():
    return case(bad=("use_after_fee",))


@slip("count_is_worng", "did you mean count_is_wrong?", "warn(")
def a_misspelt_complaint_of_the_model_itself():
    class Mine(Mm):
        @atomic("driver")
        def check(self):
            """Complain."""
            if self.count > 1:
                warn("count_is_wrong", "the count is too high")

    class K(Small):
        mm: Mine = field(default_factory=Mine)

    async def cpu0(k):
        await k.mm.check()

    return case(cpu0, world=K, bad=("count_is_worng",))


@slip(CODE, "in unchangd()", "Kept", "did you mean unchanged()?")
def an_override_that_is_spelt_wrong():
    class Base:
        def unchanged(self, count):
            return False

        async def run(self, k):
            if not self.unchanged(await k.mm.load()):
                await k.mm.store(1)

    class Kept(Base):
        def unchangd(self, count):
            return True

    async def cpu0(k, variant):
        await variant.run(k)

    return race(Kept, cpu0)


@slip(CODE, "in ignors()", "Filters", "did you mean ignores()?")
def an_override_of_a_kernel_object_that_is_spelt_wrong():
    class Base(Struct):
        hits: int = 0

        def ignores(self, event):
            return False

        @atomic("driver")
        def notify(self, event):
            """Count an event."""
            if not self.ignores(event):
                self.hits += 1

    class Filters(Base):
        def ignors(self, event):
            return True

    class K(World):
        base: Base = field(default_factory=Filters)
        mm: Mm = field(default_factory=Mm)

    async def cpu(k):
        await k.base.notify("unmap")

    return case(cpu, cpu, world=K)


# -- steps in code that no run reaches -------------------------------------------------------------


@slip("code.py line", "in error_path()", "await k.ptl.spin_unlock()")
def an_unlock_that_is_not_awaited_where_no_run_comes():
    async def error_path(k):
        k.ptl.spin_unlock()

    async def cpu0(k):
        if await k.mm.load() > 7:
            await error_path(k)

    return case(cpu0)


@slip("code.py line", "in cpu0()", "await unlock()")
def an_async_helper_that_is_not_awaited_where_no_run_comes():
    async def unlock(k):
        await k.ptl.spin_unlock()

    async def cpu0(k):
        if await k.mm.load() > 7:
            unlock(k)

    return case(cpu0)


# -- bad states and guards that cannot be called ---------------------------------------------------


@slip("async", "def lost(k)", "code.py line")
def a_bad_state_that_is_async():
    async def lost(k):
        """An increment got lost."""
        return k.mm.count != 2

    return case(bad=(lost,))


@slip("lost takes k, limit", "def lost(k)")
def a_bad_state_that_takes_two_arguments():
    def lost(k, limit):
        """An increment got lost."""
        return k.mm.count > limit

    return case(bad=(lost,))


@slip("two bad states are called <lambda>", "a def with a name of its own")
def two_lambdas_as_bad_states():
    return case(bad=(lambda k: k.mm.count > 2, lambda k: k.mm.count < 0))


@slip("the guard of wait_for()", "when=lambda self, count: …")
def a_guard_that_takes_other_arguments_than_its_step():
    class Mine(Mm):
        @atomic("driver", when=lambda mm: mm.count > 0)
        def wait_for(self, count):
            """Wait."""

    class K(Small):
        mm: Mine = field(default_factory=Mine)

    return case(world=K)
