"""What a lock report's actors do: each holds some of its locks, and takes one more.

A circular dependency is a ring of locks, each taken while the one before it is held.  Each link is
an actor; CPU0 is the task that the report is about, CPU1 the other one of its table, and the
others are the links between, which lockdep's table leaves out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from mmviz.reading import lock_text as texts
from mmviz.reading.lock_chain import Link, is_completion, is_deferred, is_worker
from mmviz.reading.lock_race import Action
from mmviz.reading.lock_text import Read, Row

Script = dict[str, list[Action]]
ENDS = {"lock": "unlock", "rlock": "unlock", "irq_off": "irq_on"}
TABLE_ALONE = (
    "The table alone is no deadlock: it shows the two ends of a longer chain. Paste the part from "
    "'the existing dependency chain', too."
)


@dataclass(frozen=True)
class Plan:
    """What the actors of a report do.

    Attributes:
        actors: for each what it does.
        links: the chain, in the order of the report; empty where it has none.
        order: whose action is next, in the order that the report tells.
        notes: what is assumed, and what a reader should know.
        why: what the text lacks, "" if it has enough.
        writers: the actors that are in no report, and keep readers out.
    """

    actors: Script = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    why: str = ""
    writers: list[str] = field(default_factory=list)


def plan(read: Read) -> Plan:
    """Return what the actors of a report do."""
    made = _planned(read)
    if made.why:
        return replace(made, why=texts.FLAT) if read.flat and not read.links else made
    return replace(made, notes=[*made.notes, *_of_a_state(read)])


def _planned(read: Read) -> Plan:
    if read.kind == texts.CIRCULAR:
        return _circular(read)
    if read.kind == texts.RECURSIVE:
        return _recursive(read)
    if read.kind == texts.INCONSISTENT:
        return _inconsistent(read)
    return _interrupted(read)


def of_table(table: Sequence[Row]) -> Plan:
    """Return what the actors of a table do, and nothing else of the report."""
    cpus = list(dict.fromkeys(row.cpu for row in table))
    rows = {cpu: [(row.what, row.lock) for row in table if row.cpu == cpu] for cpu in cpus}
    return Plan({cpu: _script(own) for cpu, own in rows.items()}, order=[row.cpu for row in table])


def _script(rows: Sequence[Action]) -> list[Action]:
    """Return what an actor does: it takes its locks in turn, and drops them in the end.

    What stands for work is run by the actor that holds it, and waited for by the one that takes it.
    A completion is not taken by the actor that completes it.
    """
    found: list[Action] = []
    ends: list[Action] = []
    last = len(rows) - 1
    for number, (what, lock) in enumerate(rows):
        if lock and what in ENDS and is_deferred(lock):
            waits = number == last and number > 0
            if waits:
                found.append(("wait", lock))
                continue
            ends.append(("complete", lock))
            if not is_completion(lock):
                found.append(("lock", lock))
            continue
        if what in ENDS:
            ends.append((ENDS[what], lock))
        found.append((what, lock))
    return [*found, *ends[::-1]]


# -- circular ------------------------------------------------------------------------------------


class Ends(NamedTuple):
    """The locks that the table names: being taken, held by CPU1, held by CPU0; "" if unknown."""

    taken: str = ""
    middle: str = ""
    held: str = ""


def _circular(read: Read) -> Plan:
    ends = _ends(read)
    if not read.links and not read.chains and read.table and ends.taken != ends.middle:
        made = of_table(read.table)  # all that lockdep shows of a longer chain
        return replace(made, notes=[TABLE_ALONE])
    if not read.links and read.table and ends == Ends():
        return _drawn(read)
    ring, notes, why = _ring(read)
    if why:
        return Plan(why=why)
    srcu = {link.lock for link in ring if _taken(read, link, ring) == "sync"}
    groups: list[list[Action]] = []
    waits: dict[str, dict[str, str]] = {}
    for number, link in enumerate(ring):
        before = ring[number - 1].lock
        how, taken = (
            ("rlock" if before in srcu else _held(read, before, ring)),
            _taken(read, link, ring),
        )
        groups.append([(how, before), (taken, link.lock)])
        waits.setdefault(before, {})["held"] = how
        waits.setdefault(link.lock, {})["taken"] = taken
    scripts = _named(_merged(ring, groups))
    actors = {name: _script(rows) for name, rows in scripts.items()}
    read_only = [lock for lock, hows in waits.items() if set(hows.values()) == {"rlock"}]
    writers = []
    for lock in read_only:
        name = f"CPU{len(actors)}"
        writers.append(name)
        actors[name] = [("lock", lock), ("unlock", lock)]
        notes.append(
            f"Readers of {lock} do not wait for each other: {name} is a writer that waits between "
            "them, and keeps the later one out."
        )
    held = {
        name: [lock for _, lock in rows[:-1] if not (lock and is_completion(lock))]
        for name, rows in scripts.items()
    }
    order = [name for name in scripts for _ in held[name]]
    order += [name for name in actors if name not in scripts]
    order += [*list(scripts)[1:], "CPU0"]
    return Plan(actors, ring[::-1], order, notes, writers=writers)


def _merged(ring: Sequence[Link], groups: list[list[Action]]) -> list[list[Action]]:
    """Return the groups; a worker holds its workqueue and its work at once, so it is one."""
    size = len(ring)
    joins = [is_worker(ring[k - 1].lock, ring[k].lock) for k in range(size)]
    if all(joins):
        return groups
    first = next(k for k in range(size) if not joins[k - 1])
    found: list[list[Action]] = []
    for k in [*range(first, size), *range(first)]:
        if joins[k - 1] and found:
            found[-1].append(groups[k][1])
        else:
            found.append(list(groups[k]))
    own = ring[0].lock
    at = next(n for n, rows in enumerate(found) if own in [lock for _, lock in rows[1:]])
    return [*found[at:], *found[:at]]


def _named(groups: list[list[Action]]) -> dict[str, list[Action]]:
    """Return the groups by actor: CPU0 takes the ring's first lock, CPU1 the last, and so on."""
    return {f"CPU{number}": rows for number, rows in enumerate([groups[0], *groups[:0:-1]])}


