import re
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import mmviz.widgets
from mmviz.engine import MmvizError, ScheduleError, UnknownName
from mmviz.scene import searched as searched_module
from mmviz.scene.views import VIEWS
from mmviz.widgets.canvas import Canvas
from mmviz.widgets.driver import Driver
from mmviz.widgets.frames import applied
from mmviz.widgets.player import Player
from mmviz.widgets.stage import MOST_WAITING
from mmviz.widgets.traits import marks
from tests.scene.toys import STORY, TOY


def ask(stage, **message):
    """Send a message as the browser does."""
    stage.controls._handle_custom_msg(message, [])


def in_the_browser(stage, k):
    """Return what the browser sets on each target for frame k, straight from the pictures."""
    found = {}
    for name, store in stage.controls.pictures.items():
        for mark, traits in applied(store["base"], store["frames"][str(k)]).items():
            if f"{name}.{mark}" in stage.controls.targets:
                found[f"{name}.{mark}"] = traits
    return found


def in_python(stage, k):
    """Return the traits of each target as they are in Python."""
    found = {}
    for name, traits in in_the_browser(stage, k).items():
        target = stage.controls.targets[name]
        found[name] = {
            trait: value.tolist() if isinstance(value, np.ndarray) else value
            for trait in traits
            for value in [getattr(target, trait)]
        }
    return found


def said(stage, k):
    """Return what is said of frame k: caption and choices."""
    return stage.stores["words"].drawn(k)["words"]


@pytest.mark.parametrize("k", range(len(STORY) + 1))
def test_the_browser_and_python_draw_the_same_frame(k):
    player = Player(TOY, STORY, views=list(VIEWS))
    player.show(k)

    assert in_python(player, k) == in_the_browser(player, k)


def test_a_picture_is_few_marks_and_the_same_ones_in_every_frame():
    player = Player(TOY, STORY, views=["timeline", "objects"])
    canvases = [player.panes[name].canvas for name in player.on_screen]
    before = [mark for canvas in canvases for mark in canvas.marks]
    player.show(5)

    assert [mark for canvas in canvases for mark in canvas.marks] == before
    assert len(before) == 22


@pytest.mark.parametrize(
    "scenario", ["iommu_group/release_order", "invalidate_page/range_start_only"]
)
def test_a_step_moves_nothing_large_it_only_changes_colours(scenario):
    views = ("timeline", "objects", "iommu", "pagetable", "lifetime", "notifier", "locks")
    player = Player(scenario, views=views)

    for part in player.on_screen:
        for changed in player.controls.pictures[part]["frames"].values():
            for mark, traits in changed.items():
                if mark not in (
                    "twin",
                    "text_bold",
                    "text_live",
                    "stroke_dash",
                    "stroke_dash_heavy",
                ):
                    assert set(traits) <= {"colors", "fill_colors", "labels"}, (part, mark)


def test_by_default_a_player_shows_the_violation_with_the_fewest_preemptions():
    player = Player(TOY)
    example = player.searched.report.counterexamples["gpu_maps_a_free_page"]

    assert player.the_run.schedule == example.fewest_preemptions
    assert player.controls.runs[0] == "gpu maps a free page: fewest preemptions"


def test_a_player_takes_a_schedule_by_name_as_text_or_as_a_list():
    assert Player(TOY, "the story").the_run.schedule == STORY
    assert Player(TOY, "GPU CPU0*4 GPU*2").the_run.schedule == STORY
    assert Player(TOY, STORY).the_run.schedule == STORY
    assert Player(TOY, STORY).controls.runs[0] == "the story"
    assert Player(TOY, STORY[:3]).controls.runs[0] == "your run"


def test_an_illegal_schedule_is_an_error_that_names_the_step():
    with pytest.raises(ScheduleError, match="step 3: GPU is blocked"):
        Player(TOY, "GPU CPU0 GPU")


def test_an_unknown_scenario_is_an_error_that_suggests_the_nearest():
    with pytest.raises(UnknownName, match="iommu_group/release_order"):
        Player("iommu_group/release_ordr")


