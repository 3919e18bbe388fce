"""Every line of every safe case is for something, or the scenario records why it is not."""

import pytest

from mmviz.scenarios import names
from mmviz.scenarios.mutations import UNEXPLAINED, mutations_of, stale


def unexplained(scenario):
    return [
        f"{each.case.name}: {entry.text}"
        for each in mutations_of(scenario)
        for entry in each.those(UNEXPLAINED)
    ]


@pytest.mark.parametrize("scenario", names())
def test_each_line_of_a_safe_case_is_for_something_or_a_reason_is_recorded(scenario):
    assert unexplained(scenario) == []


@pytest.mark.parametrize("scenario", names())
def test_no_reason_is_recorded_for_a_line_that_is_for_something(scenario):
    assert stale(scenario) == []
