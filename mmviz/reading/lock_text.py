"""A report of lockdep, whole or cut: which locks, taken by whom while holding what.

The report's own phrases are looked for in its text once what mailers and loggers put around it is
gone.  What it says becomes a race of lock models (`lock_race`), and the search decides.

Source: kernel/locking/lockdep.c, print_circular_bug(), print_deadlock_bug(), print_usage_bug(),
print_irq_inversion_bug(), print_bad_irq_dependency(), v6.15.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from mmviz.reading.mail import is_too_large, rows_of

CIRCULAR, RECURSIVE, INCONSISTENT = "circular", "recursive", "inconsistent"
INVERSION, UNSAFE = "irq inversion", "irq unsafe"
KINDS = {
    "possible circular locking dependency detected": CIRCULAR,
    "possible recursive locking detected": RECURSIVE,
    "inconsistent lock state": INCONSISTENT,
    "possible irq lock inversion dependency detected": INVERSION,
    r"(?:hard|soft)irq-safe -> (?:hard|soft)irq-unsafe lock order detected": UNSAFE,
}
OTHERS = {
    "suspicious rcu usage": "RCU is used outside of its read section: no lock order is in question",
    "bad unlock balance detected": "a lock is dropped that is not held: it has no lock order",
    "held lock freed": "memory with a held lock is freed: it has no lock order",
    "invalid wait context": "a sleeping lock is taken where sleeping is forbidden: it has no cycle",
    "lock held when returning to user space": "a lock is not dropped: it has no lock order",
    "nested lock was not taken": "an outer lock is missing: it has no lock order",
    "sleeping function called from invalid context": "sleeping is forbidden there: no lock order",
    "task hung": "a task hangs, and the report names no lock order",
    "blocked for more than": "a task hangs, and the report names no lock order",
}
PREFIX = re.compile(
    r"(?:> ?)*"
    r"(?:\d{4}-\d\d-\d\d[A-Z ]\S+ \S+ (?:kernel|klogd)(?:\[\d+\])?: ?"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ kernel: ?)?"
    r"(?:<\d>)?(?:\[ *\d+\.\d+\] ?)?(?:\[ *[A-Z]{1,2}\d+\] ?)?(?:kern +:\w+ +: ?)?"
)
LOCK = r"\((?P<{0}>\S.*?)\)\s*\{{(?P<{0}_use>[^}}]*)\}}(?:-\{{(?P<{0}_wait>\d+):\d+\}})?"
TRYING = re.compile(
    r"is trying to acquire(?: lock)?:\s+(?:\[?<?[0-9a-fx]+>?\]?\s+)?" + LOCK.format("name")
)
HOLDING = re.compile(
    r"(?:already holding(?: lock)?|taken by another[^:]*|lock dependency):\s+"
    r"(?:\[?<?[0-9a-fx]+>?\]?\s+)?" + LOCK.format("name")
)
CHANGED = re.compile(
    r"changed the state of lock:\s+(?:\[?<?[0-9a-fx]+>?\]?\s+)?" + LOCK.format("name")
)
TAKES = re.compile(r"takes:\s+(?:\[?<?[0-9a-fx]+>?\]?\s+)?" + LOCK.format("name"))
AT = re.compile(r",\s*at:\s+(?:\[<[0-9a-f]+>\]\s+)?([\w.]+)")
LINK = re.compile(r"-> #(\d+)\s+" + LOCK.format("name") + r":?")
FRAME = re.compile(r"^\s*(?:\[<[0-9a-f]+>\]\s+)?\??\s*([A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+")
CHAIN = re.compile(r"Chain exists of:\s+(\S.*?-->.*?)\s*\n\s*\n", re.S)
ACTION = re.compile(
    r"(?P<what>r?lock|sync)\((?P<name>[^;]+)\);?\s*$|(?P<irq><Interrupt>)|(?P<off>local_irq_disable\(\);?)"
)
INNER = re.compile(
    r"(?:__)?(?:lock_acquire|check_prevs?_add|check_noncircular|validate_chain|check_deadlock"
    r"|mark_lock|lock_sync|lock_release)|_*(?:raw_)?(?:spin|read|write)_(?:try)?lock\w*|_*mutex_lock\w*"
    r"|_*(?:percpu_)?down_(?:read|write)\w*|_*(?:ww|rt)_mutex_lock\w*|lock_acquire\S*"
    r"|touch_(?:wq|work)_lockdep_map|start_flush_work|lock_map_acquire\w*|fs_reclaim_acquire"
    r"|rwsem_down_\w+|do_raw_\w+|_*cpus_read_lock|might_(?:fault|alloc)\w*|_*flush_work(?:queue)?"
)
READS = re.compile(
    r"(?:percpu_)?down_read|_*raw_read_lock|queued_read_lock|srcu_read_lock|cpus_read_lock"
)
LEAST_APART = 8  # columns from CPU0 to CPU1 in the head of a table
SYSLOG_NEWLINE = "#" + "012"  # in octal
DEFERRED = re.compile(r"\((?:wq_completion|work_completion|completion)\)")


class Taken(NamedTuple):
    """A link of the chain: a lock that was taken while the one before it was held.

    Attributes:
        lock: its class, as lockdep names it.
        function: what took it, "" if the text does not say.
        reads: whether it was taken for reading.
        wait: lockdep's wait type: 2 for a spinlock, 3 and 4 for a lock that sleeps, 0 unknown.
        number: of the link; #0 is the lock that is being taken.
    """

    lock: str
    function: str
    reads: bool
    wait: int
    number: int


class Row(NamedTuple):
    """A row of the table at the report's end: whose it is, what it does, with which lock."""

    cpu: str
    what: str
    lock: str | None


