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


def test_the_table_in_the_browser_is_the_one_in_text(debate):
    assert [row["cells"] for row in debate.table.rows] == [list(r.cells) for r in debate.debate]
    assert str(debate) == str(debate.debate)
    assert debate._repr_mimebundle_()["text/plain"] == str(debate)
    assert {"mm-debate", "mm-theme"} <= set(debate._dom_classes)


def test_a_case_has_a_button_when_it_fails_and_only_then(debate):
    for data, row in zip(debate.table.rows, debate.debate, strict=True):
        assert data["fails"] == bool(row.failing)
        assert [each["bad"] for each in data["findings"]] == [
            finding.verdict in ("Sometimes", "Always") for finding in row.findings
        ]
    assert {data["fails"] for data in debate.table.rows} == {True, False}


def test_a_button_puts_the_failing_run_on_the_stage(debate):
    number = number_of(debate, "DelistThenRelease")
    ask(debate, open=number)

    _, player = debate.children
    row = debate.debate.rows[number]
    assert player.case == row.case
    assert player.the_run.schedule == row.failing[0].schedule
    assert row.failing[0].what in player.the_run.violated
    assert (debate.table.opened, debate.table.error) == (number, "")


def test_another_button_takes_the_stage_and_the_first_run_is_kept(debate):
    first, second = number_of(debate, "DelistThenRelease"), number_of(debate, "ReleaseThenDelist")
    player = debate.play(first)
    debate.play(second)
    assert debate.children[1] is not player
    assert debate.play(first) is player
    assert debate.children == (debate.table, player)


@pytest.mark.parametrize("thread", ["iommu_group", "exclusive"])
def test_every_button_has_a_run_that_its_first_failing_cell_stands_for(thread):
    debate = Debate(thread)
    kinds = set()
    for number, row in enumerate(debate.debate):
        first = row.failing[0].what if row.failing else ""
        if not first or first in kinds:  # a stage takes its time: one of each kind will do
            continue
        kinds.add(first)
        run = debate.play(number).the_run
        assert run.stuck if first == "stuck" else first == "livelock" or first in run.violated
        if first == "livelock":
            assert run.schedule == row.failing[0].schedule
    assert "stuck" in kinds


@pytest.mark.parametrize("wrong", [{"open": -1}, {"open": 10_000}, {"open": "x"}, {}])
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
    data = debate.table.rows[number_of(debate, "PinnedForTheJob")]
    assert data["fails"]
    assert not any(each["bad"] for each in data["findings"])
    assert any("≠ not coherent" in each["text"] for each in data["findings"])


def test_its_repr_makes_it_again():
    assert repr(Debate("iommu_group")) == "Debate('iommu_group')"
    assert repr(Debate("iommu_group", "5.3")) == "Debate('iommu_group', kernel='5.3')"


def test_a_kernel_that_did_nothing_of_this_is_an_empty_table():
    debate = mmviz.Debate("exclusive", kernel="3.10")
    assert debate.table.rows == []
    assert "Nothing of this thread" in debate.table.small_print
