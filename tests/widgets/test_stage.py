"""The stage without a browser: its traits, its messages, what it refuses, and that it lets go."""

import gc
import json
import re
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import mmviz.widgets
from mmviz.engine import MmvizError, ScheduleError, UnknownName
from mmviz.scene import searched as searched_module
from mmviz.scene.keyed import of_scene
from mmviz.scene.views import VIEWS
from mmviz.widgets.driver import Driver
from mmviz.widgets.player import OWN, Player
from mmviz.widgets.received import MOST_RUNS, MOST_STEPS
from mmviz.widgets.stage import MOST_WAITING
from tests.scene.toys import LOOP, STORY, TOY

RACE = "iommu_group/release_order"
STORY_NUMBERS = [1, 0, 0, 0, 0, 1, 1]


@pytest.fixture
def heard(monkeypatch):
    """Return what each stage sends to the browser as custom messages."""
    sent = []
    for stage in (Player, Driver):
        monkeypatch.setattr(
            stage, "send", lambda _self, content, buffers=None: sent.append(content)
        )
    return sent


def ask(stage, message):
    """Send a message as the browser does."""
    stage._handle_custom_msg(message, [])


def film(stage):
    """Return the film as the browser receives it."""
    return json.loads(stage.get_state()["film"])


def at(runs, run=0, k=0, n=7):
    return {"runs": runs, "run": run, "k": k, "by": "browser", "n": n}


# -- the traits ------------------------------------------------------------------------------


def test_a_stage_is_one_widget_with_the_whole_film_of_a_small_case():
    player = Player(TOY, STORY)
    sent = film(player)

    assert sent["head"]["complete"]
    assert len(sent["tables"]["states"]) == player.searched.report.states
    assert sent["head"]["actors"] == ["CPU0", "GPU"]
    assert [view["name"] for view in sent["head"]["views"]] == list(VIEWS)
    assert not next(v for v in sent["head"]["views"] if v["name"] == "entry")["there"]
    assert sent["head"]["tips"]["field:page 7.refs"].startswith("refs of page 7: references")
    assert player.at == {"runs": [STORY_NUMBERS], "run": 0, "k": 0, "by": "python", "n": 1}
    assert (player.mode, player.game, player.pane, player.error) == ("player", {}, "memory", "")


