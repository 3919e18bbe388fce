"""A report of lockdep, whole or cut: which locks, taken by which function while holding what.

The report's own phrases are looked for in its rows (`lock_rows`).  What it says becomes a race of
lock models (`lock_race`), and the search decides.

Source: kernel/locking/lockdep.c, print_circular_bug(), print_deadlock_bug(), print_usage_bug(),
print_irq_inversion_bug(), print_bad_irq_dependency(), v6.15.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mmviz.reading.lock_chain import CUT_OFF, Link, links_of
from mmviz.reading.lock_rows import Logged, logged, of_one_task
from mmviz.reading.mail import is_too_large

CIRCULAR, RECURSIVE, INCONSISTENT = "circular", "recursive", "inconsistent"
INVERSION, UNSAFE = "irq inversion", "irq unsafe"
KINDS = {
    "possible circular locking dependency detected": CIRCULAR,
    "possible recursive locking detected": RECURSIVE,
    "inconsistent lock state": INCONSISTENT,
    "possible irq lock inversion dependency detected": INVERSION,
    r"\b\w+(?:-read)?-safe -> \w+(?:-read)?-unsafe lock order detected": UNSAFE,
}
OTHERS = {
    "suspicious rcu": "RCU is used outside of its read section: no lock order is in question",
    "suspicious rcu_dereference": "RCU is used outside of its read section: it has no lock order",
    "bad unlock balance detected": "a lock is dropped that is not held: it has no lock order",
    "bad contention detected": "a lock is waited for that is not held: it has no lock order",
    "held lock freed": "memory with a held lock is freed: it has no lock order",
    "lock held at task exit time": "a task exits with a lock held: it has no lock order",
    "invalid wait context": "a sleeping lock is taken where sleeping is forbidden: it has no cycle",
    "lock held when returning to user space": "a lock is not dropped: it has no lock order",
    "nested lock was not taken": "an outer lock is missing: it has no lock order",
    "trying to register non-static key": "a lock was not initialised: it has no lock order",
    "max_lockdep_": "a table of lockdep is full: it checks nothing from there on",
    "max_lock_depth": "a task holds too many locks for lockdep: it has no lock order",
    "sleeping function called from invalid context": "sleeping is forbidden there: no lock order",
    "scheduling while atomic": "a task sleeps where that is forbidden: it has no lock order",
    "possible task hung": "a task hangs, and the report names no lock order",
    "task hung": "a task hangs, and the report names no lock order",
    "blocked for more than": "a task hangs, and the report names no lock order",
    "soft lockup": "a CPU does not schedule, and the report names no lock order",
    "hard lockup": "a CPU takes no interrupts, and the report names no lock order",
    "detected stall": "RCU waits for a CPU, and the report names no lock order",
    "spinlock bad magic": "the lock's memory is damaged: it has no lock order",
    "spinlock lockup": "a CPU spins, and the report names no lock order",
    "debug_locks_warn_on": "a check of lockdep itself fails: it has no lock order",
    "kasan:": "memory is used wrongly: it has no lock order",
    "data-race in": "two accesses race: it has no lock order",
    "showing all locks held": "it lists the locks held, and names no order of them",
}
NO_REPORT = (
    "this is no report of lockdep: none of its headings, no chain (-> #1 (lock){…}) and no table "
    "of lock(…) is in it"
)
FLAT = (
    "the blanks of its table are gone, so whose a row is cannot be seen: paste the report as the "
    "kernel printed it, with its chain (-> #1 …, -> #0 …), which is enough"
)
HELD_ONLY = (
    "it lists locks held, and names no order of them: it is none of the five kinds of report"
)

ADDRESS = r"(?:(?:\[?<?(?:0x)?[0-9a-f]+>?\]?|\(_*ptrval_*\))\s+)?"
LOCK = ADDRESS + r"\((?P<name>\S.*?)\)\s*\{(?P<use>[^}]{0,40})\}(?:-\{(?P<wait>\d+):\d+\})?"
PLACES = {
    "trying": r"is trying to acquire(?: lock)?:",
    "holding": r"already holding(?: lock)?:",
    "changed": r"changed the state of lock:",
    "takes": r"\btakes:",
    "took": r"but this lock took another, \S+-unsafe lock in the past:",
    "taken_by": r"but this lock was taken by another, \S+-safe lock in the past:",
    "safe": r"connects? an? \S*irq-(?:read-)?safe lock:",
    "unsafe": r"to an? \S*irq-(?:read-)?unsafe lock:",
}
AT = re.compile(r",\s*at:\s+(?:\[<[0-9a-f]+>\]\s+)?([A-Za-z_][\w.]*)(?:\+0x|\s+\()")
ANY_LOCK = re.compile(r"\((?P<name>\S.*?)\)\s*\{(?P<use>[^}\n]*)\}(?:-\{(?P<wait>\d+):\d+\})?")
ADDRESSED = re.compile(r"\b([0-9a-f]{8,16}) \((\S[^\n]*?)\)\s*\{")
CHAIN = "Chain exists of:"
AFTER_CHAIN = re.compile(r"\n\s*\n|Possible|CPU0|WARNING")
MOST_CHAIN = 1_000  # characters
ACTION = re.compile(
    r"(?P<what>r?lock|sync)\((?P<name>[^;]+)\);?\s*$|(?P<irq><Interrupt>)|(?P<off>local_irq_disable\(\);?)"
)
STATE = re.compile(
    r"inconsistent \{(?:in-)?(\w+?)(?:-on)?-[rw]\}|\b(\w+?)(?:-read)?-safe -> "
    r"|another, (\w+?)(?:-read)?-(?:un)?safe lock",
    re.I,
)
INTERRUPTS = frozenset(["HARDIRQ", "SOFTIRQ"])
RECLAIM = "RECLAIM_FS"
MOST_ROWS = 60  # of a table
LEAST_APART = 8  # columns from CPU0 to CPU1 in the head of a table
SLEEPS = 3  # the wait type of a lock that sleeps


class Row(NamedTuple):
    """A row of the table at the report's end: whose it is, what it does, with which lock."""

    cpu: str
    what: str
    lock: str | None


