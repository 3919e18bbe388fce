"""Loops that never come back, marks that forget, members that differ."""

from dataclasses import replace

from mmviz.engine import BadMark, LoopWithoutMark, mark

from . import slip
from .toy import case


@slip("CPU0", "line", "turns had another value", "Bound it", error=LoopWithoutMark, run=False)
def a_variable_that_only_grows():
    async def cpu0(k):
        turns = 0
        while True:
            await k.mm.load()
            turns += 1

    return case(cpu0=cpu0)


@slip("CPU0", "line", "turns had another value", "Bound it", error=LoopWithoutMark, run=False)
def a_mark_that_carries_what_only_grows():
    async def cpu0(k):
        turns = 0
        while True:
            mark("again", turns)
            await k.mm.load()
            turns += 1

    return case(cpu0=cpu0)


@slip("CPU0", "leaves out seen", "Write mark('again', seen)", error=BadMark)
def a_mark_that_forgets_a_variable_still_needed():
    async def cpu0(k):
        seen = 0
        while seen < 3:
            mark("again")
            await k.mm.load()
            seen += 1

    return case(cpu0=cpu0)


@slip("CPU0 and CPU1 are not interchangeable", "interchangeable=", run=False)
def actors_that_are_declared_interchangeable_and_differ():
    async def cpu0(k):
        await k.mm.load()

    async def cpu1(k):
        await k.mm.store(1)

    return replace(case(cpu0=cpu0, cpu1=cpu1), interchangeable=(("CPU0", "CPU1"),))


@slip("'CPU7' is neither an actor", "CPU0, CPU1", run=False)
def an_interchangeable_actor_that_does_not_exist():
    async def both(k):
        await k.mm.load()

    return replace(case(cpu0=both, cpu1=both), interchangeable=(("CPU0", "CPU7"),))