def test_a_player_shows_another_run_when_asked():
    player = Player(TOY)
    ask(player, run=player.controls.runs.index("the story"))

    assert player.the_run.schedule == STORY
    assert player.controls.last == len(STORY)
    assert player.controls.error == ""


def test_playing_stops_where_something_breaks_and_the_promise_turns_there():
    player = Player(TOY, STORY)

    assert player.controls.stops == [7]
    assert [promise["broken"] for promise in player.controls.promises] == [7]


def test_a_driver_offers_every_actor_and_says_why_one_cannot_go():
    driver = Driver(TOY, "GPU CPU0")
    cpu, gpu = said(driver, 2)["choices"]

    assert (cpu["actor"], cpu["does"], cpu["enabled"]) == ("CPU0", "clear(0x1000)", True)
    assert (gpu["enabled"], gpu["why"]) == (False, "blocked by CPU0 since step 2")


def test_choosing_takes_a_step():
    driver = Driver(TOY)
    ask(driver, choose="GPU", k=0)

    assert (driver.schedule, driver.controls.k) == (("GPU",), 1)
    assert said(driver, 1)["caption"] == "step 1 of 1: GPU read(0x1000): returns page 7"


def test_going_back_and_choosing_something_else_keeps_the_first_run():
    driver = Driver(TOY, "GPU CPU0 CPU0")
    ask(driver, choose="GPU", k=1)
    assert driver.schedule == ("GPU", "GPU")

    ask(driver, run=0)

    assert driver.schedule == ("GPU", "CPU0", "CPU0")
    assert driver.controls.runs == ["run 1: GPU CPU0*2", "run 2: GPU*2"]


def test_choosing_what_was_chosen_before_stays_on_the_run():
    driver = Driver(TOY, "GPU CPU0 CPU0")
    ask(driver, choose="CPU0", k=1)

    assert (driver.schedule, driver.controls.k) == (("GPU", "CPU0", "CPU0"), 2)
    assert len(driver.branches) == 1


def test_a_choice_is_answered_even_where_python_already_is():
    driver = Driver(TOY, "GPU CPU0")
    seen = []
    driver.controls.observe(lambda change: seen.append(change["new"]), "k")
    ask(driver, choose="CPU0", k=1)  # the browser went back to 1; Python still is at 2

    assert seen[-1] == 2
    assert driver.controls.answers == 1


def test_what_cannot_be_chosen_becomes_a_visible_sentence_and_loses_nothing():
    driver = Driver(TOY, "GPU CPU0")
    ask(driver, choose="GPU", k=2)

    assert driver.controls.error.startswith("Driver: step 3: GPU is blocked")
    assert driver.schedule == ("GPU", "CPU0")
    ask(driver, choose="CPU0", k=2)
    assert driver.controls.error == ""


@pytest.mark.parametrize("message", [{"choose": "CPU9", "k": 0}, {"choose": "GPU", "k": 99}, {}])
def test_nonsense_from_the_browser_becomes_a_visible_sentence(message):
    driver = Driver(TOY)
    ask(driver, **message)

    assert driver.controls.error.startswith("Driver: ")
    assert driver.schedule == ()


def test_the_goal_is_there_from_the_start_and_is_won_in_the_step_that_breaks_it():
    driver = Driver(TOY)
    assert driver.controls.goal.startswith("Make this happen")
    assert driver.controls.won == -1

    for actor in STORY:
        driver.choose(actor)

    assert driver.controls.won == 7
    assert driver.controls.victory == "✓ Goal reached in 7 steps: gpu maps a free page"


def test_a_driver_grows_its_sheet_with_the_run():
    driver = Driver(TOY)
    timeline = driver.panes["timeline"].canvas
    small = timeline.y_scale.max
    for _ in range(3):
        for actor in ("CPU0",) * 5:
            if actor in driver.the_run.enabled():
                driver.choose(actor)
        for actor in ("GPU",) * 4:
            if actor in driver.the_run.enabled():
                driver.choose(actor)

    assert timeline.y_scale.max >= small
    assert timeline.layout.height == f"{timeline.y_scale.max * 1.5:.2f}em"


