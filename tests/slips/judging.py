"""Bad states, guards and worlds that do something else than look, and exceptions."""

from mmviz.engine import atomic, mark

from . import slip
from .toy import Small, case, count_lost, increment


class Answer:
    count = 0


class Waits(Small):
    @atomic("driver", when=lambda k: k.mm.count)
    def wait_count(self) -> None:
        """Wait until there is a count."""

    @atomic("driver", when=lambda k: k.bump())
    def wait_bump(self) -> None:
        """Wait, and write meanwhile."""

    @atomic("driver", when=lambda k: None)
    def wait_none(self) -> None:
        """Wait for nothing."""

    @atomic("driver", when=lambda k: k.mm.count > k.limit())
    def wait_limit(self) -> None:
        """Wait for more than the limit."""

    @atomic("driver")
    def divide(self) -> int:
        """Divide by a field."""
        return 100 // self.mm.count

    @atomic("driver")
    def first(self) -> int:
        """Take the first of none."""
        return next(iter(()))

    @atomic("driver")
    def must_be_one(self) -> None:
        """Assert."""
        assert self.mm.count == 1, "the count is not 1"

    @atomic("driver")
    def remember(self) -> None:
        """Call mark()."""
        mark("again")

    @atomic("driver")
    def spin(self) -> None:
        """Spin inside one step."""
        while self.mm.count == 0:
            pass

    @atomic("driver")
    def collect(self) -> list[int]:
        """Return a list."""
        return [self.mm.count]

    @atomic("driver")
    def answer(self) -> object:
        """Return an object that is no value."""
        return Answer()

    def bump(self) -> bool:
        self.mm.count += 1
        return True

    def limit(self) -> int:
        raise ValueError("no limit is set")


def waits(actor, **more):
    return case(actor, world=Waits, **more)


@slip("CPU0 at wait_count", "guard", "returned 0 (int)", "> 0")
def a_guard_returns_a_number():
    async def cpu0(k):
        await k.wait_count()

    return waits(cpu0)


@slip("CPU0 at wait_bump", "judging.py line", "in bump()", "a guard only looks")
def a_guard_writes():
    async def cpu0(k):
        await k.wait_bump()

    return waits(cpu0)


@slip("CPU0 at wait_none", "guard", "a return is missing")
def a_guard_returns_nothing():
    async def cpu0(k):
        await k.wait_none()

    return waits(cpu0)


@slip("CPU0 at wait_limit", "judging.py line", "in limit()", "guard", "ValueError: no limit is set")
def a_guard_raises():
    async def cpu0(k):
        await k.wait_limit()

    return waits(cpu0)


@slip("CPU0 at divide", "judging.py line", "in divide()", "at the start", "ZeroDivisionError")
def a_step_raises():
    async def cpu0(k):
        await k.divide()

    return waits(cpu0)


@slip("CPU0 at first", "judging.py line", "in first()", "StopIteration", "next(…, None)")
def a_step_raises_stop_iteration():
    async def cpu0(k):
        await k.first()

    return waits(cpu0)


@slip("CPU0 at must_be_one", "in must_be_one()", "AssertionError: the count is not 1", "bad state")
def a_step_asserts():
    async def cpu0(k):
        await k.must_be_one()

    return waits(cpu0)


@slip("CPU0, judging.py line", "in cpu0()", 'CPU0*2"', "KeyError: 0")
def an_actor_raises():
    async def cpu0(k):
        await k.mm.load()
        await k.mm.store({1: 2}[await k.mm.load()])

    return case(cpu0)


@slip("CPU0 at remember", "judging.py line", "in remember()", "a step", "in an actor")
def a_mark_inside_a_step():
    async def cpu0(k):
        await k.remember()

    return waits(cpu0)


@slip("CPU0 at collect", "[0]", "immutable")
def a_step_returns_a_list():
    async def cpu0(k):
        await k.collect()

    return waits(cpu0)


@slip("CPU0 at spin", "judging.py line", "in spin()", "without end", "Bound the loop")
def a_step_that_loops():
    async def cpu0(k):
        await k.spin()

    return waits(cpu0)


@slip("CPU0", "judging.py line", "in cpu0()", 'after "CPU0"', "without await", "Write await")
def an_actor_that_loops_between_two_steps():
    async def cpu0(k):
        count = await k.mm.load()
        while count < 1:
            pass
        await k.mm.store(count)

    return case(cpu0)


@slip("CPU1", "judging.py line", "in cpu1()", "at the start", "without await")
def an_actor_that_only_loops():
    async def cpu1(k):
        while True:
            mark("again")

    return case(increment, cpu1)


@slip("judging.py line", "in endless()", "world()", "without end")
def a_world_that_is_never_ready():
    def endless():
        while True:
            pass

    return case(world=endless)


@slip("judging.py line", "in small()", "world() raised ValueError: no pages")
def a_world_that_raises():
    def small():
        raise ValueError("no pages")

    return case(world=small)


@slip("world() made a NoneType", "a return is missing", "in small()")
def a_world_that_is_not_returned():
    def small():
        Small()

    return case(world=small)


@slip("bad state", "count_is_odd", "judging.py line", "only looks", "at the start")
def a_bad_state_writes():
    def count_is_odd(k):
        k.mm.users = 1
        return k.mm.count % 2 == 1

    return case(bad=(count_is_odd,))


@slip("bad state", "count_is_odd", "judging.py line", "a return is missing", "at the start")
def a_bad_state_returns_nothing():
    def count_is_odd(k):
        k.mm.count % 2 == 1  # noqa: B015

    return case(bad=(count_is_odd,))


@slip("bad state", "count_left", "judging.py line", "returned 0 (int)", "> 0")
def a_bad_state_returns_a_number():
    def count_left(k):
        return k.mm.count

    return case(bad=(count_left,))


@slip("bad state", "locked", "judging.py line", "only looks", "Read the field")
def a_bad_state_calls_a_step():
    def locked(k):
        return not k.ptl.spin_trylock()

    return case(bad=(locked,))


@slip("bad state", "count_is_odd", "async")
def a_bad_state_is_async():
    async def count_is_odd(k):
        return k.mm.count % 2 == 1

    return case(bad=(count_is_odd,))


@slip("bad state", "too_many", "judging.py line", "ZeroDivisionError", 'after "')
def a_bad_state_raises():
    def too_many(k):
        return k.mm.count == 1 and 1 // (k.mm.count - 1) > 2

    return case(bad=(too_many, count_lost))


@slip("bad state", "count_is_odd", "did you mean count")
def a_bad_state_reads_a_misspelt_field():
    def count_is_odd(k):
        return k.mm.conut % 2 == 1

    return case(bad=(count_is_odd,))


@slip("NoWorld", "not a World")
def a_world_of_something_else():
    class NoWorld:
        pass

    return case(world=NoWorld)


@slip("CPU0 at answer()", "judging.py line", "class Answer", "Answer a value")
def a_step_returns_an_object():
    async def cpu0(k):
        await k.answer()

    return waits(cpu0)
