"""Witnesses: the fields whose disagreement a violation is."""

import pytest

from mmviz.engine import (
    Allocated,
    Graph,
    Model,
    ModelError,
    Struct,
    World,
    at_end,
    atomic,
    bad,
    field,
)
from mmviz.engine.errors import UnknownName
from mmviz.engine.step import current, warn
from mmviz.engine.witness import Witnesses
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios import find
from mmviz.scene.searched import SearchedCase
from tests.engine.toys import case


class Page(Allocated):
    refs: int = 1


class Gpu(Struct):
    page: Page
    listed: bool = True

    @atomic("toy")
    def unlist(self):
        self.listed = False

    @atomic("toy")
    def map(self, page):
        self.page = page


class Machine(World):
    """Two devices and two pages; `never` stays as it is."""

    page: Page = field(default_factory=lambda: Page(name="page 7"))
    other: Page = field(default_factory=lambda: Page(name="page 8"))
    gpu: Gpu
    nic: Gpu
    mutex: Mutex = field(default_factory=Mutex)
    never: int = 0

    @atomic("toy")
    def free_page(self):
        self.page.free()

    @atomic("toy")
    def put(self):
        self.page.refs -= 1

    @atomic("toy")
    def sleep(self):
        if self.mutex.owner == current().name:
            warn("sleeps_here", "it sleeps while it holds the mutex")


def machine():
    page, other = Page(name="page 7"), Page(name="page 8")
    return Machine(page, other, Gpu(page, name="gpu"), Gpu(page, name="nic"))


async def moves(k):
    await k.gpu.unlist()
    await k.gpu.map(k.other)
    await k.nic.map(k.other)


async def frees(k):
    await k.free_page()


ACTORS = {"A": moves, "B": frees}


def any_device(k):
    """A listed device maps a page that has been freed."""
    return any(dev.listed and dev.page.freed for dev in (k.gpu, k.nic))


def states(model):
    return Graph(model.case, model=model).states


def found(bad_state, actors=None, world=machine):
    """Return the different sets of witnesses of a bad state, over all states."""
    model = Model(case(world=world, actors=actors or ACTORS, bad=[bad_state]))
    witnesses, sets = Witnesses(model), set()
    for state in states(model):
        for name in model.violated(state):
            slots = witnesses.of_bad_state(state, name)
            sets.add(frozenset(model.ledger.paths[slot] for slot in slots))
    return sets


def test_any_names_only_what_violates():
    both = frozenset(("gpu.page", "nic.page", "gpu.listed", "nic.listed", "page 7.freed"))
    nic = frozenset(("nic.page", "page 7.freed"))
    assert found(any_device) == {both - {"nic.listed"}, nic}


def test_what_does_not_change_is_no_witness():
    def a_constant_beside_it(k):
        return k.never == 0 and k.page.freed

    assert found(a_constant_beside_it) == {frozenset({"page 7.freed"})}


def test_a_constant_that_names_what_a_witness_names_stands_beside_it():
    class Pinned(World):
        pin: Struct
        gpu: Gpu
        page: Page
        other: Page

    class Pin(Struct):
        page: Page

    def build():
        page, other = Page(name="page 7"), Page(name="page 8")
        return Pinned(Pin(page, name="pin"), Gpu(other, name="gpu"), page, other)

    async def maps(k):
        await k.gpu.map(k.page)

    def gpu_maps_the_pinned_page(k):
        return k.gpu.page is k.pin.page

    assert found(gpu_maps_the_pinned_page, {"A": maps}, build) == {
        frozenset({"gpu.page", "pin.page"})
    }


def test_where_no_change_helps_all_that_was_read_is_named():
    def it_is_always_so(k):
        return k.page.refs is not None and k.never == 0

    assert found(it_is_always_so) == {frozenset({"page 7.refs", "never"})}


def test_a_predicate_that_fails_on_a_made_up_value_does_not_count_as_changed():
    assert found(raises_without_a_page) == {frozenset({"page 7.freed"})}


def raises_without_a_page(k):
    """The look at page 8 fails in states that no run reaches."""
    if k.gpu.page is k.page and not k.gpu.listed and not k.page.freed:
        return False
    if not k.page.freed:
        return False
    if k.gpu.page is k.other and k.gpu.listed:
        raise ZeroDivisionError
    return True


def test_witnesses_can_be_named_by_hand():
    @bad(witness=lambda k: [k.gpu, "page 7.freed"])
    def by_function(k):
        return k.gpu.page.freed

    @bad(witness=["nic.page"])
    def by_names(k):
        return k.nic.page.freed

    assert found(by_function) == {frozenset({"gpu.page", "page 7.freed"})}
    assert found(by_names) == {frozenset({"nic.page"})}


def test_a_witness_that_is_not_there_is_refused():
    @bad(witness=["gpu.pag"])
    def misspelled(k):
        return k.gpu.page.freed

    with pytest.raises(UnknownName, match=r"witness of misspelled.*did you mean gpu\.page"):
        found(misspelled)

    @bad(witness=lambda _: [7])
    def a_number(k):
        return k.gpu.page.freed

    with pytest.raises(ModelError, match="witness of a_number is 7"):
        found(a_number)
    with pytest.raises(ModelError, match="in a list"):
        bad(witness="gpu.page")
    with pytest.raises(ModelError, match="write the paths"):
        bad(witness=3)


# -- the catalogue ---------------------------------------------------------------------------


def named(scenario, name, bad_state):
    """Return the witnesses of a bad state in the first state that violates it."""
    model = SearchedCase(find(scenario, name)).model
    state = next(s for s in states(model) if bad_state in model.violated(s))
    slots = Witnesses(model).of_bad_state(state, bad_state)
    return {model.ledger.paths[slot] for slot in slots}