class Use(NamedTuple):
    """What lockdep shows of a lock besides its name.

    Attributes:
        wait: its wait type: 2 for a spinlock, 3 or 4 for a lock that sleeps, 0 for what is none;
            -1 where it is not shown, as before v5.8.
        bits: how it has been taken: `+.?-` for writing and for reading, with interrupts on and in
            them.
    """

    wait: int
    bits: str

    @property
    def reads_only(self) -> bool:
        """Whether it has only been taken for reading.

        Of a lock that spins that does not show: writers may turn interrupts off.
        """
        reads = set(self.bits[::2]) == {"."} and set(self.bits[1::2]) != {"."}
        return reads and (self.wait == 0 or self.wait >= SLEEPS)

    def is_safe(self, soft: bool) -> bool:
        """Whether it has been taken in hard interrupts, or soft ones."""
        return not set(self._of(soft)).isdisjoint("-?")

    def is_unsafe(self, soft: bool) -> bool:
        """Whether it has been taken with hard interrupts on, or soft ones."""
        return not set(self._of(soft)).isdisjoint("+?")

    def _of(self, soft: bool) -> str:
        return self.bits[2:4] if soft else self.bits[:2]


@dataclass(frozen=True)
class Read:
    """What a report says.

    Attributes:
        kind: "circular", "recursive", "inconsistent", "irq inversion", "irq unsafe", or "".
        places: the locks that its phrases name: "trying", "holding", and so on.
        links: the chain in the order of the text, the last one is being taken.
        table: the rows of the scenario.
        chains: the locks of "Chain exists of", in their order.
        uses: what the report shows of each lock.
        instances: how many locks of the class being taken it has, by their addresses; 0 where it
            does not show these.
        soft: whether it is about soft interrupts.
        state: the state of lockdep that is no interrupt, RECLAIM_FS; "" for interrupts.
        flat: whether it has a table whose blanks are gone.
        why: why it is no such report, or what it lacks; "" if it can be judged.
    """

    kind: str
    places: dict[str, str] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    table: list[Row] = field(default_factory=list)
    chains: list[str] = field(default_factory=list)
    uses: dict[str, Use] = field(default_factory=dict)
    instances: int = 0
    soft: bool = False
    state: str = ""
    flat: bool = False
    why: str = ""


def read(text: str) -> list[Read]:
    """Return what each report of a text says: those that can be judged, else the first refusal."""
    if is_too_large(text):
        return [Read("", why="the text is larger than 64 KiB: paste one report")]
    rows = logged(text)
    found = [_one(of_one_task(part)) for part in list(_reports(rows)) or [rows]]
    return [each for each in found if not each.why] or found[:1]


def _reports(rows: list[Logged]) -> Iterator[list[Logged]]:
    """Yield the rows of each report of a text; one begins at a line with WARNING or INFO."""
    begins = [
        number
        for number, row in enumerate(rows)
        if re.search(r"(?:WARNING|INFO|BUG): ", row.text) and _kind(row.text) is not None
    ]
    for begin, end in zip(begins, [*begins[1:], len(rows)], strict=False):
        yield rows[begin:end]


def _kind(text: str) -> str | None:
    """Return the kind of a report that a text names, "" for one without a lock order."""
    low = " ".join(text.lower().split())
    for phrase, kind in KINDS.items():
        if re.search(phrase, low):
            return kind
    return "" if any(phrase in low for phrase in OTHERS) else None


