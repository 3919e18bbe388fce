"""The frames of a view that a stage asks for: few when it is opened, more when it has time."""

import pytest

from mmviz.engine import MmvizError
from mmviz.scenarios import load
from mmviz.widgets.answers import AROUND, answer
from mmviz.widgets.player import Player
from tests.scene.toys import LOOP

RACE = "exclusive/restore_at_fork"


def frames(player, name, k, **more):
    asked = {"ask": "view", "name": name, "schedule": player.at["runs"][0], "k": k} | more
    return answer(asked, player.prepared)["frames"]


def drawn(found, k):
    """Return the marks and the text of frame `k`."""
    at = k - found["first"]
    return [found["marks"][n] for n in found["scenes"][at]], found["twins"][at]


def test_the_few_frames_about_the_cursor_are_those_of_the_many():
    player = Player(load(RACE).cases[0])
    for name in player.views:
        few, many = frames(player, name, 5, around=2), frames(player, name, 5)
        assert (few["first"], len(few["scenes"]), few["size"]) == (3, 5, many["size"])
        assert all(drawn(few, k) == drawn(many, k) for k in range(3, 8))


def test_a_mark_that_stays_is_sent_once():
    player = Player(load(RACE).cases[0])
    for name in player.views:
        found = frames(player, name, 5)
        keys = [str(sorted(mark.items())) for mark in found["marks"]]
        assert len(found["marks"]) < 0.7 * sum(map(len, found["scenes"]))
        assert len(set(keys)) > 0.9 * len(keys)


@pytest.mark.parametrize("around", [-1, AROUND + 1, 10**9, "2", 1.5, None, [2]])
def test_how_many_frames_is_a_number_within_a_bound(around):
    with pytest.raises(MmvizError, match="the frames about it is"):
        frames(Player(LOOP, "CPU0 CPU1"), "timeline", 1, around=around)


def test_at_the_ends_of_a_run_there_are_no_frames_beyond():
    player = Player(LOOP, "CPU0 CPU1")
    for k, around, first, count in ((0, 0, 0, 1), (0, 1, 0, 2), (2, 1, 1, 2), (1, 9, 0, 3)):
        found = frames(player, "timeline", k, around=around)
        assert (found["first"], len(found["scenes"])) == (first, count)
