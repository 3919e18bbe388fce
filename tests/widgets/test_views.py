"""Views on a stage: which, in what order, and the same on paper."""

from collections import Counter
from xml.etree import ElementTree

import pytest

from mmviz.engine import MmvizError, UnknownName
from mmviz.scene.keyed import of_scene
from mmviz.scene.theme import THEMES
from mmviz.scene.views import VIEWS
from mmviz.widgets.driver import Driver
from mmviz.widgets.player import Player
from tests.scene.toys import STORY, TOY

SVG = "{http://www.w3.org/2000/svg}"


def test_the_first_view_that_is_asked_for_is_open_and_the_others_are_pinned():
    player = Player(TOY, STORY, views=["objects", "timeline"])

    assert (player.pane, player.pinned) == ("objects", ["timeline"])
    assert player.on_screen == ["objects", "timeline"]
    assert Driver(TOY, views=["code"]).on_screen == ["code"]


def test_by_default_a_stage_shows_memory():
    assert Player(TOY, STORY).on_screen == ["memory"]


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
        MmvizError, match=r"views= (is a list|has at most).*; write views=\['timeline', 'lock"
    ):
        Player(TOY, STORY, views=wrong)


def test_a_view_that_a_case_has_nothing_for_says_so():
    player = Player(TOY, STORY, views=["entry", "timeline"])

    assert player.on_screen == ["timeline"]
    assert "nothing for “Page-table entries”" in player.error


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("k", [0, 4, 7])
def test_what_is_on_the_screen_is_on_paper(theme, k):
    """The SVG has the texts and boxes of the plain marks, in the colours of their roles."""
    names = ["memory", "timeline", "objects", "lifetime"]
    player = Player(TOY, STORY, views=names)
    root = ElementTree.fromstring(player.svg(k, theme))
    texts, boxes = Counter(), Counter()
    for name in names:
        for mark in of_scene(player.views[name].scene(player.the_run, k)):
            if mark["c"] in ("clear", "cell"):
                continue
            look = THEMES[theme][mark["c"]]
            if mark["t"] == "text" and mark["w"].strip():
                texts[mark["w"], look.text] += 1
            if mark["t"] == "rect":
                boxes[look.fill] += 1
    on_paper = Counter((node.text, node.get("fill")) for node in root.iter(f"{SVG}text"))
    titles = {player.views[name].title for name in names}

    assert Counter({key: n for key, n in on_paper.items() if key[0] not in titles}) == texts
    assert Counter(node.get("fill") for node in root.findall(f"{SVG}rect")[1:]) == boxes


def test_a_still_picture_holds_every_view_asked_for_and_is_small():
    player = Player(TOY, STORY, views=[name for name in VIEWS if name != "entry"])
    picture = player.svg()
    words = [node.text for node in ElementTree.fromstring(picture).iter(f"{SVG}text")]

    assert all(player.views[name].title in words for name in player.on_screen)
    assert len(picture.encode()) < 300_000 * len(player.on_screen)
