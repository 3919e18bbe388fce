"""Steps that are described and never run, and steps that stand for their result."""

from mmviz.engine import World, atomic

from . import slip
from .toy import Small, case

CODE = ("steps.py line", "in cpu0()")  # seen in the code, before anything runs
AWAIT = ("CPU0", *CODE, "Write: ")


@slip(*CODE, "await k.ptl.spin_lock()")
def a_lock_that_is_never_taken():
    async def cpu0(k):
        k.ptl.spin_lock()
        count = await k.mm.load()
        await k.mm.store(count + 1)
        await k.ptl.spin_unlock()

    return case(cpu0)


@slip(*CODE, "await k.ptl.spin_unlock()")
def the_unlock_at_the_end_is_not_awaited():
    async def cpu0(k):
        await k.ptl.spin_lock()
        count = await k.mm.load()
        await k.mm.store(count + 1)
        k.ptl.spin_unlock()

    return case(cpu0)


@slip(*CODE, "await k.ptl.spin_trylock()")
def a_trylock_in_an_if():
    async def cpu0(k):
        if k.ptl.spin_trylock():
            await k.mm.store(1)

    return case(cpu0)


@slip(*CODE, "await k.ptl.spin_trylock()")
def a_trylock_behind_not():
    async def cpu0(k):
        if not k.ptl.spin_trylock():
            return
        await k.mm.store(1)

    return case(cpu0)


@slip(*CODE, "await k.mm.load()")
def arithmetic_with_a_step():
    async def cpu0(k):
        await k.mm.store(k.mm.load() + 1)

    return case(cpu0)


@slip(*CODE, "await k.mm.load()")
def a_step_is_compared():
    async def cpu0(k):
        if k.mm.load() == 0:
            await k.mm.store(1)

    return case(cpu0)


@slip(*AWAIT, "(await load(mm))")
def a_step_is_unpacked():
    async def cpu0(k):
        first, second = k.mm.load()
        await k.mm.store(first + second)

    return case(cpu0)


@slip(*AWAIT, "(await load(mm))")
def a_step_is_iterated():
    async def cpu0(k):
        for count in k.mm.load():
            await k.mm.store(count)

    return case(cpu0)


@slip("CPU0", "steps.py line", "(await load(mm)).bit_length")
def an_attribute_of_a_step():
    async def cpu0(k):
        await k.mm.store(k.mm.load().bit_length())

    return case(cpu0)


@slip(*AWAIT, "(await load(mm))")
def a_step_is_an_argument():
    async def cpu0(k):
        await k.mm.store(k.mm.load())

    return case(cpu0)


@slip(*AWAIT, "await load(mm)")
def a_step_in_a_variable_that_is_never_awaited():
    async def cpu0(k):
        count = k.mm.load()
        await k.mm.store(1)
        del count

    return case(cpu0)


@slip("CPU0", "steps.py line", "in cpu0()", 'after "CPU0"', "a second time", "await load(mm)")
def one_step_is_awaited_twice():
    async def cpu0(k):
        load = k.mm.load()
        await load
        await load

    return case(cpu0)


LATER = Small().mm.load()


@slip("CPU0", "steps.py line", "in cpu0()", "at the start", "await load()")
def a_step_is_described_outside_of_the_actor():
    async def cpu0(k):
        await LATER

    return case(cpu0)


@slip(*AWAIT, 'CPU0*3"', "await spin_unlock(ptl)")
def an_unlock_in_a_variable_at_the_end():
    async def cpu0(k):
        await k.ptl.spin_lock()
        count = await k.mm.load()
        await k.mm.store(count + 1)
        done = k.ptl.spin_unlock()
        del done

    return case(cpu0)


@slip(*AWAIT, "(await spin_trylock(ptl))")
def a_trylock_in_a_variable_is_tested():
    async def cpu0(k):
        taken = k.ptl.spin_trylock()
        if taken:
            await k.mm.store(1)

    return case(cpu0)