class Read(NamedTuple):
    """What a report says.

    Attributes:
        kind: "circular", "recursive", "inconsistent", "irq inversion", "irq unsafe", or "".
        trying, holding: the lock that is being taken, and the one that is held; "" if not said.
        links: the chain in the order of the text, the last one is being taken.
        table: the rows of the scenario.
        chains: the locks of "Chain exists of", in their order.
        waits: the wait type of each lock that shows it.
        why: why it is no such report, or what it lacks; "" if it can be judged.
        others: how many further reports the text has.
    """

    kind: str
    trying: str
    holding: str
    links: list[Taken]
    table: list[Row]
    chains: list[str]
    waits: dict[str, int]
    why: str = ""
    others: int = 0


def plain(text: str) -> list[str]:
    """Return the rows of a report without quoting, times, log levels and thread ids."""
    rows = []
    for row in rows_of(text):
        row = PREFIX.sub("", row.expandtabs(8), count=1)
        rows += [part.rstrip() for part in row.split(SYSLOG_NEWLINE)]
    return rows


def read(text: str) -> Read:
    """Return what a report says; of several in one text, the first that can be judged."""
    if is_too_large(text):
        return _refused("the text is larger than 64 KiB: paste one report")
    rows = plain(text)
    parts = list(_reports(rows)) or [rows]
    found = [_one(part) for part in parts]
    good = [each for each in found if not each.why]
    return (good or found)[0]._replace(others=max(0, len(good) - 1))


def _refused(why: str, kind: str = "") -> Read:
    return Read(kind, "", "", [], [], [], {}, why)