def _held(read: Read, lock: str, ring: Sequence[Link]) -> str:
    """Return how a lock is held: by the table, else by how it has been taken so far."""
    firsts = {row.cpu: row for row in reversed(read.table)}
    cpu = {ring[-1].lock: "CPU0", ring[-2].lock: "CPU1"}.get(lock, "")
    if cpu in firsts and firsts[cpu].lock == lock and firsts[cpu].what in ENDS:
        return firsts[cpu].what
    return "rlock" if lock in read.uses and read.uses[lock].reads_only else "lock"


def _taken(read: Read, link: Link, ring: Sequence[Link]) -> str:
    """Return how a link's lock is taken: by the table, by the functions, by its uses."""
    lasts = {row.cpu: row for row in read.table}
    cpu = {ring[-1].lock: "CPU1", ring[0].lock: "CPU0"}.get(link.lock, "")
    if cpu in lasts and lasts[cpu].lock == link.lock and len(read.table) > 2:
        return lasts[cpu].what
    reads = link.lock in read.uses and read.uses[link.lock].reads_only
    return link.how or ("rlock" if reads else "lock")


def _ends(read: Read) -> Ends:
    """Return the locks that "Chain exists of" or the table names."""
    if len(read.chains) == 3:
        return Ends(*read.chains)
    rows = {
        cpu: [row.lock or "" for row in read.table if row.cpu == cpu] for cpu in ("CPU0", "CPU1")
    }
    (zero, one), others = rows.values(), {row.cpu for row in read.table} - {"CPU0", "CPU1"}
    if others or len(zero) != 2 or len(one) != 2 or one[1] != zero[0]:
        return Ends()
    return Ends(zero[1], one[0], zero[0])


