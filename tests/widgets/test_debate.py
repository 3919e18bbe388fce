import gc
import weakref

import pytest

import mmviz
from mmviz.engine import UnknownName
from mmviz.scenarios import find
from mmviz.widgets.debate import Debate


@pytest.fixture
def debate():
    return Debate("iommu_group")


def ask(debate, **message):
    """Send a message as the browser does."""
    debate.table._handle_custom_msg(message, [])


def number_of(debate, name):
    return next(n for n, row in enumerate(debate.debate) if row.case.name == name)


def parts_of(debate, number):
    return [part for cell in debate.table.rows[number]["cells"] for part in cell]


def test_the_table_in_the_browser_is_the_one_in_text(debate):
    for number, row in enumerate(debate.debate):
        text = " ".join(part["text"] for part in parts_of(debate, number))
        for cell in row.cells[1:]:
            assert all(words in text for words in cell.splitlines())
        assert debate.table.rows[number]["group"] == row.when
        assert len(debate.table.rows[number]["cells"]) == len(debate.table.head)
    assert str(debate) == str(debate.debate)
    assert debate._repr_mimebundle_()["text/plain"] == str(debate)
    assert {"mm-cases", "mm-theme"} <= set(debate._dom_classes)


def test_each_failing_cell_is_a_button_and_no_other(debate):
    for number, row in enumerate(debate.debate):
        parts = parts_of(debate, number)
        assert [part["opens"] for part in parts if part["opens"]] == [f.what for f in row.failing]
        assert [part["text"] for part in parts if part["look"] == "mm-bad"] == [
            f"✗ {finding}" for finding in row.findings if finding.verdict in ("Sometimes", "Always")
        ]
    assert {bool(row.failing) for row in debate.debate} == {True, False}


def test_a_button_puts_a_shortest_run_on_the_stage(debate):
    number = number_of(debate, "DelistThenRelease")
    row = debate.debate.rows[number]
    for finding in row.failing:
        ask(debate, open=number, what=finding.what)
        _, player = debate.children
        assert player.case == row.case
        assert player.the_run.schedule == row.report.counterexamples[finding.what].shortest
        assert finding.what in player.the_run.violated
        assert (debate.table.opened, debate.table.opens) == (number, finding.what)
        assert debate.table.error == ""
        assert f"mm-opened-{debate.table.answers}" in player._dom_classes
    assert len(row.failing) > 1


def test_another_button_takes_the_stage_and_the_first_is_closed(debate):
    first, second = number_of(debate, "DelistThenRelease"), number_of(debate, "ReleaseThenDelist")
    player = debate.play(first)
    other = debate.play(second)
    assert debate.children == (debate.table, other)
    assert (player.comm, other.comm is not None) == (None, True)
    assert debate.play(first).schedule == debate.debate.rows[first].failing[0].schedule


def test_many_stages_leave_nothing_behind_and_closing_the_table_closes_its_stage(debate):
    kept = []
    number = number_of(debate, "DelistThenRelease")
    for _ in range(20):
        kept.append(weakref.ref(debate.play(number).prepared))
    gc.collect()
    assert len([ref() for ref in kept if ref() is not None]) == 1
    debate.close()
    gc.collect()
    assert [ref() for ref in kept if ref() is not None] == []


@pytest.mark.parametrize("thread", ["iommu_group", "exclusive"])
def test_a_run_of_each_kind_shows_what_its_button_says(thread):
    debate = Debate(thread)
    kinds = set()
    for number, row in enumerate(debate.debate):
        for finding in row.failing:
            what = finding.what
            if what in kinds:  # a stage takes its time: one of each kind will do
                continue
            kinds.add(what)
            run = debate.play(number, what).the_run
            assert run.schedule == finding.schedule
            assert (
                run.deadlock if what == "deadlock" else what == "livelock" or what in run.violated
            )
    assert "deadlock" in kinds


@pytest.mark.parametrize(
    "wrong",
    [
        {"open": -1, "what": "deadlock"},
        {"open": 10_000, "what": "deadlock"},
        {"open": 0, "what": "no_such_property"},
        {"open": "x", "what": ""},
        {"open": 0},
        {"find": 3},
        {},
    ],
)
def test_a_message_that_means_nothing_is_answered_under_the_table(debate, wrong):
    ask(debate, **wrong)
    assert debate.table.error.startswith("Debate: ")
    assert debate.table.answers == 1
    assert debate.children == (debate.table,)


def test_a_case_that_is_safe_has_no_run_to_show(debate):
    with pytest.raises(UnknownName, match="no run that fails"):
        debate.play(number_of(debate, "ReleaseUnderMutex"))
    assert find("iommu_group/release_order", "ReleaseUnderMutex")


def test_what_the_parties_agreed_on_has_a_run_and_is_not_shown_as_bad():
    debate = Debate("invalidate_page")
    parts = parts_of(debate, number_of(debate, "PinnedForTheJob"))
    assert not any(part["look"] == "mm-bad" for part in parts)
    assert any("≠ not coherent" in part["text"] for part in parts if part["opens"])


def test_its_repr_makes_it_again():
    assert repr(Debate("iommu_group")) == "Debate('iommu_group')"
    assert repr(Debate("iommu_group", "5.3")) == "Debate('iommu_group', kernel='5.3')"


def test_a_kernel_that_did_nothing_of_this_is_an_empty_table():
    debate = mmviz.Debate("exclusive", kernel="3.10")
    assert debate.table.rows == []
    assert "Nothing of this thread" in debate.table.small_print
