"""A litmus test judged: every final state that a memory model allows, each with a shortest run."""

from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from mmviz.engine import Case, MmvizError, Model, ModelError, short
from mmviz.engine.html import escape, html_table
from mmviz.engine.outcomes import outcomes
from mmviz.engine.text import printable, quoted
from mmviz.reading import litmus_c, litmus_x86
from mmviz.reading.litmus_order import Chosen
from mmviz.reading.litmus_program import (
    IS_LOCKED,
    LOAD,
    LOCK,
    LOCKED,
    PLAIN_LOAD,
    PLAIN_STORE,
    STORE,
    TRYLOCK,
    UNLOCK,
    Program,
    actions,
)
from mmviz.reading.litmus_race import MODELS, litmus_case, values_at
from mmviz.reading.litmus_text import (
    X86,
    X86_64,
    C,
    Parts,
    Place,
    Prop,
    Value,
    holds,
    parts,
    places,
)
from mmviz.reading.litmus_tokens import Unread
from mmviz.reading.shown import Brought

MOST_STATES = 50_000
MOST_SHOWN = 40  # final states in a printed table
REGISTERS = {
    C: litmus_c.register,
    X86: litmus_x86.register(X86),
    X86_64: litmus_x86.register(X86_64),
}
WORDS = {"exists": "Allowed", "~exists": "Forbidden", "forall": "Required"}
UNDER = {"sc": "sequential consistency", "tso": "x86-TSO"}
NOT_LKMM = (
    "Judged under {}, not under the kernel's memory model (LKMM), which holds on weaker machines, "
    "too: there {} may take effect out of order, and more final states may be allowed."
)
ACCESSES = {LOAD, STORE, LOCKED, LOCK, TRYLOCK, IS_LOCKED, UNLOCK}
MOST_NAMED = 6  # functions
WIDTH = 80  # columns of a terminal


class Final(dict[str, Value]):
    """A final state: what each place holds that is asked about, "0:rax" or "x".

    Attributes:
        schedule: a shortest run to it.
        holds: whether the condition holds in it.
    """

    schedule: tuple[str, ...] = ()
    holds: bool = False

    def __str__(self) -> str:
        return " ".join(f"{place}={value};" for place, value in self.items())


