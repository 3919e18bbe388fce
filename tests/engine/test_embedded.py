"""A part of a freed object is freed memory; what the object refers to is not."""

import pytest

from mmviz.engine import (
    Allocated,
    Case,
    Map,
    Struct,
    Verdict,
    World,
    atomic,
    explore,
    field,
    replay,
)


class Timer(Struct):
    pending: bool = False

    @atomic("driver")
    def arm(self) -> None:
        """Arm the timer."""
        self.pending = True

    @atomic("driver", when=lambda timer: timer.pending)
    def wait(self) -> None:
        """Wait until the timer is armed."""


class Counted(Allocated):
    count: int = 0

    @atomic("driver")
    def look(self) -> int:
        """Read the count."""
        return self.count


class Pair(Struct):
    inner: Timer = field(default_factory=Timer)


class Thing(Allocated):
    timer: Timer = field(default_factory=Timer)
    many: tuple[Timer, ...] = field(default_factory=lambda: (Timer(), Timer()))
    pair: Pair = field(default_factory=lambda: Pair())
    slots: Map[str, int] = field(default_factory=lambda: Map({"a": 0}))
    other: Counted = field(default_factory=Counted)
    pointer: Timer = field(default_factory=Timer, embedded=False)
    reference: Timer | None = None

    @atomic("mm/slub.c")
    def kfree(self) -> None:
        """Free the object."""
        self.free()

    @atomic("driver")
    def free_and_use(self) -> None:
        """Free the object, and use a part of it."""
        self.free()
        self.timer.pending = True


class Slots(World):
    thing: Thing = field(default_factory=Thing)
    timer: Timer = field(default_factory=Timer)

    def __post_init__(self) -> None:
        self.thing.reference = self.timer

    @atomic("driver")
    def set_slot(self) -> None:
        """Write the object's table."""
        self.thing.slots["a"] = 1


async def frees(k):
    await k.thing.kfree()


def verdict(use, world=Slots):
    case = Case(
        name="Use",
        world=world,
        actors={"CPU0": frees, "CPU1": use},
        bad=("use_after_free",),
    )
    return explore(case).verdicts["use_after_free"]


PARTS = {
    "a timer": lambda k: k.thing.timer.arm(),
    "one of several": lambda k: k.thing.many[1].arm(),
    "a part of a part": lambda k: k.thing.pair.inner.arm(),
    "a table": lambda k: k.set_slot(),
}
REFERENCES = {
    "another object's": lambda k: k.timer.arm(),
    "through a reference": lambda k: k.thing.other.look(),
    "what is said to be a pointer": lambda k: k.thing.pointer.arm(),
}


@pytest.mark.parametrize("what", PARTS)
def test_a_part_is_freed_with_its_object(what):
    part = PARTS[what]

    async def use(k):
        await part(k)

    assert verdict(use) == Verdict.SOMETIMES


@pytest.mark.parametrize("what", REFERENCES)
def test_what_an_object_refers_to_is_not_freed_with_it(what):
    reference = REFERENCES[what]

    async def use(k):
        step = reference(k)  # the path is constant, so it may be walked between steps
        await step

    assert verdict(use) == Verdict.NEVER


def test_a_guard_that_reads_a_part_is_a_use():
    async def use(k):
        await k.thing.timer.wait()  # never armed

    assert verdict(use) == Verdict.ALWAYS


def test_the_step_that_frees_may_not_use_a_part_afterwards():
    async def use(k):
        await k.thing.free_and_use()

    assert verdict(use) == Verdict.ALWAYS


def test_a_part_that_is_passed_in_is_a_part():
    def world():
        return Slots(thing=Thing(timer=Timer(pending=True)))

    async def use(k):
        await k.thing.timer.arm()

    assert verdict(use, world) == Verdict.SOMETIMES


def test_an_object_that_is_given_to_two_is_part_of_neither():
    class Two(World):
        thing: Thing
        second: Thing

        @atomic("driver")
        def nothing(self) -> None:
            """Nothing."""

    def world():
        shared = Timer()
        return Two(Thing(timer=shared), Thing(timer=shared))

    async def use(k):
        await k.second.timer.arm()

    assert verdict(use, world) == Verdict.NEVER


def test_a_field_without_factory_is_a_part_if_it_says_so():
    class Holder(Allocated):
        timer: Timer = field(embedded=True, kw_only=True)

        @atomic("mm/slub.c")
        def kfree(self) -> None:
            """Free the object."""
            self.free()

    class Holding(World):
        thing: Holder = field(default_factory=lambda: Holder(timer=Timer()))

    async def use(k):
        await k.thing.timer.arm()

    assert verdict(use, Holding) == Verdict.SOMETIMES


def test_the_complaint_names_the_part_the_object_and_the_actor_that_freed_it():
    async def use(k):
        await k.thing.timer.arm()

    case = Case(
        name="Use", world=Slots, actors={"CPU0": frees, "CPU1": use}, bad=("use_after_free",)
    )

    said = replay(case, "CPU0 CPU1").tip.log[0]

    assert said == "uses thing.timer.pending, but thing was freed by CPU0 in step 1"


def test_a_bad_state_may_look_at_a_part_of_a_freed_object():
    def armed(k):
        """The timer of the object is armed."""
        return k.thing.timer.pending

    case = Case(name="Look", world=Slots, actors={"CPU0": frees}, bad=(armed, "use_after_free"))

    assert set(explore(case).verdicts.values()) == {Verdict.NEVER}
