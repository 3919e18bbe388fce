"""The kernel's own selftests of exclusive access, run step by step against the model.

Source: tools/testing/selftests/mm/hmm-tests.c and lib/test_hmm.c, with a few pages instead of many.
"""

from errno import EBUSY, EFAULT, EOPNOTSUPP, EPERM

import pytest

from mmviz.engine import Verdict, atomic, explore
from mmviz.kernel.conformance.buffer_vma import BufferVma
from mmviz.kernel.conformance.dmirror_table import DmirrorPage
from mmviz.kernel.mm.fork import EntryCopied
from mmviz.kernel.mm.vma import VM_READ, Vma
from tests.kernel.hmm_selftests import (
    NEW,
    PAGES,
    WORDS,
    N,
    at,
    case,
    entries,
    increment,
    init,
    kernels,
    loaded,
    pages_of,
    rss,
    run_test,
    tags,
)


async def init_and_take(k):
    """Fill the buffer, and let the device have it exclusively."""
    await init(k.parent)
    answer, pages = await k.device.dmirror_exclusive(), len(k.parent.pages)
    await k.test.assert_eq("EXCLUSIVE", answer, (0, WORDS[:pages], pages, 0))


# -- exclusive, exclusive_mprotect, exclusive_cow ------------------------------------------------


async def exclusive(k):
    await init_and_take(k)
    await increment(k.test, k.parent)
    await k.test.assert_eq("CHECK_EXCLUSIVE", await k.device.dmirror_check_atomic(), 0)


@kernels
def test_exclusive(kernel):
    run = run_test(kernel, exclusive)

    taken, end = at(run, "EXCLUSIVE"), run.frames[-1].world
    assert entries(taken.parent) == [f"exclusive page {10 + i} rw" for i in N]
    assert tags(taken.device) == ["ATOMIC"] * PAGES
    assert entries(end.parent) == [f"present page {10 + i} rw" for i in N]
    assert tags(end.device) == [None] * PAGES
    assert {rss(f.world.parent) for f in run.frames if f.index >= taken_at(run)} == {PAGES}


def taken_at(run):
    return next(f.index for f in run.frames if f.label.startswith("assert_eq(EXCLUSIVE"))


@kernels
def test_check_exclusive_fails_while_the_device_has_pages(kernel):
    async def selftest(k):
        await init_and_take(k)
        await k.parent.pages[1].load()
        await k.test.assert_eq("CHECK_EXCLUSIVE", await k.device.dmirror_check_atomic(), -EPERM)

    assert tags(run_test(kernel, selftest).frames[-1].world.device) == [
        "ATOMIC",
        None,
        "ATOMIC",
    ]


async def exclusive_mprotect(k):
    await init_and_take(k)
    await k.parent.mprotect(VM_READ)
    await k.test.assert_eq("mprotect", await k.device.dmirror_check_atomic(), 0)
    await k.test.assert_eq("WRITE", (await k.device.dmirror_write(NEW)).status, -EPERM)


@kernels
def test_exclusive_mprotect(kernel):
    run = run_test(kernel, exclusive_mprotect)

    protected = at(run, "mprotect")
    flavour = {"v5.14": "ro", "v6.15": "rw"}[kernel]  # v6.15 has one kind only, printed as "rw"
    assert tags(protected.device) == [None] * PAGES
    assert entries(protected.parent) == [f"exclusive page {10 + i} {flavour}" for i in N]
    assert [p.fresh.word for p in run.frames[-1].world.parent.pages] == list(WORDS)


async def exclusive_cow(k):
    await init_and_take(k)
    await k.test.assert_eq("fork", await k.parent.dup_mmap(k.child), True)
    await k.child_task.wake_up_new_task()
    await increment(k.test, k.parent)


async def exclusive_cow_child(k):
    await k.child_task.schedule_tail()
    await increment(k.test, k.child)


@kernels
def test_exclusive_cow(kernel):
    run = run_test(kernel, exclusive_cow, exclusive_cow_child)

    forked, end = at(run, "fork"), run.frames[-1].world
    shared = [f"present page {10 + i} ro" for i in N]
    assert entries(forked.parent) == entries(forked.child) == shared
    assert tags(forked.device) == [None] * PAGES
    assert (rss(forked.parent), rss(forked.child)) == (PAGES, PAGES)
    mine = [p.vma.pte.page.pfn for p in end.parent.pages]
    childs = [p.vma.pte.page.pfn for p in end.child.pages]
    assert mine == [20 + i for i in N]  # the first to write copies, the second keeps the page
    assert childs == [10 + i for i in N]


@kernels
def test_exclusive_cow_in_every_interleaving(kernel):
    report = explore(case(kernel, 2, CPU0=exclusive_cow, CPU1=exclusive_cow_child))

    assert report.complete
    assert report.deadlock is None
    assert set(report.verdicts.values()) == {Verdict.NEVER}, str(report)
    assert report.states > 500


# -- cases derived from the rules, not upstream's ------------------------------------------------


@kernels
def test_a_device_reads_its_exclusive_pages_without_a_fault(kernel):
    async def selftest(k):
        await init_and_take(k)
        await k.test.assert_eq("READ", await k.device.dmirror_read(), (0, WORDS, PAGES, 0))

    assert tags(run_test(kernel, selftest).frames[-1].world.device) == ["ATOMIC"] * PAGES


