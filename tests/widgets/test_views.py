"""Views on a stage: which, in what order, of how long a run, and the same on paper."""

import json
from collections import Counter
from xml.etree import ElementTree

import pytest

from mmviz.engine import MmvizError, UnknownName
from mmviz.scene.theme import THEMES
from mmviz.scene.views import VIEWS
from mmviz.widgets.driver import Driver
from mmviz.widgets.player import Player
from tests.scene.toys import LOOP, STORY, TOY

SVG = "{http://www.w3.org/2000/svg}"
LONG = "CPU0 CPU1 " * 500


def ask(stage, **message):
    """Send a message as the browser does."""
    stage.controls._handle_custom_msg(message, [])


def test_views_stand_in_the_order_they_are_asked_for():
    player = Player(TOY, STORY, views=["objects", "timeline"])

    assert player.on_screen == player.controls.on_screen == ["objects", "timeline"]
    assert [pane.view.name for pane in player.house.children] == ["objects", "timeline"]
    assert Driver(TOY, views=["code"]).on_screen == ["code"]


def test_by_default_a_stage_shows_who_did_what_the_code_the_objects_and_one_view_more():
    usual = Player(TOY, STORY).on_screen

    assert usual[:2] == ["timeline", "code"]
    assert usual[-1] == "objects"
    assert len(usual) == 4


def test_an_unknown_view_is_an_error_that_suggests_the_nearest():
    with pytest.raises(UnknownName, match="timeline"):
        Player(TOY, STORY, views=["timelines"])
    with pytest.raises(UnknownName, match="no view '3'"):
        Player(TOY, STORY, views=[3])


def test_the_views_are_a_list_of_names_whatever_their_capitals_or_one_name():
    assert Player(TOY, STORY, views=["Locks", "locks"]).on_screen == ["locks"]
    assert Player(TOY, STORY, views="locks").on_screen == ["locks"]
    with pytest.raises(UnknownName, match=r"no view 'lokcs'; did you mean locks"):
        Player(TOY, STORY, views="lokcs")


@pytest.mark.parametrize("wrong", [5, b"locks", {"locks": True}, ["locks"] * 1000])
def test_what_is_no_list_of_views_is_refused(wrong):
    with pytest.raises(
        MmvizError, match=r"is not a list of views: write views=\['timeline', 'lock"
    ):
        Player(TOY, STORY, views=wrong)


def test_a_view_that_a_case_has_nothing_for_says_so():
    player = Player(TOY, STORY, views=["entry", "timeline"])

    assert player.on_screen == ["timeline"]
    assert "nothing for “Page-table entries”" in player.controls.note
    assert not next(view["there"] for view in player.controls.views if view["name"] == "entry")


def test_a_view_is_made_once_when_it_is_asked_for_and_kept():
    player = Player(TOY, STORY, views=["timeline"])
    ask(player, open=["timeline", "objects"], k=3)
    pane = player.panes["objects"]

    assert list(player.controls.piece["stores"]) == ["objects"]
    assert set(player.controls.pictures["objects"]["frames"]) == set(map(str, range(8)))
    ask(player, open=["timeline"], k=3)
    ask(player, open=["timeline", "objects"], k=3)
    assert player.panes["objects"] is pane
    assert player.controls.error == ""


def test_a_view_that_is_no_view_is_answered_in_words():
    player = Player(TOY, STORY, views=["timeline"])
    ask(player, open=["objekts"], k=0)

    assert "objects" in player.controls.error
    assert player.on_screen == ["timeline"]


def test_a_long_run_opens_with_what_is_round_the_cursor_and_sends_the_rest_when_asked():
    player = Player(LOOP, LONG)
    travels = sum(len(json.dumps(store.data)) for store in player.stores.values())

    assert player.controls.last == 1000
    assert len(player.controls.pictures["timeline"]["frames"]) < 60
    assert travels < 1_000_000
    ask(player, pictures=[700, 701])
    assert set(player.controls.piece["stores"]["words"]["frames"]) == {"700", "701"}
    assert player.stores["words"].drawn(700)["words"]["caption"].startswith("step 700 of 1000")


def test_a_choice_sends_one_frame_however_long_the_run_is():
    driver = Driver(LOOP, views=["timeline", "objects"])
    sizes = []
    for k in range(120):
        ask(driver, choose=("CPU0", "CPU1")[k % 2], k=k)
        stores = driver.controls.piece["stores"]
        assert {len(store["frames"]) for store in stores.values()} == {1}
        assert "base" not in stores["objects"]
        sizes.append(len(json.dumps(driver.controls.piece)))

    assert max(sizes[96:]) < 1.1 * max(sizes[24:48])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("k", [0, 4, 7])
def test_what_is_on_the_screen_is_on_paper(theme, k):
    """The same texts and boxes, in the same colours: those of the marks, and those of the SVG."""
    names = ["timeline", "objects", "lifetime"]
    player = Player(TOY, STORY, views=names)
    root = ElementTree.fromstring(player.svg(k, theme))
    texts, boxes = Counter(), Counter()
    for name in names:
        drawn = player.stores[name].drawn(k)
        for mark in ("text", "text_live", "text_bold"):
            marks = zip(drawn[mark]["text"], drawn[mark]["colors"], strict=True)
            texts.update(
                (t, colour(c, theme)) for t, c in marks if t.strip() and c != "transparent"
            )
        fills = zip(drawn["fill"]["fill_colors"], drawn["fill"]["x"], strict=True)
        boxes.update(colour(c, theme) for c, x in fills if c != "transparent" and any(x))
    on_paper = Counter((node.text, node.get("fill")) for node in root.findall(f"{SVG}text"))
    titles = {player.views[name].title for name in names}

    assert Counter({key: n for key, n in on_paper.items() if key[0] not in titles}) == texts
    drawn = Counter(node.get("fill") for node in root.findall(f"{SVG}rect")[1:])
    assert drawn == boxes


def colour(variable, theme):
    """Return the colour that a theme gives to "var(--mm-now-fill)"."""
    role, _, part = variable.removeprefix("var(--mm-").removesuffix(")").rpartition("-")
    return getattr(THEMES[theme][role], part)


def test_a_still_picture_holds_every_view_on_screen_and_is_small():
    player = Player(TOY, STORY, views=[name for name in VIEWS if name != "entry"])
    picture = player._repr_mimebundle_()["image/svg+xml"]
    words = [node.text for node in ElementTree.fromstring(picture).iter(f"{SVG}text")]

    assert all(player.views[name].title in words for name in player.on_screen)
    assert len(picture.encode()) < 300_000 * len(player.on_screen)
