"""What a question reveals: one thing or several, made when it is answered, in their order."""

import ipywidgets
import pytest

import mmviz
from mmviz.engine import MmvizError
from mmviz.widgets.revealed import checked

RACE, CASE = "iommu_group/release_order", "DelistThenRelease"


def asked(then):
    return mmviz.Predict(RACE, "CPU0*3", case=CASE, kind="reachable", then=then)


def shown(question):
    """Return what is below the stage: the text of an output, or the class of a widget."""
    return [
        each.outputs[0]["data"]["text/plain"]
        if isinstance(each, ipywidgets.Output)
        else type(each).__name__
        for each in question.children[2:]
    ]


def test_several_things_are_revealed_in_their_order():
    made = []

    def stage():
        made.append("stage")
        return mmviz.Player(RACE, "CPU0", case=CASE)

    question = asked(["report", stage, "Some *words* of text.", "stage"])
    assert made == []
    question.skip()
    assert made == ["stage"]
    report, player, text = shown(question)
    assert report.startswith("goes wrong")
    assert player == "Player"
    assert "Markdown" in text or "words" in text


def test_what_comes_before_a_thing_that_fails_is_shown_and_the_failure_told():
    question = asked(["report", lambda: mmviz.explore(RACE, "NoSuchCase"), "A text after it."])
    question.skip()
    assert len(shown(question)) == 1
    assert "NoSuchCase" in question.card.error


@pytest.mark.parametrize("then", ["reprot", ["stage", "reprot"], [ipywidgets.Output()]])
def test_a_misspelt_name_and_a_widget_that_is_made_already_are_refused(then):
    with pytest.raises(MmvizError):
        checked(then)
