"""Bars end with their objects, counts agree with the fields, and late uses are marked."""

import re

import pytest

from mmviz.engine import World, field, mark, spoken
from mmviz.kernel.iommu.io_mm import SvaBond
from mmviz.kernel.sync.refcount import RefCount, Slab
from mmviz.scene.check import problems
from mmviz.scene.layout import PANE, ROOM
from mmviz.scene.lifetime import HEAD, LEFT, ROOMY, lifetime
from mmviz.scene.searched import SearchedCase
from mmviz.scene.svg import svg
from mmviz.scene.theme import CLEAR
from mmviz.scene.timeline import MOST_ROWS, page
from tests.scene.played import of_each_case, searched_case, shown
from tests.scene.toys import case_of


def row_of(scene, name):
    """Return the y of an object's name."""
    return next(text.y for text in scene.texts if text.text == name and text.bold) - 0.1


def bar(scene, name, first=0):
    """Return {frame: role} of an object's visible cells."""
    y = row_of(scene, name)
    cells = [b for b in scene.boxes if abs(b.y - y) < 1e-6 and b.key.startswith(("object", "step"))]
    return {
        round((b.x - LEFT) / b.w) + first: b.role
        for b in cells
        if b.role != CLEAR and b.y > HEAD / 2
    }


def seen(scene):
    """Return the visible marks of a scene."""
    marks = (*scene.boxes, *scene.lines, *scene.texts)
    return [m for m in marks if m.role != CLEAR and getattr(m, "text", "x").strip()]


@of_each_case
def test_counts_agree_with_the_fields(played):
    run, view = played.run, played.views.get("lifetime")
    for k, (frame, scene, words) in enumerate(played.frames("lifetime")):
        first = page(len(run.schedule), k, view.steps)[0] - 1
        for subject in view.bars:
            line = next(line for line in words.split("\n") if line.startswith(subject.card.title))
            for key, path in subject.counts.items():
                count = re.escape(worded(subject, path)(frame.values[path]))
                assert re.search(rf"{key} [^;]*?{count} \(step \d+\)(;|$)", line)
            if not view.is_flat:
                check_numbers(scene, subject, run.frames, first, k)


def worded(subject, path):
    """Return the function that words a field on the card of an object."""
    return {row.path: row.wording for row in subject.card.rows}.get(path, spoken)


def check_numbers(scene, subject, frames, first, k):
    """Compare the numbers on a bar, each valid until the next, with the fields."""
    y = row_of(scene, subject.card.name)
    wide = next(box.w for box in scene.boxes if box.key.startswith("step:"))
    for number, path in enumerate(subject.counts.values()):
        shown = {
            round((text.x - 0.35 - LEFT) / wide) + first: text.text
            for text in scene.texts
            if abs(text.y - (y + 0.1 + 2.3 * number)) < 1e-6
            and text.x > LEFT
            and text.role != CLEAR
            and text.text
        }
        last = ""
        for index in range(first, k + 1):
            last = shown.get(index, last)
            if not subject.ended(frames[index].values):
                count = worded(subject, path)(frames[index].values[path])
                assert last == re.sub(" pins?$", "p", count.replace(" + ", "+")), (
                    f"{path} in frame {index}"
                )


def test_a_bar_ends_with_the_step_that_frees_and_a_later_use_is_marked():
    view, run = shown("lifetime", "hmm/double_unregister", "ClearedPointer")
    freed = next(f.index for f in run.frames if f.values["hmm.freed"])
    assert (freed, len(run.schedule)) == (8, 9)

    before, at_free, after = (view.scene(run, k) for k in (7, 8, 9))

    assert set(bar(before, "hmm")) == set(range(8))
    assert bar(at_free, "hmm")[8] == "written"
    assert bar(after, "hmm")[8] == "ghost"
    assert 9 not in bar(after, "hmm"), "after its end an object has no cells"
    assert bar(after, "hmm.mirrors_sem")[9] == "bad"
    assert {"✗ use", "✗ used, step 9", "freed, step 8"} <= {
        m.text for m in seen(after) if hasattr(m, "text")
    }
    assert any(box.key == "step:9" and box.y > HEAD for box in after.boxes)
    assert "✗ used after that in step 9 by CPU0 down_write(hmm.mirrors_sem)" in view.text(run, 9)
    assert "✗" not in view.text(run, 8)


def test_a_pages_bar_ends_with_its_last_reference_and_a_late_write_is_marked():
    searched = searched_case("exclusive/fault_takes_page_back", "NoReference")
    view = lifetime(searched)
    run = searched.run(searched.runs()["the page goes away meanwhile"])
    end = next(f.index for f in run.frames if f.values["page 7.refs"] == 0)
    lock = next(f.index for f in run.frames[end:] if f.label == "lock_page(page 7)")

    text = view.text(run, len(run.schedule))
    scene = view.scene(run, lock)

    assert f"free in step {end} by" in text
    assert f"✗ written after that in step {lock} by" in text
    assert f"✗ written, step {lock}" in {text.text for text in scene.texts}
    assert any(box.key == f"step:{lock}" and box.role == "bad" for box in scene.boxes)


def test_a_group_ends_with_its_last_reference():
    searched = searched_case("iommu_group/release_order", "ReleaseUnderMutex")
    view, run = lifetime(searched), searched.run()
    while run.enabled():
        run.step(run.enabled()[0])
    last = len(run.schedule)
    end = next(f.index for f in run.frames if f.values["group.refs"] == 0)

    alive = [k for k, role in bar(view.scene(run, last), "group").items() if role == "plain"]

    assert max(alive) < end
    assert f"refs {run.frames[0].values['group.refs']} (step 0)" in view.text(run, last)


