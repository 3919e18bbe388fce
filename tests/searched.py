"""One search a case, shared by all tests of a worker that ask about it."""

from functools import cache
from typing import NamedTuple

from mmviz.engine import Case, Model, Report, Run
from mmviz.engine.explore import MAX_BYTES, MAX_STATES, Search
from mmviz.scenarios import find, load


class Searched(NamedTuple):
    """A case, what its search found, and the model that the search has learned."""

    case: Case
    report: Report
    model: Model

    def run(self, schedule=()):
        """Return a run of a schedule, a tuple of actors."""
        run = Run(self.case, self.model)
        for actor in schedule:
            run.step(actor)
        return run


@cache
def searched(scenario, case):
    """Search a case of the catalogue through, once."""
    found = find(scenario, case)
    search = Search(found, MAX_STATES, MAX_BYTES, None, None)
    return Searched(found, search.report(), search.model)


def searched_cases(scenario):
    """Return the cases of a scenario, each searched once."""
    return [searched(scenario, case.name) for case in load(scenario).cases]