@slip(*AWAIT, "(await load(mm))")
def a_step_in_a_message():
    async def cpu0(k):
        words = f"{k.mm.load()}"
        await k.mm.store(len(words))

    return case(cpu0)


class Reads(Small):
    @atomic("driver")
    def load_locked(self) -> int:
        """Read under the lock, in one step; the lock is forgotten."""
        self.ptl.spin_lock()
        return self.mm.count

    @atomic("driver")
    def load_twice(self) -> int:
        """Read twice."""
        return self.mm.load() + self.mm.load()

    @atomic("driver")
    def load_once(self) -> int:
        """Hand out another step."""
        return self.mm.load()

    @atomic("driver", when=lambda k: k.mm.load() == 0)
    def wait_for_none(self) -> None:
        """Wait until the count is 0."""

    @atomic("driver", when=lambda k: k.mm.load())
    def wait_for_some(self) -> None:
        """Wait until there is a count."""


@slip("CPU0 at load_locked", "steps.py line", "in load_locked()", "spin_lock(ptl).do()")
def a_step_inside_a_step_is_not_done():
    async def cpu0(k):
        await k.load_locked()

    return case(cpu0, world=Reads)


@slip("CPU0 at load_twice", "steps.py line", "in load_twice()", "load(mm).do()")
def a_step_inside_a_step_stands_for_its_result():
    async def cpu0(k):
        await k.load_twice()

    return case(cpu0, world=Reads)


@slip("CPU0 at load_once", "steps.py line", "load(mm).do()")
def a_step_returns_another_step():
    async def cpu0(k):
        await k.load_once()

    return case(cpu0, world=Reads)


@slip("CPU0 at wait_for_none", "steps.py line", "a guard only looks", "Read the field")
def a_guard_compares_a_step():
    async def cpu0(k):
        await k.wait_for_none()

    return case(cpu0, world=Reads)


@slip("CPU0 at wait_for_some", "steps.py line", "a guard only looks", "Read the field")
def a_guard_returns_a_step():
    async def cpu0(k):
        await k.wait_for_some()

    return case(cpu0, world=Reads)


@slip("CPU0", "steps.py line", "in cpu0()", "Write: await store(1)")
def a_step_is_done_in_an_actor():
    async def cpu0(k):
        await k.mm.load()
        k.mm.store(1).do()

    return case(cpu0)


async def bump(k: Small) -> bool:
    count = await k.mm.load()
    await k.mm.store(count + 1)
    return count == 0


@slip("CPU0", "steps.py line", "in cpu0()", "bump", "await")
def a_helper_is_not_awaited():
    async def cpu0(k):
        await k.mm.load()
        bump(k)

    return case(cpu0)


@slip("CPU0", "steps.py line", "in cpu0()", "await bump(…)")
def a_helper_in_a_variable_is_not_awaited():
    async def cpu0(k):
        first = bump(k)
        await k.mm.load()
        if first:
            await k.mm.store(1)

    return case(cpu0)


@slip("CPU0", "steps.py line", "in cpu0()", "await bump(…)")
def a_helper_that_is_not_awaited_is_an_argument():
    async def cpu0(k):
        await k.mm.store(bump(k))

    return case(cpu0)


@slip("steps.py line", "async", "plain def")
def a_step_that_is_async():
    class Odd(World):
        @atomic("driver")
        async def load(self) -> int:
            """Read."""
            return 1

    return case(world=Odd)


@slip("CPU0", "at the start", "async def cpu0(k)")
def an_actor_that_is_not_async():
    def cpu0(k):
        return k.mm.load()

    return case(cpu0)


@slip("CPU0", "steps.py line", "at the start", "never awaits")
def an_actor_that_never_awaits():
    async def cpu0(k):
        return k.ptl

    return case(cpu0)


@slip("CPU0", "cannot be called", "async def cpu0(k)")
def an_actor_without_a_parameter():
    async def cpu0():
        return None

    return case(cpu0)