def _ring(read: Read) -> tuple[list[Link], list[str], str]:
    """Return the ring of locks from #0 on, what is assumed, and what is lacking."""
    ends = _ends(read)
    taken = read.places.get("trying") or ends.taken
    held = read.places.get("holding") or ends.held
    known = {link.number: link for link in read.links if link.lock}
    shown = max((link.number for link in read.links), default=0)
    if taken and 0 not in known:
        known[0] = Link(taken, "", "", False, 0)
    if held and held != taken and shown > 0 and shown not in known:
        known[shown] = Link(held, "", "", False, shown)
    notes: list[str] = []
    locks = {link.lock for link in known.values()}
    if held and held not in locks:
        if not ends.middle:
            return [], [], _lacks(known, shown, held)
        if ends.middle not in locks:
            notes += _assumed(known, ends.middle)
        elif known[max(known)].lock != ends.middle:
            return [], [], _lacks(known, shown, held)
        top = max(known) + 1
        known[top] = Link(held, "", "", False, top)
    top = max(known, default=0)
    if top - 1 not in known and ends.middle and ends.middle not in locks and top > 1:
        known[top - 1] = Link(ends.middle, "", "", False, top - 1)
    missing = [number for number in range(top) if number not in known]
    if missing or top == 0:
        return [], [], _lacks(known, top, held)
    return [known[number] for number in range(top + 1)], notes, ""


def _assumed(known: dict[int, Link], middle: str) -> list[str]:
    """Add the lock of the table that is in no link; return what that assumes."""
    top = max(known) + 1
    below = known[top - 1].lock
    known[top] = Link(middle, "", "", False, top)
    return [_one_link(below, middle)]


def _one_link(outer: str, inner: str) -> str:
    """Return the sentence on a chain that is not in the text."""
    return (
        f"The chain from {outer} to {inner} is not in the text: it is taken as one link, which "
        f"takes {inner} while it holds {outer}."
    )


def _lacks(known: Mapping[int, Link], top: int, held: str) -> str:
    """Return what is missing of a ring."""
    shown = sorted(number for number in known if number)
    if not shown:
        return (
            "a circular dependency, and the text has neither its chain (-> #1 …, -> #0 …) nor its "
            "table (or blanks of the table are gone): paste the report from its first line to "
            "*** DEADLOCK ***"
        )
    missing = [f"#{number}" for number in range(top) if number not in known]
    if missing:
        word = "links" if len(missing) > 1 else "link"
        return f"the chain lacks its {word} {', '.join(missing)}: paste all of -> #{top} to -> #0"
    return (
        f"the chain begins at #{top}, {known[top].lock}, and the lock that is held, {held}, is not "
        "in it: paste it from its first link on"
    )


def _drawn(read: Read) -> Plan:
    """Return the actors of a table that a reader has drawn, for more CPUs than lockdep's two."""
    if len(read.table) < 4 or len({row.cpu for row in read.table}) < 2:
        return Plan(why=_lacks({}, 0, ""))
    return of_table(read.table)


# -- the others ----------------------------------------------------------------------------------


def _recursive(read: Read) -> Plan:
    rows = [row for row in read.table if row.lock]
    lock = read.places["trying"] or read.places["holding"] or (rows[0].lock or "" if rows else "")
    if not lock:
        return Plan(why="a lock is taken twice, and the text does not name it")
    how = "rlock" if lock in read.uses and read.uses[lock].reads_only else "lock"
    hows = [row.what for row in rows] if len(rows) == 2 else [how, how]
    twice: list[Action] = [(each, lock) for each in hows]
    actors, notes = {"CPU0": _script(twice)}, []
    if hows == ["rlock", "rlock"]:
        actors["CPU1"] = [("lock", lock), ("unlock", lock)]
        notes.append(
            f"A reader of {lock} waits for itself only where a writer, CPU1, waits between."
        )
    if read.instances != 1:
        shows = (
            f"The report shows {read.instances} locks of the class {lock}."
            if read.instances
            else f"The report does not show whether it is one lock of the class {lock} or two: it "
            "may be due to missing lock nesting notation."
        )
        notes.append(
            f"{shows} lockdep, and so this race, takes them for one; if they always differ, two "
            "tasks that take them in opposite orders are needed for a deadlock."
        )
    return Plan(actors, order=["CPU0", *list(actors)[1:], "CPU0"], notes=notes)


