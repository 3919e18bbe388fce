"""A lock report judged: its actors as a race, and whether the search deadlocks them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mmviz.engine import Case, MmvizError, Report, Run, explore
from mmviz.engine.html import escape, html_table
from mmviz.engine.text import printable, quoted, short
from mmviz.reading import lock_text as texts
from mmviz.reading.lock_race import MUTEX, RWSEM, SPIN, SRCU, WORK, Action, lock_case, steps_of
from mmviz.reading.lock_text import DEFERRED, Read, Row

Script = dict[str, list[Action]]
MOST_LOCKS = 24
MOST_STATES = 100_000
SPINS = 2  # lockdep's wait type of a spinlock
ENDS = {"lock": "unlock", "rlock": "unlock", "irq_off": "irq_on"}
INTERRUPTS = (texts.INCONSISTENT, texts.INVERSION, texts.UNSAFE)


@dataclass
class LockReport:
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
            "chain": [{"lock": lock, "function": function} for lock, function in self.chain],
            "actors": {name: [list(each) for each in own] for name, own in self.actors.items()},
            "deadlock": self.deadlock,
            "schedule": list(self.schedule),
            "refused": self.refused or None,
            "notes": self.notes,
        }

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
        rows = [f"  {name:{wide}}  {words}" for name, words in self._rows()]
        return printable("\n".join([self.headline, *rows, *self.notes]))

    def __repr__(self) -> str:
        return f"<LockReport: {self.headline}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        table = html_table(("actor", "does"), self._rows())
        return f"<p>{escape(self.headline)}</p>{table}{notes}"


def _words(action: Action) -> str:
    what, lock = action
    return what if lock is None else f"{what}({lock})"


def lockdep(text: str) -> LockReport:
    """Read a report of lockdep, and let the search decide it, as `mmviz.lockdep` does.

    Raises:
        MmvizError: the text is no text.
    """
    if not isinstance(text, str):
        raise MmvizError(f"a lock report is text, not {quoted(text)}: paste it between quotes")
    read = texts.read(text)
    if read.why:
        return LockReport(read.kind, refused=read.why)
    actors = _actors(read)
    found = _judged(read, actors)
    if not found.refused:
        found.notes = [*_in_its_order(read, found), *_of_its_table(read, found)]
    if read.others:
        found.notes.append(f"The text has {read.others} more such reports: only one is read.")
    return found


def _judged(read: Read, actors: Script) -> LockReport:
    locks = list(dict.fromkeys(lock for own in actors.values() for _, lock in own if lock))
    if len(locks) > MOST_LOCKS:
        return LockReport(read.kind, refused=f"it names more than {MOST_LOCKS} locks")
    kinds = _kinds(read, actors)
    case = lock_case(f"lock report: {read.kind}", kinds, _dropped(actors, kinds))
    report = explore(case, max_states=MOST_STATES)
    way = report.deadlock.shortest if report.deadlock is not None else ()
    if report.cut and not way:  # a run that deadlocks is proof enough
        run = _reported_run(read, case, actors)
        way = run.schedule if run.deadlock else ()
    chain = [(link.lock, link.function) for link in read.links]
    return LockReport(
        read.kind, locks, chain, actors, bool(way), tuple(way), case=case, report=report
    )


# -- who does what -----------------------------------------------------------------------------


def _actors(read: Read) -> Script:
    if read.kind == texts.CIRCULAR and read.links:
        return _of_chain(read)
    if read.table:
        return _of_table(read.table, read.chains)
    lock = read.trying
    if read.kind == texts.RECURSIVE:
        return _of_table([Row("CPU0", "lock", lock), Row("CPU0", "lock", lock)], [])
    rows = [Row("CPU0", "lock", lock), Row("CPU0", "interrupt", None)]
    if read.kind == texts.INCONSISTENT:
        return _of_table([*rows, Row("CPU0", "lock", lock)], [])
    other = [Row("CPU1", "irq_off", None)]
    other += [Row("CPU1", "lock", each) for each in (read.holding, lock)]
    return _of_table([*rows, Row("CPU0", "lock", read.holding), *other], [])


def _of_chain(read: Read) -> Script:
    """Return an actor for each link: it holds the lock of the link below, and takes its own.

    A worker holds its workqueue and its work at once, so these two links are one actor.
    """
    links = read.links[::-1]
    first: dict[str, Row] = {}
    for row in read.table:
        first.setdefault(row.cpu, row)
    takes = {(row.cpu, row.lock): row.what for row in read.table if row != first[row.cpu]}
    found: list[list[Row]] = []
    last = len(links) - 1
    for number, link in enumerate(links):
        before = links[number - 1] if number else links[last]
        cpu = "CPU0" if number == 0 else "CPU1" if number == last else ""
        how = takes.get((cpu, link.lock)) or ("rlock" if link.reads else "lock")
        ends = first.get(cpu)
        mode = ends.what if ends is not None and ends.lock == before.lock else "lock"
        if found and _is_one_worker(found[-1], before.lock):
            found[-1].append(Row("", how, link.lock))
        else:
            found.append([Row("", mode, before.lock), Row("", how, link.lock)])
    return {f"CPU{number}": _script(rows) for number, rows in enumerate(found)}


def _is_one_worker(rows: Sequence[Row], work: str) -> bool:
    """Tell whether rows are a workqueue and this work of it."""
    names = [row.lock or "" for row in rows]
    is_worker = names[0].startswith("(wq_completion)") and work.startswith("(work_completion)")
    return is_worker and names[1:] == [work]


def _of_table(table: Sequence[Row], chains: Sequence[str]) -> Script:
    cpus = list(dict.fromkeys(row.cpu for row in table))
    found = {cpu: _script([row for row in table if row.cpu == cpu]) for cpu in cpus}
    edges = {
        (before, after)
        for own in found.values()
        for (_, before), (_, after) in pairwise([each for each in own if each[1]])
    }
    for before, after in pairwise(chains):
        if (before, after) not in edges:
            rows = [Row("", "lock", before), Row("", "lock", after)]
            found[f"CPU{len(found)}"] = _script(rows)
    if len(found) == 1 and _reads_twice(next(iter(found.values()))):
        lock = table[0].lock
        found["CPU1"] = [("lock", lock), ("unlock", lock)]  # the writer that makes it wait
    return found


def _reads_twice(own: Sequence[Action]) -> bool:
    return [what for what, _ in own[:2]] == ["rlock", "rlock"]


def _script(rows: Sequence[Row]) -> list[Action]:
    """Return what an actor does: it takes its locks in turn, and drops them in the end."""
    found: list[Action] = []
    ends: list[Action] = []
    for number, row in enumerate(rows):
        what, lock = row.what, row.lock
        if lock and DEFERRED.match(lock):
            runs = number == 0 or (number == 1 and len(rows) > 2)
            what = "lock" if runs else "wait"
            if runs:
                ends.append(("complete", lock))
        elif what in ENDS:
            ends.append((ENDS[what], lock))
        found.append((what, lock))
    return [*found, *ends[::-1]]


def _kinds(read: Read, actors: Script) -> dict[str, str]:
    """Return what each lock is: by its name, by what is done with it, by lockdep's wait type."""
    done: dict[str, set[str]] = {}
    for own in actors.values():
        for what, lock in own:
            if lock is not None:
                done.setdefault(lock, set()).add(what)
    return {lock: _kind(lock, what, read) for lock, what in done.items()}