def test_release_order():
    assert named(
        "iommu_group/release_order", "DelistThenRelease", "device_attached_to_freed_domain"
    ) == {"IOMMU[01:00.0]", "domain V.freed"}


def test_fork_in_window():
    assert named(
        "exclusive/fork_in_window", "CheckOutsideMmapLock", "foreign_process_sees_dma"
    ) == {"child.pte", "nic.page"}


def told(scenario, name):
    """Return the witnesses of each complaint that a step of a case raises."""
    model = SearchedCase(find(scenario, name)).model
    return complaints(model)


def complaints(model):
    witnesses, sets = Witnesses(model), {}
    for state in states(model):
        for p in range(len(model.actors)):
            if model.successor(state, p) is not None:
                effect = model.execute(state, p, model.location(state, p).step)
                for _, text in effect.said:
                    slots = witnesses.of_step(state, p)
                    sets.setdefault(text, set()).update(model.ledger.paths[s] for s in slots)
    return sets


def test_a_use_after_free_shows_what_was_freed():
    assert told("iommu_group/release_order", "DelistThenRelease") == {
        "uses domain V.devices, but domain V was freed": {"domain V.freed"}
    }


def test_a_use_after_free_shows_the_pointer_that_led_there():
    class Walks(World):
        gpu: Gpu
        page: Page

        @atomic("toy")
        def use(self):
            self.gpu.page.refs += 1

        @atomic("toy")
        def release(self):
            self.page.free()

    def build():
        page = Page(name="page 7")
        return Walks(Gpu(page, name="gpu"), page)

    async def uses(k):
        await k.use()

    async def releases(k):
        await k.release()

    model = Model(case(world=build, actors={"A": uses, "B": releases}, bad=["use_after_free"]))
    assert set(complaints(model).popitem()[1]) == {"gpu.page", "page 7.freed"}


def test_sleeping_with_a_lock_shows_the_lock():
    assert told("invalidate_page/told_under_ptl", "CallbackSleeps") == {
        "CPU0 calls mutex_lock() while it holds cpu.ptl": {"cpu.ptl.owner"}
    }


def test_a_complaint_shows_what_it_looked_at():
    async def sleeps(k):
        await k.mutex.mutex_lock()
        await k.sleep()
        await k.mutex.mutex_unlock()

    model = Model(case(world=machine, actors={"A": sleeps}, bad=["sleeps_here"]))
    assert complaints(model) == {"it sleeps while it holds the mutex": {"mutex.owner"}}


def test_what_is_judged_at_the_end_has_witnesses_there():
    @at_end
    def gpu_maps_the_freed_page(k):
        return k.gpu.page is k.other and k.page.freed

    assert found(gpu_maps_the_freed_page) == {frozenset({"gpu.page", "page 7.freed"})}


def test_the_world_is_not_a_witness():
    paths = [path for names in found(any_device) for path in names]
    assert not {"page", "other", "gpu", "nic"} & set(paths)


NULL = "VM_BUG_ON(hmm == NULL); without it the NULL is followed"


def test_what_a_variable_decides_shows_the_field_that_it_was_read_from():
    null = told("hmm/free_under_callback", "LookedUpByMm").pop(NULL)
    assert null == {"mm.hmm", "hmm.refs"}  # it was cleared, or is no longer counted
    assert told("hmm/range_used_late", "PoisonFirst").popitem()[1] == {"range.hmm"}


def test_an_answer_that_a_step_is_given_shows_the_field_that_decided_it():
    class Asks(World):
        flag: bool = False
        other: int = 0
        checked: int = 0

        @atomic("toy")
        def ask(self):
            return "on" if self.flag else None

        @atomic("toy")
        def count(self):
            self.checked += 1

        @atomic("toy")
        def use(self, answer):
            if answer is None:
                warn("sleeps_here", "it got nothing")

        @atomic("toy")
        def put_on(self):
            self.flag, self.other = True, 1

    async def asks(k):
        answer = await k.ask()
        await k.count()
        await k.use(answer)

    async def puts(k):
        await k.put_on()

    model = Model(case(world=Asks, actors={"A": asks, "B": puts}, bad=["sleeps_here"]))
    assert complaints(model) == {"it got nothing": {"flag"}}


def test_a_frame_has_the_witnesses_of_its_state_and_of_its_step():
    searched = SearchedCase(find("hmm/free_under_callback", "LookedUpByMm"))
    run = searched.run(searched.report.counterexamples["null_dereference"].shortest)
    found = [searched.witnesses.of_frame(frame) for frame in run.frames]

    assert found == [frozenset()] * (len(found) - 1) + [{"hmm.refs"}]


def test_a_violation_is_marked_as_long_as_it_lasts_and_a_complaint_at_its_step():
    searched = SearchedCase(find("exclusive/fork_in_window", "CheckOutsideMmapLock"))
    run = searched.run(searched.report.counterexamples["pin_lost_its_page"].fewest_preemptions)
    first = next(frame.index for frame in run.frames if frame.violated)
    holds = ["child.pte" in searched.witnesses.of_frame(frame) for frame in run.frames]
    assert holds == [k >= first for k in range(len(run.frames))]

    searched = SearchedCase(find("hmm/comment_or_assertion", "Assertion"))
    run = searched.run(searched.report.counterexamples["lockdep_complains"].shortest)
    assert searched.witnesses.of_frame(run.tip) == {"mmap_sem.writer"}
    run.step(run.enabled()[0])
    assert "lockdep_complains" in run.tip.broken
    assert searched.witnesses.of_frame(run.tip) == frozenset()
