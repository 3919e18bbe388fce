"""Store buffers against the answers of x86-TSO.

The verdicts of the litmus tests: Sewell, Sarkar, Owens, Nardelli, Myreen, x86-TSO, Communications
of the ACM 53 (7), 2010 (SB in section 1, MP and LB as Intel's examples 8-1 and 8-2, IRIW as AMD's
amd6); R, S and 2+2W as Alglave, Maranget, Tautschnig, Herding Cats, TOPLAS 36 (2), 2014 name them:
total store order relaxes a store followed by a load and nothing else.
"""

import pytest

from mmviz.engine import Case, ModelError, Verdict, World, at_end, explore, field
from mmviz.kernel.sync.store_buffer import NoStoreBuffer, StoreBuffer, drain_stores

W, R, MB = "store", "load", "smp_mb"
LITMUS = {
    # name: (threads, final state asked for, allowed by x86-TSO)
    "SB": ([[(W, "x", 1), (R, "y", "a")], [(W, "y", 1), (R, "x", "b")]], {"a": 0, "b": 0}, True),
    "SB+mb+po": (
        [[(W, "x", 1), (MB,), (R, "y", "a")], [(W, "y", 1), (R, "x", "b")]],
        {"a": 0, "b": 0},
        True,
    ),
    "SB+mbs": (
        [[(W, "x", 1), (MB,), (R, "y", "a")], [(W, "y", 1), (MB,), (R, "x", "b")]],
        {"a": 0, "b": 0},
        False,
    ),
    "SB+xchgs": (
        [[("xchg", "x", 1), (R, "y", "a")], [("xchg", "y", 1), (R, "x", "b")]],
        {"a": 0, "b": 0},
        False,
    ),
    "SB+release+acquire": (
        [
            [("release", "x", 1), ("acquire", "y", "a")],
            [("release", "y", 1), ("acquire", "x", "b")],
        ],
        {"a": 0, "b": 0},
        True,
    ),
    "MP": ([[(W, "x", 1), (W, "y", 1)], [(R, "y", "a"), (R, "x", "b")]], {"a": 1, "b": 0}, False),
    "LB": ([[(R, "x", "a"), (W, "y", 1)], [(R, "y", "b"), (W, "x", 1)]], {"a": 1, "b": 1}, False),
    "2+2W": ([[(W, "x", 2), (W, "y", 1)], [(W, "y", 2), (W, "x", 1)]], {"x": 2, "y": 2}, False),
    "R": ([[(W, "x", 1), (W, "y", 1)], [(W, "y", 2), (R, "x", "a")]], {"y": 2, "a": 0}, True),
    "R+po+mb": (
        [[(W, "x", 1), (W, "y", 1)], [(W, "y", 2), (MB,), (R, "x", "a")]],
        {"y": 2, "a": 0},
        False,
    ),
    "S": ([[(W, "x", 2), (W, "y", 1)], [(R, "y", "a"), (W, "x", 1)]], {"x": 2, "a": 1}, False),
    "IRIW": (
        [
            [(W, "x", 1)],
            [(W, "y", 1)],
            [(R, "x", "a"), (R, "y", "b")],
            [(R, "y", "c"), (R, "x", "d")],
        ],
        {"a": 1, "b": 0, "c": 1, "d": 0},
        False,
    ),
    "n6": (  # forwarding: a CPU reads its own store before others see it
        [[(W, "x", 1), (R, "x", "a"), (R, "y", "b")], [(W, "y", 2), (W, "x", 2)]],
        {"x": 1, "a": 1, "b": 0},
        True,
    ),
}


class Memory(World):
    x: int = 0
    y: int = 0
    a: int = 9
    b: int = 9
    c: int = 9
    d: int = 9
    buffers: tuple[StoreBuffer, ...] = ()


def thread(number, program):
    async def cpu(k):
        buffer = k.buffers[number]
        for what, *operands in program:
            if what == MB:
                await buffer.smp_mb()
            elif what == W:
                await buffer.WRITE_ONCE(k, *operands)
            elif what == "release":
                await buffer.smp_store_release(k, *operands)
            elif what == "xchg":
                await buffer.xchg(k, *operands)
            else:
                at, register = operands
                take = buffer.smp_load_acquire if what == "acquire" else buffer.READ_ONCE
                await k.buffers[-1].WRITE_ONCE(k, register, await take(k, at))
        await buffer.drained()

    return cpu