def test_a_stage_has_a_text_twin():
    bundle = Player(TOY, STORY)._repr_mimebundle_()

    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "put_page(page 7)" in bundle["text/plain"]
    assert "mmviz.replay(tests.scene.toys.TOY, 'GPU CPU0*4 GPU*2')" in bundle["text/plain"]


def test_where_no_widget_runs_a_still_picture_of_the_last_frame_is_shown():
    player = Player(TOY, STORY)
    picture = player._repr_mimebundle_()["image/svg+xml"]
    words = {node.text for node in ElementTree.fromstring(picture).iter() if node.text}

    assert len(picture) < 300_000
    assert "✗ gpu maps a free page" in words
    assert any("page 7" in text for text in words)
    assert player.svg(0) != player.svg(-1) != player.svg(-1, "dark")
    with pytest.raises(IndexError, match="there is no frame 99: this run has frames 0 to"):
        player.svg(99)


def test_a_canvas_draws_a_scene_of_another_size():
    player = Player(TOY, STORY)
    shown = player.panes["timeline"].canvas.shown
    scene = shown._replace(height=30)
    canvas = Canvas(shown)
    canvas.show(scene)

    assert canvas.y_scale.max == 30
    assert canvas.layout.height == "45.00em"
    assert canvas.by_name["fill"].x.tolist() == marks(scene)["fill"]["x"]


