"""The set-up for the selftests of hmm-tests.c: two processes, two devices, and their asserts."""

import pytest

from mmviz.engine import Case, Run, Struct, Verdict, World, atomic, field, warn
from mmviz.kernel.conformance.buffer import Buffer, BufferPage
from mmviz.kernel.conformance.buffer_vma import BufferVma, WordPage, ZeroPage
from mmviz.kernel.conformance.dmirror import Dmirror, DmirrorPageByPage, open_dmirror
from mmviz.kernel.conformance.dmirror_table import DmirrorDevicePage
from mmviz.kernel.conformance.shared_buffer import SharedPage, SharedVma, ShmemFile
from mmviz.kernel.mm.fork import ChildTask
from mmviz.kernel.mm.vma import KeepsEntry
from mmviz.kernel.sync.locks import RwSemaphore

PAGES = 3


class VmaSince615(BufferVma, KeepsEntry):
    """A mapping whose exclusive entries count as mappings and have no flavour."""

    entry_is_mapping = True


KERNELS = {"v5.14": (BufferVma, Dmirror), "v6.15": (VmaSince615, DmirrorPageByPage)}


class Expectations(Struct):
    """The asserts of a selftest; each is a step, so that a run shows it."""

    @atomic("tools/testing/selftests/mm/hmm-tests.c")
    def assert_eq(self, what, got, expected):
        """Compare, and complain."""
        if got != expected:
            warn("assertion_failed", f"{what}: {got} instead of {expected}")


class Machine(World):
    """A process with two devices, and its future child with one."""

    parent: Buffer
    child: Buffer
    device: Dmirror
    other_device: Dmirror
    childs_device: Dmirror
    child_task: ChildTask = field(default_factory=ChildTask)
    test: Expectations = field(default_factory=Expectations)


def buffer(make, pages, first, zero_page):
    """Return a process with an untouched buffer; its pages get numbers from `first` on."""
    lock = RwSemaphore()
    return Buffer(
        tuple(
            make(
                i,
                mmap_lock=lock,
                fresh=WordPage(first + i, refs=0, mapcount=0),
                copy=WordPage(first + 10 + i, refs=0, mapcount=0),
                zero_page=zero_page,
            )
            for i in range(pages)
        ),
        lock,
    )


def machine(kernel, pages=PAGES, shared=False, memory=DmirrorDevicePage):
    """Return a machine as the tests' fixtures set it up."""
    vma, driver = KERNELS[kernel]
    files = [ShmemFile() for _ in range(pages)]

    def make(i, **given):
        if shared:
            return SharedPage(vma=SharedVma(file=files[i]), **given)
        return BufferPage(vma=vma(), **given)

    zero_page = ZeroPage(99)
    parent, child = buffer(make, pages, 10, zero_page), buffer(make, pages, 30, zero_page)
    return Machine(
        parent,
        child,
        open_dmirror(driver, parent, "dmirror0", 50, memory),
        open_dmirror(driver, parent, "dmirror1", 60, memory),
        open_dmirror(driver, child, "dmirror0", 70, memory),
    )


def pages_of(k):
    pages = [page for b in (k.parent, k.child) for p in b.pages for page in (p.fresh, p.copy)]
    return pages + [page for d in devices(k) for page in d.memory]


def devices(k):
    return (k.device, k.other_device, k.childs_device)


def entries_of(*buffers):
    return [p.vma.pte for b in buffers for p in b.pages if p.vma.pte is not None]


def vmas(process):
    return [p.vma for p in process.pages]


def rss(process):
    return sum(vma.rss for vma in vmas(process))


def counts_wrong(k):
    """References, mappings or resident pages do not match the entries."""
    mapping_counts = k.parent.pages[0].vma.entry_is_mapping
    for page in pages_of(k):
        entries = [e for e in entries_of(k.parent, k.child) if e.page is page]
        mappings = [e for e in entries if mapping_counts or not e.exclusive]
        cached = any(v.file.page is page for v in vmas(k.parent) if isinstance(v, SharedVma))
        if (page.refs, page.mapcount) != (len(entries) + cached, len(mappings)):
            return True
    return any(
        rss(b) != len([e for e in entries_of(b) if not isinstance(e.page, ZeroPage)])
        for b in (k.parent, k.child)
    )


def cpu_and_device_both_map(k):
    """A device may do atomic operations on a page that its process maps as well."""
    return any(
        mirrored.entry is not None
        and mirrored.entry.tag == "ATOMIC"
        and page.vma.pte is not None
        and page.vma.pte.is_present
        for device in devices(k)
        for mirrored, page in zip(device.pages, device.buffer.pages, strict=True)
    )


def something_held(k):
    """A lock is still held at the end."""
    locks = (k.parent.mmap_lock, k.child.mmap_lock)
    return (
        any(page.locked for page in pages_of(k))
        or any(lock.readers or lock.writer for lock in locks)
        or any(d.mutex.owner for d in devices(k))
    )


counts_wrong.at_end = something_held.at_end = True
BAD = (counts_wrong, cpu_and_device_both_map, something_held, "assertion_failed")


def case(kernel, pages=PAGES, shared=False, memory=DmirrorDevicePage, **actors):
    """Return a case of the actors, on a machine with that kernel."""
    return Case(
        name="Selftest",
        id="-",
        title="a selftest",
        world=lambda: machine(kernel, pages, shared, memory),
        actors=actors,
        bad=BAD,
        expect=dict.fromkeys([b if isinstance(b, str) else b.__name__ for b in BAD], Verdict.NEVER),
    )


def run_test(kernel, test, child=None, pages=PAGES, shared=False, memory=DmirrorDevicePage):
    """Run a selftest to its end, the parent first; no assert fails."""
    actors = {"CPU0": test} | ({"CPU1": child} if child else {})
    run = Run(case(kernel, pages, shared, memory, **actors))
    while not run.finished:
        run.step(run.enabled()[0])
    assert run.violated == (), str(run)
    return run


def at(run, what):
    """Return the world at the last assert with this name."""
    label = f"assert_eq({what}, "
    return next(f.world for f in reversed(run.frames) if f.label.startswith(label))


def entries(process):
    """Return the page-table entries in words."""
    return [str(p.vma.pte) for p in process.pages]


def tags(device):
    """Return the tags of the device's entries, None where it has none."""
    return [p.entry and p.entry.tag for p in device.pages]


N = range(PAGES)
WORDS = tuple(100 + i for i in N)  # upstream writes i; here no word is the 0 of an untouched page
NEW = tuple(-i for i in WORDS)
kernels = pytest.mark.parametrize("kernel", KERNELS)


async def init(process, words=WORDS):
    for page, word in zip(process.pages, words, strict=False):
        await page.store(word)


async def loaded(process, pages=slice(None)):
    words = ()
    for page in process.pages[pages]:
        words = (*words, await page.load())
    return words


async def increment(test, process, words=WORDS):
    """Do `p[i]++` on every word, and assert the words before and after."""
    for page, word in zip(process.pages, words, strict=False):
        was = await page.load()
        await page.store(was + 1)
        await test.assert_eq("before", was, word)
    for page, word in zip(process.pages, words, strict=False):
        await test.assert_eq("after", await page.load(), word + 1)
