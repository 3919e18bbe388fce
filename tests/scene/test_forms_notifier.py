"""Callbacks, windows, read sections, counts and deferred work in the picture, and how they move."""

from collections import Counter

import pytest

from mmviz.engine import Case, Map, World, field
from mmviz.kernel.mm.mm_count import MmCount
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions
from mmviz.kernel.notifier.users import CountedNotifier, NotifierList
from mmviz.kernel.sync.locks import Mutex, RwSemaphore, SeqCount
from mmviz.kernel.sync.percpu import PerCpu, Placement
from mmviz.kernel.sync.rcu import SrcuCallbacks
from mmviz.kernel.sync.refcount import Kref, Slab
from mmviz.kernel.sync.workqueue import WorkerPool, WorkqueueStruct, WorkStruct
from mmviz.scene.check import problems
from mmviz.scene.forms.calls import calls
from mmviz.scene.look import Look
from mmviz.scene.marks import sheet
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase
from tests.scene.played import searched_case

VA = "0x1000"
DRAWN = (
    ("hmm/put_is_no_fence", "NoSynchronize"),
    ("hmm/create_meets_dying", "PublishIfNone"),
    ("hmm/mm_without_grab", "NoGrab"),
    ("hmm/chain_of_references", "NoRangeReference"),
    ("hmm/interval_removed_early", "NoWait"),
    ("hmm/ranges_on_stack", "LocklessPlainList"),
    ("hmm/look_then_sleep", "ExitUnseen"),
    ("invalidate_page/one_number_alone", "OddWhileBusy"),
    ("invalidate_page/range_end_unpaired", "Unpaired"),
    ("invalidate_page/sleep_under_spinlock", "LocksInBothOrders"),
    ("teardown/cancel_is_not_sync", "Cancel"),
    ("teardown/rearm_each_other", "DeleteThenDestroy"),
    ("teardown/reset_times_out", "WaiterFrees"),
    ("vmstat/update_is_preempted", "MigrateDisable"),
)


class Played:
    """A run of a small case, its marks by key."""

    def __init__(self, world, schedule="", **actors):
        self.searched = SearchedCase(Case(name="Toy", world=world, actors=actors, bad=()))
        self.memory = memory(self.searched)
        chosen = self.searched.schedule(schedule or next(iter(self.searched.runs().values())))
        self.run = self.searched.run(chosen)

    def __getitem__(self, k):
        return {mark.key: mark for mark in self.memory.marks(self.run.frames[k].state)}

    def after(self, label):
        """Return the marks before and after the first step with a label."""
        k = next(k for k, frame in enumerate(self.run.frames) if label in frame.label)
        return self[k - 1], self[k]

    def states(self):
        """Return every state."""
        return every_state(self.searched.model)


def every_state(model):
    found = {model.start: None}
    queue = [model.start]
    for state in queue:
        for p in range(len(model.actors)):
            after = None if model.is_dead(state) else model.successor(state, p)
            if after is not None and after not in found:
                found[after] = None
                queue.append(after)
    return queue


def place(mark):
    return (mark.x, mark.y)


def lies_in(mark, card):
    return card.x <= mark.x <= card.x + card.w and card.y <= mark.y <= card.y + card.h


# -- callbacks -------------------------------------------------------------------------------------


class Mirror(World):
    """A process with a page, and a driver that mirrors it."""

    cpu: PageTable = field(default_factory=lambda: PageTable(Map({VA: None})))
    gpu: DevicePageTable = field(default_factory=lambda: DevicePageTable(Map({VA: None})))
    mm: MmuNotifierSubscriptions = field(default_factory=MmuNotifierSubscriptions)
    update: Mutex = field(default_factory=Mutex)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)
    page: Page = field(default_factory=lambda: Page(pfn=7))

    def __post_init__(self):
        self.cpu.pte[VA] = self.gpu.pte[VA] = self.page


async def invalidate_range_start(k):
    await k.update.mutex_lock()
    await k.gpu.unmap(VA)
    await k.update.mutex_unlock()


async def zap(k):
    await k.mm.mmu_notifier_invalidate_range_start()
    await invalidate_range_start(k)
    await k.cpu.zap_pte_range(VA)
    await k.mm.mmu_notifier_invalidate_range_end()


async def calls_at_once(k):
    await invalidate_range_start(k)
    await k.cpu.zap_pte_range(VA)


def test_a_callback_travels_to_the_driver_and_back():
    played = Played(Mirror, "CPU0*6", CPU0=zap)
    _, called = played.after("range_start")
    _, inside = played.after("unmap")
    leaves, back = played.after("mutex_unlock")

    assert played[0]["call:CPU0:box"].role == "clear"
    for marks in (called, inside, leaves):
        message = marks["call:CPU0:box"]
        assert message.role == "message"
        assert marks["call:CPU0:text"].text == "range_start() CPU0"
        assert lies_in(message, marks["object:gpu"])
    assert lies_in(played[0]["call:CPU0:box"], played[0]["object:mm"])
    assert back["call:CPU0:box"].role == "clear"
    assert place(back["call:CPU0:box"]) == place(played[0]["call:CPU0:box"])


