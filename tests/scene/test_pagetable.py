from mmviz.engine import Map, Struct, World, atomic, field
from mmviz.kernel.conformance.buffer import Buffer, BufferPage
from mmviz.kernel.conformance.buffer_vma import WordPage, ZeroPage
from mmviz.kernel.conformance.dmirror import Dmirror, open_dmirror
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.sync.locks import RwSemaphore
from mmviz.scene.cards import dangles, pins
from mmviz.scene.check import problems
from mmviz.scene.pagetable import pagetable
from mmviz.scene.searched import SearchedCase
from mmviz.scene.walk import upper
from tests.scene.played import DANGLING, WRITTEN, first_run, of_each_case, shown
from tests.scene.toys import case_of

ENTRIES, TOUCHED = 512, 3


def see(case):
    """Return the view of a case, and its first run."""
    searched = SearchedCase(case)
    return pagetable(searched), first_run(searched)


def words(scene):
    return [text.text for text in scene.texts]


def lit(scene, role):
    roles = next((roles for roles in (WRITTEN, DANGLING) if role in roles), {role})
    return [box.key for box in scene.boxes if box.role in roles]


@of_each_case
def test_written_fields_are_highlighted_and_dangling_entries_are_marked(played):
    for frame, scene, text in played.frames("pagetable"):
        placed = played.views["pagetable"].placed
        shown = {row.path: row for each in placed for row in each.card.rows}
        written = {change.field for change in frame.writes}
        rows = [key for key in lit(scene, "written") if key.startswith("field:")]
        assert sorted(rows) == sorted(f"field:{path}" for path in written & shown.keys())
        broken = {line.key for line in scene.lines if line.role in DANGLING}
        assert all(dangles(shown[key.removeprefix("field:")], frame) for key in broken)
        marked = [each for each in words(scene) if each.endswith("✗ freed")]
        assert len(marked) >= len(broken)
        assert all(each in text for each in marked)


@of_each_case
def test_the_text_has_every_value_and_verdict_of_the_picture(played):
    for _, scene, text in played.frames("pagetable"):
        assert [each for each in words(scene) if each.strip() and each not in text] == []


def test_a_case_without_address_translation_has_no_such_view():
    view, _ = shown("pagetable", "hmm/double_unregister")

    assert view is None


def test_an_entry_of_a_freed_page_is_marked_and_its_arrow_dangles():
    view, run = shown("pagetable", "sva/munmap_under_dma")
    scene = view.scene(run, len(run.frames) - 1)

    assert words(scene).count("page 7 ✗ freed") == 3  # IOTLB, ATC, the DMA under way
    assert "field:smmu.iotlb" in lit(scene, "dangling")
    arrow = next(line for line in scene.lines if line.key == "field:smmu.iotlb")
    assert arrow.role in DANGLING
    assert "object:page 7" in lit(scene, "ghost")


def test_cpu_and_device_entries_with_different_pages_are_flagged():
    view, run = shown("pagetable", "invalidate_page/callback_after_unlock")
    before, after = view.scene(run, 0), view.scene(run, len(run.frames) - 1)

    assert "= cpu" in words(before)
    assert lit(before, "bad") == []
    assert "≠ cpu" in words(after)
    assert lit(after, "bad") == ["field:gpu.pte[0x1000]"]
    assert "≠ cpu" in view.text(run, len(run.frames) - 1)


def test_a_cached_pasid_entry_that_differs_from_the_table_is_flagged():
    view, run = shown("pagetable", "sva/clear_order")
    scene = view.scene(run, len(run.frames) - 1)

    assert "≠ entry" in words(scene)
    assert {"object:pgd", "object:dummy pgd"} <= {box.key for box in scene.boxes}
    stale = {"field:smmu.iotlb", "field:device.atc", "field:device.inflight"}
    assert set(lit(scene, "bad")) == {"field:smmu.cached_entry"} | stale


def test_a_table_that_no_entry_leads_to_is_left_out():
    view, run = shown("pagetable", "sva/munmap_under_dma")

    assert "object:dummy pgd" not in {box.key for box in view.scene(run, 0).boxes}


def test_a_cached_entry_that_the_table_lacks_is_stale():
    view, run = shown("pagetable", "sva/munmap_under_dma")
    at = next(k for k, frame in enumerate(run.frames) if frame.label.startswith("zap_pte_range"))

    assert "✗ stale" not in words(view.scene(run, at - 1))
    assert words(view.scene(run, at)).count("✗ stale") == 3


def test_a_step_that_changes_one_field_highlights_one_row():
    view, run = shown("pagetable", "sva/munmap_under_dma")
    at = next(k for k, frame in enumerate(run.frames) if frame.label.startswith("zap_pte_range"))

    assert len(run.frames[at].writes) == 1
    assert lit(view.scene(run, at), "written") == ["field:pgd.page"]
    assert "page 7 → none" in words(view.scene(run, at))


def test_the_page_is_between_parent_and_child():
    view, run = shown("pagetable", "exclusive/gup_fast_meets_fork")
    scene = view.scene(run, 0)
    at = {box.key: box for box in scene.boxes if box.key.startswith("object:")}

    assert at["object:parent"].x < at["object:page 7"].x < at["object:child"].x