@dataclass
class LitmusTest(Brought):
    """What a litmus test asks, and what the search finds.

    `case` is a race of its own: `mmviz.Player(test.case, test.schedule)` steps through the run.

    Attributes:
        name: of the test.
        arch: "X86", "X86_64" or "C".
        model: "sc" or "tso".
        states: every final state that its filter lets through.
        condition: what is asked, its quantifier included.
        quantifier: "exists", "~exists" or "forall".
        observation: in how many final states the condition holds: "Never", "Sometimes" or
            "Always"; "" where it was not decided, or no run ends.
        holds: whether what the test claims is so; None where it was not decided, or no run ends.
        deadlock: a shortest run that deadlocks, and so has no final state; None if none does.
        searched: how many states the search has looked at.
        refused: why it was not read or not decided, "" if it was.
        line: the line of the text that is refused, 0 for none.
        notes: what else a reader is told.
        case: the race; None where it was refused.
    """

    name: str = ""
    arch: str = ""
    model: str = "tso"
    states: list[Final] = field(default_factory=list)
    condition: str = ""
    quantifier: str = ""
    observation: str = ""
    holds: bool | None = None
    deadlock: tuple[str, ...] | None = None
    searched: int = 0
    refused: str = ""
    line: int = 0
    notes: list[str] = field(default_factory=list)
    case: Case | None = None

    @property
    def positive(self) -> int:
        """In how many final states the condition holds."""
        return sum(each.holds for each in self.states)

    @property
    def negative(self) -> int:
        """In how many final states the condition does not hold."""
        return len(self.states) - self.positive

    @property
    def schedule(self) -> tuple[str, ...]:
        """The run to look at: to a state that is asked about, or else to the first final state."""
        wanted = self.quantifier != "forall"
        found = [each.schedule for each in self.states if each.holds == wanted]
        return (found or [each.schedule for each in self.states] or [self.deadlock or ()])[0]

    def json(self) -> dict[str, Any]:
        """Return it as data that JSON can hold."""
        is_read = bool(self.observation)
        return {
            "name": self.name or None,
            "arch": self.arch or None,
            "model": self.model,
            "states": [
                {"values": dict(each), "schedule": short(each.schedule)} for each in self.states
            ],
            "condition": self.condition or None,
            "quantifier": self.quantifier or None,
            "holds": self.holds,
            "observation": self.observation or None,
            "positive": self.positive if is_read else None,
            "negative": self.negative if is_read else None,
            "refused": self.refused or None,
            "line": self.line or None,
            "deadlock": None if self.deadlock is None else short(self.deadlock),
            "notes": self.notes,
        }

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        test = f"{self.name} under {UNDER[self.model]}"
        if not self.observation and not self.refused:
            return printable(f"{test}: no run ends: all deadlock.")
        if not self.observation:
            where = f" (line {self.line})" if self.line else ""
            return printable(f"Refused: {self.refused}{where}.")
        held = f"{self.positive} of {len(self.states)} final states"
        stuck = " Some runs deadlock." if self.deadlock is not None else ""
        return printable(f"{test}: {self.observation} ({held}). {self._claim}{stuck}")

    @property
    def _claim(self) -> str:
        claim = {
            "exists": "It is allowed",
            "~exists": "It is forbidden",
            "forall": "It is always so",
        }
        word = claim[self.quantifier]
        if self.holds:
            return f"{word}, as the test asks." if self.quantifier != "exists" else f"{word}."
        return {
            "exists": "It is forbidden.",
            "~exists": "It is allowed, and the test says it is not.",
            "forall": "It is not always so, and the test says it is.",
        }[self.quantifier]

    def __str__(self) -> str:
        lines = [self.headline]
        if self.observation:
            lines += [
                f"Test {self.name} {WORDS[self.quantifier]}",
                f"States {len(self.states)}",
                *self._table(),
                "Ok" if self.holds else "No",
                f"Condition {self.condition}",
                f"Observation {self.name} {self.observation} {self.positive} {self.negative}",
            ]
        notes = [line for note in self._told() for line in wrap(note, WIDTH - 1) or [""]]
        return printable("\n".join([*lines, *notes]))

    def _told(self) -> list[str]:
        """Return the notes, and before them what the table means."""
        if not self.states or not self.observation:
            return self.notes
        names = {name for each in self.states for name in each.schedule}
        drains = [name for name in sorted(names) if name.startswith("SB")]
        told = "Beside each final state stands a shortest run"
        if drains:
            told += f"; {drains[0]} drains the store buffer of P{drains[0][2:]}"
        marks = "* marks where the condition holds. " if self.positive else ""
        return [f"{marks}{told}.", *self.notes]

    def _table(self) -> list[str]:
        shown = self.states[:MOST_SHOWN]
        wide = min(max((len(str(each)) for each in shown), default=0), WIDTH)
        rows = []
        for each in shown:
            start = f"{'*' if each.holds else ' '} {each!s:{wide}}"
            run = short(each.schedule)
            together = f"{start}  {run}"
            rows += [together] if len(together) <= WIDTH else [start.rstrip(), f"      {run}"]
        more = len(self.states) - len(shown)
        return [*rows, f"  … and {more} more"] if more else rows

    def __repr__(self) -> str:
        return f"<LitmusTest: {self.headline}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        if not self.states:
            return f"<p>{escape(self.headline)}</p>{notes}"
        rows = [
            (*map(str, each.values()), "yes" if each.holds else "no", short(each.schedule))
            for each in self.states[:MOST_SHOWN]
        ]
        table = html_table((*self.states[0], "condition", "a shortest run"), rows)
        return (
            f"<p>{escape(self.headline)}</p><p><code>{escape(self.condition)}</code></p>"
            f"{table}{notes}"
        )


def litmus(text: str, model: str = "tso") -> LitmusTest:
    """Judge a litmus test of herd7's format, as `mmviz.litmus` does.

    Args:
        text: an X86 or X86_64 test, or one of the kernel's C tests.
        model: "tso" for x86-TSO, or "sc" for sequential consistency.

    Raises:
        MmvizError: the text is no text, or there is no such model.
    """
    if not isinstance(text, str):
        raise MmvizError(f"a litmus test is text, not {quoted(text)}: paste it between quotes")
    found = LitmusTest(model=_model(model))
    try:
        test = parts(str.__str__(text), REGISTERS)
        found.name, found.arch = test.name, test.arch
        found.condition, found.quantifier = test.condition, test.quantifier
        program = litmus_c.program(test) if test.arch == C else litmus_x86.program(test)
        _judge(found, test, program)
    except Unread as unread:
        found.refused, found.line, found.case = unread.reason, unread.row, None
    except ModelError as error:  # what the engine refuses, such as a number that is too large
        found.refused, found.case = error.what, None
    return found


def _model(name: object) -> str:
    """Return the name of a memory model."""
    for known in MODELS:
        if isinstance(name, str) and str.__eq__(known, name):
            return known
    raise MmvizError(
        f'there is no memory model {quoted(name)} here; write model="tso" for x86-TSO, or '
        'model="sc" for sequential consistency'
    )