def test_a_first_step_that_is_still_to_come_is_not_inside():
    played = Played(Mirror, "CPU0*4", CPU0=calls_at_once)

    assert played[0]["call:CPU0:box"].role == "clear"
    assert played[1]["call:CPU0:box"].role == "message"


def test_an_actor_that_waits_in_a_callback_has_its_message_there():
    played = Played(Mirror, "CPU0*2 CPU1", CPU0=zap, CPU1=zap)
    marks = played[3]

    assert marks["call:CPU1:box"].role == marks["call:CPU0:box"].role == "message"
    assert place(marks["call:CPU1:box"]) != place(marks["call:CPU0:box"])


# -- windows ---------------------------------------------------------------------------------------


def test_an_invalidation_is_a_shutter_behind_the_page_table():
    played = Played(Mirror, "CPU0*6", CPU0=zap)
    before, opened = played.after("range_start")
    _, closed = played.after("range_end")
    card = opened["object:cpu"]

    assert before["window"].w == closed["window"].w == 0
    assert opened["window"].w > card.w
    assert opened["window"].h > card.h
    assert opened["window:by:text"].text == "CPU0 invalidates"
    assert closed["window:by:text"].role == "clear"


def test_a_window_names_exactly_the_actors_that_have_opened_it():
    played = Played(Mirror, "CPU0", CPU0=zap, CPU1=zap)
    model = played.searched.model
    found = calls(model, played.searched.reach)

    for state in played.states():
        look = Look(model, state)
        count = look["mm.active_invalidate_ranges"]
        who = [
            actor
            for actor in model.actors
            if found.opener("mm.active_invalidate_ranges", actor, look.at(actor))
        ]
        assert len(who) == count


# -- numbers ---------------------------------------------------------------------------------------


class Numbers(World):
    """A driver's words, and a seqcount."""

    notifier: MmuNotifier = field(default_factory=MmuNotifier)
    seq: SeqCount = field(default_factory=SeqCount)


async def invalidator(k):
    await k.seq.write_seqcount_begin()
    await k.notifier.kvm_mmu_invalidate_begin()
    await k.notifier.kvm_mmu_invalidate_end()
    await k.seq.write_seqcount_end()


async def fault(k):
    seq = await k.notifier.read_mmu_invalidate_seq()
    await k.seq.raw_read_seqcount()
    if not await k.notifier.mmu_invalidate_retry(seq):
        await k.seq.raw_read_seqcount()


def test_an_odd_sequence_and_an_open_invalidation_are_marked():
    played = Played(Numbers, "CPU0*4", CPU0=invalidator)
    even, inside = played.after("write_seqcount_begin")
    _, begun = played.after("invalidate_begin")

    assert even["word:seq.sequence"].text == "even"
    assert inside["word:seq.sequence"].text == "odd: inside"
    assert (even["badge:seq.sequence"].role, inside["badge:seq.sequence"].role) == ("plain", "held")
    assert begun["field:notifier.mmu_invalidate_in_progress"].text == "1"
    assert begun["badge:notifier.mmu_invalidate_in_progress"].role == "held"


def test_a_sample_is_beside_the_number_until_it_is_checked():
    played = Played(Numbers, "GPU CPU0*3 GPU*2", CPU0=invalidator, GPU=fault)
    key = "sample:GPU:notifier"
    taken, stale, checked = played[1], played[4], played[6]

    assert played[0][f"{key}:box"].role == "clear"
    assert (taken[f"{key}:text"].text, taken[f"{key}:box"].role) == ("GPU has read 0", "good")
    assert stale[f"{key}:box"].role == "blocked"
    assert checked[f"{key}:box"].role == "clear"
    assert played[0][f"{key}:box"].y < taken[f"{key}:box"].y


class Object(Slab, Kref):
    """A counted object."""

    refs: int = 1


class Objects(World):
    """An mm, and a counted object."""

    mm: MmCount = field(default_factory=MmCount)
    obj: Object = field(default_factory=Object)


async def puts(k):
    await k.obj.kref_get()
    await k.obj.kref_put()
    await k.obj.kref_put()
    await k.obj.kfree()
    await k.mm.mmput()
    await k.mm.mmdrop()


