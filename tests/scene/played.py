"""Cases with the first run that a stage offers, drawn in every view."""

import functools
from functools import cache

from mmviz.scenarios import find, load
from mmviz.scene.searched import SearchedCase
from mmviz.scene.views import VIEWS

WRITTEN, DANGLING = {"written", "witnessnow"}, {"dangling", "witnessdash"}  # and a witness, too


def of_each_case(check):
    """Return a test that runs a check on every case of a scenario; a failure names the case."""

    @functools.wraps(check)
    def test(played):
        for each in played:
            try:
                check(each)
            except AssertionError as failure:
                failure.add_note(f"in {each.case.scenario}:{each.case.name}")
                raise

    return test


def first_run(searched):
    return searched.run(next(iter(searched.runs().values())))


@cache
def searched_case(scenario, name=""):
    """Search a case, by default the first of its scenario, once for all tests."""
    return SearchedCase(find(scenario, name) if name else load(scenario).cases[0])


@cache
def shown(view, scenario, name=""):
    """Return a view of a case, and the first run of the case."""
    searched = searched_case(scenario, name)
    return VIEWS[view](searched), first_run(searched)
