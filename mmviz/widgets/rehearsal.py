"""What is found out about a case before the curtain rises."""

from collections.abc import Iterator, Sequence
from itertools import islice, permutations

from mmviz.engine import Case, Run
from mmviz.engine.explore import Search
from mmviz.scene.reach import reach

MOST_STATES, MOST_BYTES = 300_000, 200_000_000  # a second or two; a stage must not wait longer
MOST_ORDERS, MOST_STEPS = 24, 80


class Rehearsal:
    """A case searched through, so that the stage has room for whatever may happen.

    Attributes:
        case: the case.
        report: what the search found.
        reach: everything that a run of the case may show.
    """

    def __init__(self, case: Case) -> None:
        search = Search(case, MOST_STATES, MOST_BYTES, None, None)
        self.case, self.report, self.model = case, search.report(), search.model
        self.reach = reach(search.model)

    def run(self, schedule: Sequence[str] = ()) -> Run:
        """Return a run of a schedule; all runs of a rehearsal share what they learn.

        Raises:
            ScheduleError: a step cannot happen; the message says which, and why.
        """
        run = Run(self.case, self.model)
        for actor in schedule:
            run.step(actor)
        return run

    def good(self) -> tuple[str, ...]:
        """Return a schedule in which everybody finishes and nothing breaks, if one is found."""
        for run in self._in_order():
            if run.finished and not run.violated:
                return run.schedule
        return ()

    def long(self) -> tuple[str, ...]:
        """Return the longest schedule in which the actors go one after the other."""
        return max((run.schedule for run in self._in_order()), key=len)

    def _in_order(self) -> Iterator[Run]:
        """Yield runs in which each actor goes as far as it can, the first that can go first."""
        for order in islice(permutations(self.case.actors), MOST_ORDERS):
            run = self.run()
            while len(run.schedule) < MOST_STEPS:
                able = [actor for actor in order if actor in run.enabled()]
                if not able or (run.finished and set(able) <= set(self.case.daemons)):
                    break
                run.step(able[0])
            yield run
