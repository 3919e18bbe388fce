"""A lock report judged: its actors as a race, and whether the search deadlocks them."""

import textwrap
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from mmviz.engine import Case, MmvizError, Report, Run, explore
from mmviz.engine.html import escape, html_table
from mmviz.engine.text import printable, quoted, short
from mmviz.reading.lock_actors import Plan, Script, of_table, plan
from mmviz.reading.lock_kinds import dropped, kinds, syncs
from mmviz.reading.lock_race import TAKES, Action, lock_case, steps_of
from mmviz.reading.lock_text import (
    CIRCULAR,
    INCONSISTENT,
    INVERSION,
    RECURSIVE,
    UNSAFE,
    Read,
    read,
)
from mmviz.reading.shown import Brought

MOST_LOCKS = 24
MOST_STATES = 100_000
HEADS = {  # which of its places name the locks of CPU0 in its table
    CIRCULAR: ("trying", "holding"),
    RECURSIVE: ("trying", "holding"),
    INCONSISTENT: ("takes",),
    INVERSION: ("changed", "took", "taken_by"),
    UNSAFE: ("safe", "unsafe"),
}
COLUMNS = 80  # of what is printed
MOST_NAMED = 5  # of the reports that are not answered


@dataclass
class LockReport(Brought):
    """What a lock report says, and what the search finds in it.

    `case` is a race of its own: `mmviz.Player(report.case)` steps through the deadlock, and
    `mmviz.Driver(report.case)` lets a reader try another order.

    Attributes:
        kind: "circular", "recursive", "inconsistent", "irq inversion" or "irq unsafe".
        locks: the lock classes.
        chain: (lock, function) of each link, as the report lists them.
        actors: what each actor does.
        deadlock: whether some order of them deadlocks.
        schedule: a shortest such run.
        refused: why it was not read, "" if it was.
        notes: what else a reader is told, of the report's own table above all.
        case: the race; None where it was refused.
        report: the verdict of its search.
    """

    origin: ClassVar[str] = "mmviz.lockdep(text).case  # text: the report"
    kind: str = ""
    locks: list[str] = field(default_factory=list)
    chain: list[tuple[str, str]] = field(default_factory=list)
    actors: Script = field(default_factory=dict)
    deadlock: bool = False
    schedule: tuple[str, ...] = ()
    refused: str = ""
    notes: list[str] = field(default_factory=list)
    case: Case | None = None
    report: Report | None = None

    def json(self) -> dict[str, Any]:
        """Return it as data that JSON can hold."""
        return {
            "kind": self.kind or None,
            "locks": self.locks,
            "chain": [{"lock": lock, "function": at or None} for lock, at in self.chain],
            "actors": {name: [list(each) for each in own] for name, own in self.actors.items()},
            "deadlock": self.deadlock,
            "schedule": list(self.schedule),
            "refused": self.refused or None,
            "notes": self.notes,
        }

    def beside(self) -> dict[int, str]:
        """Return what the report says beside a step of the run, by its number; 0 is the start."""
        if self.case is None:
            return {}
        said = {0: [f"The report: {self.headline}", *self.notes]}
        at, done = dict(self.chain), dict.fromkeys(self.actors, 0)
        for k, name in enumerate(self.schedule, 1):
            own, done[name] = self.actors[name], done[name] + 1
            takes = [lock for what, lock in own[done[name] :] if lock and what in TAKES]
            if done[name] < len(own) and own[done[name]][0] in TAKES and takes:
                function = f", in {at[takes[0]]}()" if at.get(takes[0]) else ""
                said[k] = [f"{name} takes {takes[0]} next{function}."]
        if self.deadlock:
            ring = " -> ".join([lock for lock, _ in self.chain[::-1]])
            last = f"Each waits for a lock that another holds: {ring}." if ring else "It deadlocks."
            said.setdefault(len(self.schedule), []).append(last)
        return {k: printable("  ".join(lines)) for k, lines in said.items()}

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        if self.refused:
            return printable(f"Refused: {self.refused}.")
        found = "deadlocks" if self.deadlock else "does not deadlock"
        locks = f"{len(self.locks)} lock{'s' * (len(self.locks) > 1)}"
        run = f": {short(self.schedule)}" if self.deadlock else ""
        return printable(f"{self.kind}, {locks}, {len(self.actors)} actors; {found}{run}.")

    def _rows(self) -> list[tuple[str, str]]:
        return [
            (name, ", ".join(_words(each) for each in own)) for name, own in self.actors.items()
        ]

    def __str__(self) -> str:
        wide = max([len(name) for name in self.actors], default=0)
        lines = _wrapped(self.headline, "")
        for name, words in self._rows():
            lines += _wrapped(f"  {name:{wide}}  {words}", " " * (wide + 4))
        for note in self.notes:
            lines += _wrapped(note, "")
        return printable("\n".join(lines))

    def __repr__(self) -> str:
        return f"<LockReport: {self.headline}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        table = html_table(("actor", "does"), self._rows())
        return f"<p>{escape(self.headline)}</p>{table}{notes}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        printable(text),
        COLUMNS,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _words(action: Action) -> str:
    what, lock = action
    return what if lock is None else f"{what}({lock})"