def drains(number):
    async def memory(k):
        await drain_stores(k.buffers[number])

    return memory


def litmus(threads, wanted, buffer=StoreBuffer):
    count = len(threads)

    @at_end
    def seen(k):
        """The final state that the test asks about."""
        return all(getattr(k, name) == value for name, value in wanted.items())

    def world():
        return Memory(buffers=(*(buffer() for _ in range(count)), NoStoreBuffer()))

    return Case(
        name="Litmus",
        world=world,
        actors={f"CPU{i}": thread(i, program) for i, program in enumerate(threads)}
        | {f"SB{i}": drains(i) for i in range(count)},
        daemons=tuple(f"SB{i}" for i in range(count)),
        bad=(seen,),
    )


@pytest.mark.parametrize("name", LITMUS)
def test_a_litmus_test_gets_the_answer_of_x86_tso(name):
    threads, wanted, allowed = LITMUS[name]

    verdict = explore(litmus(threads, wanted)).verdicts["seen"]

    assert verdict == (Verdict.SOMETIMES if allowed else Verdict.NEVER)


@pytest.mark.parametrize("name", LITMUS)
def test_without_buffers_none_of_them_is_seen(name):
    threads, wanted, _ = LITMUS[name]

    assert explore(litmus(threads, wanted, NoStoreBuffer)).verdicts["seen"] == Verdict.NEVER


class Counter(World):
    count: int = 0
    word: str = "free"
    cpu0: StoreBuffer = field(default_factory=StoreBuffer)
    cpu1: StoreBuffer = field(default_factory=StoreBuffer)


async def drain_0(k):
    await drain_stores(k.cpu0)


async def drain_1(k):
    await drain_stores(k.cpu1)


def both(step, *bad):
    def cpu(name):
        async def actor(k):
            await step(k, getattr(k, name))

        return actor

    return Case(
        name="Both",
        world=Counter,
        actors={"CPU0": cpu("cpu0"), "CPU1": cpu("cpu1"), "SB0": drain_0, "SB1": drain_1},
        daemons=("SB0", "SB1"),
        bad=bad,
    )


@at_end
def update_lost(k):
    """Two CPUs have added one each, and the sum is not two."""
    return k.count != 2


async def locked_add(k, cpu):
    await cpu.atomic_fetch_add(k, "count", 1)


async def plain_add(k, cpu):
    await cpu.WRITE_ONCE(k, "count", await cpu.READ_ONCE(k, "count") + 1)
    await cpu.drained()


async def never_drained(k, cpu):
    await cpu.WRITE_ONCE(k, "count", 2)


async def misspelt(k, cpu):
    await cpu.WRITE_ONCE(k, "cuont", 1)


async def misspelt_load(k, cpu):
    await cpu.READ_ONCE(k, "cuont")


def test_two_locked_adds_lose_no_update():
    assert explore(both(locked_add, update_lost)).verdicts["update_lost"] == Verdict.NEVER


def test_a_load_and_a_store_instead_lose_one():
    assert explore(both(plain_add, update_lost)).verdicts["update_lost"] == Verdict.SOMETIMES


def test_only_one_cpu_gets_a_lock_by_cmpxchg():
    @at_end
    def two_owners(k):
        """Both CPUs have taken the lock."""
        return k.count == 2

    async def trylock(k, cpu):
        if await cpu.cmpxchg(k, "word", "free", "taken") == "free":
            await cpu.atomic_fetch_add(k, "count", 1)

    assert explore(both(trylock, two_owners)).verdicts["two_owners"] == Verdict.NEVER


def test_judging_the_end_while_a_store_waits_is_an_error_that_says_what_to_write():
    with pytest.raises(ModelError, match=r"count = 2 waits in cpu0; end .*await drained\(\)"):
        explore(both(never_drained, update_lost))


@pytest.mark.parametrize("step", [misspelt, misspelt_load])
def test_a_misspelt_field_is_an_error_that_names_the_fields(step):
    with pytest.raises(ModelError, match=r"no field 'cuont'; write one of its fields: count, word"):
        explore(both(step))
