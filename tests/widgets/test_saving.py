"""What a stage shows leaves it: `save`, the Save menu's questions, and the link."""

import json
import re
import warnings
from types import SimpleNamespace

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances as open_widgets

import mmviz
from mmviz.engine import MmvizError
from mmviz.scene.searched import SearchedCase
from mmviz.widgets import shows
from mmviz.widgets.answers import answer
from mmviz.writing.forms import FORMS
from mmviz.writing.links import links, qr_of
from mmviz.writing.page import source as source_of
from mmviz.writing.saved import saved
from tests.scene.toys import STORY, TOY
from tests.widgets.questions import question

BEGINS = {"html": b"<!doctype html>", "svg": b"<svg ", "png": b"\x89PNG", "pdf": b"%PDF-"}
BEGINS |= {"gif": b"GIF8", "mmd": b"sequenceDiagram", "pml": b"/*", "tex": b"%", "md": b"#"}
RELEASE = ("iommu_group/release_order", "DelistThenRelease")


@pytest.fixture(scope="module")
def player():
    return mmviz.Player(RELEASE[0], case=RELEASE[1], start=5)


def source(path):
    """Return what a saved page shows."""
    text = path.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="source">(.*?)</script>', text, re.S)
    return json.loads(found[1])


@pytest.mark.parametrize("form", FORMS)
def test_a_player_is_saved_in_every_form(player, tmp_path, form):
    if FORMS[form].lacks:
        pytest.skip(FORMS[form].lacks)
    path = player.save(tmp_path / f"run.{form}")
    assert path == tmp_path / f"run.{form}"
    data = path.read_bytes()
    assert data.startswith(BEGINS.get(form, b""))
    assert len(data) > 300


def test_the_run_and_the_moment_shown_are_saved(player, tmp_path):
    page = player.save(tmp_path / "run.html")
    what = source(page)
    assert (what["mode"], what["at"]["k"]) == ("player", 5)
    assert what["at"]["runs"][0] == [0, 0, 0, 1, 1, 1, 1]
    one, other = (player.save(tmp_path / f"{k}.svg", at=k).read_text("utf-8") for k in (2, -1))
    assert one != other
    assert player.save(tmp_path / "now.svg").read_text("utf-8") not in (one, other)
    dark = player.save(tmp_path / "dark.svg", at=2, theme="dark").read_text("utf-8")
    assert dark != one
    assert "mutex_lock" in one
    alone = player.save(tmp_path / "alone.svg", at=2, views="memory").read_text("utf-8")
    assert "mutex_lock" not in alone
    text = player.save(tmp_path / "note", form="txt").read_text("utf-8")
    assert mmviz.diagram(text, RELEASE[0]).match.case.name == RELEASE[1]


def test_a_driver_s_page_is_a_driver_with_its_goal_and_without_its_answer(tmp_path):
    driver = mmviz.Driver(RELEASE[0], "CPU0*2", case=RELEASE[1], goal="group.refs == 1")
    what = source(driver.save(tmp_path / "driver.html"))
    assert (what["mode"], what["at"]["runs"], what["at"]["k"]) == ("driver", [[0, 0]], 2)
    assert what["game"]["goal"] == "Reach this: group.refs == 1"
    assert all(run["sealed"] for run in what["named"])
    assert [view["name"] for view in what["film"]["head"]["views"]] == ["memory"]
    assert any(bad.get("goal") for bad in what["film"]["head"]["bads"])
    empty = mmviz.Driver(RELEASE[0], case=RELEASE[1])
    drawn = empty.save(tmp_path / "start.svg", views="timeline").read_text("utf-8")
    assert "domain_free" not in drawn  # the first run of the stage would tell


def test_what_cannot_be_written_is_said_in_one_sentence(player, tmp_path):
    for path, said in (
        (tmp_path, "is no file to write to"),
        (tmp_path / "missing" / "run.svg", "make it first"),
        (tmp_path / "run.doc", "known are .html, .svg"),
        ("", "is no file to write to"),
        (7, "is no file to write to"),
        ("a\0b.svg", "is no file to write to"),
        (tmp_path / ("x" * 300 + ".svg"), "cannot be written"),
        ("/dev/null", "is no file to write to"),
    ):
        with pytest.raises(MmvizError, match=re.escape(said)) as wrong:
            player.save(path)
        assert len(str(wrong.value)) < 300
    with pytest.raises(MmvizError, match="there is no form"):
        player.save(tmp_path / "run.svg", form="jpeg")
    assert list(tmp_path.iterdir()) == []
    kept = tmp_path / "run.txt"
    kept.write_text("before", "utf-8")
    assert player.save(kept).read_text("utf-8") != "before"