def test_a_huge_page_ends_the_walk_at_the_pmd():
    view, run = shown("pagetable", "invalidate_page/huge_page_in_part")
    visible = words(view.scene(run, 0))

    assert "PMD[1] 0x200000" in visible
    assert "PMD[1] 0x201000" in visible
    assert "PTE[2] 0x202000" in visible
    assert any("the kernel's 512" in note for note in visible)


def test_a_page_mapped_twice_is_not_a_huge_page():
    view, run = see(case_of(twice, CPU0=unmap))

    assert "PTE[1] 0x1000" in words(view.scene(run, 0))


class Twice(World):
    cpu: PageTable
    page: Page


def twice():
    page = Page(pfn=7)
    return Twice(PageTable(Map({"0x1000": page, "0x2000": page})), page)


async def unmap(k):
    await k.cpu.zap_pte_range("0x1000")


def test_the_upper_levels_are_the_bits_of_the_address():
    at = (3 << 39) | (5 << 30) | (511 << 21) | (7 << 12)

    path = [level.words for level in upper(hex(at))]
    assert path == ["PGD[3]", "P4D folded", "PUD[5]", "PMD[511]"]
    assert [level.words for level in upper("the page")] == ["PGD → P4D → PUD → PMD"]


def test_a_note_tells_that_upper_levels_are_not_modelled():
    view, run = shown("pagetable", "invalidate_page/callback_after_unlock")

    assert any("not modelled" in note for note in words(view.scene(run, 0)))
    assert "not modelled" in view.text(run, 0)


def test_pins_are_counted_apart_from_other_references():
    assert pins(2) == "2"
    assert pins(GUP_PIN_COUNTING_BIAS + 2) == "2 + 1 pin"
    assert pins(2 * GUP_PIN_COUNTING_BIAS) == "0 + 2 pins"


class Big(World):
    """A table of 512 entries, one of which some step changes, and a device with the same."""

    cpu: PageTable = field(
        default_factory=lambda: PageTable(
            Map({hex(0x400000 + 0x1000 * i): None for i in range(ENTRIES)})
        )
    )
    gpu: DevicePageTable = field(
        default_factory=lambda: DevicePageTable(
            Map({hex(0x400000 + 0x1000 * i): None for i in range(ENTRIES)})
        )
    )
    page: Page = field(default_factory=lambda: Page(pfn=7, refs=0))


VA = "0x4ff000"


async def touch(k):
    await k.cpu.handle_mm_fault(VA, k.page)
    await k.gpu.map(VA, k.page)
    await k.cpu.zap_pte_range(VA)


def test_a_table_of_512_entries_folds_unchanged_ones_and_counts_them():
    view, run = see(case_of(Big, CPU0=touch))
    scene = view.scene(run, 1)
    visible = words(scene)

    assert visible.count("255 never change, all empty") == 2  # before it, CPU and device
    assert visible.count("256 never change, all empty") == 2  # after it
    assert "PTE[255] 0x4ff000" in visible
    assert scene.height < 30
    assert problems(scene) == []
    assert "255 never change" in view.text(run, 1)
    assert "✗ cpu: none" in words(view.scene(run, 3))


class Mirrored(World):
    """A buffer of pages that a test device mirrors; each page has its own notifier."""

    buffer: Buffer
    device: Dmirror


def mirrored():
    lock, zero = RwSemaphore(), ZeroPage(1)
    fresh = [WordPage(10 + i, refs=0, mapcount=0) for i in range(3)]
    pages = tuple(BufferPage(mmap_lock=lock, fresh=page, zero_page=zero) for page in fresh)
    buffer = Buffer(pages, lock)
    return Mirrored(buffer, open_dmirror(Dmirror, buffer, "dev", 100))


async def store_and_mirror(k):
    for page in k.buffer.pages:
        await page.store(5)
    await k.device.dmirror_read()


def test_a_devices_entry_is_compared_with_the_mapping_of_its_notifier():
    view, run = see(case_of(mirrored, CPU0=store_and_mirror))
    last = len(run.frames) - 1
    scene = view.scene(run, last)

    assert words(scene).count("= CPU") == 3
    assert lit(scene, "bad") == []
    assert words(scene).count("page 10 R") + words(scene).count("page 10 W") == 1


class Shadow(Struct):
    """A kind of table without drawing code."""

    entries: Map = field(default_factory=lambda: Map({"A": None, "B": None}))
    last: Page = None

    @atomic("driver")
    def install(self, page):
        self.entries["A"] = self.last = page


class Unknown(World):
    shadow: Shadow = field(default_factory=Shadow)
    page: Page = field(default_factory=lambda: Page(pfn=9))


async def install(k):
    await k.shadow.install(k.page)


def test_a_map_of_pages_in_an_unknown_class_is_a_table():
    view, run = see(case_of(Unknown, CPU0=install))
    scene = view.scene(run, 1)

    assert set(lit(scene, "written")) == {"field:shadow.entries[A]", "field:shadow.last"}
    assert "object:page 9" in {box.key for box in scene.boxes}
    assert problems(scene) == []