def _kind(lock: str, done: set[str], read: Read) -> str:
    if DEFERRED.match(lock):
        return WORK
    if "sync" in done:
        return SRCU
    if "rlock" in done:
        return RWSEM
    spins = read.waits.get(lock) == SPINS or read.kind in INTERRUPTS
    return SPIN if spins else MUTEX


def _dropped(actors: Script, kinds: dict[str, str]) -> Script:
    """Return the actors, with what was taken for reading dropped so, as the models need it."""
    found: Script = {}
    for name, own in actors.items():
        read: list[str] = []
        lines: list[Action] = []
        for what, lock in own:
            if lock is not None and kinds[lock] == SRCU and what == "lock":
                what = "rlock"
            if what == "rlock" and lock is not None:
                read.append(lock)
            if what == "unlock" and lock in read:
                read.remove(lock)
                what = "runlock"
            lines.append((what, lock))
        found[name] = lines
    return found


# -- what the report itself says ----------------------------------------------------------------


def _in_its_order(read: Read, found: LockReport) -> list[str]:
    """Return a sentence on the order that the report tells."""
    assert found.case is not None
    run = _reported_run(read, found.case, found.actors)
    if run.deadlock:
        return [f"In the order of the report it deadlocks: {short(run.schedule)}."]
    return ["In the order of the report it does not deadlock."] if found.deadlock else []


def _reported_run(read: Read, case: Case, actors: Script) -> Run:
    """Return the run in the order of the table, or with each link's lock taken in turn."""
    by_row = bool(read.table) and not read.links
    order = [row.cpu for row in read.table] if by_row else 3 * list(actors)
    kinds = _kinds(read, actors)
    run, done, lines = Run(case), dict.fromkeys(actors, 0), _dropped(actors, kinds)
    for name in order:
        if run.deadlock:
            break
        what, lock = lines[name][done[name]]
        for _ in range(steps_of(kinds.get(lock or "", ""), what)):
            if name in run.enabled():
                run.step(name)
        done[name] = min(done[name] + 1, len(lines[name]) - 1)
    return run


def _of_its_table(read: Read, found: LockReport) -> list[str]:
    """Return a sentence on the report's table, where that alone is no deadlock."""
    if not read.table:
        return []
    if not read.links and not found.deadlock:
        return [
            "The table alone is no deadlock: it may show the two ends of a longer chain. Paste the "
            "part from 'the existing dependency chain', too."
        ]
    if len(found.actors) <= len({row.cpu for row in read.table}):
        return []
    alone = _judged(read._replace(links=[], chains=[]), _of_table(read.table, []))
    if alone.deadlock:
        return []
    more = ", ".join(list(found.actors)[2:])
    return [
        f"The report's own table is no deadlock: it leaves out {more}, the links between. "
        "Lockdep prints the two ends of a longer chain only."
    ]