def _one(rows: list[str]) -> Read:
    text = "\n".join(rows)
    kind = _kind(text)
    places = {name: _lock(phrase, text) for name, phrase in PLACES.items()}
    taken_at = _taken_at(text)
    links = links_of(rows, taken_at)
    table, flat = _table(rows)
    if kind is None:
        kind = _by_its_parts(links, table, places)
    if not kind:
        low = " ".join(text.lower().split())
        other = next((why for phrase, why in OTHERS.items() if phrase in low), "")
        held = re.search(r"locks? held by \S+/\d+", text)
        none = FLAT if flat else HELD_ONLY if held else NO_REPORT
        return Read("", why=none if flat else other or none)
    instances = [address for address, name in ADDRESSED.findall(text) if name == places["trying"]]
    return Read(
        kind,
        places,
        links,
        table,
        _chain(text),
        _uses(text),
        len(set(instances)) if len(instances) > 1 else 0,
        bool(re.search(r"SOFTIRQ", text.split("-irq-", 1)[0])),
        _state(text),
        flat,
    )


def _state(text: str) -> str:
    """Return the state that a report is about, "" where it is hard or soft interrupts."""
    names = [name.upper() for match in STATE.findall(text) for name in match if name]
    return next((name for name in names if name not in INTERRUPTS), "")


def _by_its_parts(links: list[Link], table: list[Row], places: dict[str, str]) -> str:
    """Return the kind of a report whose heading is cut off."""
    if links:
        return CIRCULAR
    if places["changed"]:
        return INVERSION
    if places["safe"] or places["unsafe"]:
        return UNSAFE
    if places["trying"] and places["holding"]:
        return RECURSIVE if places["trying"] == places["holding"] else CIRCULAR
    cpus = {row.cpu for row in table}
    if any(row.what == "interrupt" for row in table):
        return INCONSISTENT if len(cpus) == 1 else INVERSION
    if len(table) >= 2:
        return RECURSIVE if len(cpus) == 1 else CIRCULAR
    return ""


def _lock(phrase: str, text: str) -> str:
    match = re.search(rf"{phrase}\s+{LOCK}", text)
    return " ".join(match["name"].split()) if match else ""


def _taken_at(text: str) -> str:
    """Return the function that takes the lock being acquired, "" if the text does not say."""
    match = re.search(rf"{PLACES['trying']}\s+{LOCK}", text)
    if match is None:
        return ""
    end = text.find("\n\n", match.end())
    at = AT.search(text, match.end() - 1, end if end > 0 else match.end() + 400)
    return at[1] if at else ""


def _chain(text: str) -> list[str]:
    """Return the locks of "Chain exists of", in their order."""
    _, found, rest = text.partition(CHAIN)
    names = AFTER_CHAIN.split(rest[:MOST_CHAIN].lstrip(), maxsplit=1)[0].split("-->")
    return [" ".join(name.split()) for name in names] if found and len(names) > 1 else []


def _uses(text: str) -> dict[str, Use]:
    """Return what is shown of each lock; the bits of a report's last showing count."""
    found: dict[str, Use] = {}
    for match in ANY_LOCK.finditer(text):
        name = " ".join(match["name"].split())
        wait = int(match["wait"] or -1) if match["wait"] != "0" else 0
        found[name] = Use(max(wait, found[name].wait if name in found else -1), match["use"])
    return found


def _table(rows: list[str]) -> tuple[list[Row], bool]:
    """Return the rows of the scenario, from top to bottom, and whether one has lost its blanks.

    Its second row is of another CPU than its first, where it has two; so the columns are gone
    where all rows stand in the first one.
    """
    best: list[Row] = []
    flat = False
    for number, row in enumerate(rows):
        heads = [(match.start(), match[0]) for match in re.finditer(r"CPU\d+", row)]
        if not heads or re.sub(r"CPU\d+|\s", "", row) or heads[0][1] != "CPU0":
            continue
        found: list[Row] = []
        for below in rows[number + 1 : number + 1 + MOST_ROWS]:
            if "DEADLOCK" in below or CUT_OFF.search(below):
                break
            found += _actions(below, heads)
        close = len(heads) > 1 and heads[1][0] - heads[0][0] < LEAST_APART
        if close or (len(heads) > 1 and len(found) > 1 and len({row.cpu for row in found}) == 1):
            flat = flat or bool(found)
        elif len(found) > len(best):
            best = found
    return best, flat and not best


def _actions(row: str, heads: list[tuple[int, str]]) -> Iterator[Row]:
    for piece in re.finditer(r"\S+(?: \S+)*", row):
        match = ACTION.match(piece[0])
        if not match:
            continue
        cpu = [name for x, name in heads if x - 8 <= piece.start()][-1:] or [heads[0][1]]
        if match["irq"]:
            yield Row(cpu[0], "interrupt", None)
        elif match["off"]:
            yield Row(cpu[0], "irq_off", None)
        else:
            yield Row(cpu[0], match["what"], " ".join(match["name"].split()))