FILES = sorted(Path(mmviz.widgets.__file__).parent.glob("*.*s"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_runs_in_the_browser_needs_no_network_and_never_parses_data_as_html(path):
    text = path.read_text("utf-8")

    assert path.suffix in (".js", ".css")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert not re.search(r"https?:|//[a-z]+\.|\bimport\b|@import|url\(|fetch\(", text)


def test_a_picture_of_a_view_that_the_case_lacks_is_refused_and_says_what_there_is():
    player = Player(TOY)
    lacking = next(name for name in VIEWS if name not in player.views)

    with pytest.raises(UnknownName, match=f"nothing for '{lacking}'; it has timeline"):
        player.svg(views=[lacking])


def test_the_stage_says_which_memory_model_and_what_is_left_out():
    stage = Player("exclusive/sequence_in_store_buffer", case="NothingLocked").controls
    assert stage.memory.startswith("memory: total store order")
    assert "store order does anyway" in stage.limits
    assert Player(TOY).controls.memory.startswith("memory: sequentially consistent")


@pytest.mark.parametrize("stage", [Player, Driver])
def test_a_stage_whose_search_was_cut_says_that_nothing_is_decided(stage, monkeypatch):
    """Its promise is not one that the search has proved, and it offers no run as the proof."""
    monkeypatch.setattr(searched_module, "MOST_STATES", 20)
    shown = stage("iommu_group/release_order", case="ReleaseUnderMutex")

    (promise,) = shown.controls.promises
    assert promise["words"].endswith("Not decided: the search stopped at 20 states.")

    monkeypatch.undo()
    (promise,) = stage("iommu_group/release_order", case="ReleaseUnderMutex").controls.promises
    assert "decided" not in promise["words"]


def test_a_cut_search_offers_what_it_has_found_and_calls_nothing_safe(monkeypatch):
    monkeypatch.setattr(searched_module, "MOST_STATES", 20)
    player = Player("iommu_group/release_order", case="ReleaseUnderMutex")

    assert not player.searched.report.safe
    assert next(iter(player.schedules)) == "run without a violation"
    assert not any("safe" in label for label in player.schedules)


TOLD = ("iommu_group/release_order", "the thread's own run", "DelistThenRelease")


def test_a_driver_takes_a_schedule_by_name_as_a_player_does():
    scenario, schedule, case = TOLD
    driver, player = Driver(scenario, schedule, case), Player(scenario, schedule, case)

    assert driver.schedule == player.schedule
    assert len(driver.schedule) > 3
    assert Driver(scenario, schedule.upper(), case).schedule == driver.schedule
    with pytest.raises(ScheduleError, match=r"or the name of a run: .*the thread's own run"):
        Driver(scenario, "the threads own run", case)


@pytest.mark.parametrize(("start", "cursor"), [(0, 0), (3, 3), (-1, len(STORY)), (np.int64(2), 2)])
def test_a_player_opens_at_a_step(start, cursor):
    player = Player(TOY, STORY, start=start)

    assert (player.cursor, player.controls.k) == (cursor, cursor)
    assert str(cursor) in player.stores["words"].data["frames"]


@pytest.mark.parametrize("start", [len(STORY) + 1, -len(STORY) - 2, 10**30])
def test_a_step_that_the_run_lacks_is_refused(start):
    with pytest.raises(IndexError, match=f"this run has frames 0 to {len(STORY)}"):
        Player(TOY, STORY, start=start)


@pytest.mark.parametrize("start", ["3", 1.5, None, [3], True])
def test_a_step_that_is_no_integer_is_refused(start):
    with pytest.raises(MmvizError, match="the number of a frame is an integer, not"):
        Player(TOY, STORY, start=start)


def test_the_cursor_is_read_and_set_from_python():
    player = Player(TOY, STORY)
    player.cursor = 4
    assert (player.cursor, player.controls.k) == (4, 4)
    assert in_python(player, 4) == in_the_browser(player, 4)
    player.cursor = -1
    assert player.cursor == len(STORY)
    with pytest.raises(IndexError, match="there is no frame 99"):
        player.cursor = 99
    ask(player, open=["timeline"], k=2)
    assert player.cursor == 2


def test_the_run_is_read_and_set_from_python():
    player = Player(TOY)
    names = list(player.schedules)
    player.run = names[1]
    assert (player.run, player.controls.run) == (names[1], 1)
    assert player.schedule == player.schedules[names[1]]
    with pytest.raises(UnknownName, match=r"there is no run 'nothing'; did you mean"):
        player.run = "nothing"

    driver = Driver(TOY, "GPU CPU0 CPU0")
    driver.choose("GPU", 1)
    assert (driver.run, driver.cursor) == (1, 2)
    driver.run = 0
    assert driver.schedule == ("GPU", "CPU0", "CPU0")
    with pytest.raises(UnknownName, match="there is no run -1; there are runs 0 to 1"):
        driver.run = -1


WRONG = [
    {"run": -1},
    {"run": 99},
    {"run": 10**5000},
    {"run": None},
    {"run": "0"},
    {"run": [0]},
    {},
    {"choose": "GPU"},
    {"choose": "GPU", "k": -1},
    {"choose": "GPU", "k": 99},
    {"choose": "GPU", "k": None},
    {"choose": 5, "k": 0},
    {"choose": "x" * 10_000_000, "k": 0},
    {"open": "nonsense", "k": 0},
    {"open": None, "k": 0},
    {"open": ["timeline"]},
    {"pictures": 5},
    {"pictures": [None]},
    [],
    None,
    "run",
]


@pytest.mark.parametrize("message", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("stage", [Player, Driver])
def test_a_wrong_message_changes_nothing_and_is_answered_in_a_sentence(stage, message):
    shown = stage(TOY, "GPU CPU0")
    before = (shown.schedule, shown.cursor, shown.run, list(shown.on_screen))
    shown.controls._handle_custom_msg(message, [])

    assert (shown.schedule, shown.cursor, shown.run, list(shown.on_screen)) == before
    assert shown.controls.answers == 1
    assert shown.controls.error.startswith(f"{stage.__name__}: ")
    assert not re.search(r"(Key|Type|Value|Index|Attribute)Error", shown.controls.error)
    assert len(shown.controls.error) < 400


def test_a_stage_answers_a_bounded_number_of_messages_at_once():
    driver = Driver(TOY)
    with driver._turn:
        threads = [
            threading.Thread(target=ask, args=(driver,), kwargs={"choose": "GPU", "k": 0})
            for _ in range(60)
        ]
        for thread in threads:
            thread.start()
        for _ in range(1000):
            if driver.controls.answers == 60 - MOST_WAITING:
                break
            time.sleep(0.01)
        assert driver.controls.answers == 60 - MOST_WAITING
    for thread in threads:
        thread.join()
    assert driver.controls.answers == 60
    assert (driver.schedule, driver._waiting) == (("GPU",), 0)
