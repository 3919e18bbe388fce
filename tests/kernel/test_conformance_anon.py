"""The kernel's selftests of a mirror device that reads and writes, run against the model.

Source: tools/testing/selftests/mm/hmm-tests.c and lib/test_hmm.c, with a few pages instead of many.
Not here: selftests that need device memory (migrate*, hmm_gup_test, hmm_cow_in_device), huge pages,
or a file read through its descriptor (file_read, file_write, mixedmap).
"""

from errno import EFAULT, EPERM

from mmviz.engine import Verdict, explore
from mmviz.kernel.conformance.buffer_vma import VM_NONE
from mmviz.kernel.mm.vma import VM_READ, VM_WRITE
from tests.kernel.hmm_selftests import (
    NEW,
    PAGES,
    WORDS,
    N,
    case,
    entries,
    init,
    kernels,
    loaded,
    rss,
    run_test,
    tags,
)


@kernels
def test_anon_read(kernel):
    async def selftest(k):
        await k.parent.pages[-1].store(WORDS[-1])
        await k.parent.mprotect(VM_READ)
        await k.test.assert_eq("CPU", await k.parent.pages[1].load(), 0)
        want = (0, 0, WORDS[-1])
        await k.test.assert_eq("READ", await k.device.dmirror_read(), (0, want, PAGES, 1))

    end = run_test(kernel, selftest).frames[-1].world
    assert entries(end.parent) == ["present page 99 ro", "present page 99 ro", "present page 12 ro"]
    assert tags(end.device) == [""] * PAGES
    assert rss(end.parent) == 1


@kernels
def test_anon_read_prot(kernel):
    async def selftest(k):
        await init(k.parent)
        await k.parent.mprotect(VM_NONE)
        await k.test.assert_eq("READ", await k.device.dmirror_read(), (-EFAULT, (), 0, 0))
        await k.test.assert_eq("SIGSEGV", await loaded(k.parent), (None,) * PAGES)
        await k.parent.mprotect(VM_READ)
        await k.test.assert_eq("CPU", await loaded(k.parent), WORDS)

    assert tags(run_test(kernel, selftest).frames[-1].world.device) == [None] * PAGES


@kernels
def test_anon_write(kernel):
    async def selftest(k):
        await k.test.assert_eq("WRITE", await k.device.dmirror_write(WORDS), (0, (), PAGES, 1))
        await k.test.assert_eq("CPU", await loaded(k.parent), WORDS)

    end = run_test(kernel, selftest).frames[-1].world
    assert tags(end.device) == ["W"] * PAGES
    assert entries(end.parent) == [f"present page {10 + i} rw" for i in N]


@kernels
def test_anon_write_prot(kernel):
    async def selftest(k):
        await k.parent.mprotect(VM_READ)
        first = await k.device.dmirror_read(slice(0, 1))
        await k.test.assert_eq("READ", first, (0, (0,), 1, 1))
        await k.test.assert_eq("WRITE", (await k.device.dmirror_write(WORDS)).status, -EPERM)
        await k.test.assert_eq("CPU", await loaded(k.parent), (0,) * PAGES)
        await k.parent.mprotect(VM_WRITE)
        await k.test.assert_eq("WRITE", await k.device.dmirror_write(WORDS), (0, (), PAGES, 1))
        await k.test.assert_eq("CPU", await loaded(k.parent), WORDS)

    end = run_test(kernel, selftest).frames[-1].world
    assert tags(end.device) == ["W"] * PAGES
    assert rss(end.parent) == PAGES


async def anon_write_child(k):
    await init(k.parent)
    await k.test.assert_eq("fork", await k.parent.dup_mmap(k.child), True)
    await k.child_task.wake_up_new_task()
    await k.test.assert_eq("parent", await loaded(k.parent), WORDS[: len(k.parent.pages)])


async def anon_write_child_in_child(k):
    pages = len(k.child.pages)
    await k.child_task.schedule_tail()
    await k.test.assert_eq("before", await loaded(k.child), WORDS[:pages])
    answer = await k.childs_device.dmirror_write(NEW[:pages])
    await k.test.assert_eq("WRITE", answer, (0, (), pages, 1))
    await k.test.assert_eq("after", await loaded(k.child), NEW[:pages])


@kernels
def test_anon_write_child(kernel):
    run = run_test(kernel, anon_write_child, anon_write_child_in_child)

    end = run.frames[-1].world
    assert [p.vma.pte.page.word for p in end.parent.pages] == list(WORDS)
    assert [p.vma.pte.page.word for p in end.child.pages] == list(NEW)


@kernels
def test_anon_write_child_in_every_interleaving(kernel):
    actors = {"CPU0": anon_write_child, "CPU1": anon_write_child_in_child}
    report = explore(case(kernel, 2, **actors))

    assert report.complete
    assert set(report.verdicts.values()) == {Verdict.NEVER}, str(report)


async def anon_write_child_shared(k):
    await init(k.parent)
    await k.parent.dup_mmap(k.child)
    await k.child_task.wake_up_new_task()


@kernels
def test_anon_write_child_shared(kernel):
    run = run_test(kernel, anon_write_child_shared, anon_write_child_in_child, shared=True)

    end = run.frames[-1].world
    assert [p.vma.pte.page.word for p in end.parent.pages] == list(NEW)
    assert entries(end.parent) == entries(end.child)
    assert tags(end.childs_device) == ["W"] * PAGES


@kernels
def test_snapshot(kernel):
    """Upstream's first five pages; those in device memory are in test_conformance_migrate."""

    async def selftest(k):
        await k.parent.mprotect(VM_NONE, slice(0, 1))
        await k.parent.munmap(slice(1, 2))
        await k.parent.pages[3].store(1)
        await k.parent.mprotect(VM_READ, slice(2, 4))
        await k.parent.pages[2].load()
        await k.parent.pages[4].store(1)
        want = ("ERROR", "ERROR", "ZERO|READ", "READ", "WRITE")
        await k.test.assert_eq("SNAPSHOT", await k.device.dmirror_snapshot(), want)

    run_test(kernel, selftest, pages=5)


@kernels
def test_double_map(kernel):
    """Upstream then moves the pages to the other device: see test_conformance_migrate."""

    async def selftest(k):
        await init(k.parent)
        await k.parent.mprotect(VM_READ)
        for device, faults in ((k.device, 1), (k.other_device, 1), (k.device, 0)):
            await k.test.assert_eq("READ", await device.dmirror_read(), (0, WORDS, PAGES, faults))

    end = run_test(kernel, selftest).frames[-1].world
    assert tags(end.device) == tags(end.other_device) == [""] * PAGES


async def anon_teardown(k):
    """The device reads; that succeeds, or fails because pages are unmapped."""
    await init(k.parent)
    await k.child_task.wake_up_new_task()
    pages = len(k.parent.pages)
    answer = await k.device.dmirror_read()
    if answer.status == 0:
        await k.test.assert_eq("READ", answer, (0, WORDS[:pages], pages, 1))
    else:
        await k.test.assert_eq("READ", answer.status, -EFAULT)


async def unmap_half(k):
    """Another thread of the same process."""
    await k.child_task.schedule_tail()
    await k.parent.munmap(slice(1, None))


@kernels
def test_anon_teardown(kernel):
    report = explore(case(kernel, 2, CPU0=anon_teardown, CPU1=unmap_half))

    assert report.complete
    assert report.deadlock is None
    assert set(report.verdicts.values()) == {Verdict.NEVER}, str(report)