def test_a_count_of_references_has_as_many_dots():
    played = Played(Objects, "CPU0*6", CPU0=puts)

    def seen(marks, path):
        return sum(marks[f"dot:{path}:{n}"].role == "pad" for n in range(2))

    assert [seen(played[k], "obj.refs") for k in range(4)] == [1, 2, 1, 0]
    assert played[3]["badge:obj.refs"].role == "ghost"
    assert [played[k]["object:obj"].role for k in (3, 4)] == ["card", "ghost"]
    assert "word:mm.mm_users" not in played[4]
    assert played[5]["word:mm.mm_users"].text == "no user"
    assert [played[k]["object:mm"].role for k in (5, 6)] == ["card", "ghost"]


# -- lists, sections, locks ------------------------------------------------------------------------


class Listed(World):
    """A notifier on a list, which SRCU and a lock guard."""

    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)
    list: NotifierList
    notifier: CountedNotifier
    sem: RwSemaphore = field(default_factory=RwSemaphore)
    lock: Mutex = field(default_factory=Mutex)


def listed():
    notifier = CountedNotifier()
    return Listed(list=NotifierList(first=notifier), notifier=notifier)


async def unregister(k):
    await k.sem.down_write()
    await k.lock.mutex_lock()
    await k.list.hlist_del_init_rcu(k.notifier)
    await k.lock.mutex_unlock()
    await k.sem.up_write()
    await k.srcu.call_srcu(k.notifier)
    await k.srcu.srcu_invoke_callbacks()


async def reads(k):
    await k.sem.down_read()
    await k.srcu.srcu_read_lock()
    await k.sem.up_read()
    await k.list.hlist_for_each_entry_rcu()
    await k.srcu.srcu_read_unlock()


@pytest.fixture(scope="module")
def walked():
    return Played(listed, "CPU1*3 CPU0*6 CPU1*2 CPU0", CPU0=unregister, CPU1=reads)


def test_an_unregistered_notifier_slides_off_the_list(walked):
    on, off = walked.after("hlist_del_init_rcu")
    key = "on:list.first:notifier:box"

    assert (on[key].role, off[key].role) == ("held", "ghost")
    assert off[key].x > off["list:list.first:right"].points[1][0] > on[key].x
    assert off[key].y == on[key].y
    assert "arrow:list.first" in on
    assert "arrow:list.first" not in off


def test_a_reader_is_a_pill_in_its_dock_and_shuts_the_gate(walked):
    outside, inside = walked.after("srcu_read_lock")
    pending, waits = walked.after("call_srcu")
    _, left = walked.after("srcu_read_unlock")
    pill, bar = "lock:srcu.readers:CPU1:body", "gate:srcu:call_srcu:bar"

    assert (outside[pill].role, inside[pill].role, left[pill].role) == ("clear", "held", "clear")
    assert inside[pill].y < inside["object:srcu"].y < outside[pill].y
    assert pending[bar].w == left[bar].w < waits[bar].w
    assert waits["gate:srcu:call_srcu:CPU1:text"].text == "CPU1"
    assert left["gate:srcu:call_srcu:CPU1:box"].role == "clear"


def test_an_object_that_waits_to_be_freed_leaves_its_card(walked):
    before, queued = walked.after("call_srcu")
    _, freed = walked.after("srcu_invoke_callbacks")
    key = "queued:srcu:notifier:box"

    assert before[key].role == "clear"
    assert lies_in(before[key], before["object:notifier"])
    assert lies_in(queued[key], queued["object:srcu"])
    assert freed[key].role == "clear"
    assert freed["object:notifier"].role == "ghost"


def test_a_lock_of_its_own_is_a_small_card_with_its_padlock(walked):
    free, held = walked.after("mutex_lock")
    card = free["object:lock"]

    assert card.h < 2
    assert lies_in(free["lock:lock.owner:body"], card)
    assert held["lock:lock.owner:body"].y < held["object:lock"].y
    assert free["cell:lock.owner"].field == "lock.owner"


def test_a_reader_and_a_writer_have_padlocks_of_their_own(walked):
    _, reading = walked.after("down_read")
    _, writing = walked.after("down_write")

    assert reading["lock:sem.readers:CPU1:words"].text == "sem (r)"
    assert walked[0]["lock:sem.writer:body"].role == "padoff"
    assert reading["lock:sem.writer:body"].role == "clear"
    assert writing["lock:sem.writer:words"].text == "sem (w)"
    assert writing["lock:sem.readers:CPU1:body"].role == "clear"


# -- work and tasks --------------------------------------------------------------------------------


class Data(Slab):
    """A driver's data, with a work in it."""

    work: WorkStruct = field(default_factory=WorkStruct)
    done: bool = False


class Queues(World):
    """A pool, and a driver."""

    pool: WorkerPool
    wq: WorkqueueStruct
    data: Data


def queues():
    pool = WorkerPool()
    return Queues(pool, WorkqueueStruct(pool=pool), Data())