def test_a_missing_package_is_named(player, tmp_path, monkeypatch):
    monkeypatch.setattr("mmviz.writing.forms.find_spec", lambda name: None if name == "PIL" else 1)
    with pytest.raises(MmvizError, match="pip install"):
        player.save(tmp_path / "run.gif")
    (gif,) = [each for each in answer({"ask": "forms"}, player.prepared)["forms"] if each["lacks"]]
    assert gif["form"] == "gif"
    assert "pip install" in gif["lacks"]


def test_the_menu_is_answered_with_a_file_as_it_is(player, monkeypatch):
    sent = []
    monkeypatch.setattr(player, "send", lambda *what: sent.append(what))
    asked = {"id": 4, "page": "p", "ask": "save", "schedule": [0, 0], "k": 1, "look": "light"}
    player._heard(player, asked | {"form": "svg", "views": ["memory"]}, [])
    ((told, (data,)),) = sent
    assert told == {"id": 4, "page": "p", "saved": {"form": "svg", "media": "image/svg+xml"}}
    assert data.startswith(b"<svg ")
    for wrong in (
        {"form": "doc"},
        {"form": None},
        {"form": "svg", "views": ["no such"]},
        {"form": "svg", "look": "pink"},
        {"form": "svg", "schedule": [9]},
        {"form": "svg", "k": 3},
    ):
        sent.clear()
        player._heard(player, asked | {"views": []} | wrong, [])
        ((told,),) = sent
        assert told["error"].startswith("Player: "), wrong


def test_a_saved_picture_is_that_of_export_and_the_view_that_is_open(player, tmp_path):
    usual = saved(player.case, "", "svg", at=5).decode()
    assert player.save(tmp_path / "usual.svg").read_text("utf-8") == usual
    asked = {"ask": "save", "schedule": [0, 0, 0, 1, 1, 1, 1], "k": 5, "look": "light"}
    asked |= {"form": "svg"}
    answered = answer(asked | {"views": ["memory"]}, player.prepared)["bytes"].decode()
    assert answered == usual
    more = answer(asked | {"views": ["objects"]}, player.prepared)["bytes"].decode()
    assert more == player.svg(5, views=["timeline", "memory", "objects"])
    beside = mmviz.Player(*RELEASE[:1], case=RELEASE[1], start=5, views=["objects", "memory"])
    assert beside.save(tmp_path / "beside.svg").read_text("utf-8") == more
    beside.close()


def test_a_link_comes_with_its_code_and_opens_the_moment(player):
    schedule = [0, 0, 0, 1, 1]
    found = answer({"ask": "link", "schedule": schedule, "k": 4}, player.prepared)
    assert found["link"] == mmviz.link(player.case, "CPU0*3 CPU1*2", 4)
    assert found["qr"]["size"] > 20
    assert found["qr"]["path"].startswith("M")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = mmviz.Player(found["link"])
    assert (opened.schedule, opened.cursor) == (("CPU0",) * 3 + ("CPU1",) * 2, 4)
    with pytest.raises(MmvizError, match="a case of your own"):
        answer({"ask": "link", "schedule": [], "k": 0}, mmviz.Player(TOY, STORY).prepared)


def test_a_page_has_the_links_of_its_runs_and_the_code_of_its_first_moment(player, monkeypatch):
    searched = player.searched
    found = links(searched, searched.runs().values())
    first = next(iter(searched.runs().values()))
    numbers = [searched.model.index[actor] for actor in first]
    moments = found[",".join(map(str, numbers))]
    assert moments == [mmviz.link(player.case, list(first), k) for k in range(len(first) + 1)]
    assert qr_of(searched, first, 2)["link"] == moments[2]
    longest = max(map(len, moments))
    monkeypatch.setattr("mmviz.engine.link.LONGEST", longest - len("mmviz:.abcdef") - 1)
    short = links(searched, [first, first[:2]])
    assert list(short) == [",".join(map(str, numbers[:2]))]  # only the longer one is left out
    monkeypatch.undo()
    own = SearchedCase(TOY)
    assert links(own, [STORY]) == {}
    assert "a case of your own; send its file" in qr_of(own, STORY, 0)["lacks"]
    assert source_of(own)["qr"] == qr_of(own, STORY, 0)


# -- a cell that is run again