def lockdep(text: str) -> LockReport:
    """Read a report of lockdep, and let the search decide it, as `mmviz.lockdep` does.

    Of several reports in one text the first is answered, and the others are named.

    Raises:
        MmvizError: the text is no text.
    """
    if not isinstance(text, str):
        raise MmvizError(f"a lock report is text, not {quoted(text)}: paste it between quotes")
    found = read(text)
    plans = [(each, plan(each)) for each in found if not each.why]
    good = [(each, made) for each, made in plans if not made.why]
    if not plans:
        return LockReport(refused=found[0].why)
    if not good:
        return LockReport(plans[0][0].kind, refused=plans[0][1].why)
    first, made = good[0]
    answer = _judged(first, made)
    if not answer.refused:
        answer.notes = [
            *_in_its_order(first, made, answer),
            *_of_the_search(answer),
            *made.notes,
            *_of_another(first, answer),
            *_of_its_table(first, made, answer),
        ]
    answer.notes += _others(good)
    return answer


def _judged(read: Read, made: Plan) -> LockReport:
    chain = [(link.lock, link.function) for link in made.links]
    ring = [lock for lock, _ in chain[::-1]]
    done = [lock for own in made.actors.values() for _, lock in own if lock]
    locks = list(dict.fromkeys([*ring, *done]))
    if len(locks) > MOST_LOCKS:
        return LockReport(read.kind, refused=f"it names more than {MOST_LOCKS} locks")
    models = {lock: kinds(read, made.actors)[lock] for lock in locks}
    case = lock_case(
        f"lock report: {read.kind}", models, dropped(made.actors, models), syncs(read, models)
    )
    report = explore(case, max_states=MOST_STATES)
    way = report.deadlock.shortest if report.deadlock is not None else ()
    if report.cut and not way:  # a run that deadlocks is proof enough
        run = _reported_run(read, case, made)
        way = run.schedule if run.deadlock else ()
    case = replace(case, deadlock=bool(way))  # what a reader who schedules it is to reach
    return LockReport(
        read.kind, locks, chain, made.actors, bool(way), tuple(way), case=case, report=report
    )


# -- what the report itself says ----------------------------------------------------------------


def _of_the_search(found: LockReport) -> list[str]:
    """Return a sentence on what a search that was cut off leaves open."""
    if found.report is None or not found.report.cut:
        return []
    if found.deadlock:
        rest = "this run proves the deadlock, and there may be a shorter one"
    else:
        rest = "no deadlock was found, and orders are left that were not tried"
    return [f"The search {found.report.cut}: {rest}."]


def _in_its_order(read: Read, made: Plan, found: LockReport) -> list[str]:
    """Return a sentence on the order that the report tells."""
    assert found.case is not None
    run = _reported_run(read, found.case, made)
    if run.deadlock:
        return [f"In the order of the report it deadlocks: {short(run.schedule)}."]
    return ["In the order of the report it does not deadlock."] if found.deadlock else []


def _reported_run(read: Read, case: Case, made: Plan) -> Run:
    """Return the run in the order that the report tells."""
    models = kinds(read, made.actors)
    run, done, lines = Run(case), dict.fromkeys(made.actors, 0), dropped(made.actors, models)
    for name in made.order:
        if run.deadlock:
            break
        what, lock = lines[name][done[name]]
        for _ in range(steps_of(models.get(lock or "", ""), what)):
            if name in run.enabled():
                run.step(name)
        done[name] = min(done[name] + 1, len(lines[name]) - 1)
    return run


def _of_its_table(read: Read, made: Plan, found: LockReport) -> list[str]:
    """Return a sentence on the report's table, where that alone is no deadlock."""
    cpus = {row.cpu for row in read.table}
    if not cpus or len(found.actors) <= len(cpus) or len(cpus) < 2:
        return []
    if _judged(read, of_table(read.table)).deadlock:
        return []
    more = ", ".join([name for name in list(found.actors)[2:] if name not in made.writers])
    if not more:
        return []
    return [
        f"The report's own table is no deadlock: it leaves out {more}. lockdep prints the two ends "
        "of a longer chain only."
    ]


def _of_another(read: Read, found: LockReport) -> list[str]:
    """Return a sentence on the locks of the table that the head does not name."""
    lasts = {row.cpu: row.lock for row in read.table if row.lock}
    places, own = read.places, [row.lock for row in read.table if row.cpu == "CPU0" and row.lock]
    heads = [places[name] for name in HEADS[read.kind] if places[name]]
    odd = [lock for lock in own if lock not in heads] if len(heads) >= len(set(own)) else []
    if read.kind == UNSAFE and places["holding"] and places["trying"] and lasts.get("CPU1"):
        middle = lasts["CPU1"]
        odd += [middle] if middle not in (places["holding"], places["trying"]) else []
    return [
        f"The table has {lock}, which the head of the report does not name"
        + ("." if lock in found.locks else ": it is left out.")
        + " If the text is of two reports, paste one."
        for lock in dict.fromkeys(odd)
    ]


def _others(good: list[tuple[Read, Plan]]) -> list[str]:
    """Return a sentence on the reports of the text that are not answered."""
    names = [f"{read.kind} ({_about(made)})" for read, made in good]
    more = [name for name in dict.fromkeys(names) if name != names[0]]
    if not more:
        return []
    shown = "; ".join(more[:MOST_NAMED]) + (" …" if len(more) > MOST_NAMED else "")
    word = "reports" if len(more) > 1 else "report"
    return [f"The text has {len(more)} more {word}: {shown}. Paste one alone to have it answered."]


def _about(made: Plan) -> str:
    locks = dict.fromkeys(lock for own in made.actors.values() for _, lock in own if lock)
    return ", ".join(list(locks)[:3]) + (" …" if len(locks) > 3 else "")
