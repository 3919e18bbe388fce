"""The CPU's page table is edited under its lock; the driver edits the device's."""

import pytest

from mmviz.engine import Case, Map, Verdict, World, explore, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable, PmdTable
from mmviz.scene.check import problems
from mmviz.scene.pagetable import pagetable
from mmviz.scene.searched import SearchedCase

from .acting import act, steps

VA = "0x1000"


class Tables(World):
    cpu: PageTable = field(default_factory=lambda: PageTable(Map({VA: None})))
    gpu: DevicePageTable = field(default_factory=lambda: DevicePageTable(Map({VA: None})))
    page: Page = field(default_factory=lambda: Page(pfn=7))
    fresh: Page = field(default_factory=lambda: Page(pfn=8, refs=0))

    def __post_init__(self):
        self.cpu.pte[VA] = self.page


def once(step):
    async def actor(k):
        await step(k)

    return actor


ZAP = once(lambda k: k.cpu.zap_pte_range(VA))
CLEAR = once(lambda k: k.cpu.ptep_clear_flush(VA))
PIN = once(lambda k: k.cpu.get_user_pages(VA))
WALK = once(lambda k: k.cpu.hmm_range_fault(VA))
TOUCH = once(lambda k: k.cpu.handle_mm_fault(VA, k.fresh))


@pytest.mark.parametrize("actor", [ZAP, PIN, WALK, TOUCH], ids=["zap", "pin", "walk", "touch"])
def test_a_step_that_needs_the_page_table_lock_waits_for_its_holder(actor):
    holder = steps("cpu.ptl.spin_lock", "cpu.ptl.spin_unlock")

    run = act(Tables, "H", H=holder, A=actor)

    assert ("H", 1) in run.blocked()["A"].by
    run.step("H")
    assert run.enabled() == ("A",)


@pytest.mark.parametrize("actor", [ZAP, CLEAR], ids=["zap", "clear"])
def test_clearing_returns_the_page_and_leaves_its_references_alone(actor):
    run = act(Tables, "A", A=actor)

    assert run.tip.answer.name == "page 7"
    assert run.tip.world.cpu.pte[VA] is None
    assert run.tip.world.page.refs == 1


def test_get_user_pages_takes_a_reference_and_hmm_range_fault_takes_none():
    pinned, walked = act(Tables, "A", A=PIN), act(Tables, "A", A=WALK)

    assert pinned.tip.answer.name == walked.tip.answer.name == "page 7"
    assert pinned.tip.world.page.refs == 2
    assert walked.tip.world.page.refs == 1


@pytest.mark.parametrize("actor", [PIN, WALK], ids=["pin", "walk"])
def test_a_walk_finds_nothing_where_nothing_is_mapped(actor):
    assert act(Tables, "Z A", Z=ZAP, A=actor).tip.answer is None


def test_a_cpu_fault_maps_a_fresh_page_only_where_nothing_is_mapped():
    assert act(Tables, "A", A=TOUCH, Z=ZAP).tip.writes == ()

    run = act(Tables, "Z A", A=TOUCH, Z=ZAP)
    assert run.tip.world.cpu.pte[VA].name == "page 8"
    assert run.tip.world.fresh.refs == 1


def test_the_device_reaches_a_page_from_map_to_unmap():
    async def driver(k):
        await k.gpu.map(VA, k.page)
        await k.gpu.unmap(VA)
        await k.gpu.xchg(VA, k.fresh)
        await k.gpu.xchg(VA, None)

    run = act(Tables, "D*4", D=driver)

    entries = [str(frame.world.gpu.pte[VA]) for frame in run.frames]
    assert entries == ["None", "page 7", "None", "page 8", "None"]
    assert [str(frame.answer) for frame in run.frames[1:]] == ["None", "None", "None", "page 8"]


class Split(World):
    """A huge page that is split while another CPU walks to it."""

    pmd: PmdTable
    table: PageTable
    huge: Page
    small: Page


def huge_and_small():
    huge, small = Page(512, name="huge page 512"), Page(513)
    return Split(
        PmdTable(Map({"0x200000": huge, "0x400000": None})),
        PageTable(pte=Map({"0x200000": None, "0x201000": small})),
        huge,
        small,
    )


async def split(k):
    was = await k.pmd.pmdp_invalidate("0x200000")
    await was.put_page()
    await k.table.set_pte_at("0x200000", k.small)
    await k.pmd.pmd_populate("0x200000", k.table)


async def get_what_is_there(k):
    page = await k.pmd.pmdp_get_lockless("0x200000")
    if isinstance(page, Page):
        await page.get_page()


def test_a_walk_without_a_lock_finds_a_huge_page_that_was_freed():
    case = Case(
        name="Split",
        id="-",
        title="a huge page is split under a walk",
        world=huge_and_small,
        actors={"CPU0": split, "CPU1": get_what_is_there},
        bad=("refcount_resurrected",),
        expect={"refcount_resurrected": Verdict.SOMETIMES},
    )
    assert explore(case).as_expected

    searched = SearchedCase(case)
    run = searched.run(["CPU0"] * 4)
    view = pagetable(searched)
    text = view.text(run, 4)
    assert "PMD[1] 0x200000: none → table" in text
    assert "PTE[0] 0x200000: page 513" in text
    assert "≠" not in text
    assert "levels above the PMD are not modelled" in text
    assert [problems(view.scene(run, k)) for k in range(5)] == [[]] * 5