def _reports(rows: list[str]) -> Iterator[list[str]]:
    """Yield the rows of each report of a text; one begins at a line with WARNING or INFO."""
    begins = [
        number
        for number, row in enumerate(rows)
        if re.search(r"(?:WARNING|INFO|BUG): ", row) and _kind(row) is not None
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
    links, table, waits = _links(rows), _table(rows), _waits(text)
    trying = _lock(TRYING, text) or _lock(CHANGED, text) or _lock(TAKES, text)
    if links and trying and min(link.number for link in links) == 1:  # cut above #0
        links.append(Taken(trying, "", False, waits.get(trying, 0), 0))
    if kind == "":
        low = " ".join(text.lower().split())
        return _refused(next(why for phrase, why in OTHERS.items() if phrase in low))
    if kind is None:
        kind = _by_its_parts(links, table, text)
    if not kind:
        return _refused(
            "this is no report of lockdep: none of its headings, no chain (-> #1 (lock){…}) and no "
            "table of lock(…) is in it"
        )
    holding = _lock(HOLDING, text)
    match = CHAIN.search(text + "\n\n")
    chains = [part.strip() for part in re.split(r"\s*-->\s*", match[1])] if match else []
    found = Read(kind, trying, holding, links, table, chains, waits)
    return found._replace(why=_lacks(found))


def _by_its_parts(links: list[Taken], table: list[Row], text: str) -> str:
    if len(links) >= 2 or (TRYING.search(text) and HOLDING.search(text)):
        same = _lock(TRYING, text)
        return RECURSIVE if not links and same and same == _lock(HOLDING, text) else CIRCULAR
    cpus = {row.cpu for row in table}
    if any(row.what == "interrupt" for row in table):
        return INCONSISTENT if len(cpus) == 1 else INVERSION
    if len(table) >= 2:
        return RECURSIVE if len(cpus) == 1 else CIRCULAR
    return ""


def _lacks(found: Read) -> str:
    """Return what a report lacks to be judged, "" if it has enough."""
    if found.kind == CIRCULAR and len(found.links) < 2 and len(found.table) < 4:
        return (
            "a circular dependency, and the text has neither its chain (-> #1 …, -> #0 …) nor its "
            "table (or blanks of the table are gone): paste the report from its first line to "
            "*** DEADLOCK ***"
        )
    if found.kind == CIRCULAR and found.links:
        numbers = [link.number for link in found.links]
        missing = sorted(set(range(max(numbers) + 1)) - set(numbers))
        if missing:
            return f"the chain lacks its link #{missing[0]}: paste all of -> #n to -> #0"
    if found.kind == RECURSIVE and not (found.trying or found.table):
        return "a lock is taken twice, and the text does not name it"
    if found.kind in {INCONSISTENT, INVERSION, UNSAFE} and not found.table:
        if found.kind == INCONSISTENT and found.trying:
            return ""
        if found.kind == INVERSION and found.trying and found.holding:
            return ""
        return "the text has no table (<Interrupt>, lock(…)), and without it no order of locks"
    return ""


def _lock(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return " ".join(match["name"].split()) if match else ""


def _waits(text: str) -> dict[str, int]:
    return {
        " ".join(match["n"].split()): int(match["n_wait"])
        for match in re.finditer(LOCK.format("n"), text)
        if match["n_wait"]
    }


def _links(rows: list[str]) -> list[Taken]:
    """Return the chain, in the order of the text."""
    at = [
        (number, match)
        for number, row in enumerate(rows)
        if (match := LINK.search(_two(rows, number))) and "-> #" in row
    ]
    stacks: list[list[str]] = []
    for number, _ in at:
        frames = []
        for row in rows[number + 1 :]:
            if "-> #" in row or re.search(
                r"other info|stack backtrace|Call Trace|Chain exists", row
            ):
                break
            if (frame := FRAME.match(row)) and not row.lstrip().startswith("?"):
                frames.append(frame[1])
        stacks.append(frames)
    tops = [frames[0] for frames in stacks if frames]
    shared = {name for name in tops if tops.count(name) >= 2}
    found = []
    for (_, match), frames in zip(at, stacks, strict=True):
        inner = 0
        while inner < len(frames) and (INNER.fullmatch(frames[inner]) or frames[inner] in shared):
            inner += 1
        function = frames[inner] if inner < len(frames) else (frames[0] if frames else "")
        reads = any(map(READS.match, frames[:inner]))
        wait = int(match["name_wait"] or 0)
        name = " ".join(match["name"].split())
        found.append(Taken(name, function, reads, wait, int(match[1])))
    return found


def _two(rows: list[str], number: int) -> str:
    """Return a row and the one below it, for what a mailer has wrapped."""
    return " ".join([rows[number], *rows[number + 1 : number + 2]])


def _table(rows: list[str]) -> list[Row]:
    """Return the rows of the scenario, from top to bottom."""
    found: list[Row] = []
    for number, row in enumerate(rows):
        heads = [(match.start(), match[0]) for match in re.finditer(r"CPU\d+", row)]
        if not heads or re.sub(r"CPU\d+|\s", "", row) or heads[0][1] != "CPU0":
            continue
        if len(heads) > 1 and heads[1][0] - heads[0][0] < LEAST_APART:
            return []  # blanks were collapsed: whose a row is cannot be seen
        for below in rows[number + 1 :]:
            if "DEADLOCK" in below or re.search(r"other info|stack backtrace|locks? held", below):
                break
            found += _actions(below, heads)
        break
    return found


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
            yield Row(cpu[0], match["what"], match["name"])