def _inconsistent(read: Read) -> Plan:
    lock = next((row.lock for row in read.table if row.lock), None) or read.places["takes"]
    if not lock:
        return Plan(
            why="the text names no lock: paste the line that ends in 'takes:', and the next"
        )
    own: list[Action] = [("lock", lock), (_enters(read), None), ("lock", lock)]
    return Plan({"CPU0": [*own, ("unlock", lock), ("unlock", lock)]}, order=3 * ["CPU0"])


def _interrupted(read: Read) -> Plan:
    """Return the actors where an interrupt takes a lock, and others hold it and wait."""
    path, notes, why = _path(read)
    if why:
        return Plan(why=why)
    safe, unsafe = path[0], path[-1]
    actors: Script = {
        "CPU0": [
            ("lock", unsafe),
            (_enters(read), None),
            ("lock", safe),
            ("unlock", safe),
            ("unlock", unsafe),
        ],
    }
    for number, (outer, inner) in enumerate(pairwise(path), 1):
        own: list[Action] = [("lock", outer), ("lock", inner), ("unlock", inner), ("unlock", outer)]
        off = number == 1 and read.state != texts.RECLAIM
        actors[f"CPU{number}"] = [("irq_off", None), *own, ("irq_on", None)] if off else own
    others = list(actors)[1:]  # none, where the interrupt takes the lock that it interrupts
    order = ["CPU0", *2 * others[:1]]
    return Plan(actors, order=[*order, *others[1:], *others, "CPU0", "CPU0"], notes=notes)


def _enters(read: Read) -> str:
    """Return what the task that holds the lock comes into, where it is taken again."""
    return "reclaim" if read.state == texts.RECLAIM else "interrupt"


def _of_a_state(read: Read) -> list[str]:
    """Return a sentence on a state of lockdep that is no interrupt."""
    if read.kind not in {texts.INCONSISTENT, texts.INVERSION, texts.UNSAFE} or not read.state:
        return []
    if read.state == texts.RECLAIM:
        return [
            "Reclaim is no interrupt, though lockdep prints <Interrupt> here, too: a task that "
            "holds the lock allocates memory, and reclaims it itself."
        ]
    return [
        f"{read.state} is neither HARDIRQ nor SOFTIRQ: it is taken for an interrupt, as lockdep "
        "prints it."
    ]


def _path(read: Read) -> tuple[list[str], list[str], str]:
    """Return the locks from the one that interrupts take on, what is assumed, what is lacking.

    The last one is the lock whose holder may be interrupted.
    """
    places, uses = read.places, read.uses
    zero = [row.lock for row in read.table if row.cpu == "CPU0" and row.lock]
    one = [row.lock for row in read.table if row.cpu == "CPU1" and row.lock]
    safe, unsafe = (zero[1], zero[0]) if len(zero) == 2 else ("", "")
    if read.kind == texts.INVERSION:
        changed = places["changed"]
        safe = safe or places["taken_by"] or (changed if places["took"] else "")
        unsafe = unsafe or places["took"] or (changed if places["taken_by"] else "")
        between = [*one[1:], *read.chains[1:2]]
    else:
        outer, inner = places["holding"], places["trying"]
        safe = safe or places["safe"]
        unsafe = unsafe or places["unsafe"]
        if not safe and outer in uses and uses[outer].is_safe(read.soft):
            safe = outer
        if not unsafe and inner in uses and uses[inner].is_unsafe(read.soft):
            unsafe = inner
        between = [outer, inner] if outer and inner else one[1:]
    for lock, what in ((safe, "safe"), (unsafe, "unsafe")):
        if not lock:
            lacks = (
                f"the text has no table (<Interrupt>, lock(…)), and does not name the lock that is "
                f"irq-{what}: paste the report up to 'stack backtrace'"
            )
            return [], [], lacks
    path = [safe, *(lock for lock in between if lock != unsafe and lock), unsafe]
    notes = [] if between or safe == unsafe else [_one_link(safe, unsafe)]
    return list(dict.fromkeys(path)), notes, ""
