"""What is found out about a case before the curtain rises."""

from collections.abc import Iterator, Sequence
from itertools import islice, permutations

from mmviz.engine import Case, Run, conflict, parse_schedule, turned
from mmviz.engine.explore import Search
from mmviz.scene.reach import reach
from mmviz.scene.words import readable

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

    def runs(self) -> dict[str, tuple[str, ...]]:
        """Return the schedules worth showing, by name, the one that tells most first.

        What breaks, with the fewest preemptions and shortest; a deadlock; a livelock; the runs
        the scenario names; the one that turns the race the other way; and one that goes well,
        which comes first where nothing breaks.
        """
        broken: dict[str, tuple[str, ...]] = {}
        found = self.report.counterexamples
        for prop in sorted(found, key=self._rank):
            example = found[prop]
            broken[f"{readable(prop)}: fewest preemptions"] = example.fewest_preemptions
            if example.shortest != example.fewest_preemptions:
                broken[f"{readable(prop)}: shortest"] = example.shortest
        if self.report.stuck is not None:
            broken["stuck: nobody can move"] = self.report.stuck.fewest_preemptions
        loop = self.report.livelock
        if loop is not None:
            broken["livelock: once round, and on for ever"] = loop.prefix + loop.cycle
        named = {
            name: parse_schedule(self.case, text) for name, text in self.case.schedules.items()
        }
        good = self._good()
        well = self._sibling() | ({"a run that goes well": good} if good else {})
        shown = broken | named | well if broken else well | named
        return shown or {"one after the other": max(self._in_order(), key=len)}

    def _sibling(self) -> dict[str, tuple[str, ...]]:
        """Return the run that differs from the first failing one in one choice and is fine."""
        found = self.report.counterexamples
        for prop in sorted(found, key=self._rank):
            run = self.run(found[prop].fewest_preemptions)
            race = conflict(run, prop)
            twin = turned(run, race) if race is not None else run
            if race is not None and not twin.violated:
                first = run.frames[race.second]
                function = first.label.partition("(")[0]
                return {f"goes well where {first.actor} does {function} first": twin.schedule}
        return {}

    def _rank(self, prop: str) -> int:
        """Return where a property stands in the case: what matters most comes first."""
        order = self.case.properties
        return order.index(prop) if prop in order else len(order)

    def _good(self) -> tuple[str, ...]:
        """Return a schedule in which everybody finishes and nothing breaks, if one is found."""
        for schedule in self._in_order():
            run = self.run(schedule)
            if run.finished and not run.violated:
                return schedule
        return ()

    def _in_order(self) -> Iterator[tuple[str, ...]]:
        """Yield schedules in which each actor goes as far as it can, one before the other."""
        for order in islice(permutations(self.case.actors), MOST_ORDERS):
            run = self.run()
            while len(run.schedule) < MOST_STEPS:
                able = [actor for actor in order if actor in run.enabled()]
                if not able or (run.finished and set(able) <= set(self.case.daemons)):
                    break
                run.step(able[0])
            yield run.schedule
