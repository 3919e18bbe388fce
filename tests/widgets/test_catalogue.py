"""The index of cases: what it finds, and what its buttons open."""

import pytest

import mmviz
from mmviz.widgets import Driver, Player
from mmviz.widgets.catalogue import Index


@pytest.fixture(scope="module")
def everything():
    return Index(mmviz.catalogue(thread="iommu_group"))


def ask(index, **message):
    """Send a message as the browser does."""
    index.table._handle_custom_msg(message, [])


def found(index):
    return [index.found.cases[number] for number in index.table.shown]


def test_there_is_a_row_for_every_case_with_its_verdict(everything):
    assert found(everything) == list(everything.found)
    for row, case in zip(everything.table.rows, everything.found, strict=True):
        text = [part["text"] for cell in row["cells"] for part in cell]
        assert {case.name, case.title, case.id} <= set(text)
        assert case.scenario in row["group"]
        report = mmviz.explore(case)
        wrong = [bad_state for bad_state, verdict in report.verdicts.items() if verdict != "Never"]
        wrong += ["deadlock"] * (report.deadlock is not None)
        for bad_state in wrong:
            assert any(bad_state in words for words in text)
        assert ("✓ safe" in text) == report.safe == (not wrong and report.livelock is None)


@pytest.mark.parametrize(
    "sought",
    [
        {"words": "iommu_group_put"},
        {"bad_state": "use_after_free"},
        {"kernel": "6.4"},
        {"thread": "iommu_group"},
        {"words": "mutex", "bad_state": "use_after_free"},
    ],
)
def test_it_finds_what_the_catalogue_finds(everything, sought):
    ask(everything, find={"words": "", "bad_state": "", "thread": "", "kernel": "", **sought})

    wanted = mmviz.catalogue(**{"thread": "iommu_group", **sought})
    assert found(everything) == list(wanted)
    assert everything.table.status == f"{len(wanted)} of {len(everything.found)} cases"
    assert everything.table.error == ""


def test_what_is_no_release_is_told_and_the_rows_stay(everything):
    ask(everything, find={"words": "", "bad_state": "", "thread": "", "kernel": ""})
    ask(everything, find={"words": "", "bad_state": "", "thread": "", "kernel": "5.x"})

    assert "'5.x' is not a kernel release" in everything.table.error
    assert found(everything) == list(everything.found)


@pytest.mark.parametrize(("what", "kind"), [("watch", Player), ("drive", Driver)])
def test_a_button_opens_the_case(everything, what, kind):
    ask(everything, open=0, what=what)

    _, stage = everything.children
    assert isinstance(stage, kind)
    assert stage.case == everything.found.cases[0]
    assert everything.table.error == ""


def test_a_button_that_is_none_is_told(everything):
    ask(everything, open=0, what="wach")

    assert "did you mean watch" in everything.table.error


def test_a_catalogue_is_the_index_in_jupyter_and_text_elsewhere():
    shown = mmviz.catalogue("kref_get", thread="hmm")
    bundle = shown._repr_mimebundle_()

    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == str(shown)
    assert "<table" in shown._repr_html_()
