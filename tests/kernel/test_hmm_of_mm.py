"""The one struct hmm of an mm, the walk over its notifiers, wait queues and the taint."""

from mmviz.engine import Map, World, field
from mmviz.kernel.hmm.hmm import Hmm, RegisteringMm, Registration
from mmviz.kernel.hmm.hmm_of_mm import HmmOfMm, MirroringHmm, RangedDevice
from mmviz.kernel.hmm.range import HmmRange
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.kernel.notifier.users import CountedNotifier, NotifierList
from mmviz.kernel.notifier.walk import walk_notifiers
from mmviz.kernel.sync.rcu import Srcu
from mmviz.kernel.sync.taint import Taint
from mmviz.kernel.sync.waitqueue import WaitQueueHead

from .acting import act, steps

VA = "0x1000"


class OfMm(World):
    mm: HmmOfMm = field(default_factory=HmmOfMm)
    fresh: MirroringHmm = field(default_factory=MirroringHmm)
    gpu: RangedDevice = field(default_factory=lambda: RangedDevice(Map({VA: None})))
    cpu: PageTable = field(default_factory=lambda: PageTable(Map({VA: None})))
    page: Page = field(default_factory=lambda: Page(pfn=7))
    range: HmmRange = field(default_factory=HmmRange)

    def __post_init__(self):
        self.cpu.pte[VA] = self.page


class Registering(World):
    mm: RegisteringMm = field(default_factory=RegisteringMm)
    one: Hmm = field(default_factory=Hmm)
    two: Hmm = field(default_factory=Hmm)
    driver: Registration = field(default_factory=Registration)


class Listed(World):
    srcu: Srcu = field(default_factory=Srcu)
    list: NotifierList = field(default_factory=NotifierList)
    notifier: CountedNotifier = field(default_factory=CountedNotifier)


class Queued(World):
    wq: WaitQueueHead = field(default_factory=WaitQueueHead)
    taint: Taint = field(default_factory=Taint)
    mm: HmmOfMm = field(default_factory=HmmOfMm)


def test_creating_a_struct_hmm_needs_the_semaphore_held_for_writing():
    async def create(k):
        await k.mm.mmap_sem.down_read()
        await k.mm.hmm_get_or_create(k.fresh)

    assert act(OfMm, "A*2", A=create).violated == ("bug_in_mm_take_all_locks",)


def test_no_struct_hmm_is_created_while_an_invalidation_is_open():
    async def zap(k):
        await k.mm.hmm_invalidate_range_end(await k.mm.hmm_invalidate_range_start(k.gpu))

    async def create(k):
        await k.mm.mmap_sem.down_write()
        await k.mm.hmm_get_or_create(k.fresh)

    run = act(OfMm, "Z C", Z=zap, C=create)

    assert "C" in run.blocked()
    run.step("Z")
    run.step("C")
    assert run.tip.world.mm.hmm is run.tip.world.fresh


def test_an_invalidation_clears_device_entries_only_through_a_mirror():
    async def fill(k):
        await k.mm.mmap_sem.down_write()
        await k.mm.hmm_get_or_create(k.fresh)
        await k.fresh.hmm_range_register(k.range)
        await k.gpu.map_if_valid(VA, k.cpu, k.range)

    async def begin(k):
        await k.mm.hmm_invalidate_range_start(k.gpu)

    listed = act(OfMm, "F*4 B", F=fill, B=begin).tip.world
    assert listed.gpu.pte[VA] is None

    unlisted = act(OfMm, "F*4 L B", F=fill, L=steps("fresh.list_del_init"), B=begin).tip.world
    assert unlisted.gpu.pte[VA] is unlisted.page


def test_a_pointer_is_published_only_once_and_cleared_only_by_its_owner():
    async def publish(k):
        await k.mm.publish_if_none(k.one)
        await k.mm.publish_if_none(k.two)
        await k.mm.forget(k.two)
        await k.mm.forget(k.one)

    run = act(Registering, "P*4", P=publish)

    assert [frame.answer for frame in run.frames[1:3]] == [True, False]
    assert run.frames[3].world.mm.hmm is run.frames[3].world.one
    assert run.tip.world.mm.hmm is None


def test_a_refused_driver_has_no_struct_hmm():
    async def refused(k):
        await k.driver.hmm_mirror_register(None, "-ENOMEM")

    world = act(Registering, "A", A=refused).tip.world
    assert (world.driver.hmm, world.driver.ret) == (None, "-ENOMEM")


async def walk(k):
    await walk_notifiers(
        k.srcu, k.list.hlist_for_each_entry_rcu, CountedNotifier.invalidate_range_start
    )


async def join(k):
    await k.list.hlist_add_head_rcu(k.notifier)


def test_a_walk_calls_the_listed_notifier_inside_its_read_section():
    run = act(Listed, "J W*4", J=join, W=walk)

    assert [frame.label.partition("(")[0] for frame in run.frames[2:]] == [
        "srcu_read_lock",
        "hlist_for_each_entry_rcu",
        "invalidate_range_start",
        "srcu_read_unlock",
    ]
    assert run.tip.world.notifier.invalidated


def test_a_walk_over_an_empty_list_calls_no_notifier():
    run = act(Listed, "W*3", J=join, W=walk)

    assert run.tip.label.startswith("srcu_read_unlock")
    assert not run.tip.world.notifier.invalidated


def test_a_wake_up_before_queueing_up_is_lost():
    sleep = steps("wq.prepare_to_wait", "wq.schedule")
    wake = steps("wq.wake_up_all")

    assert "S" in act(Queued, "W S", S=sleep, W=wake).blocked()
    assert "S" in act(Queued, "S W", S=sleep, W=wake).enabled()


def test_a_misuse_taints_the_kernel_and_a_correct_call_does_not():
    async def assert_write(k):
        await k.taint.lockdep_assert_held_write(k.mm.mmap_sem)

    async def hold(k):
        await k.mm.mmap_sem.down_write()
        await assert_write(k)

    assert act(Queued, "A", A=assert_write).tip.world.taint.warned
    assert not act(Queued, "A*2", A=hold).tip.world.taint.warned
