"""hmm-tests.c with pages in device memory, and with files: the asserts of upstream, step by step.

Source: tools/testing/selftests/mm/hmm-tests.c, fixtures hmm_device_private, hmm2_device_private.
"""

from errno import EINVAL, ENOENT

import pytest

from mmviz.engine import Verdict, explore
from mmviz.kernel.conformance.buffer_vma import VM_NONE
from mmviz.kernel.conformance.dmirror_table import DmirrorPage
from mmviz.kernel.mm.vma import VM_READ

from .hmm_selftests import (
    NEW,
    PAGES,
    WORDS,
    case,
    entries,
    increment,
    init,
    kernels,
    loaded,
    rss,
    run_test,
    tags,
)

MIGRATED = (0, WORDS, PAGES, 0)


async def migrated(k):
    """Fill the buffer and move it to the device, which reads it back."""
    await init(k.parent)
    answer = await k.device.dmirror_migrate_to_device()
    await k.test.assert_eq("MIGRATE", answer, MIGRATED)


@kernels
def test_migrate(kernel):
    end = run_test(kernel, migrated).frames[-1].world

    assert entries(end.parent) == [f"private page {50 + i} rw" for i in range(PAGES)]
    assert tags(end.device) == ["W"] * PAGES
    assert rss(end.parent) == PAGES
    assert [page.fresh.refs for page in end.parent.pages] == [0] * PAGES