@kernels
def test_a_device_that_writes_its_exclusive_pages_loses_them(kernel):
    async def selftest(k):
        await init_and_take(k)
        await k.test.assert_eq("WRITE", await k.device.dmirror_write(NEW), (0, (), PAGES, 1))
        await k.test.assert_eq("CHECK_EXCLUSIVE", await k.device.dmirror_check_atomic(), 0)
        await k.test.assert_eq("CPU", await loaded(k.parent), NEW)

    end = run_test(kernel, selftest).frames[-1].world
    assert tags(end.device) == ["W"] * PAGES
    assert entries(end.parent) == [f"present page {10 + i} rw" for i in N]


@kernels
def test_a_snapshot_leaves_exclusive_entries_alone(kernel):
    async def selftest(k):
        await init_and_take(k)
        await k.test.assert_eq("SNAPSHOT", await k.device.dmirror_snapshot(), ("NONE",) * PAGES)

    end = run_test(kernel, selftest).frames[-1].world
    assert entries(end.parent) == [f"exclusive page {10 + i} rw" for i in N]
    assert tags(end.device) == ["ATOMIC"] * PAGES


@kernels
def test_a_snapshot_after_mprotect_and_a_touch_says_read(kernel):
    async def selftest(k):
        await init_and_take(k)
        await k.parent.mprotect(VM_READ)
        await k.parent.pages[0].load()
        want = ("READ", "NONE", "NONE")
        await k.test.assert_eq("SNAPSHOT", await k.device.dmirror_snapshot(), want)

    run_test(kernel, selftest)


@kernels
def test_exclusive_twice(kernel):
    async def selftest(k):
        await init_and_take(k)
        await k.test.assert_eq(
            "EXCLUSIVE", await k.device.dmirror_exclusive(), (0, WORDS, PAGES, 0)
        )

    assert tags(run_test(kernel, selftest).frames[-1].world.device) == ["ATOMIC"] * PAGES


@kernels
def test_exclusive_then_munmap_leaves_nothing(kernel):
    async def selftest(k):
        await init_and_take(k)
        await k.parent.munmap()
        await k.test.assert_eq("CPU", await loaded(k.parent), (None,) * PAGES)

    end = run_test(kernel, selftest).frames[-1].world
    assert rss(end.parent) == 0
    assert [page.refs for page in pages_of(end)] == [0] * len(pages_of(end))
    assert tags(end.device) == [None] * PAGES


@kernels
def test_exclusive_on_a_read_only_mapping_is_refused(kernel):
    refused = {"v5.14": -EBUSY, "v6.15": -EFAULT}[kernel]

    async def selftest(k):
        await init(k.parent)
        await k.parent.mprotect(VM_READ)
        await k.test.assert_eq("EXCLUSIVE", (await k.device.dmirror_exclusive()).status, refused)
        await k.test.assert_eq("CPU", await loaded(k.parent), WORDS)

    assert tags(run_test(kernel, selftest).frames[-1].world.device) == [None] * PAGES


@kernels
def test_exclusive_on_a_shared_mapping_is_refused(kernel):
    refused = {"v5.14": -EBUSY, "v6.15": -EOPNOTSUPP}[kernel]

    async def selftest(k):
        await init(k.parent)
        await k.test.assert_eq("EXCLUSIVE", (await k.device.dmirror_exclusive()).status, refused)
        await increment(k.test, k.parent)

    assert tags(run_test(kernel, selftest, shared=True).frames[-1].world.device) == [None] * PAGES


@kernels
def test_exclusive_by_one_device_and_then_by_another(kernel):
    async def selftest(k):
        await init_and_take(k)
        answer = await k.other_device.dmirror_exclusive()
        await k.test.assert_eq("EXCLUSIVE", answer, (0, WORDS, PAGES, 0))
        await k.test.assert_eq("CHECK first", await k.device.dmirror_check_atomic(), 0)
        await k.test.assert_eq("CHECK other", await k.other_device.dmirror_check_atomic(), -EPERM)

    run_test(kernel, selftest)


# -- the tests can fail --------------------------------------------------------------------------


async def ignore_invalidation(self, event, owner):
    """Leave the entry as it is."""


@atomic("mm/mprotect.c")
def keep_entry(self):
    """Leave the entry as it is."""


@pytest.mark.parametrize(
    ("where", "function", "wrong", "test"),
    [
        (DmirrorPage, "invalidate", ignore_invalidation, test_exclusive),
        (DmirrorPage, "invalidate", ignore_invalidation, test_exclusive_mprotect),
        (DmirrorPage, "invalidate", ignore_invalidation, test_exclusive_cow),
        (BufferVma, "restore_exclusive_pte", Vma.restore_exclusive_pte, test_exclusive),
        (BufferVma, "change_pte_range", keep_entry, test_exclusive_mprotect),
        (BufferVma, "copy_nonpresent_pte", EntryCopied.copy_nonpresent_pte, test_exclusive_cow),
        (BufferVma, "copy_present_pte", Vma.copy_present_pte, test_exclusive_cow),
        (BufferVma, "do_wp_page", Vma.do_wp_page, test_exclusive_cow),
    ],
)
def test_a_kernel_with_one_mistake_does_not_conform(monkeypatch, where, function, wrong, test):
    monkeypatch.setattr(where, function, wrong, raising=False)
    with pytest.raises(AssertionError):
        test("v5.14")
