from functools import lru_cache
from xml.etree import ElementTree

import pytest

from mmviz.engine import explore, replay
from mmviz.scenarios import every_case, find, load
from mmviz.scene.causes import causes
from mmviz.scene.check import problems
from mmviz.scene.layout import ROOM
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.svg import svg
from mmviz.scene.theme import CLEAR

CASES = list(every_case())
HEADLINE = ("iommu_group/release_order", "DelistThenRelease")
CROSSED = ("invalidate_page/sleep_under_spinlock", "LocksInBothOrders")
ALWAYS = ("exclusive/entry_ledger", "ZapWithoutPut")


@lru_cache
def staged(scenario, name):
    """Return the view of a case and the first run the stage would offer."""
    rehearsal = Rehearsal(find(scenario, name))
    return causes(rehearsal), rehearsal.run(next(iter(rehearsal.runs().values())))


def said(scene):
    return [text.text for text in scene.texts if text.role != CLEAR and text.text]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario}:{case.name}")
def test_every_frame_is_fit_to_be_seen_and_nothing_moves(case):
    rehearsal = Rehearsal(case)
    view = causes(rehearsal)
    report = rehearsal.report
    if view is None:
        assert not report.counterexamples
        assert report.stuck is None
        assert report.livelock is None
        return
    run = rehearsal.run(next(iter(rehearsal.runs().values())))
    sizes = set()
    broken = False
    for k, frame in enumerate(run.frames):
        scene = view.scene(run, k)
        sizes.add((scene.width, scene.height, *map(len, scene[2:])))
        assert problems(scene) == []
        broken = broken or bool(frame.violated)
        if broken:
            assert said(scene)[0].startswith("✗")
        elif k < len(run.frames) - 1:
            assert said(scene) == ["nothing is broken yet"]
    assert len(sizes) == 1
    assert scene.width <= ROOM
    picture = svg(scene)
    assert len(picture) < 300_000
    ElementTree.fromstring(picture)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario}:{case.name}")
def test_the_run_shown_beside_it_is_legal_and_fine(case):
    rehearsal = Rehearsal(case)
    view = causes(rehearsal)
    if view is None:
        return
    run = rehearsal.run(next(iter(rehearsal.runs().values())))
    text = view.text(run, len(run.frames) - 1)
    _, _, schedule = text.partition("The nearest safe run: ")
    if schedule:
        twin = replay(case, schedule)
        assert twin.finished
        assert not twin.violated or "it breaks" in text
        assert twin.schedule != run.schedule


def test_nothing_is_told_before_it_happens():
    view, run = staged(*HEADLINE)

    before = view.scene(run, 6)
    assert said(before) == ["nothing is broken yet"]
    assert {box.role for box in before.boxes} == {"quiet", CLEAR}
    assert not any(box.key for box in before.boxes)
    assert view.text(run, 6) == "nothing is broken yet"


def test_the_headline_race_is_told_from_the_list_to_the_free():
    view, run = staged(*HEADLINE)
    text = view.text(run, 7)

    steps = ["list_del(device a)", "iommu_group_set_core_domain(", "iommu_domain_free(domain V)"]
    assert [text.index(step) for step in steps] == sorted(text.index(step) for step in steps)
    assert "Point of no return: step 7" in text
    assert "✓ everybody finishes, nothing is broken" in said(view.scene(run, 7))
    assert sum(part.startswith("≠") for part in map(str.strip, said(view.scene(run, 7)))) == 2


def test_a_deadlock_names_the_steps_that_closed_the_ring():
    view, run = staged(*CROSSED)
    text = view.text(run, len(run.frames) - 1)

    assert text.startswith("✗ stuck after step 3: nobody can go on")
    assert "1 CPU0 spin_lock(cpu.ptl): CPU1 waits for this" in text
    assert "3 CPU1 spin_lock(update): CPU0 waits for this" in text
    assert "differs in step 3: CPU0 goes instead of CPU1" in text


def test_where_no_order_helps_it_is_said():
    view, run = staged(*ALWAYS)
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
    view, run = staged(*HEADLINE)
    text = view.text(run, 7)
    for reason in ("2 CPU0 list_del", "5 CPU1 iommu_group_set_core_domain", "7 CPU1 iommu_domain"):
        assert reason in text
        assert any(part.startswith(reason) for part in said(view.scene(run, 7)))
