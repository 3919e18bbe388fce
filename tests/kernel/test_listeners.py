"""Small models for races about callbacks: a queue, a zone, a virtual CPU, late objects."""

import pytest

from mmviz.engine import Map, World, field
from mmviz.kernel.driver.umem_odp import ActivatingSubscriptions, UmemOdp
from mmviz.kernel.driver.vcpu import Vcpu
from mmviz.kernel.hmm.invalidate import CountingHmm, FlaggedHmm
from mmviz.kernel.hmm.range import HmmRange
from mmviz.kernel.mm.oom import Zone
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.page_data import DataPage
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.interval import LateInterval, LateIntervalSubscriptions
from mmviz.kernel.sync.locks import QueuedRwSemaphore, RwSemaphore

from .acting import act, steps


class Queued(World):
    lock: QueuedRwSemaphore = field(default_factory=QueuedRwSemaphore)


def test_a_waiting_writer_keeps_later_readers_out():
    reader = steps("lock.down_read", "lock.up_read")
    writer = steps("lock.rwsem_down_write_slowpath", "lock.down_write", "lock.up_write")

    run = act(Queued, "A W", A=reader, B=reader, W=writer)
    assert run.enabled() == ("A",)
    assert [by for by, _ in run.blocked()["B"].by] == ["W"]
    assert act(Queued, "A W A W*2 B*2", A=reader, B=reader, W=writer).finished


def test_a_reader_holds_the_lock_as_often_as_it_took_it():
    twice = steps("lock.down_read", "lock.down_read", "lock.up_read")
    writer = steps("lock.rwsem_down_write_slowpath", "lock.down_write")

    run = act(Queued, "A*3 W", A=twice, W=writer)
    assert run.tip.world.lock.readers == ("A",)
    assert run.deadlock


class Plain(World):
    lock: RwSemaphore = field(default_factory=RwSemaphore)


@pytest.mark.parametrize(("schedule", "got"), [("R", True), ("W R", False)])
def test_a_read_trylock_does_not_wait_for_a_writer(schedule, got):
    run = act(Plain, schedule, R=steps("lock.down_read_trylock"), W=steps("lock.down_write"))

    assert run.tip.answer is got
    assert run.tip.world.lock.readers == (frozenset({"R"}) if got else frozenset())


class Starved(World):
    victim: Page = field(default_factory=lambda: Page(pfn=7))
    zone: Zone = field(default_factory=lambda: Zone((), Page(0)))

    def __post_init__(self):
        self.zone = Zone((self.victim,), self.victim)


def test_an_allocation_waits_until_a_process_is_killed():
    run = act(Starved, "", A=steps("zone.alloc_pages"), B=steps("zone.out_of_memory"))
    assert run.enabled() == ("B",)

    run = act(Starved, "B A", A=steps("zone.alloc_pages"), B=steps("zone.out_of_memory"))
    assert run.tip.answer.name == "page 7"
    assert run.tip.world.victim.refs == 1


class Guest(World):
    vcpu: Vcpu = field(default_factory=Vcpu)


def test_a_virtual_cpu_enters_the_guest_only_when_nothing_is_requested():
    ask, enter = steps("vcpu.kvm_make_all_cpus_request"), steps("vcpu.vcpu_enter_guest")
    take = steps("vcpu.kvm_check_request", "vcpu.vcpu_enter_guest")

    assert act(Guest, "A", A=ask, E=enter).tip.world.vcpu.in_guest is False
    assert act(Guest, "A E", A=ask, E=enter).tip.world.vcpu.in_guest is False
    assert act(Guest, "A T*2", A=ask, T=take).tip.world.vcpu.in_guest is True
    assert act(Guest, "", T=take).enabled() == ()


class Object(World):
    object: UmemOdp = field(default_factory=UmemOdp)
    mm: ActivatingSubscriptions = field(default_factory=ActivatingSubscriptions)

    def __post_init__(self):
        self.mm = ActivatingSubscriptions(objects=(self.object,), bumps=True)


