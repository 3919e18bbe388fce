"""Slips with what the model leaves open, with parts of objects, and with store buffers."""

from mmviz.engine import Case, World, at_end, choose, environment, field
from mmviz.kernel.sync.store_buffer import StoreBuffer, drain_stores
from mmviz.kernel.sync.waitqueue import Completion
from tests.slips import slip


class Memory(World):
    """A word of memory, a store buffer and a completion."""

    word: int = 0
    cpu: StoreBuffer = field(default_factory=StoreBuffer)
    done: Completion = field(default_factory=Completion)


@at_end
def word_is_lost(k: Memory) -> bool:
    """The word does not hold what was stored."""
    return k.word != 1


async def drains(k: Memory) -> None:
    """The memory system."""
    await drain_stores(k.cpu)


def case(**actors) -> Case:
    """Return a case of these actors and a store buffer that drains."""
    return Case(
        name="Kit",
        world=Memory,
        actors=actors | {"SB": drains},
        daemons=("SB",),
        bad=(word_is_lost,),
    )


@slip("CPU0", "choose(kmalloc() fails)", "line", '"environment": environment')
def a_question_without_an_environment():
    async def cpu0(k):
        if await choose("kmalloc() fails"):
            return

    return case(CPU0=cpu0)


@slip("CPU0", "line", '"environment": environment')
def a_timeout_without_an_environment():
    async def cpu0(k):
        await k.done.wait_for_completion_timeout()

    return case(CPU0=cpu0)


@slip("CPU0", "line", "give at least two, each once")
def a_question_with_one_answer():
    async def cpu0(k):
        await choose("which slot", "first")

    return case(CPU0=cpu0, environment=environment)


@slip("CPU0", "line", "no field 'wrod'", "word")
def a_store_to_a_field_that_is_misspelt():
    async def cpu0(k):
        await k.cpu.WRITE_ONCE(k, "wrod", 1)

    return case(CPU0=cpu0)


@slip("CPU0", "line", "no field 'wrod'", "word")
def a_load_of_a_field_that_is_misspelt():
    async def cpu0(k):
        await k.cpu.READ_ONCE(k, "wrod")

    return case(CPU0=cpu0)


@slip("word = 1 waits in cpu", "await drained()")
def an_end_that_is_judged_while_a_store_waits():
    async def cpu0(k):
        await k.cpu.WRITE_ONCE(k, "word", 1)

    return case(CPU0=cpu0)
