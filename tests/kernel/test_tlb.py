from mmviz.engine import Case, Map, Verdict, World, explore, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.kernel.mm.tlb import Tlb
from mmviz.scene.pagetable import pagetable
from mmviz.scene.searched import SearchedCase

HERE = "0x1000"


class Machine(World):
    page: Page = field(default_factory=lambda: Page(7))
    cpu: PageTable = field(default_factory=PageTable)
    tlb0: Tlb = field(default_factory=lambda: Tlb(Map({HERE: None})))

    def __post_init__(self):
        self.cpu.pte = Map({HERE: self.page})


def cpu_uses_free_page(k):
    """A CPU uses a page that was freed."""
    return k.tlb0.entries[HERE] is k.page and k.page.is_free


async def use(k):
    await k.tlb0.translate(k.cpu, HERE)


async def free_then_flush(k):
    page = await k.cpu.zap_pte_range(HERE)
    await page.put_page()
    await k.tlb0.flush_tlb_mm_range(HERE)


async def flush_then_free(k):
    page = await k.cpu.zap_pte_range(HERE)
    await k.tlb0.flush_tlb_mm_range(HERE)
    await page.put_page()


def case(unmap, verdict):
    return Case(
        name="Unmap",
        id="-",
        title="a page is unmapped while a CPU uses it",
        world=Machine,
        actors={"CPU0": use, "CPU1": unmap},
        bad=(cpu_uses_free_page,),
        expect={"cpu_uses_free_page": verdict},
    )


def test_a_page_that_is_freed_before_the_flush_is_still_used():
    report = explore(case(free_then_flush, Verdict.SOMETIMES))
    assert report.as_expected
    assert len(report.counterexamples["cpu_uses_free_page"].shortest) == 3


def test_a_page_that_is_freed_after_the_flush_is_not():
    assert explore(case(flush_then_free, Verdict.NEVER)).as_expected


def test_the_window_in_which_a_tlb_is_stale_is_told_loudly():
    """From the unmap on, before the page is freed: this window is the race."""
    searched = SearchedCase(case(free_then_flush, Verdict.SOMETIMES))
    view, run = pagetable(searched), searched.run(["CPU0", "CPU1", "CPU1"])
    flags = [[t for t in view.scene(run, k).texts if t.text.startswith("✗ cpu")] for k in range(3)]

    assert [len(each) for each in flags] == [0, 0, 1]
    assert (flags[2][0].role, flags[2][0].bold) == ("bad", True)


def test_the_view_of_the_page_tables_shows_the_tlb():
    searched = SearchedCase(case(free_then_flush, Verdict.SOMETIMES))
    run = searched.run(["CPU0", "CPU1", "CPU1"])
    text = pagetable(searched).text(run, 3)
    assert "CPU's TLB" in text
    assert "page 7 ✗ freed  ✗ cpu: none" in text
