"""The rules that every race of the catalogue is held to, and that `mmviz verify` checks of one.

A rule looks at a race whose cases have been searched, and returns a sentence for each breach: what
is wrong, and what to write.  `RULES` has them all but those about pictures, which are in
mmviz/scene/pictures.py.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from mmviz.engine import (
    Case,
    Model,
    ModelError,
    Report,
    Run,
    Scenario,
    ScheduleError,
    Verdict,
    parse_schedule,
)
from mmviz.engine.conformance import walk
from mmviz.engine.explore import kind_of
from mmviz.engine.redundant import comments
from mmviz.engine.scenario import SECTIONS
from mmviz.engine.search import MAX_BYTES, MAX_STATES
from mmviz.engine.text import short
from mmviz.kernel.provenance import Origin, Provenance
from mmviz.scenarios import names
from mmviz.survey.mutations import (
    REDUNDANT,
    UNEXPLAINED,
    Mutations,
    mutations_among,
    mutations_of,
)

WALKS, WALKED = 30, 120  # random runs beside the real code, and the longest in steps
RUNS, STEPS = 20, 120  # random runs against the verdicts, and the longest in steps
QUOTED = (Origin.PROPOSED, Origin.ELSEWHERE, Origin.CANDIDATE, Origin.MISTAKE)


class Searched(NamedTuple):
    """A case, what its search found, and the model that the search has learned."""

    case: Case
    report: Report
    model: Model

    def run(self, schedule: Sequence[str] = ()) -> Run:
        """Return a run of a schedule.

        Raises:
            ScheduleError: a step is not possible; the message says which, and why.
        """
        run = Run(self.case, self.model)
        for actor in schedule:
            run.step(actor)
        return run


def searched(case: Case) -> Searched:
    """Search a case through.

    Raises:
        ModelError: the case breaks a rule of the engine.
    """
    search = kind_of(case)(case, MAX_STATES, MAX_BYTES, None, None)
    return Searched(case, search.report(), search.model)


@dataclass(frozen=True)
class SearchedRace:
    """A race whose cases have been searched.

    Attributes:
        scenario: the race.
        cases: each of its cases, searched.
    """

    scenario: Scenario
    cases: tuple[Searched, ...]

    @cached_property
    def mutations(self) -> tuple[Mutations, ...]:
        """The mutants of each safe case."""
        name = self.scenario.name
        return mutations_of(name) if name in names() else tuple(mutations_among(self.scenario))


def form(race: SearchedRace) -> list[str]:
    """The text has its sections, and the cases are a bug and a fix, each with its source."""
    scenario, cases = race.scenario, race.scenario.cases
    parts = (scenario.promise, scenario.memory_model, scenario.simplified, scenario.sources)
    wrong = [
        f"the docstring of the file lacks the section '{head}:'"
        for head, text in zip(SECTIONS, parts, strict=True)
        if not text
    ]
    if scenario.sources and not set("@/") & set(scenario.sources):
        wrong.append("Sources: names neither a message, <…@…>, nor a file, mm/memory.c")
    if not 5 < len(cases[0].memory) < 50:
        wrong.append(
            "Memory model: begins with a few words before a comma or full stop, such as "
            "'sequentially consistent'"
        )
    ids = [case.id for case in cases if case.id]
    wrong += [f"two cases have the id {each}" for each in sorted(set(ids)) if ids.count(each) > 1]
    if len({frozenset(case.bad_states) for case in cases}) > 1:
        wrong.append("the cases are judged by different bad states; name all in the Race")
    safe = [_is_declared_safe(case) for case in cases]
    if not any(safe):
        wrong.append("no case is declared safe; add the right fix")
    if all(safe):
        wrong.append("no case is declared to go wrong; add the bug, sometimes=[…]")
    for case in cases:
        for bad_state in case.bad_states:
            said = case.sentence(bad_state)
            if said.casefold() == bad_state.replace("_", " ") or " " not in said:
                wrong.append(
                    f"the bad state {bad_state} needs a sentence: a docstring, or complaint(…)"
                )
    return list(dict.fromkeys(wrong))


def provenance(race: SearchedRace) -> list[str]:
    """Each case says where it comes from."""
    wrong = []
    for case in race.scenario.cases:
        source = case.source
        if not isinstance(source, Provenance):
            wrong.append(
                f"{case.name} does not say where it comes from: source=constructed('what it "
                "shows'), or shipped, proposed, … of mmviz/kernel/provenance.py"
            )
        elif source.kind in QUOTED and not (set("@/") & set(source.where) or len(source.where) > 7):
            wrong.append(f"{case.name}: {source.kind} names no message, commit or document")
    return wrong


def verdicts(race: SearchedRace) -> list[str]:
    """Each search finds what its case declares, the number of states included."""
    wrong = []
    for case, report, _ in race.cases:
        wrong += [f"{case.name}: {each}" for each in report.differences()]
        if not case.states:
            wrong.append(f"{case.name} does not declare states={report.states}")
        if not report.livelock_checked:
            wrong.append(f"{case.name}: too many states to look for livelocks; make it smaller")
    return wrong


def counterexamples(race: SearchedRace) -> list[str]:
    """Each counterexample replays to its violation, and no sooner."""
    wrong = []
    for each in race.cases:
        for bad_state, example in each.report.counterexamples.items():
            wrong += [
                f"{each.case.name}: {short(schedule)!r} does not end in {bad_state}"
                for schedule in (example.shortest, example.fewest_preemptions)
                if bad_state not in each.run(schedule).tip.violated
            ]
            if len(example.shortest) > len(example.fewest_preemptions):
                wrong.append(f"{each.case.name}: the shortest run into {bad_state} is not shortest")
        found = each.report.deadlock
        if found is not None and not each.run(found.shortest).deadlock:
            wrong.append(f"{each.case.name}: {short(found.shortest)!r} does not deadlock")
    return wrong


def second_pass(race: SearchedRace) -> list[str]:
    """Each model behaves in the same way when it is learned a second time."""
    found = [(case.name, report.undecided) for case, report, _ in race.cases]
    return [f"{name}: {undecided}" for name, undecided in found if undecided]


def random_runs(race: SearchedRace) -> list[str]:
    """No random run meets a bad state that is Never."""
    wrong = []
    for each in race.cases:
        dice = random.Random(each.case.name)
        never = {
            bad_state
            for bad_state, verdict in each.report.verdicts.items()
            if verdict is Verdict.NEVER
        }
        start = each.run()
        for _ in range(RUNS):
            run = start.fork(0)
            while run.enabled() and run.tip.index < STEPS:
                run.step(dice.choice(run.enabled()))
            wrong += [
                f"{each.case.name}: {bad_state} is Never, and {short(run.schedule)!r} meets it"
                for bad_state in never & set(run.violated)
            ]
    return wrong


def marks(race: SearchedRace) -> list[str]:
    """Each mark() keeps what the code below it needs: the model walks beside the real code."""
    wrong = []
    for case, _, _ in race.cases:
        try:
            if not walk(case, walks=WALKS, steps=WALKED):
                wrong.append(f"{case.name}: no actor takes a step")
        except ModelError as error:
            wrong.append(str(error))
    return wrong


def steps(race: SearchedRace) -> list[str]:
    """Each step says in a sentence what it does, and where it comes from."""
    found = {
        (step.body.__qualname__, step.doc, step.cite)
        for each in race.cases
        for known in each.model.locations
        for location in known.values()
        if (step := location.step) is not None
    }
    wrong = []
    for name, doc, cite in sorted(found):
        if not doc.endswith((".", "?", "!")):
            wrong.append(f"{name} needs a docstring whose first line is a sentence")
        if cite not in ("driver", "hardware", "environment") and "/" not in cite:
            wrong.append(f"{name}: @atomic(…) names a file, mm/memory.c, or 'driver', 'hardware'")
    return wrong


def schedules(race: SearchedRace) -> list[str]:
    """Each stored schedule can happen."""
    wrong = []
    for each in race.cases:
        for title, text in each.case.schedules.items():
            try:
                if not each.run(parse_schedule(each.case, text)).tip.index:
                    wrong.append(f"{each.case.name}: the schedule {title!r} has no step")
            except ScheduleError as error:
                wrong.append(f"{each.case.name}: the schedule {title!r}: {error}")
    return wrong


def mutants(race: SearchedRace) -> list[str]:
    """Each line of a safe case is needed, or says why it is not."""
    wrong = []
    for each in race.mutations:
        wrong += [
            f"{each.case.name}: {entry.omission.spot.line.function}(): nothing goes wrong without "
            f"'{entry.text}'; strengthen the case, or end the line with '  # redundant: why'"
            for entry in each.those(UNEXPLAINED)
        ]
        wrong += [
            f"{each.case.name}: '# redundant: {entry.why}' is to be a reason, without a full stop"
            for entry in each.those(REDUNDANT)
            if len(entry.why.split()) < 3 or entry.why.endswith(".")
        ]
    return wrong


def reasons(race: SearchedRace) -> list[str]:
    """Each comment '# redundant: …' of the file explains a mutant that survives."""
    file = getattr(race.scenario.module, "__file__", None)
    needed = {entry.said for each in race.mutations for entry in each if entry.said}
    return [
        f"line {each.number}: '# redundant: {each.why}' explains nothing: something goes wrong "
        "without the line, or no safe case runs it; remove the comment"
        for each in (comments(file) if file else ())
        if each not in needed
    ]


RULES: dict[str, Callable[[SearchedRace], list[str]]] = {
    "form": form,
    "provenance": provenance,
    "verdicts and counts": verdicts,
    "second learning pass": second_pass,
    "counterexamples": counterexamples,
    "random runs": random_runs,
    "marks": marks,
    "steps": steps,
    "stored schedules": schedules,
    "mutants": mutants,
    "reasons of redundant lines": reasons,
}
"""What is checked, by name; the docstring of each says what must hold."""


def _is_declared_safe(case: Case) -> bool:
    return set(case.expect.values()) <= {Verdict.NEVER} and not case.deadlock