def test_importing_and_making_a_stage_needs_no_plots():
    code = (
        "import sys, mmviz; mmviz.Player('iommu_group/release_order'); "
        "print([n for n in ('bqplot', 'numpy', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_code_for_the_browser_is_text_and_asks_for_no_network():
    assert isinstance(Player._esm, str)
    assert isinstance(Player._css, str)
    assert "export default" in Player._esm
    assert "--mm-now-fill" in Player._css


FILES = sorted(Path(mmviz.widgets.__file__).parent.glob("*.*s"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_runs_in_the_browser_needs_no_network_and_never_parses_data_as_html(path):
    text = path.read_text("utf-8")

    assert path.suffix in (".js", ".css")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert not re.search(r"https?:|//[a-z]+\.|\bimport\b|@import|url\(|fetch\(", text)


# -- a player ----------------------------------------------------------------------------------


def test_by_default_a_player_shows_the_violation_with_the_fewest_preemptions():
    player = Player(TOY)
    example = player.searched.report.counterexamples["gpu_maps_a_free_page"]

    assert player.schedule == example.fewest_preemptions
    assert player.run == "gpu maps a free page: fewest preemptions"
    assert player.named[0]["name"] == player.run
    assert {each["kind"] for each in player.named} >= {"bad", "safe"}
    assert not any(each["sealed"] for each in player.named)


def test_a_player_takes_a_schedule_by_name_as_text_or_as_a_list():
    assert Player(TOY, "the story").schedule == STORY
    assert Player(TOY, "GPU CPU0*4 GPU*2").schedule == STORY
    assert Player(TOY, STORY).run == "the story"
    assert Player(TOY, STORY[:3]).run == OWN
    assert Player(TOY, STORY[:3]).named[0]["name"] == OWN


def test_an_illegal_schedule_is_an_error_that_names_the_step():
    for stage in (Player, Driver):
        with pytest.raises(ScheduleError, match="step 3: GPU is blocked"):
            stage(TOY, "GPU CPU0 GPU")


def test_an_unknown_scenario_is_an_error_that_suggests_the_nearest():
    with pytest.raises(UnknownName, match="iommu_group/release_order"):
        Player("iommu_group/release_ordr")


def test_the_run_is_read_and_set_from_python_and_the_one_before_stays():
    player = Player(TOY)
    first, names = player.schedule, list(player.schedules)
    player.run = names[1]

    assert (player.run, player.cursor) == (names[1], 0)
    assert player.schedule == player.schedules[names[1]]
    assert player.branches == (first, player.schedule)
    assert (player.at["by"], player.at["n"]) == ("python", 2)
    with pytest.raises(UnknownName, match=r"there is no run 'nothing'; did you mean"):
        player.run = "nothing"


@pytest.mark.parametrize(("start", "cursor"), [(0, 0), (3, 3), (-1, len(STORY)), (np.int64(2), 2)])
def test_a_player_opens_at_a_step(start, cursor):
    player = Player(TOY, STORY, start=start)

    assert (player.cursor, player.at["k"], player.k) == (cursor, cursor, cursor)


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
    assert (player.cursor, player.at["by"]) == (4, "python")
    player.cursor = -1
    assert player.cursor == len(STORY)
    with pytest.raises(IndexError, match="there is no frame 99"):
        player.cursor = 99
    assert player.cursor == len(STORY)


def test_moments_are_situations_with_a_name():
    player = Player(TOY, STORY, moments={"blocked": "GPU CPU0", "all of it": "the story"})

    moments = [each for each in player.named if each["kind"] == "moment"]
    assert [(m["name"], m["schedule"]) for m in moments] == [
        ("blocked", [1, 0]),
        ("all of it", STORY_NUMBERS),
    ]
    with pytest.raises(ScheduleError, match="step 3: GPU is blocked"):
        Player(TOY, STORY, moments={"no": "GPU CPU0 GPU"})
    with pytest.raises(MmvizError, match="not a mapping from names to schedules"):
        Player(TOY, STORY, moments=["GPU"])


def test_a_run_is_put_on_the_stage_by_its_schedule():
    player = Player(TOY, STORY)
    player.visit("GPU CPU0")

    assert (player.schedule, player.cursor) == (("GPU", "CPU0"), 2)
    assert player.branches[0] == STORY
    player.visit(STORY, 3)
    assert (player.cursor, len(player.branches)) == (3, 2)


@pytest.mark.parametrize("height", [10, 10**9, -5])
def test_a_height_that_no_screen_has_is_refused(height):
    with pytest.raises(MmvizError, match="the height of a stage is"):
        Player(TOY, STORY, height=height)
    assert Player(TOY, STORY, height=700).height == 700


# -- a driver ------------------------------------------------------------------------------------


def test_choosing_takes_a_step():
    driver = Driver(TOY)
    driver.choose("GPU")

    assert (driver.schedule, driver.cursor) == (("GPU",), 1)


def test_going_back_and_choosing_something_else_keeps_the_first_run():
    driver = Driver(TOY, "GPU CPU0 CPU0")
    driver.choose("GPU", 1)
    assert (driver.schedule, driver.run) == (("GPU", "GPU"), 1)

    driver.run = 0

    assert driver.schedule == ("GPU", "CPU0", "CPU0")
    assert driver.branches == (("GPU", "CPU0", "CPU0"), ("GPU", "GPU"))
    with pytest.raises(UnknownName, match="there is no run -1; there are runs 0 to 1"):
        driver.run = -1


def test_choosing_what_was_chosen_before_stays_on_the_run():
    driver = Driver(TOY, "GPU CPU0 CPU0")
    driver.choose("CPU0", 1)

    assert (driver.schedule, driver.cursor) == (("GPU", "CPU0", "CPU0"), 2)
    assert len(driver.branches) == 1


def test_what_cannot_be_chosen_is_an_error_and_loses_nothing():
    driver = Driver(TOY, "GPU CPU0")
    with pytest.raises(ScheduleError, match="step 3: GPU is blocked"):
        driver.choose("GPU")

    assert driver.schedule == ("GPU", "CPU0")


def test_the_goal_is_there_from_the_start_and_is_won_in_the_step_that_breaks_it():
    driver = Driver(TOY)
    assert driver.game["goal"].startswith("Make this happen")
    assert (driver.game["bads"], driver.won) == (None, -1)

    for actor in STORY:
        driver.choose(actor)

    assert driver.won == 7
    driver.cursor = 6
    assert driver.won == -1


def test_the_score_names_the_shortest_run_and_the_fewest_preemptions():
    example = Driver(TOY).searched.report.counterexamples["gpu_maps_a_free_page"]

    assert Driver(TOY).game["best"] == len(example.shortest)
    assert Driver(TOY).game["preemptions"] == example.preemptions


@pytest.mark.parametrize(
    "goal", ["gpu_maps_a_free_page", "GPU maps a free page", "page 7.refs == 0", lambda k: k.page]
)
def test_a_goal_is_a_bad_state_a_condition_or_a_function(goal):
    if callable(goal):
        with pytest.raises(MmvizError, match=r"or name a bad state: gpu_maps_a_free_page"):
            Driver(TOY, goal=goal)
        return
    driver = Driver(TOY, goal=goal)
    (number,) = driver.game["bads"]
    bads = film(driver)["head"]["bads"]
    own = goal.startswith("page")

    assert bads[number].get("goal", False) == own
    assert driver.game["best"] > 0
    marked = [s for s in film(driver)["tables"]["states"] if number in s[3]]
    assert marked
    for actor in STORY:
        driver.choose(actor)
    assert driver.won > 0


def test_a_goal_of_ones_own_breaks_no_promise_and_its_fates_are_known():
    driver = Driver(TOY, goal="gpu_maps_a_free_page and page 7.refs == 0")
    sent = film(driver)
    (number,) = driver.game["bads"]
    fates = {state: fate[number] for state, fate in sent["tables"]["fates"]}

    assert driver.searched.case.bad_states == TOY.bad_states
    for state, row in enumerate(sent["tables"]["states"]):
        assert (number not in row[3]) or fates[state] == "2"
    assert {"1", "2"} <= set(fates.values()) <= {"0", "1", "2"}


@pytest.mark.parametrize("goal", [5, "nothing like this", b"x", ["refs"], int])
def test_what_is_no_goal_is_refused_with_what_to_write(goal):
    with pytest.raises(MmvizError, match="or name a bad state: gpu_maps_a_free_page"):
        Driver(TOY, goal=goal)


def test_runs_that_give_the_answer_away_are_sealed_in_a_driver():
    assert all(each["sealed"] for each in Driver(TOY).named)
    assert not any(each["sealed"] for each in Driver(RACE, case="ReleaseUnderMutex").named)


def test_a_driver_takes_a_schedule_by_name_as_a_player_does():
    told = (RACE, "the thread's own run", "DelistThenRelease")
    driver, player = Driver(*told), Player(*told)

    assert driver.schedule == player.schedule
    assert (driver.cursor, len(driver.schedule) > 3) == (len(driver.schedule), True)
    assert Driver(RACE, told[1].upper(), told[2]).schedule == driver.schedule
    with pytest.raises(ScheduleError, match=r"or the name of a run: .*the thread's own run"):
        Driver(RACE, "the threads own run", told[2])


# -- what the browser writes back --------------------------------------------------------------


def test_the_browser_writes_back_its_runs_and_the_cursor():
    driver = Driver(TOY)
    driver.set_state({"at": at([STORY_NUMBERS, [1, 1]], 0, 7), "notes": {"7": "here"}, "zoom": 130})

    assert (driver.schedule, driver.cursor, driver.won) == (STORY, 7, 7)
    assert driver.branches == (STORY, ("GPU", "GPU"))
    assert (driver.notes, driver.zoom, driver.error) == ({"7": "here"}, 130, "")
    driver.choose("GPU", 1)
    assert driver.run == 1


IMPOSSIBLE = [
    at([[1, 0, 1]]),
    at([[9]]),
    at([[-1]]),
    at([["GPU"]]),
    at([[True]]),
    at([]),
    at([[1]], run=1),
    at([[1]], k=2),
    at([[1]], k=-1),
    at([[1]], n="x"),
    at([[0] * (MOST_STEPS + 1)]),
    at([[1]] * (MOST_RUNS + 1)),
    at("runs"),
    at([[1]], k=10**5000),
    {},
    [],
    None,
    "at",
]


@pytest.mark.parametrize("wrong", IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_an_impossible_run_is_refused_corrected_and_told(wrong):
    driver = Driver(TOY, "GPU CPU0")
    driver.set_state({"at": wrong, "zoom": 130})

    assert (driver.schedule, driver.cursor, driver.zoom) == (("GPU", "CPU0"), 2, 130)
    assert (driver.at["by"], driver.at["n"]) == ("python", 2)  # sent, so that the browser follows
    assert is_sentence(driver, driver.error)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("zoom", 10**9),
        ("zoom", "large"),
        ("pane", "lokcs"),
        ("pane", "entry"),
        ("pane", 5),
        ("pinned", ["timeline"] * 100),
        ("notes", {"1": "x" * 10_000_000}),
        ("notes", [1]),
        ("hidden", ["x" * 1000]),
        ("hidden", ["page 7.ref"]),
        ("hidden", ["actor:GPU7"]),
        ("focus", ["GPU"]),
        ("focus", [7]),
        ("focus", "page 7.refs"),
        ("k", -5),
    ],
)
def test_a_wrong_value_of_another_trait_is_refused(name, wrong):
    player = Player(TOY, STORY)
    before = getattr(player, name)
    player.set_state({name: wrong})

    assert getattr(player, name) == before
    assert is_sentence(player, player.error)


def test_fields_and_actors_are_hidden_and_brought_into_focus():
    player = Player(TOY, STORY)
    player.set_state({"hidden": ["actor:GPU", "page 7.refs", "actor:GPU"]})
    player.set_state({"focus": ["actor:CPU0"]})

    assert (player.hidden, player.focus) == (["actor:GPU", "page 7.refs"], ["actor:CPU0"])
    assert player.error == ""
    assert player.get_state(["hidden"]) == {"hidden": player.hidden}  # kept with the run


def test_what_python_alone_sets_is_not_taken_from_the_browser():
    player = Player(TOY, STORY)
    before = film(player)
    player.set_state({"film": "{}", "mode": "driver", "named": [], "height": 5, "error": "x"})

    assert film(player) == before
    assert (player.mode, player.height, player.error) == ("player", 560, "")
    assert player.named


def is_sentence(stage, text):
    return (
        text.startswith(f"{type(stage).__name__}: ")
        and not re.search(r"(Key|Type|Value|Index|Attribute|Overflow)Error", text)
        and len(text) < 500
    )


# -- what the browser asks ---------------------------------------------------------------------


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_answered_with_its_scenes_about_the_cursor(heard, name):
    player = Player(RACE)
    ask(player, {"ask": "view", "name": name, "schedule": player.at["runs"][0], "k": 2, "id": 3})

    (told,) = heard
    assert told["id"] == 3
    if name not in player.views:
        assert f"nothing for '{name}'" in told["error"]
        return
    frames = told["frames"]
    assert (frames["name"], frames["first"]) == (name, 0)
    assert len(frames["scenes"]) == len(frames["twins"]) == len(player.schedule) + 1
    for k, scene in enumerate(frames["scenes"]):
        marks = [frames["marks"][number] for number in scene]
        assert marks == of_scene(player.views[name].scene(player.the_run, k))
        keys = [mark["k"] for mark in marks]
        assert len(keys) == len(set(keys))
    assert all(text.strip() for text in frames["twins"])
    assert json.dumps(told)


def test_of_a_long_run_only_the_frames_about_the_cursor_are_drawn(heard):
    player = Player(LOOP, "CPU0 CPU1 " * 500)
    schedule = player.at["runs"][0]
    ask(player, {"ask": "view", "name": "timeline", "schedule": schedule, "k": 700, "id": 1})

    frames = heard[0]["frames"]
    assert (frames["first"], len(frames["scenes"])) == (680, 41)


def test_a_state_of_a_large_case_is_opened_when_asked(heard, monkeypatch):
    monkeypatch.setattr("mmviz.scene.film.MOST", 10)
    monkeypatch.setattr("mmviz.scene.film.Film.__init__.__defaults__", (None, 10))
    driver = Driver(RACE)
    sent = film(driver)
    assert not sent["head"]["complete"]
    closed = next(
        number
        for number in range(len(sent["tables"]["states"]))
        if number not in sent["tables"]["opened"]
    )
    ask(driver, {"ask": "open", "state": closed, "id": 9})

    assert heard[-1]["id"] == 9
    assert closed in heard[-1]["piece"]["tables"]["opened"]
    assert closed in film(driver)["tables"]["opened"]
    driver.visit("CPU1*10")
    assert "piece" in heard[-1]


@pytest.mark.parametrize(
    ("want", "verdict"),
    [
        ({"predicate": "page 7.refs == 0"}, "sometimes"),
        ({"predicate": "gpu_maps_a_free_page"}, "sometimes"),
        ({"predicate": "page 7.refs == 0 and page 7.refs == 1"}, "never"),
        ({"predicate": "no such field"}, "error"),
        ({"predicate": "( " * 900}, "error"),
    ],
)
def test_the_search_tells_whether_a_condition_is_possible(heard, want, verdict):
    player = Player(TOY, STORY)
    ask(player, {"ask": "possible", "want": want, "id": 2})

    found = heard[0]["found"]
    assert found["verdict"] in (verdict, "always") if verdict == "sometimes" else verdict
    assert len(found["text"]) > 5
    if verdict == "sometimes":
        player.visit(player.prepared.names(found["schedule"]))


def test_the_search_tells_whether_values_clicked_in_the_picture_are_possible(heard):
    player = Player(TOY, STORY)
    sent = film(player)
    field = sent["head"]["fields"].index("page 7.refs")
    values = sent["tables"]["values"]
    for number, (of, word) in enumerate(values):
        if of == field:
            ask(player, {"ask": "possible", "want": {"fields": {str(field): number}}, "id": 2})
            schedule = player.prepared.names(heard[-1]["found"]["schedule"])
            run = player.searched.run(schedule)
            assert str(run.tip.values["page 7.refs"]) == word


def test_a_few_different_runs_are_offered(heard):
    player = Player(TOY, STORY)
    ask(player, {"ask": "runs", "bad": 0, "id": 2})

    runs = heard[0]["found"]["runs"]
    assert len(runs) >= 3
    broken = [
        bool(player.searched.run(player.prepared.names(each["schedule"])).violated) for each in runs
    ]
    assert set(broken) == {True, False}
    assert ["without it" in each["text"] for each in runs] == [not b for b in broken]


WRONG = [
    {},
    {"ask": "x"},
    {"ask": None},
    {"ask": ["open"]},
    {"ask": "open"},
    {"ask": "open", "state": -1},
    {"ask": "open", "state": 10**30},
    {"ask": "open", "state": "0"},
    {"ask": "view"},
    {"ask": "view", "name": "x" * 10_000_000, "schedule": [], "k": 0},
    {"ask": "view", "name": "timeline", "schedule": [1, 0, 1], "k": 0},
    {"ask": "view", "name": "timeline", "schedule": [1], "k": 5},
    {"ask": "view", "name": "timeline", "schedule": "x", "k": 0},
    {"ask": "view", "name": "timeline", "schedule": [0] * 1_000_000, "k": 0},
    {"ask": "possible"},
    {"ask": "possible", "want": 5},
    {"ask": "possible", "want": {"fields": [1]}},
    {"ask": "possible", "want": {"fields": {"x": 1}}},
    {"ask": "possible", "want": {"fields": {"99999999": 1}}},
    {"ask": "possible", "want": {"fields": {"0": -1}}},
    {"ask": "possible", "want": {"fields": {"0": 10**40}}},
    {"ask": "possible", "want": {"predicate": 5}},
    {"ask": "possible", "want": {"predicate": "x" * 10_000_000}},
    {"ask": "runs"},
    {"ask": "runs", "bad": 99},
    {"ask": "runs", "bad": None},
    [],
    None,
    "open",
]


@pytest.mark.parametrize("message", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("stage", [Player, Driver])
def test_a_wrong_message_changes_nothing_and_is_answered_in_a_sentence(heard, stage, message):
    shown = stage(TOY, "GPU CPU0")
    before = (shown.schedule, shown.cursor, shown.run, shown.on_screen)
    if isinstance(message, dict):
        message = message | {"id": 4}
    ask(shown, message)

    assert (shown.schedule, shown.cursor, shown.run, shown.on_screen) == before
    (told,) = heard
    assert told["id"] == (4 if isinstance(message, dict) else None)
    assert is_sentence(shown, told["error"])


def test_a_stage_answers_a_bounded_number_of_messages_at_once(heard):
    driver = Driver(TOY)
    with driver._turn:
        threads = [
            threading.Thread(target=ask, args=(driver, {"ask": "open", "state": 0, "id": number}))
            for number in range(60)
        ]
        for thread in threads:
            thread.start()
        for _ in range(1000):
            if len(heard) == 60 - MOST_WAITING:
                break
            time.sleep(0.01)
        assert len(heard) == 60 - MOST_WAITING
        assert all("Too many questions" in told["error"] for told in heard)
    for thread in threads:
        thread.join()
    assert len(heard) == 60
    assert driver._waiting == 0
    assert {told["id"] for told in heard} == set(range(60))


def test_messages_in_a_thread_of_their_own_do_not_disturb_the_cell(heard):
    """JupyterLab answers widgets in a subshell while a cell runs."""
    player = Player(RACE)
    expected = player.svg()
    schedule = player.at["runs"][0]

    def asks():
        for name in ("timeline", "objects", "iommu") * 3:
            ask(player, {"ask": "view", "name": name, "schedule": schedule, "k": 0, "id": 1})

    thread = threading.Thread(target=asks)
    thread.start()
    for _ in range(5):
        assert player.svg() == expected
    thread.join()
    assert len(heard) == 9
    assert not any("error" in told for told in heard)


# -- elsewhere -----------------------------------------------------------------------------------


def test_a_stage_has_a_text_twin():
    bundle = Player(TOY, STORY)._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle

    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "put_page(page 7)" in bundle["text/plain"]
    assert "mmviz.replay(tests.scene.toys.TOY, 'GPU CPU0*4 GPU*2')" in bundle["text/plain"]


def test_where_no_widget_runs_a_still_picture_of_the_last_frame_is_shown():
    player = Player(TOY, STORY)
    bundle = player._repr_mimebundle_()
    picture = (bundle[0] if isinstance(bundle, tuple) else bundle)["image/svg+xml"]
    words = {node.text for node in ElementTree.fromstring(picture).iter() if node.text}

    assert len(picture) < 300_000
    assert "✗ gpu maps a free page" in words
    assert any("page 7" in text for text in words)
    assert {"Timeline", "Memory"} <= words
    assert player.svg(0) != player.svg(-1) != player.svg(-1, "dark")
    with pytest.raises(IndexError, match="there is no frame 99: this run has frames 0 to"):
        player.svg(99)


def test_a_picture_of_a_view_that_the_case_lacks_is_refused_and_says_what_there_is():
    player = Player(TOY)
    lacking = next(name for name in VIEWS if name not in player.views)

    with pytest.raises(UnknownName, match=f"nothing for '{lacking}'; it has memory, timeline"):
        player.svg(views=[lacking])


def test_the_stage_says_which_memory_model_and_what_is_left_out():
    head = film(Player("exclusive/sequence_in_store_buffer", case="NothingLocked"))["head"]
    assert head["memory"].startswith("total store order")
    assert "store order does anyway" in head["limits"]
    assert film(Player(TOY))["head"]["memory"].startswith("sequentially consistent")


@pytest.mark.parametrize("stage", [Player, Driver])
def test_a_stage_whose_search_was_cut_says_that_nothing_is_decided(stage, monkeypatch):
    """Its promise is not one that the search has proved, and it offers no run as the proof."""
    monkeypatch.setattr(searched_module, "MOST_STATES", 20)
    head = film(stage(RACE, case="ReleaseUnderMutex"))["head"]

    assert head["promise"].endswith("Not decided: the search stopped at 20 states.")
    assert not head["complete"]

    monkeypatch.undo()
    head = film(stage(RACE, case="ReleaseUnderMutex"))["head"]
    assert "decided" not in head["promise"]


def test_a_cut_search_offers_what_it_has_found_and_calls_nothing_safe(monkeypatch):
    monkeypatch.setattr(searched_module, "MOST_STATES", 20)
    player = Player(RACE, case="ReleaseUnderMutex")

    assert not player.searched.report.safe
    assert next(iter(player.schedules)) == "run without a violation"
    assert not any("safe" in label for label in player.schedules)


# -- letting go ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Player, Driver])
def test_twenty_closed_stages_leave_nothing_behind(stage):
    kept = []
    for _ in range(20):
        shown = stage(TOY, STORY)
        kept += [weakref.ref(shown), weakref.ref(shown.searched), weakref.ref(shown.prepared.film)]
        shown.close()
        del shown
    gc.collect()

    assert [ref() for ref in kept if ref() is not None] == []


def test_a_closed_stage_holds_no_film_and_says_so():
    player = Player(TOY, STORY)
    inside = weakref.ref(player.prepared)
    player.close()
    player.close()
    gc.collect()

    assert inside() is None
    assert repr(player) == f"<Player of {TOY.name}, closed>"
    with pytest.raises(MmvizError, match="this stage has been closed"):
        player.svg()
    player.set_state({"zoom": 130})
