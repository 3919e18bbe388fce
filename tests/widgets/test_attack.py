"""A Driver's goals can be reached; of a fix it says what the search covered. And the defence."""

import pytest

import mmviz
from mmviz.engine import UnknownName

RACE = "iommu_group/release_order"


@pytest.mark.parametrize("case", mmviz.load(RACE).cases, ids=lambda case: case.name)
def test_a_goal_is_offered_only_if_some_run_reaches_it(case):
    report = mmviz.explore(case)
    game = mmviz.Driver(case).game
    if report.safe:
        assert game["goal"].startswith("Attack this fix: try to make one of these happen")
        assert f"all {report.states:,} states" in game["never"]
        actors = tuple(case.actors)
        mmviz.replay(case, [actors[number] for number in game["miss"]])
        return
    assert (game["never"], game["miss"]) == ("", [])
    for name in case.bad_states:
        words = name.replace("_", " ")
        said = words in game["goal"] or case.sentence(name) in game["goal"]
        assert said == (name in report.counterexamples)


def test_a_goal_that_no_run_reaches_says_so():
    case = mmviz.find(RACE, "DelistThenRelease")
    named = mmviz.Driver(case, goal="attach_after_release").game
    assert "all 92 states" in named["never"]
    assert named["goal"].startswith("Attack this fix")
    own = mmviz.Driver(case, goal="group.refs == 7").game
    assert own["never"] == "The search covered all 92 states: no run reaches this."
    assert mmviz.Driver(case, goal="group.refs == 1").game["never"] == ""


def test_a_defence_says_at_each_step_why_this_actor_goes():
    found = mmviz.defend(RACE, "DelistThenRelease")
    assert found.worst.reached in found.the_run.violated
    assert (found.cursor, len(found.notes)) == (0, len(found.schedule) + 1)
    assert found.notes[""] == found.worst.text
    assert found.notes["0,0,0,1"].startswith("3 steps are left")
    assert "after CPU1" in str(found)
    held = mmviz.defend(RACE, "ReleaseUnderMutex")
    assert (held.worst.reached, held.the_run.violated) == ("", ())
    assert held.run == "the worst run"


def test_a_fix_that_a_learner_wrote_is_defended():
    asked = mmviz.exercise("iommu_group/one_critical_section")

    class Mine(asked.given):
        pass

    found = mmviz.defend(Mine)
    assert found.worst.reached
    assert found.case.name == "Mine"
    with pytest.raises(UnknownName, match="DelistThenRelease"):
        mmviz.defend(RACE, "DelistThenReleas")
