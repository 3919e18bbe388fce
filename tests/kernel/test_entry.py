"""Entries of an anonymous page, and the faults on them."""

from mmviz.engine import Case, World, field, replay
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.fault import write
from mmviz.kernel.mm.page import Page


class Small(World):
    """One mapping, its page, and a free page."""

    page: Page = field(default_factory=lambda: Page(7))
    spare: Page = field(default_factory=lambda: Page(8, refs=0))
    mapping: CowMapping = field(default_factory=CowMapping)


def one_write(refs=1, **flags):
    """Return the world after one thread has written through an entry with these flags."""

    def world():
        k = Small()
        k.page.refs = refs
        k.mapping.pte = Pte(k.page, **flags)
        return k

    case = Case(
        name="Write",
        id="-",
        title="one write",
        world=world,
        actors={"CPU0": lambda k: write(k.mapping, copy=k.spare)},
        bad=(),
        expect={},
    )
    run = replay(case, "")
    while run.enabled():
        run.step("CPU0")
    return run


def labels(run):
    return [frame.label.partition("(")[0] for frame in run.frames[1:]]


def test_an_entry_prints_as_its_kind_page_and_rights():
    entry = Pte(Page(7))

    assert str(entry) == "present page 7 rw"
    assert str(entry.made_exclusive()) == "exclusive page 7 rw"
    assert str(entry.wrprotected()) == "present page 7 ro"
    assert str(entry.wrprotected().made_exclusive()) == "exclusive page 7 ro"


def test_a_present_and_an_exclusive_entry_of_the_same_page_differ():
    entry = Pte(Page(7))

    assert entry != entry.made_exclusive()
    assert entry == entry.made_exclusive().restored()


def test_a_writable_page_is_written_without_a_fault():
    run = one_write()

    assert labels(run) == ["cpu_write"]


def test_an_exclusive_entry_is_made_present_under_the_page_lock():
    run = one_write(exclusive=True)

    assert labels(run) == [
        "cpu_write",
        "handle_pte_fault",
        "lock_page",
        "restore_exclusive_pte",
        "unlock_page",
        "cpu_write",
    ]
    assert str(run.tip.world.mapping.pte) == "present page 7 rw"


def test_a_read_only_page_that_is_not_shared_is_reused():
    run = one_write(write=False)

    assert str(run.tip.world.mapping.pte) == "present page 7 rw"
    assert run.tip.world.spare.refs == 0


def test_a_shared_page_is_copied_and_its_reference_put():
    run = one_write(refs=2, write=False)

    assert str(run.tip.world.mapping.pte) == "present page 8 rw"
    assert (run.tip.world.page.refs, run.tip.world.spare.refs) == (1, 1)


def test_a_pinned_page_is_copied_even_if_it_is_not_shared():
    run = one_write(refs=1025, write=False)

    assert str(run.tip.world.mapping.pte) == "present page 8 rw"


def test_only_the_writable_entry_of_that_page_is_made_exclusive():
    def tries(entry):
        k = Small()
        k.mapping.pte = entry(k)
        return k, k.mapping.page_make_device_exclusive_one(k.page).do()

    k, made = tries(lambda k: Pte(k.page))
    assert made
    assert k.mapping.pte.exclusive
    for entry in (
        lambda k: None,
        lambda k: Pte(k.page, write=False),
        lambda k: Pte(k.page, exclusive=True),
        lambda k: Pte(k.spare),
    ):
        k, made = tries(entry)
        assert not made


def test_restoring_leaves_the_entry_of_another_page_alone():
    k = Small()
    k.mapping.pte = Pte(k.spare, exclusive=True)

    assert not k.mapping.restore_exclusive_pte(k.page).do()
    assert k.mapping.pte.exclusive
