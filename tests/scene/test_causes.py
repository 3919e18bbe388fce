from mmviz.engine import conflict, explore, replay
from mmviz.scenarios import find, load
from mmviz.scene.causes import causes
from mmviz.scene.check import problems
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import CLEAR
from tests.scene.played import of_each_case, shown

HEADLINE = ("iommu_group/release_order", "DelistThenRelease")
CROSSED = ("invalidate_page/sleep_under_spinlock", "LocksInBothOrders")
ALWAYS = ("exclusive/entry_ledger", "ZapWithoutPut")


def visible(scene):
    return [text.text for text in scene.texts if text.role != CLEAR and text.text]


@of_each_case
def test_a_broken_run_is_explained_from_the_step_that_breaks_it_on(played):
    report = played.searched.report
    breaks = report.counterexamples or report.deadlock is not None or report.livelock is not None
    assert ("causes" in played.views) or not breaks
    broken = False
    for frame, scene, _ in played.frames("causes"):
        broken = broken or bool(frame.violated)
        if broken:
            assert visible(scene)[0].startswith("✗")
        elif frame is not played.run.tip:
            assert visible(scene) == ["no bad state yet"]


@of_each_case
def test_the_run_shown_beside_it_is_legal_and_safe(played):
    for _, _, text in played.frames("causes")[-1:]:
        _, _, schedule = text.partition("Schedule of the nearest safe run: ")
        if schedule:
            twin = replay(played.case, schedule)
            assert twin.finished
            assert not twin.violated or "it avoids this, but reaches" in text
            assert twin.schedule != played.run.schedule


def test_causes_stay_hidden_until_the_violation():
    view, run = shown("causes", *HEADLINE)

    before = view.scene(run, 6)
    assert visible(before) == ["no bad state yet"]
    assert {box.role for box in before.boxes} == {"quiet", CLEAR}
    assert not any(box.key for box in before.boxes)
    assert view.text(run, 6) == "no bad state yet"


def test_the_headline_race_is_explained_from_the_list_to_the_free():
    view, run = shown("causes", *HEADLINE)
    text = view.text(run, 7)

    steps = ["list_del(device a)", "iommu_group_set_core_domain(", "iommu_domain_free(domain V)"]
    assert [text.index(step) for step in steps] == sorted(text.index(step) for step in steps)
    assert "Point of no return: step 7" in text
    assert "✓ every actor finishes; no bad state" in visible(view.scene(run, 7))
    assert sum(part.startswith("≠") for part in map(str.strip, visible(view.scene(run, 7)))) == 2


def test_a_deadlock_names_the_steps_that_block_each_actor():
    view, run = shown("causes", *CROSSED)
    text = view.text(run, len(run.frames) - 1)

    assert text.startswith("✗ deadlock after step 3: no actor can step")
    assert "1 CPU0 spin_lock(cpu.ptl): blocks CPU1" in text
    assert "3 CPU1 spin_lock(update): blocks CPU0" in text
    assert "differs in step 3: CPU0 goes instead of CPU1" in text


def test_a_violation_in_every_run_is_called_unavoidable():
    view, run = shown("causes", *ALWAYS)
    words = visible(view.scene(run, len(run.frames) - 1))

    assert "Always: every schedule ends this way" in words
    assert "the start: every schedule ends this way" in words
    assert "none; no two actors race before this step" in words


def test_a_livelock_is_explained_by_its_loop():
    case = next(case for case in load("exclusive/retry_loop").cases if case.livelock)
    lasso = explore(case).livelock
    view = causes(SearchedCase(case))
    run = replay(case, lasso.prefix + lasso.cycle)
    text = view.text(run, len(run.frames) - 1)

    assert text.startswith(f"✗ livelock in steps {len(lasso.prefix) + 1} to {len(run.schedule)}: ")
    assert text.count("step of the loop") == len(lasso.cycle)
    start = f"after step {len(lasso.prefix)}" if lasso.prefix else "at the start"
    assert f"the state equals that {start}" in text
    assert view.text(run, len(run.frames) - 2) == "no bad state yet"
    assert "none so far" in text
    assert problems(view.scene(run, len(run.frames) - 1)) == []


def test_a_safe_run_has_no_causes():
    searched = SearchedCase(find(*HEADLINE))
    view = causes(searched)
    good = next(s for s in searched.runs().values() if not searched.run(s).violated)
    run = searched.run(good)

    assert visible(view.scene(run, len(run.frames) - 1)) == ["no bad state"]


def test_the_steps_of_the_picture_are_in_the_text():
    view, run = shown("causes", *HEADLINE)
    text = view.text(run, 7)
    for reason in ("2 CPU0 list_del", "5 CPU1 iommu_group_set_core_domain", "7 CPU1 iommu_domain"):
        assert reason in text
        assert any(part.startswith(reason) for part in visible(view.scene(run, 7)))


def test_a_run_that_no_single_reversal_saves_says_that_none_decides():
    searched = SearchedCase(find("hmm/mm_without_grab", "NoGrab"))
    run = searched.run(searched.runs()["use after free: fewest preemptions"])
    race = conflict(run, "use_after_free")

    said = causes(searched).text(run, run.tip.index)

    assert not race.decides
    assert "Race: none decides alone; with the last reversed, the run still ends this way" in said
