"""Slips in the declaration of a race and its cases."""

from mmviz.engine import Race, Scenario
from tests.engine.toys import Counter, lost_update, racy
from tests.slips import slip


def race(**more):
    """Return a race without cases."""
    return Race(world=Counter, actors={"A": racy, "B": racy}, bad=[lost_update], **more)


@slip("@race.case('what differs')", "with parentheses")
def a_case_declared_without_its_parentheses():
    race().case(racy)


@slip("racy", "'alway'", "did you mean always")
def a_claim_that_is_misspelt():
    race().case("both", of=racy, alway=[lost_update])


@slip("racy", "expect= is for a Case built by hand", "sometimes=[…]")
def a_case_of_a_race_with_expect():
    race().case("both", of=racy, expect={"lost_update": "Never"})


@slip("'deamons'", "did you mean daemons")
def a_claim_of_all_cases_that_is_misspelt():
    race(deamons=("B",))


@slip("Race(world=…, actors={…}, bad=[…])")
def a_race_whose_parts_stand_without_their_names():
    Race(Counter, world=Counter, actors={"A": racy}, bad=[lost_update])


@slip("racy: lost_updat is not one of the race's bad states", "lost_update")
def a_verdict_of_a_bad_state_that_the_race_has_not():
    race().case("both", of=racy, sometimes=["lost_updat"])


@slip("has a case racy", "another name or id")
def two_cases_of_one_name():
    mine = race()
    mine.case("both", of=racy)
    mine.case("both again", of=racy)


@slip("Scenario('title', 'what must always hold', cases)")
def a_scenario_whose_promise_is_left_out():
    mine = race()
    mine.case("both", of=racy)
    Scenario("Two increments", mine)
