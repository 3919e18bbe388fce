from mmviz.engine import explore, replay
from mmviz.scenarios import find, load
from mmviz.scene.causes import causes
from mmviz.scene.check import problems
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.theme import CLEAR
from tests.scene.played import shown

HEADLINE = ("iommu_group/release_order", "DelistThenRelease")
CROSSED = ("invalidate_page/sleep_under_spinlock", "LocksInBothOrders")
ALWAYS = ("exclusive/entry_ledger", "ZapWithoutPut")


def said(scene):
    return [text.text for text in scene.texts if text.role != CLEAR and text.text]


def test_a_broken_run_is_explained_from_the_step_that_breaks_it_on(played):
    report = played.rehearsal.report
    breaks = report.counterexamples or report.stuck is not None or report.livelock is not None
    assert ("causes" in played.views) or not breaks
    broken = False
    for frame, scene, _ in played.frames("causes"):
        broken = broken or bool(frame.violated)
        if broken:
            assert said(scene)[0].startswith("✗")
        elif frame is not played.run.tip:
            assert said(scene) == ["nothing is broken yet"]


def test_the_run_shown_beside_it_is_legal_and_fine(played):
    for _, _, text in played.frames("causes")[-1:]:
        _, _, schedule = text.partition("The nearest safe run: ")
        if schedule:
            twin = replay(played.case, schedule)
            assert twin.finished
            assert not twin.violated or "it breaks" in text
            assert twin.schedule != played.run.schedule


def test_nothing_is_told_before_it_happens():
    view, run = shown("causes", *HEADLINE)

    before = view.scene(run, 6)
    assert said(before) == ["nothing is broken yet"]
    assert {box.role for box in before.boxes} == {"quiet", CLEAR}
    assert not any(box.key for box in before.boxes)
    assert view.text(run, 6) == "nothing is broken yet"


def test_the_headline_race_is_told_from_the_list_to_the_free():
    view, run = shown("causes", *HEADLINE)
    text = view.text(run, 7)

    steps = ["list_del(device a)", "iommu_group_set_core_domain(", "iommu_domain_free(domain V)"]
    assert [text.index(step) for step in steps] == sorted(text.index(step) for step in steps)
    assert "Point of no return: step 7" in text
    assert "✓ everybody finishes, nothing is broken" in said(view.scene(run, 7))
    assert sum(part.startswith("≠") for part in map(str.strip, said(view.scene(run, 7)))) == 2


def test_a_deadlock_names_the_steps_that_closed_the_ring():
    view, run = shown("causes", *CROSSED)
    text = view.text(run, len(run.frames) - 1)

    assert text.startswith("✗ stuck after step 3: nobody can go on")
    assert "1 CPU0 spin_lock(cpu.ptl): CPU1 waits for this" in text
    assert "3 CPU1 spin_lock(update): CPU0 waits for this" in text
    assert "differs in step 3: CPU0 goes instead of CPU1" in text


def test_where_no_order_helps_it_is_said():
    view, run = shown("causes", *ALWAYS)
    words = said(view.scene(run, len(run.frames) - 1))

    assert "Always: no order saves it" in words
    assert "none: no two actors race for this, the order within one decides" in words


def test_a_livelock_is_the_loop():
    case = next(case for case in load("exclusive/retry_loop").cases if case.livelock)
    lasso = explore(case).livelock
    view = causes(Rehearsal(case))
    run = replay(case, lasso.prefix + lasso.cycle)
    text = view.text(run, len(run.frames) - 1)

    assert text.startswith(f"✗ livelock: after step {len(run.schedule)} all is as it was")
    assert text.count("again and again") == len(lasso.cycle)
    assert view.text(run, len(run.frames) - 2) == "nothing is broken yet"
    assert "none so far" in text
    assert problems(view.scene(run, len(run.frames) - 1)) == []


def test_a_run_that_goes_well_has_nothing_to_explain():
    rehearsal = Rehearsal(find(*HEADLINE))
    view = causes(rehearsal)
    good = next(s for s in rehearsal.runs().values() if not rehearsal.run(s).violated)
    run = rehearsal.run(good)

    assert said(view.scene(run, len(run.frames) - 1)) == ["nothing is broken"]


def test_the_steps_of_the_picture_are_in_the_text_too():
    view, run = shown("causes", *HEADLINE)
    text = view.text(run, 7)
    for reason in ("2 CPU0 list_del", "5 CPU1 iommu_group_set_core_domain", "7 CPU1 iommu_domain"):
        assert reason in text
        assert any(part.startswith(reason) for part in said(view.scene(run, 7)))
