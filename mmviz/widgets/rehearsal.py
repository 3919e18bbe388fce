"""Runs of a case made before the curtain rises, so that the stage is built to their size.

Objects keep their place and columns their width whatever the reader does, so both are
measured on runs that between them show what may happen: the actors one after the other in
every order, the runs with a name, and those in which something breaks.
"""

from collections.abc import Sequence
from itertools import islice, permutations

from mmviz.engine import Case, Frame, Report, Run, parse_schedule

MOST_ORDERS, MOST_STEPS = 24, 80


class Rehearsal:
    """What is known of a case before it is shown.

    Attributes:
        case: the case.
        report: what the search found.
        in_order: the runs in which the actors go one after the other.
        frames: the frames of all runs made; frames[0] is the start.
    """

    def __init__(self, case: Case, report: Report) -> None:
        self.case, self.report = case, report
        self.start = Run(case)
        self.in_order = [self._one_after_the_other(order) for order in self._orders()]
        runs = [*self.in_order, *(self.run(schedule) for schedule in self._known())]
        self.frames: list[Frame] = [frame for run in runs for frame in run.frames]

    def run(self, schedule: Sequence[str]) -> Run:
        """Return a run of a schedule; all runs of a rehearsal share what they learn."""
        run = self.start.fork(0)
        for actor in schedule:
            run.step(actor)
        return run

    def good(self) -> tuple[str, ...]:
        """Return a schedule in which everybody finishes and nothing breaks, if there is one."""
        for run in self.in_order:
            if run.finished and not run.violated:
                return run.schedule
        return ()

    def long(self) -> tuple[str, ...]:
        """Return the longest schedule rehearsed."""
        return max((run.schedule for run in self.in_order), key=len)

    def _known(self) -> list[tuple[str, ...]]:
        """Return the schedules worth knowing: those with a name, and those that break it."""
        known = [parse_schedule(self.case, text) for text in self.case.schedules.values()]
        for example in (*self.report.counterexamples.values(), self.report.stuck):
            if example is not None:
                known += [example.shortest, example.fewest_preemptions]
        return list(dict.fromkeys(known))

    def _orders(self) -> list[tuple[str, ...]]:
        return list(islice(permutations(self.case.actors), MOST_ORDERS))

    def _one_after_the_other(self, order: Sequence[str]) -> Run:
        """Let each actor go as far as it can, the first that can go first."""
        run = self.start.fork(0)
        while len(run.schedule) < MOST_STEPS:
            able = run.enabled()
            if not set(able) - set(self.case.daemons) and run.finished:
                break
            actor = next((actor for actor in order if actor in able), None)
            if actor is None:
                break
            run.step(actor)
        return run
