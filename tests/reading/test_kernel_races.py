"""Diagrams with the kernel's own names are judged as a reading of the race's code judges them."""

import pytest

import mmviz
from mmviz.cli.functions import functions as learned
from mmviz.engine import replay
from mmviz.reading.recognise import functions
from mmviz.scenarios import names
from mmviz.writing.diagram import titled

from .kernel_races import DRAWN


@pytest.mark.parametrize("name", DRAWN)
def test_a_diagram_is_judged_as_the_code_says(name):
    drawn = DRAWN[name]
    found = mmviz.diagram(drawn.text, drawn.race or None).match

    if drawn.verdict is None:
        assert found is None
        return
    assert found.verdict == drawn.verdict
    assert found.case.scenario.startswith(drawn.scenario)
    assert drawn.reason in found.reason
    assert drawn.line in (None, found.line)
    run = replay(found.case, found.schedule)
    if found.verdict == "harmless":
        assert not run.violated
    if found.waits:
        assert run.blocked()
    for step, k in enumerate(found.at, 1):
        missing = step in [each.step for each in found.unmatched]
        assert not (missing and k)


def test_rows_that_stand_in_another_order_under_one_lock_are_named():
    found = mmviz.diagram(DRAWN["swap2 fixorder"].text).match

    assert "with lines 5 and 6, both under mm.ptl, in the order of the code" in found.reason
    assert replay(found.case, found.schedule).violated == ("write_lost",)


def test_what_is_violated_on_the_way_is_not_harmless():
    case = mmviz.find("iommu_group/ways_to_leave", "AttachDetachesFirst")
    run = replay(case, "CPU0 DEV*2 CPU0*3")
    found = mmviz.diagram(titled(run)).match

    assert run.violated
    assert not run.tip.violated
    assert (found.verdict, found.violated) == ("feasible", run.violated)
    assert "on the way" in found.reason


def test_who_holds_what_is_said_of_a_grace_period():
    text = (
        "CPU0                               CPU1\n"
        "                                   srcu_read_lock(&srcu)\n"
        "mmu_notifier_put(&mn)\nsynchronize_srcu(&srcu)\nfree_module()\n"
        "                                   srcu_read_unlock(&srcu)\n"
    )
    found = mmviz.diagram(text, "hmm/put_is_no_fence").match

    assert (found.verdict, found.line) == ("infeasible", 4)
    assert "synchronize_srcu(srcu) waits: held by CPU1 since step" in found.reason


def test_the_same_rows_without_a_lock_are_in_the_wrong_order():
    drawn = DRAWN["ig5"]
    found = mmviz.diagram(drawn.text, drawn.race).match

    assert "its code does release_device(), which is on line 4, first" in found.reason


def test_one_name_of_a_lock_is_one_lock():
    drawn = DRAWN["ip3"]
    found = mmviz.diagram(drawn.text, drawn.race).match

    assert [(each.step, each.why) for each in found.unmatched] == [(3, "GPU takes another lock")]


def test_a_race_that_has_no_such_function_does_not_know():
    found = mmviz.diagram("CPU0: frob_it()\nCPU1: unfrob_it()\n", "swap/skip_swapcache")

    assert found.match.verdict == "unknown"
    assert found.json()["race"]["line"] is None
    assert found.case.kind == "diagram"


def test_the_index_has_the_functions_of_every_race():
    assert set(functions()) == set(names()), "run `make documents`"
    for race in [*names()][::12]:
        assert functions()[race]._asdict() == {
            "cases": tuple(learned(race)["cases"]),
            "known": learned(race)["functions"],
        }, "run `make documents`"


def test_many_columns_and_steps_are_answered_at_once():
    rows = "".join(f"CPU{n % 12}: mmput()\n" for n in range(96))

    assert mmviz.diagram(rows, "sva/exit_during_dma").match.verdict == "unknown"