def _judge(found: LitmusTest, test: Parts, program: Program) -> None:
    shown = _shown(test, program)
    case = litmus_case(test, program, found.model)
    model = Model(case)
    slots = values_at(shown, model.ledger.paths, program)
    locks = [place.thread is None and place.name in program.locks for place in shown]

    def known_by(state: int) -> tuple[Value, ...]:
        bits = [model.bits[slot] for slot in slots]
        values = [each.values[state & each.mask] for each in bits]
        return tuple(
            int(value is not None) if is_lock else value
            for value, is_lock in zip(values, locks, strict=True)
        )

    ends = outcomes(model, known_by, Chosen(model, program, found.model), MOST_STATES)
    found.case, found.searched, found.deadlock = case, ends.states, ends.deadlock
    for values, schedule in sorted(ends.found.items(), key=_order):
        look = dict(zip(shown, values, strict=True)).__getitem__
        if test.filter is None or holds(test.filter, look):
            final = Final(zip(map(str, shown), values, strict=True))
            final.schedule, final.holds = schedule, holds(test.prop, look)
            found.states.append(final)
    found.notes += program.notes
    if test.arch == C:
        found.notes.append(NOT_LKMM.format(UNDER[found.model], _may_differ(program)))
    if ends.deadlock is not None:
        which = "Some runs deadlock, and have" if ends.found else "Every run deadlocks, and has"
        found.notes.append(f"{which} no final state: {short(ends.deadlock)}.")
    if ends.found or ends.cut:
        _decide(found, ends.cut)


def _may_differ(program: Program) -> str:
    """Return the functions of a program that weaker machines order less, in words."""
    used = [
        action.function
        for thread in program.threads
        for action in actions(thread)
        if action.kind in ACCESSES
    ]
    plain = dict.fromkeys((PLAIN_LOAD, PLAIN_STORE), "plain accesses")
    names = [*dict.fromkeys(plain.get(name, f"{name}()") for name in used)]
    if len(names) > MOST_NAMED:
        names[MOST_NAMED:] = ["others"]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "accesses"


def _order(item: tuple[tuple[Value, ...], Any]) -> list[tuple[bool, Value]]:
    return [(isinstance(value, str), value) for value in item[0]]


def _decide(found: LitmusTest, is_cut: bool) -> None:
    """Say what the final states say of the condition."""
    some, other = found.positive > 0, found.negative > 0
    if is_cut and some and other:
        found.notes.append(
            f"The search was cut off at {MOST_STATES:,} states: there may be more final states."
        )
    elif is_cut:
        found.refused = (
            f"not decided: it has more than {MOST_STATES:,} states; ask about fewer threads or "
            "fewer accesses"
        )
        return
    found.observation = "Never" if not some else "Sometimes" if other else "Always"
    found.holds = {"exists": some, "~exists": not some, "forall": not other}[found.quantifier]


def _shown(test: Parts, program: Program) -> list[Place]:
    """Return the places that tell final states apart; their registers get a value if they lack one.

    Raises:
        Unread: there is no such register or location.
    """
    threads = {thread.number: thread for thread in program.threads}
    wanted = dict.fromkeys((*test.shown, *places(test.filter), *places(test.prop)))
    values = _addresses(test.prop) | _addresses(test.filter)
    for place in [*wanted, *(place for place in test.init if place.thread is not None)]:
        line = test.asked.get(place, 0)
        if place.thread is None:
            if place.name not in (*program.locations, *program.locks):
                raise Unread(f"no thread uses {place.name}, and the condition asks for it", line)
        elif place.thread not in threads:
            raise Unread(f"there is no thread P{place.thread}, and {place} is asked for", line)
        else:
            registers = threads[place.thread].registers
            if place.name not in registers and test.arch == C:
                raise Unread(f"P{place.thread} has no variable {place.name}", line)
            registers.setdefault(place.name, test.init.get(place, 0))
    for name in sorted(values - {*program.locations, *program.locks}):
        raise Unread(f"{name} is no location, and something is compared with its address")
    if not wanted:
        wanted = dict.fromkeys(Place(None, name) for name in program.locations)
        wanted |= dict.fromkeys(
            Place(number, name) for number, each in threads.items() for name in each.registers
        )
    first = [place for place in wanted if place.thread is not None]
    return [
        *sorted(first, key=lambda place: (place.thread or 0, place.name)),
        *sorted(place for place in wanted if place.thread is None),
    ]


def _addresses(prop: Prop | None) -> set[str]:
    """Return the locations with whose addresses a condition compares something."""
    found: set[str] = set()
    for each in prop.parts if prop is not None else ():
        if isinstance(each, Prop):
            found |= _addresses(each)
        elif isinstance(each, str):
            found.add(each)
    return found