@kernels
def test_migrate_fault(kernel):
    async def selftest(k):
        await migrated(k)
        half = slice(0, PAGES // 2)
        await k.test.assert_eq("CPU reads", await loaded(k.parent, half), WORDS[half])
        again = await k.device.dmirror_migrate_to_device()
        await k.test.assert_eq("MIGRATE", again.status, 0)

    end = run_test(kernel, selftest).frames[-1].world
    assert entries(end.parent) == [f"private page {50 + i} rw" for i in range(PAGES)]


@kernels
def test_migrate_multiple(kernel):
    async def selftest(k):
        for _ in range(3):
            await migrated(k)
            await k.test.assert_eq("CPU reads", await loaded(k.parent), WORDS)

    end = run_test(kernel, selftest).frames[-1].world
    assert entries(end.parent) == [f"present page {10 + i} rw" for i in range(PAGES)]
    assert tags(end.device) == [None] * PAGES
    assert [page.refs for page in end.device.memory] == [0] * PAGES


@kernels
def test_migrate_release_frees_the_device_memory(kernel):
    async def selftest(k):
        await migrated(k)
        await k.parent.munmap()

    end = run_test(kernel, selftest).frames[-1].world
    assert [page.refs for page in end.device.memory] == [0] * PAGES
    assert tags(end.device) == [None] * PAGES


@kernels
def test_migrate_shared(kernel):
    async def selftest(k):
        await init(k.parent)
        answer = await k.device.dmirror_migrate_to_device()
        await k.test.assert_eq("MIGRATE", answer.status, -ENOENT)
        await k.test.assert_eq("CPU reads", await loaded(k.parent), WORDS)

    run_test(kernel, selftest, shared=True)


@kernels
def test_migrate_mixed(kernel):
    async def selftest(k):
        migrate = k.other_device.dmirror_migrate_to_device
        await k.parent.mprotect(VM_NONE, slice(0, 1))
        await k.parent.munmap(slice(1, 2))
        await k.test.assert_eq("PROT_NONE", (await migrate(slice(0, 1))).status, -EINVAL)
        await k.test.assert_eq("hole", (await migrate(slice(1, 6))).status, -EINVAL)
        await k.parent.pages[3].store(3)
        await k.parent.mprotect(VM_READ, slice(2, 4))
        await k.parent.pages[2].load()
        for i in (4, 5):
            await k.parent.pages[i].store(i)
        await k.test.assert_eq("mixed", await migrate(slice(2, 6)), (0, (0, 3, 4, 5), 4, 0))
        other = await k.device.dmirror_migrate_to_device(slice(5, 6))
        await k.test.assert_eq("the other device", other.status, -ENOENT)

    end = run_test(kernel, selftest, pages=6).frames[-1].world
    assert tags(end.other_device) == [None, None, "", "", "W", None]  # notified of the last attempt


@kernels
def test_snapshot_of_device_memory(kernel):
    async def selftest(k):
        await init(k.parent)
        await k.device.dmirror_migrate_to_device(slice(1, 2))
        await k.other_device.dmirror_migrate_to_device(slice(2, 3))
        want = ("WRITE", "DEV_PRIVATE_LOCAL|WRITE", "NONE")
        await k.test.assert_eq("SNAPSHOT", await k.device.dmirror_snapshot(), want)

    end = run_test(kernel, selftest).frames[-1].world
    assert [p.vma.pte.private for p in end.parent.pages] == [False, True, True]


@kernels
def test_double_map_and_migrate(kernel):
    async def selftest(k):
        await init(k.parent)
        await k.parent.mprotect(VM_READ)
        for device in (k.device, k.other_device):
            await k.test.assert_eq("READ", await device.dmirror_read(), (0, WORDS, PAGES, 1))
        migrated = await k.other_device.dmirror_migrate_to_device()
        await k.test.assert_eq("MIGRATE", migrated, MIGRATED)
        await k.test.assert_eq("READ", await k.device.dmirror_read(), (0, WORDS, PAGES, 1))

    end = run_test(kernel, selftest).frames[-1].world
    assert entries(end.parent) == [f"present page {10 + i} ro" for i in range(PAGES)]
    assert tags(end.other_device) == [None] * PAGES


@kernels
def test_device_writes_its_own_memory_without_a_fault(kernel):
    async def selftest(k):
        await migrated(k)
        await k.test.assert_eq("WRITE", await k.device.dmirror_write(NEW), (0, (), PAGES, 0))
        await k.test.assert_eq("CPU reads", await loaded(k.parent), NEW)

    run_test(kernel, selftest)


@kernels
def test_hmm_gup_test(kernel):
    """GUP needs pages that the CPU can access: all are migrated back with their content."""

    async def selftest(k):
        await migrated(k)
        for page in k.parent.pages:
            await page.mmap_lock.down_read()
            got = await page.get_user_pages()
            await page.mmap_lock.up_read()
            await got.put_page()
        want = ("WRITE",) * PAGES
        await k.test.assert_eq("SNAPSHOT", await k.device.dmirror_snapshot(), want)
        await k.test.assert_eq("CPU reads", await loaded(k.parent), WORDS)

    run_test(kernel, selftest)


@kernels
def test_exclusive_after_migration_brings_the_pages_back_first(kernel):
    async def selftest(k):
        await migrated(k)
        await k.test.assert_eq("EXCLUSIVE", await k.device.dmirror_exclusive(), MIGRATED)
        await increment(k.test, k.parent)

    run_test(kernel, selftest)


@kernels
def test_file_read(kernel):
    """The file's pages are in the page cache already, written through a file descriptor."""

    async def selftest(k):
        await written(k.parent, WORDS)
        await k.test.assert_eq("READ", await k.device.dmirror_read(), (0, WORDS, PAGES, 1))

    run_test(kernel, selftest, shared=True)


@kernels
def test_file_write(kernel):
    async def selftest(k):
        await written(k.parent, WORDS)
        await k.test.assert_eq("WRITE", await k.device.dmirror_write(NEW), (0, (), PAGES, 1))
        await k.test.assert_eq("CPU reads", await loaded(k.parent), NEW)
        words = ()
        for page in k.parent.pages:
            words = (*words, await page.vma.file.filemap_read())
        await k.test.assert_eq("pread", words, NEW)

    run_test(kernel, selftest, shared=True)


async def written(process, words):
    """Write the file as write() does."""
    for page, word in zip(process.pages, words, strict=True):
        await page.vma.file.generic_perform_write(page.fresh, word)


async def reader(k):
    """The CPU reads the page after the device has taken it."""
    await k.child_task.schedule_tail()
    await k.test.assert_eq("CPU reads", await loaded(k.parent), WORDS[:1])


async def migrates(k):
    """The device takes a page, twice."""
    await init(k.parent, WORDS[:1])
    await k.child_task.wake_up_new_task()
    for _ in range(2):
        await k.device.dmirror_migrate_to_device()


@kernels
def test_migration_and_a_reading_cpu_in_every_interleaving(kernel):
    report = explore(case(kernel, 1, CPU0=migrates, CPU1=reader))

    assert report.complete
    assert set(report.verdicts.values()) == {Verdict.NEVER}, str(report)
    assert report.deadlock is None


async def ignore_invalidation(self, event, owner):
    """Leave the entry as it is."""


@pytest.mark.parametrize(
    ("where", "function", "wrong", "test"),
    [
        (DmirrorPage, "invalidate", ignore_invalidation, test_double_map_and_migrate),
    ],
)
def test_a_driver_without_invalidation_does_not_conform(monkeypatch, where, function, wrong, test):
    monkeypatch.setattr(where, function, wrong)
    with pytest.raises(AssertionError):
        test("v6.15")