BEGIN, END = "mm.mmu_notifier_invalidate_range_start", "mm.mmu_notifier_invalidate_range_end"


@pytest.mark.parametrize(
    ("schedule", "counts", "seq"),
    [
        ("F", True, 0),
        ("I F", False, 0),
        ("I F I", True, 1),
        ("I J F I", False, 0),  # one is still open
        ("I J F I J", True, 1),
    ],
)
def test_an_object_begins_to_count_when_no_invalidation_is_open(schedule, counts, seq):
    async def insert(k):
        await k.object.interval_tree_insert_deferred(k.mm)

    world = act(Object, schedule, F=insert, I=steps(BEGIN, END), J=steps(BEGIN, END)).tip.world
    assert world.object.mn_counters_active is counts
    assert world.object.mmu_invalidate_seq == seq


class Interval(World):
    interval: LateInterval = field(default_factory=LateInterval)
    mm: LateIntervalSubscriptions = field(default_factory=LateIntervalSubscriptions)

    def __post_init__(self):
        self.mm = LateIntervalSubscriptions(intervals=(self.interval,))


def test_a_deferred_interval_waits_for_the_last_range_end():
    async def insert(k):
        await k.interval.mmu_interval_notifier_insert(k.mm)
        await k.interval.mmu_interval_read_begin()

    run = act(Interval, "I F", F=insert, I=steps(BEGIN, END))
    assert run.enabled() == ("I",)
    assert not run.tip.world.interval.in_tree
    run = act(Interval, "I F I F", F=insert, I=steps(BEGIN, END))
    assert run.tip.world.interval.in_tree


class Ranged(World):
    flagged: FlaggedHmm = field(default_factory=FlaggedHmm)
    counting: CountingHmm = field(default_factory=CountingHmm)
    range: HmmRange = field(default_factory=HmmRange)


def test_a_flag_is_valid_during_an_invalidation_and_a_counter_is_not():
    async def flagged(k):
        await k.flagged.hmm_invalidate_range()
        await k.flagged.hmm_range_register(k.range)

    async def counting(k):
        await k.counting.hmm_invalidate_range_start()
        await k.counting.hmm_range_register(k.range)
        await k.counting.hmm_range_wait_until_valid(k.range)

    assert act(Ranged, "A*2", A=flagged).tip.world.range.valid is True
    run = act(Ranged, "A*2", A=counting, B=steps("counting.hmm_invalidate_range_end"))
    assert run.tip.world.range.valid is False
    assert run.enabled() == ("B",)


class Tables(World):
    huge: Page = field(default_factory=lambda: Page(pfn=512))
    old: DataPage = field(default_factory=lambda: DataPage(pfn=7))
    new: DataPage = field(default_factory=lambda: DataPage(pfn=8, refs=0, data="zero"))
    cpu: PageTable = field(default_factory=PageTable)
    gpu: DevicePageTable = field(default_factory=DevicePageTable)

    def __post_init__(self):
        self.cpu.pte = Map({"a": self.huge, "b": self.huge, "c": self.old})
        self.gpu.pte = Map({"c": None})


def test_clearing_a_huge_entry_clears_all_its_addresses_and_no_other():
    async def clear(k):
        await k.cpu.pmdp_huge_clear_flush("a")

    pte = act(Tables, "A", A=clear).tip.world.cpu.pte
    assert [page and page.name for page in pte.values()] == [None, None, "page 7"]


def test_a_copy_has_the_content_and_a_walk_finds_the_page():
    async def copy(k):
        await k.new.copy_user_highpage(k.old)
        await k.cpu.set_pte_at("c", k.new)
        await k.gpu.walk(k.cpu, "c")

    world = act(Tables, "A*3", A=copy).tip.world
    assert (world.new.refs, world.new.data) == (1, "old")
    assert world.gpu.pte["c"] is world.new
