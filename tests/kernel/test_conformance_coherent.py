"""hmm-tests.c with device memory that CPUs can access: the asserts of upstream, step by step.

Source: tools/testing/selftests/mm/hmm-tests.c, fixtures hmm_device_coherent, hmm2_device_coherent.
"""

from errno import ENOENT

import pytest

from mmviz.kernel.conformance.dmirror_table import CoherentDevicePage

from .hmm_selftests import NEW, PAGES, WORDS, entries, init, loaded, rss, run_test, tags
from .test_conformance_migrate import MIGRATED, migrated

KERNEL = "v6.15"  # v5.14 is older than coherent device memory


def end_of(selftest, **more):
    return run_test(KERNEL, selftest, memory=CoherentDevicePage, **more).frames[-1].world


def test_migrate():
    end = end_of(migrated)

    assert entries(end.parent) == [f"present page {50 + i} rw" for i in range(PAGES)]
    assert tags(end.device) == ["W"] * PAGES
    assert rss(end.parent) == PAGES


def test_migrate_fault_does_not_fault():
    async def selftest(k):
        await migrated(k)
        await k.test.assert_eq("CPU reads", await loaded(k.parent), WORDS)
        again = await k.device.dmirror_migrate_to_device()
        await k.test.assert_eq("MIGRATE", again, MIGRATED)

    assert entries(end_of(selftest).parent) == [f"present page {50 + i} rw" for i in range(PAGES)]


def test_migrate_multiple_back_by_an_ioctl():
    async def selftest(k):
        for _ in range(3):
            await migrated(k)
            await k.test.assert_eq("MIGRATE_TO_SYS", await k.device.dmirror_migrate_to_system(), 0)
            await k.test.assert_eq("CPU reads", await loaded(k.parent), WORDS)

    end = end_of(selftest)
    assert entries(end.parent) == [f"present page {10 + i} rw" for i in range(PAGES)]
    assert [page.refs for page in end.device.memory] == [0] * PAGES
    assert tags(end.device) == [None] * PAGES


def test_the_other_device_cannot_take_the_page():
    async def selftest(k):
        await migrated(k)
        other = await k.other_device.dmirror_migrate_to_device()
        await k.test.assert_eq("the other device", other.status, -ENOENT)

    end_of(selftest)


def test_snapshot():
    async def selftest(k):
        await init(k.parent)
        await k.device.dmirror_migrate_to_device(slice(1, 2))
        await k.other_device.dmirror_migrate_to_device(slice(2, 3))
        want = ("WRITE", "DEV_COHERENT_LOCAL|WRITE", "DEV_COHERENT_REMOTE|WRITE")
        await k.test.assert_eq("SNAPSHOT", await k.device.dmirror_snapshot(), want)

    end_of(selftest)


def test_cpu_and_device_write_the_same_memory():
    async def selftest(k):
        await migrated(k)
        await k.test.assert_eq("WRITE", await k.device.dmirror_write(NEW), (0, (), PAGES, 0))
        await k.test.assert_eq("CPU reads", await loaded(k.parent), NEW)
        await init(k.parent)
        await k.test.assert_eq("READ", await k.device.dmirror_read(), (0, WORDS, PAGES, 0))

    end_of(selftest)


@pytest.mark.parametrize("longterm", [False, True])
def test_hmm_gup_test(longterm):
    """A plain reference leaves the page where it is; a long-term pin migrates it to RAM first."""

    async def selftest(k):
        await migrated(k)
        for page in k.parent.pages:
            await page.mmap_lock.down_read()
            pin = page.pin_user_pages_longterm if longterm else page.get_user_pages
            got = await pin()
            await page.mmap_lock.up_read()
            await got.put_page()
        word = "WRITE" if longterm else "DEV_COHERENT_LOCAL|WRITE"
        await k.test.assert_eq("SNAPSHOT", await k.device.dmirror_snapshot(), (word,) * PAGES)
        await k.test.assert_eq("CPU reads", await loaded(k.parent), WORDS)

    end_of(selftest)
