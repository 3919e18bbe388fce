"""Hidden state that the code does not show: learning the model a second time tells.

Such a search ends undecided, with a sentence; it is no error, for only the search can see it.
"""

import random
import time

from mmviz.engine import atomic, field

from . import slip
from .toy import Mm, Small, case

STATE = "state outside the world"
NOWHERE = {"coin": random.random, "clock": time.perf_counter_ns}


def keep(box, key, value):
    """Keep a value where the code of the caller does not show it."""
    vars(box).__setitem__(key, value)


class Box:
    """An object that lives on from step to step."""


def with_step(run):
    """Return a world with one more step, `run`."""

    class Mine(Mm):
        step = atomic("driver")(run)

    class K(Small):
        mm: Mine = field(default_factory=Mine)

    return K


@slip("CPU0 at run(mm), state.py line", "in cpu0()", "when it was learned again", run=False)
def a_coin_hidden_in_a_dict():
    def run(self):
        """Toss a coin."""
        self.count = int(NOWHERE["coin"]() * 1e6)

    async def cpu0(k):
        await k.mm.step()

    return case(cpu0, world=with_step(run))


@slip("CPU0 at run(mm)", "mm.count", "first and", "a clock", run=False)
def a_clock_hidden_in_a_dict():
    def run(self):
        """Look at the clock."""
        self.count = NOWHERE["clock"]()

    async def cpu0(k):
        await k.mm.step()

    return case(cpu0, world=with_step(run))


@slip("CPU0", "state.py line", "in cpu0()", "the same answers again", run=False)
def a_counter_in_the_dict_of_a_function():
    async def cpu0(k):
        note = vars(cpu0)
        turns = note.get("turns", 0) + 1
        vars(cpu0).update(turns=turns)
        await k.mm.store(turns)

    return case(cpu0)


@slip("at run(mm)", "state.py line", STATE, run=False)
def a_counter_behind_a_call():
    box = Box()

    def run(self):
        """Count."""
        keep(box, "calls", vars(box).get("calls", 0) + 1)
        return box.calls

    async def cpu0(k):
        await k.mm.store(await k.mm.step())

    return case(cpu0, world=with_step(run))


@slip("at run(mm)", "state.py line", "in look()", STATE, run=False)
def a_flag_set_between_two_steps_by_another_actor():
    box = Box()
    keep(box, "flag", False)

    def run(self):
        """Look at the flag."""
        return box.flag

    async def set_flag(k):
        keep(box, "flag", False)
        await k.mm.load()
        await k.mm.load()
        keep(box, "flag", True)
        await k.mm.load()

    async def look(k):
        await k.ptl.spin_lock()
        await k.mm.store(int(await k.mm.step()))
        await k.ptl.spin_unlock()

    return case(set_flag, look, world=with_step(run))


@slip("world()", "mm.count", STATE, run=False)
def a_world_that_differs_each_time():
    def world():
        return Small(mm=Mm(count=int(NOWHERE["coin"]() * 1e6)))

    return case(world=world)


@slip("world()", "the same objects", STATE, run=False)
def a_world_with_other_names_each_time():
    def world():
        return Small(mm=Mm(name=f"mm{int(NOWHERE['coin']() * 1e6)}"))

    return case(world=world)


@slip("the bad state count_lost", "in the same state", STATE, run=False)
def a_bad_state_that_remembers():
    box = Box()

    def count_lost(k):
        """An increment got lost, every other time."""
        keep(box, "calls", vars(box).get("calls", 0) + 1)
        return k.mm.count >= 0 and box.calls % 2 == 1

    return case(bad=(count_lost,))