@pytest.fixture
def running(monkeypatch):
    """Say which cell runs, and which run of it this is, as a kernel does."""
    parent = {}
    kernel = SimpleNamespace(get_parent=lambda _channel: parent)
    events = SimpleNamespace(register=lambda *_: None)

    class Shell(SimpleNamespace):
        __hash__ = object.__hash__

    shell = Shell(kernel=kernel, events=events)
    monkeypatch.setattr(shows, "get_ipython", lambda: shell)
    monkeypatch.setattr(shows, "_shown", {})

    def run(cell, number, *stages):
        parent.update(metadata={"cellId": cell}, header={"msg_id": f"{cell} {number}"})
        for stage in stages:
            stage.bring_back()
            shows.displayed(stage)
        shows._ran(None)

    return run


def told(stage, page, ask):
    stage._heard(stage, {"ask": ask, "page": page}, [])


def test_a_stage_that_a_cell_left_behind_is_put_away_and_comes_back(running):
    first, second = mmviz.Player(TOY, STORY), mmviz.Player(TOY, STORY)
    running("a", 1, first)
    told(first, "page", "seen")
    running("a", 2, second)
    assert first.comm is not None  # a page still has its view
    told(first, "page", "unseen")
    assert (first.comm, first._prepared) == (None, None)
    assert second.comm is not None

    assert first.schedule == tuple(STORY)  # made again, as it was
    first.cursor = 2
    first.visit("GPU CPU0")
    assert first.svg() == mmviz.Player(TOY, "GPU CPU0").svg()
    running("a", 3, first)
    assert first.comm is not None
    assert second.comm is None  # in its turn
    second.close()
    with pytest.raises(MmvizError, match="has been closed"):
        second.svg()


def test_a_stage_that_is_shown_elsewhere_or_used_stays(running):
    elsewhere, boxed, linked = (mmviz.Player(TOY, STORY) for _ in range(3))
    running("a", 1, elsewhere, boxed, linked)
    running("b", 1, elsewhere)
    box = ipywidgets.VBox([boxed])
    link = ipywidgets.jslink((linked, "k"), (ipywidgets.IntText(), "value"))
    running("a", 2)
    assert [each.comm is None for each in (elsewhere, boxed, linked)] == [False] * 3
    box.close()
    link.close()
    running("a", 3)
    assert [each.comm is None for each in (elsewhere, boxed, linked)] == [False, True, True]


def test_where_the_front_end_names_no_cell_nothing_is_put_away(running):
    first = mmviz.Player(TOY, STORY)
    running("", 1, first)
    running("", 2, mmviz.Player(TOY, STORY))
    assert first.comm is not None


def test_a_driver_s_own_goal_survives_being_put_away(running):
    driver = mmviz.Driver(TOY, goal="page 7.refs == 0")
    running("a", 1, driver)
    running("a", 2)
    assert driver.comm is None
    running("a", 3, driver)
    assert driver.comm is not None
    assert driver.prepared.game["goal"] == "Reach this: page 7.refs == 0"


COMPOSED = {
    "entry": lambda _: mmviz.Entry(),
    "debate": lambda _: mmviz.Debate(TOY),
    "counters": mmviz.counters,
    "map": mmviz.state_map,
    "prediction": lambda _: mmviz.Predict(question=question()),
    "dial": lambda _: mmviz.Dial("vmstat/update_is_preempted"),
}


@pytest.mark.parametrize("kind", COMPOSED)
def test_what_is_made_of_many_widgets_is_put_away_whole_and_comes_back(running, kind):
    player = mmviz.Player(TOY, STORY)
    running("p", 1, player)
    before = len(open_widgets)
    first, second = COMPOSED[kind](player), COMPOSED[kind](player)
    whole = (len(open_widgets) - before) // 2
    assert whole > 3
    running("a", 1, first)
    told_by(first, "seen")
    running("a", 2, second)
    assert len(open_widgets) == before + 2 * whole  # a page still has its view
    told_by(first, "unseen")
    assert len(open_widgets) == before + whole
    assert (first.comm, player.comm is None) == (None, False)
    if kind == "counters":
        player.visit("GPU CPU0")
    running("a", 3, first)
    assert (first.comm is None, second.comm is None) == (False, True)
    assert len(open_widgets) == before + whole
    if kind == "counters":
        assert len(first.link.places) == 3
    first.close()
    assert len(open_widgets) == before


def told_by(widget, ask):
    widget.reporter._handle_custom_msg({"ask": ask, "page": "page"}, [])
