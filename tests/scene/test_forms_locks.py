"""The picture of a lock report: who waits for each lock, and who holds it."""

from functools import cache
from pathlib import Path

import pytest

import mmviz
from mmviz.scene.check import problems
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase

REPORTS = Path(__file__).parents[1] / "reading" / "reports"
SHOWN = [
    "reader_waits_for_reader",
    "srcu_grace_period",
    "the_worker_reports",
    "completion",
    "unsafe_four",
    "recursive",
]


@cache
def staged(name):
    found = mmviz.lockdep((REPORTS / f"{name}.txt").read_text("utf-8"))
    searched = SearchedCase(found.case)
    return memory(searched), searched.run(found.schedule)


def drawn(name, k):
    """Return the scene of a report after `k` steps of its deadlock, -1 for the last."""
    picture, run = staged(name)
    return picture.scene(run, k % len(run.frames))


def words(scene, key):
    return [text.text for text in scene.texts if text.key.startswith(key)]


@pytest.mark.parametrize("name", SHOWN)
def test_each_state_is_legible(name):
    for k in range(4):
        assert problems(drawn(name, k)) == []


def test_it_says_who_waits_and_who_holds():
    start, end = drawn("reader_waits_for_reader", 0), drawn("reader_waits_for_reader", -1)

    assert set(words(start, "who:")) == {"free"}
    assert words(start, "waits:") == []
    assert words(end, "who:") == ["held by CPU1", "read by CPU0", "CPU2 queues"]
    assert words(end, "waits:") == ["CPU0", "CPU1, CPU2"]


def test_each_kind_of_lock_has_its_words():
    assert words(drawn("srcu_grace_period", -1), "who:") == ["read by CPU1", "held by CPU0"]
    assert words(drawn("the_worker_reports", -1), "who:")[1:] == ["runs in CPU0", "runs in CPU0"]
    assert "not completed" in words(drawn("completion", -1), "who:")
    interrupts = words(drawn("unsafe_four", -1), "field:interrupts")
    assert interrupts == ["on", "a handler runs", "off", ""]


def test_a_lock_that_an_actor_takes_twice_is_waited_for_by_its_holder():
    scene = drawn("recursive", -1)

    assert (words(scene, "who:"), words(scene, "waits:")) == (["held by CPU0"], ["CPU0"])
