"""One search a case, shared by all tests of a worker that ask about it."""

from functools import cache

from mmviz.scenarios import find, load
from mmviz.survey import rules
from mmviz.survey.rules import SearchedRace


@cache
def searched(scenario, case):
    """Search a case of the catalogue through, once."""
    return rules.searched(find(scenario, case))


def searched_cases(scenario):
    """Return the cases of a scenario, each searched once."""
    return [searched(scenario, case.name) for case in load(scenario).cases]


@cache
def searched_race(scenario):
    """Return a scenario with its cases, each searched once."""
    return SearchedRace(load(scenario), tuple(searched_cases(scenario)))
