"""Small races for the tests of pictures."""

from mmviz.engine import Allocated, Case, Map, Struct, Verdict, World, atomic, field, mark
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import Mutex


def case_of(world, **actors):
    """Return a case without bad states."""
    return Case(name="Toy", id="T/0", title="a toy", world=world, actors=actors, bad=(), expect={})


class Table(Struct):
    pte: Map = field(default_factory=lambda: Map({"0x1000": None}))

    @atomic("mm/memory.c")
    def read(self, va):
        return self.pte[va]

    @atomic("mm/memory.c")
    def clear(self, va):
        self.pte[va] = None

    @atomic("driver")
    def map(self, va, page):
        self.pte[va] = page


class Domain(Allocated):
    """A kind of object without drawing code."""

    attached: int = 1

    @atomic("drivers/iommu/iommu.c")
    def iommu_domain_free(self):
        self.free()


class Group(Struct):
    domain: Domain
    mutex: Mutex = field(default_factory=Mutex)
    constant_flag: bool = True


class Toy(World):
    cpu: Table = field(default_factory=Table)
    gpu: Table = field(default_factory=Table)
    group: Group = field(default_factory=lambda: Group(Domain(name="domain V")))
    page: Page = field(default_factory=lambda: Page(pfn=7))

    def __post_init__(self):
        self.cpu.pte["0x1000"] = self.page


def gpu_maps_a_free_page(k):
    """The GPU maps a page that is back with the allocator."""
    page = k.gpu.pte["0x1000"]
    return page is not None and page.is_free


async def munmap(k):
    """Unmap the page."""
    await k.group.mutex.mutex_lock()
    await k.cpu.clear("0x1000")
    await k.page.put_page()
    await k.group.mutex.mutex_unlock()
    await k.group.domain.iommu_domain_free()


async def fault(k):
    page = await k.cpu.read("0x1000")
    if page is None:
        return
    await locked_map(k, page)


async def locked_map(
    k: Toy,
    page: Page,
) -> None:
    await k.group.mutex.mutex_lock()
    await k.gpu.map("0x1000", page)  # too late
    await k.group.mutex.mutex_unlock()


TOY = Case(
    name="Forgetful",
    id="T/1",
    title="the driver forgets",
    world=Toy,
    actors={"CPU0": munmap, "GPU": fault},
    bad=(gpu_maps_a_free_page,),
    expect={"gpu_maps_a_free_page": Verdict.SOMETIMES},
    promise="The GPU never maps a free page.",
    schedules={"the story": "GPU CPU0*4 GPU*2"},
)
STORY = ("GPU", "CPU0", "CPU0", "CPU0", "CPU0", "GPU", "GPU")


class Counter(World):
    """A counter, and a page that is taken and put, without end.

    Attributes:
        count: the count, modulo 8.
        page: the page.
    """

    count: int = 0
    page: Page = field(default_factory=lambda: Page(pfn=7))

    @atomic("driver")
    def tick(self):
        """Count one."""
        self.count = (self.count + 1) % 8


async def counts(k):
    while True:
        mark("again")
        await k.tick()


async def takes_and_puts(k):
    while True:
        mark("again")
        await k.page.get_page()
        await k.page.put_page()


LOOP = Case(
    name="Endless",
    id="T/2",
    title="the run never completes",
    world=Counter,
    actors={"CPU0": counts, "CPU1": takes_and_puts},
    bad=(),
    expect={},
    daemons=("CPU0", "CPU1"),
)
