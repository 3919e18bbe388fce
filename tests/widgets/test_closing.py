"""Closing gives back all that a widget has: widgets, comms, and what Python holds for them."""

import gc
import weakref
from typing import Any

import pytest
from comm import get_comm_manager
from ipywidgets.widgets.widget import _instances

import mmviz
from mmviz.scenarios import one_case
from mmviz.scene.searched import SearchedCase
from mmviz.survey.catalogue import catalogue
from mmviz.widgets.catalogue import DRIVE, WATCH, Index
from mmviz.widgets.prepared import Prepared
from mmviz.widgets.stage import CODE, LOADER, Stage
from tests.scene.toys import STORY, TOY
from tests.widgets.questions import question

RACES = (
    *("iommu_group/release_order", "exclusive/restore_at_fork", "hmm/eagain_leaves_count"),
    *("invalidate_page/range_start_only", "sva/exit_during_dma"),
)


def an_index() -> list[Any]:
    index = Index(catalogue("mmu_notifier_put"))
    index.show(0, WATCH)
    return [index.show(0, DRIVE), index]


def a_debate() -> list[Any]:
    debate = mmviz.Debate(TOY)
    (number, *_) = [number for number, row in enumerate(debate.debate) if row.failing]
    return [debate.play(number), debate]


def a_skipped_one() -> list[Any]:
    asked = mmviz.Predict(question=question(), then="report")
    later = mmviz.Predict(question=question(), after=asked)
    asked.skip()
    return [later, asked]


def plots_of(stage: Stage) -> list[Any]:
    return [mmviz.counters(stage), mmviz.state_map(stage), stage]


MAKERS = {
    "player": lambda: [mmviz.Player(TOY, STORY)],
    "driver": lambda: [mmviz.Driver(TOY, goal="page 7.refs == 0")],
    "entry": lambda: [mmviz.Entry()],
    "debate": a_debate,
    "prediction": lambda: [mmviz.Predict(question=question())],
    "prediction, skipped": a_skipped_one,
    "dial": lambda: [mmviz.Dial("vmstat/update_is_preempted")],
    "defence": lambda: [mmviz.defend(TOY)],
    "catalogue": an_index,
    "plots": lambda: plots_of(mmviz.Player(TOY, STORY)),
    "map of a case": lambda: [mmviz.state_map(TOY)],
}


def held(widget: Any) -> list[Any]:
    """Return what a widget is made of, as weak references."""
    parts = [widget, widget.layout, *getattr(widget, "children", ())]
    if isinstance(widget, Stage):
        shown = widget.prepared
        parts += [shown, shown.film, shown.searched, shown.searched.model]
    if isinstance(widget, mmviz.Entry):
        parts.append(widget.picture)
    return [weakref.ref(part) for part in parts]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_closing_gives_everything_back(make):
    gc.collect()
    before = set(_instances), set(get_comm_manager().comms)
    kept: list[Any] = []
    for _ in range(2):
        made = make()
        kept += [ref for widget in made for ref in held(widget)]
        for widget in made[-1:] + made[:-1]:  # what contains the others first
            widget.close()
            widget.close()
        assert (set(_instances), set(get_comm_manager().comms)) == before
        del made, widget
    gc.collect()

    assert [ref() for ref in kept if ref() is not None] == []


@pytest.mark.parametrize("race", RACES)
def test_nothing_that_is_remembered_of_a_model_keeps_the_model(race):
    searched = SearchedCase(one_case(race, "", first=True))
    shown: Any = Prepared(searched, [])
    for view in shown.views.values():
        view.scene(searched.run(), 0)
    model = weakref.ref(searched.model)
    del searched, shown, view
    gc.collect()

    assert model() is None


def test_what_is_large_comes_after_the_message_that_opens_a_stage():
    """JupyterLab keeps that message; and it has code and style of a page once."""
    opened, told = [], []

    class Heard(mmviz.Player):
        def get_state(self, key=None, drop_defaults=False):
            state = super().get_state(key, drop_defaults)
            (opened if key is None else told).append(state)
            return state

    stage = Heard(TOY, STORY)
    (large,) = [state for state in told if "film" in state]
    assert [opened[0][name] for name in ("film", "code", "look", "_css")] == [""] * 4
    assert opened[0]["_esm"] == large["_esm"] == LOADER
    assert len(str(opened[0])) < 10_000
    assert large["code"] == CODE
    assert "--mm-now-fill" in large["look"]
    assert large["film"].startswith('{"head":')
    assert stage.get_state()["film"] == large["film"]  # for a page that comes later


def test_a_page_that_forgot_a_film_is_told_it_again(monkeypatch):
    sent: list[Any] = []
    player = mmviz.Player(TOY, STORY)
    monkeypatch.setattr(mmviz.Player, "send", lambda _self, content: sent.append(content))
    player._handle_custom_msg({"ask": "film", "id": 7}, [])
    player._handle_custom_msg({"ask": "film", "id": 8, "page": "b2"}, [])
    player._handle_custom_msg({"ask": "film", "id": 9, "page": "b2" * 1000}, [])

    film = player.get_state()["film"]
    assert sent[:2] == [{"id": 7, "film": film}, {"id": 8, "page": "b2", "film": film}]
    assert "page" not in sent[2]