async def queues_twice(k):
    await k.wq.queue_work(k.data.work)
    await k.wq.queue_work(k.data.work)
    await k.data.kfree()


async def kworker(k):
    await k.pool.process_one_work(k.data.work)
    await k.pool.work_done()


def test_a_work_goes_from_the_queue_to_the_worker():
    played = Played(queues, "CPU0 kworker CPU0*2 kworker", CPU0=queues_twice, kworker=kworker)
    work, again = "work:pool:data.work:box", "work:pool:data.work:again:box"
    idle, queued, runs, twice, freed, over = (played[k] for k in range(6))

    assert (idle[work].role, queued[work].role, runs[work].role) == ("clear", "held", "held")
    assert lies_in(idle[work], idle["object:data"])
    assert queued[work].y < runs[work].y
    assert lies_in(runs[work], runs["object:pool"])
    assert (runs[again].role, twice[again].role) == ("clear", "held")
    assert place(runs[again]) == place(runs[work])
    assert place(twice[again]) == place(queued[work])
    assert freed[work].role == "dangling"
    assert freed["arrow:pool.current_work"].role == "dangling"
    assert over["object:data"].role == "ghost"


def test_a_work_is_on_the_card_of_the_object_that_it_lies_in():
    played = Played(queues, "CPU0", CPU0=queues_twice, kworker=kworker)

    assert "object:data.work" not in played[0]
    assert lies_in(played[0]["field:data.work.pending"], played[0]["object:data"])


class Machine(World):
    """Two tasks on one of two CPUs, and a counter on each."""

    cpus: Placement
    count: PerCpu


def machine():
    cpus = Placement(Map({"A": "CPU0", "B": "CPU0"}))
    return Machine(cpus, PerCpu(cpus, Map({"CPU0": 0, "CPU1": 0})))


async def adds(k):
    count = await k.count.this_cpu_read()
    await k.count.this_cpu_write(count + 1)


async def keeps(k):
    await k.cpus.migrate_disable()
    await k.count.this_cpu_add(1)
    await k.cpus.migrate_enable()


async def moves(k):
    await k.cpus.migration_cpu_stop("A", "CPU1")


def test_a_task_is_on_the_line_of_its_cpu():
    played = Played(machine, "A B*2 sched A B", A=adds, B=keeps, sched=moves)
    before, after = played.after("migration_cpu_stop")
    key = "task:cpus:A:box"

    assert before[key].y < after[key].y
    assert before[key].x == after[key].x
    assert before["task:cpus:B:box"] == after["task:cpus:B:box"]
    assert before["task:cpus:B:text"].text == "B not moved"
    assert before["sample:A:count:text"].text == "A has read 0"
    assert before["sample:A:count:box"].role == "blocked"
    assert played[5]["sample:A:count:box"].role == "clear"


# -- every state -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("scenario", "case"), DRAWN)
def test_every_state_is_legible_and_every_key_its_own(scenario, case):
    searched = searched_case(scenario, case)
    picture = memory(searched)

    for state in every_state(searched.model):
        marks = picture.marks(state)
        assert problems(sheet(*picture.size, marks)) == []
        assert not [key for key, count in Counter(m.key for m in marks).items() if count > 1]


@pytest.mark.parametrize(("scenario", "case"), DRAWN)
def test_every_frame_of_a_run_is_legible_when_lit(scenario, case):
    searched = searched_case(scenario, case)
    picture = memory(searched)

    for schedule in searched.runs().values():
        run = searched.run(schedule)
        for k in range(len(run.frames)):
            assert problems(picture.scene(run, k)) == []


@pytest.mark.parametrize(("scenario", "case"), DRAWN)
def test_cards_never_move(scenario, case):
    searched = searched_case(scenario, case)
    picture = memory(searched)
    places = {}

    for state in every_state(searched.model):
        for mark in picture.marks(state):
            if mark.key.startswith("object:"):
                assert places.setdefault(mark.key, (mark.x, mark.y, mark.w, mark.h)) == (
                    mark.x,
                    mark.y,
                    mark.w,
                    mark.h,
                )


def test_the_pointer_of_struct_hmm_dangles_when_its_mm_is_freed():
    searched = searched_case("hmm/mm_without_grab", "NoGrab")
    picture, run = memory(searched), searched.run(["CPU0"] * 2 + ["CPU1"] * 4)
    marks = [{m.key: m for m in picture.marks(frame.state)} for frame in run.frames]
    freed = next(k for k, frame in enumerate(run.frames) if frame.values["mm.freed"])
    for k, seen in enumerate(marks):
        assert seen["arrow:hmm.mm"].role == ("dangling" if k >= freed else "arrow")
        assert seen["field:hmm.mm"].text == ("→ mm ✗" if k >= freed else "→ mm")