@pytest.mark.parametrize(
    ("scenario", "case"),
    [
        ("hmm/double_unregister", "ClearedPointer"),
        ("iommu_group/release_order", "DelistThenRelease"),
        ("sva/free_under_reader", "NotifierAtOnce"),
    ],
)
def test_steps_after_the_cursor_stay_hidden(scenario, case):
    view, run = shown("lifetime", scenario, case)
    assert len(run.schedule) <= MOST_ROWS

    for k in range(len(run.frames)):
        so_far = view.scene(run.fork(at=k), k)
        later = {m for m in seen(view.scene(run, k)) if m not in seen(so_far)}
        axis = {m for m in later if m.role == "future" and m.y < HEAD}
        assert later == axis
        assert not any("✗" in getattr(m, "text", "") for m in axis)


def test_a_failing_step_is_marked_on_the_axis_once_the_cursor_is_there():
    view, run = shown("lifetime", "iommu_group/release_order", "DelistThenRelease")

    def axis(k):
        return {m.text for m in seen(view.scene(run, k)) if hasattr(m, "text") and m.y < HEAD}

    assert "✗ 7" in axis(7)
    assert "✗ 7" not in axis(6)
    assert "7" in axis(6)


class Many(World):
    """Fifty objects, some of which are freed."""

    bonds: tuple = ()
    last: RefCount = field(default_factory=RefCount)


def fifty(freed):
    async def free(k):
        for bond in k.bonds[:freed]:
            await bond.kfree()

    def world():
        return Many(tuple(SvaBond(name=f"bond {n}") for n in range(50)))

    return case_of(world, CPU0=free)


@pytest.mark.parametrize("freed", [3, 50])
def test_fifty_objects_stay_legible_and_those_never_freed_are_folded(freed):
    searched = SearchedCase(fifty(freed))
    view, run = lifetime(searched), searched.run(["CPU0"] * freed)
    assert view.is_flat == (freed > ROOMY)

    scenes = [view.scene(run, k) for k in range(freed + 1)]
    words = " ".join(text.text for text in scenes[-1].texts)

    assert {problem for scene in scenes for problem in problems(scene)} == set()
    assert len({(scene.width, scene.height, *map(len, scene[2:])) for scene in scenes}) == 1
    if freed == 3:
        assert {bar.card.name for bar in view.bars} == {"bond 0", "bond 1", "bond 2"}
        assert "… 48 more objects, which no run frees or counts: " in words
    else:
        assert "50 objects: a count is a number where it changes" in words
        assert all(f"bond {n}" in words for n in range(50))
        assert " earlier step" in words
    assert len(svg(scenes[-1])) < 300_000
    assert scenes[-1].height < 90
    assert f"freed in step {freed} by CPU0 kfree" in view.text(run, freed)


class Counted(World):
    count: RefCount = field(default_factory=lambda: RefCount(name="count"))
    slab: Slab = field(default_factory=lambda: Slab(name="slab"))


def test_a_long_run_is_shown_in_pages_with_a_note():
    async def up_and_down(k):
        for n in range(20):
            mark("again", n)
            await k.count.refcount_inc()
            await k.count.refcount_dec_and_test()
        await k.slab.kfree()

    searched = SearchedCase(case_of(Counted, CPU0=up_and_down))
    view, run = lifetime(searched), searched.run(["CPU0"] * 41)
    scenes = [view.scene(run, k) for k in range(42)]

    assert {problem for scene in scenes for problem in problems(scene)} == set()
    assert len({(scene.width, scene.height, *map(len, scene[2:])) for scene in scenes}) == 1
    assert f"… {41 - view.steps} later steps" in {text.text for text in scenes[0].texts}
    assert "freed, step 41" in {text.text for text in scenes[41].texts}
    for k, scene in enumerate(scenes):
        subject = next(bar for bar in view.bars if bar.card.name == "count")
        check_numbers(scene, subject, run.frames, page(41, k, view.steps)[0] - 1, k)


@pytest.mark.parametrize(
    "scenario", ["invalidate_page/faults_and_invalidators", "exclusive/copy_at_fork"]
)
def test_names_and_steps_are_in_the_pane_at_once(scenario):
    view, run = shown("lifetime", scenario)
    assert view.scene(run, len(run.schedule)).width <= PANE


@pytest.mark.parametrize(
    ("scenario", "case"),
    [
        ("hmm/free_under_callback", "FreedAfterGracePeriod"),  # kworker
        ("hmm/eagain_leaves_count", ""),  # oom_reaper
        ("hmm/create_meets_dying", "PublishThenFail"),  # environment
    ],
)
def test_the_name_of_an_actor_is_whole_over_its_steps(scenario, case):
    view, run = shown("lifetime", scenario, case)
    names = {actor for actor in run.case.actors if len(actor) > 5}
    words = {text.text for k in range(len(run.frames)) for text in view.scene(run, k).texts}

    assert names & set(run.schedule) <= words
    assert all(view.scene(run, k).width <= ROOM + 2 for k in range(len(run.frames)))
    assert names


@of_each_case
def test_a_case_that_frees_or_counts_an_object_has_lifetimes(played):
    reach = played.searched.reach
    ends = (".freed", ".refs", ".mm_count")
    ends_ever = any(reach.varies(path) for path in reach.values if path.endswith(ends))

    assert "lifetime" in played.views or not ends_ever
