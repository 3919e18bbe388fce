"""Fields that are not declared or are misspelt, and objects outside of the world."""

from mmviz.engine import Struct, World, atomic, field
from mmviz.kernel.sync.locks import SpinLock
from mmviz.kernel.sync.store_buffer import NoStoreBuffer

from . import slip
from .toy import Mm, Small, case


class Counts(Small):
    total = 0
    last: Mm | None = None
    some: frozenset[Mm] = frozenset()

    @property
    def is_idle(self) -> bool:
        """Nobody counts."""
        return self.mm.usres == 0

    @atomic("driver")
    def misspell(self) -> None:
        """Write a field that does not exist."""
        self.mm.cuont = 1

    @atomic("driver")
    def add(self) -> None:
        """Write a class attribute."""
        self.total = self.total + 1

    @atomic("driver")
    def hide(self) -> None:
        """Write an attribute with an underscore."""
        self._seen = True

    @atomic("driver")
    def rename(self) -> None:
        """Give the object a name."""
        self.mm.name = "mm of CPU0"

    @atomic("driver")
    def read(self) -> int:
        """Read a field that does not exist."""
        return self.mm.coutn

    @atomic("driver")
    def ask(self) -> bool:
        """Read a property whose code is misspelt."""
        return self.is_idle

    @atomic("driver")
    def alloc(self) -> None:
        """Make an object."""
        self.last = Mm()

    @atomic("driver")
    def use(self, mm: Mm) -> None:
        """Use an object."""
        mm.count += 1

    @atomic("driver")
    def keep(self, mm: Mm) -> None:
        """Keep an object."""
        self.last = mm


def counts(actor):
    return case(actor, world=Counts)


@slip("CPU0 at misspell", "objects.py line", "in misspell()", "did you mean count")
def a_misspelt_field_is_written():
    async def cpu0(k):
        await k.misspell()

    return counts(cpu0)


@slip("CPU0 at add", "objects.py line", "in add()", "total: int")
def a_class_attribute_without_a_type_is_written():
    async def cpu0(k):
        await k.add()

    return counts(cpu0)


@slip("CPU0 at hide", "objects.py line", "in hide()", "seen: bool")
def state_is_hidden_behind_an_underscore():
    async def cpu0(k):
        await k.hide()

    return counts(cpu0)


@slip("CPU0 at rename", "objects.py line", "in rename()", "Mm(name='mm of CPU0')")
def a_step_renames_an_object():
    async def cpu0(k):
        await k.rename()

    return counts(cpu0)


@slip("CPU0 at read", "objects.py line", "in read()", "did you mean count")
def a_misspelt_field_is_read():
    async def cpu0(k):
        await k.read()

    return counts(cpu0)


@slip("CPU0 at ask", "objects.py line", "in is_idle()", "did you mean users")
def a_property_reads_a_misspelt_field():
    async def cpu0(k):
        await k.ask()

    return counts(cpu0)


@slip("CPU0", "objects.py line", "in cpu0()", "did you mean spin_lock")
def a_misspelt_step():
    async def cpu0(k):
        await k.ptl.spinlock()

    return case(cpu0)


@slip("objects.py line", "in __post_init__()", "count: int")
def a_field_that_only_post_init_knows():
    class Odd(World):
        def __post_init__(self) -> None:
            self.count = 0

    return case(world=Odd)


@slip("__post_init__")
def a_struct_with_an_init_of_its_own():
    class Odd(World):
        count: int = 0

        def __init__(self, count):
            self.count = count

    return case(world=lambda: Odd(1))


@slip("cached_property", "@property")
def a_property_that_is_remembered():
    from functools import cached_property

    class Odd(Struct):
        count: int = 0

        @cached_property
        def is_idle(self) -> bool:
            """It counts 0."""
            return self.count == 0

    return case(world=Odd)


@slip("CPU0 at alloc", "objects.py line", "in alloc()", "in a step", "make it in world()")
def an_object_that_a_step_makes():
    async def cpu0(k):
        await k.alloc()

    return counts(cpu0)


@slip("CPU0", "objects.py line", "in cpu0()", "in an actor", "make it in world()")
def an_object_that_an_actor_makes():
    async def cpu0(k):
        mm = Mm()
        await k.use(mm)

    return counts(cpu0)


@slip("CPU0", "objects.py line", "in lock()", "without two underscores")
def a_name_with_two_underscores_in_a_class():
    class Odd(Small):
        @atomic("driver")
        def __lock(self) -> None:
            """Lock."""

    class Cpu:
        async def lock(self, k):
            await k.__lock()

    return case(Cpu().lock, world=Odd)


STRAY = Mm(name="stray")
LOCK = SpinLock(name="lock")


@slip("CPU0 at use(stray)", "objects.py line", "in use()", "no world", "Make it in world()")
def an_object_outside_of_the_world_is_used():
    async def cpu0(k):
        await k.use(STRAY)

    return counts(cpu0)


@slip("CPU0 at spin_lock(lock)", "objects.py line", "in cpu0()", "no world", "Make it in world()")
def a_lock_outside_of_the_world_is_taken():
    async def cpu0(k):
        await LOCK.spin_lock()
        await LOCK.spin_unlock()

    return case(cpu0)


@slip("CPU0 at keep(stray)", "objects.py line", "in keep()", "no world", "make it in world()")
def an_object_from_outside_is_put_into_a_field():
    async def cpu0(k):
        await k.keep(STRAY)

    return counts(cpu0)


@slip("some", "frozenset", "field or a tuple")
def an_object_only_in_a_frozenset():
    return case(world=lambda: Counts(some=frozenset((Mm(),))))


OLD: list[Small] = []


@slip("CPU0", "objects.py line", "another world", "k.cpu.pte")
def an_object_of_an_earlier_world():
    from mmviz.engine import replay

    OLD[:] = [replay(case(), "").model.world]

    async def cpu0(k):
        await OLD[0].mm.store(1)

    return case(cpu0)


@slip("two objects are called 'lock'", "a name of its own")
def two_objects_with_one_name():
    class Two(World):
        first: SpinLock = field(default_factory=lambda: SpinLock(name="lock"))
        second: SpinLock = field(default_factory=lambda: SpinLock(name="lock"))

    async def cpu0(k):
        await k.first.spin_lock()
        await k.second.spin_lock()

    return case(cpu0, world=Two, bad=())


@slip("two worlds", "anew")
def one_object_in_every_world():
    shared = Mm()

    from mmviz.engine import replay

    made = case(world=lambda: Small(mm=shared))
    replay(made, "CPU0")
    return made


@slip("CPU0 at WRITE_ONCE", "objects.py line", "in cpu0()", "'cuont'", "count")
def write_once_of_a_misspelt_field():
    class Stores(Small):
        cpu: NoStoreBuffer = field(default_factory=NoStoreBuffer)

    async def cpu0(k):
        await k.cpu.WRITE_ONCE(k.mm, "cuont", 1)

    return case(cpu0, world=Stores)


@slip("CPU0 at READ_ONCE", "objects.py line", "in cpu0()", "'cuont'", "count")
def read_once_of_a_misspelt_field():
    class Stores(Small):
        cpu: NoStoreBuffer = field(default_factory=NoStoreBuffer)

    async def cpu0(k):
        await k.cpu.READ_ONCE(k.mm, "cuont")

    return case(cpu0, world=Stores)
