"""A case as Promela, so that spin can go on where the search in Python stops.

The text is made of the closed tables (`mmviz/engine/closure.py`), never of the explored graph: it
has one proctype for each actor, one label for each location, one option for each situation of its
step, and one variable for each slot that ever takes a second value.  A step is one `d_step`, so
spin's states are the states of the search.

What spin confirms with it is the search: that no state, bad state or deadlock is missed.  What a
step does comes from the same Python code, so a step that models the kernel wrongly is wrong in
both.  Livelocks are not covered: they are judged under strong fairness, and spin has only weak
fairness.  Neither is a thread that waits forever while only daemons move.

Source: the language reference of spin 6.5.2, spinroot.com/spin/Man/promela.html
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mmviz.engine.closure import NOT_MET, Closure, Judgement, Row, Situation, Table
from mmviz.engine.diagram import Choice, Diagram, decide, parts
from mmviz.engine.text import printable, spoken

Cube = tuple[tuple[int, frozenset[int]], ...]
"""A condition: slots, and the numbers of the values that each may have."""

GUIDE = """\
 * All bad states and deadlocks:  spin -a -o2 FILE; cc -DSAFETY -DNOREDUCE -o pan pan.c; ./pan -c0
 * The run to one bad state:      spin -a -o2 -DONLY=bad_NAME FILE; …; ./pan; spin -t -p FILE
 * Is it Always?                  spin -a -o2 -DWITHOUT=bad_NAME FILE; …; ./pan
 *     No, if never_always fails or a deadlock is found: that run ends without the bad state.
 * With several cores:            cc … -DNCORE=2 -DMEMLIM=4000 …
 * -o2 keeps variables that are only written, so that spin counts the states of the search.
 *
 * Livelocks are not covered: they need strong fairness, and spin has weak fairness only.
 * Neither is a thread that waits forever while only daemons move.
 * spin confirms the search. What each step does comes from the same Python code. */
""".splitlines()

TRUE: Cube = ()
WIDTHS = ((2, "bit"), (256, "byte"), (32_768, "short"))  # values that fit, and Promela's type
SHORT = 8  # choices of a condition that is written where it is used
LONGEST = 12  # values that the comment of a variable names


def promela(closure: Closure) -> str:
    """Return a case as Promela.

    Args:
        closure: the case's closed tables.

    Macros that the reader sets with `spin -D…`: `ONLY=bad_x` looks for one bad state alone,
    `WITHOUT=bad_x` for a run that ends and never violates it.
    """
    return "\n".join(_Text(closure).lines()) + "\n"


def digest(text: str) -> str:
    """Return what identifies an exported file, 16 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def bad_states(closure: Closure) -> list[str]:
    """Return the names that the file judges: the case's bad states, then other complaints."""
    said = {
        name
        for tables in closure.tables
        for table in tables
        for row in table.rows
        for name in row.said
    }
    return list(dict.fromkeys([*closure.case.bad_states, *sorted(said)]))


def identifier(name: str) -> str:
    """Return a name as Promela and C can have it."""
    return re.sub(r"[\W_]+", "_", name, flags=re.ASCII).strip("_")


class _Text:
    """The text of one case."""

    def __init__(self, closure: Closure) -> None:
        self.closure = closure
        self.case, self.model = closure.case, closure.model
        self.actors = _distinct(["run_" + identifier(name) for name in self.model.actors])
        paths = self.model.ledger.paths
        self.slots = [slot for slot, values in enumerate(closure.values) if len(values) > 1]
        for slot in (self.model.complaints, self.model.dead):
            if slot in self.slots:
                self.slots.remove(slot)
        names = _distinct(["k_" + identifier(paths[slot]) for slot in self.slots])
        self.variable = dict(zip(self.slots, names, strict=True))
        self.full = {slot: frozenset(range(len(closure.values[slot]))) for slot in self.slots}
        self.bad = bad_states(closure)
        self.said = [
            name
            for name in self.bad
            if any(name in row.said for tables in closure.tables for t in tables for row in t.rows)
        ]
        self.threads = self.model.threads()
        self.expressions: dict[int, str] = {}
        judgements = closure.judgements
        self.holds = {
            each.name: self.either_of(self.yes(each, lambda end: end is True))
            for each in judgements
        }
        self.unknown = {
            each.name: self.either_of(self.yes(each, lambda end: isinstance(end, str)))
            for each in judgements
        }
        self.oops = any(row.oops for ts in closure.tables for t in ts for row in t.rows)
        self.running = sum(not closure.tables[p][0].done for p in self.threads)

    # -- the parts -------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        yield from self.head()
        yield from self.macros()
        yield from self.variables()
        for p in range(len(self.actors)):
            yield from self.proctype(p)
        yield from self.rest()

    def head(self) -> Iterator[str]:
        case, closure = self.case, self.closure
        where = f"{case.scenario}:{case.name}" if case.scenario else case.name
        locations = sum(map(len, closure.tables))
        yield f"/* {comment(where)}: {comment(case.title)}"
        yield " *"
        yield " * Written by mmviz export from the tables of the actors, not from the states:"
        yield f" * {locations} locations, {closure.situations()} situations."
        if not closure.sampled:
            yield " * The short search that found the values did not see every state."
        if closure.left_out and not closure.sampled:
            yield " * Left out; spin reports known_situation if a run meets one:"
            yield from (f" *     {comment(each)}" for each in closure.left_out)
        yield " *"
        yield from GUIDE
        yield ""

    def macros(self) -> Iterator[str]:
        for number, name in enumerate(self.bad, 1):
            yield f"#define bad_{identifier(name)} {number}  /* {self.about(name)} */"
        yield ""
        yield "bit known_situation = 0;  /* 0, as all never_…: an assertion of it fails by name */"
        for name in self.bad:
            yield f"bit never_{identifier(name)} = 0;"
        yield "bit judged = 0;  /* what is being judged; 0 between steps */"
        yield "#ifdef WITHOUT"
        yield "bit never_always = 0;"
        yield f"bit dead = {self.dead_at_start()};  /* the run ends: an Oops, or the bad state */"
        yield "#define alive (!dead)"
        yield "#define judge(bad, never, holds) judged = (holds); \\"
        yield "\tif :: judged && bad == WITHOUT -> dead = 1 :: else fi; judged = 0"
        yield "#define completes \\"
        yield "\tif :: !dead && running == 0 -> assert(never_always) :: else fi"
        yield "#define oops if :: !dead -> assert(never_always) :: else fi; dead = 1"
        yield "#else"
        yield "#ifndef ONLY"
        yield "#define ONLY 0"
        yield "#endif"
        if self.oops:
            yield "bit dead = 0;  /* an Oops has ended the run */"
            yield "#define alive (!dead)"
        else:
            yield "#define alive true"
        yield "#define judge(bad, never, holds) judged = (holds); \\"
        yield "\tif :: judged && (!ONLY || ONLY == bad) -> assert(never) :: else fi; judged = 0"
        yield "#define completes skip"
        yield "#define oops dead = 1"
        yield "#endif"
        yield "#define known(unknown) judged = (unknown); \\"
        yield "\tif :: judged -> assert(known_situation) :: else fi; judged = 0"
        for start, found in (("holds", self.holds), ("unknown", self.unknown)):
            for name, either in found.items():
                for number, diagram in enumerate(either):
                    if size(diagram) > SHORT:
                        word = f"{start}_{identifier(name)}_{number}"
                        yield f"#define {word} {self.expression(diagram)}"
        yield ""

    def variables(self) -> Iterator[str]:
        values = self.closure.values
        yield f"byte running = {self.running};  /* actors that must finish and have not */"
        for name in self.said:
            yield f"bit said_{identifier(name)} = 0;"
        for slot in self.slots:
            named = [f"{n} = {spoken(value)}" for n, value in enumerate(values[slot][:LONGEST])]
            if len(values[slot]) > LONGEST:
                named.append("…")
            path = self.model.ledger.paths[slot]
            text = comment(f"{path}: {', '.join(named)}")
            width = next((kind for most, kind in WIDTHS if len(values[slot]) <= most), "int")
            yield f"{width} {self.variable[slot]} = 0;  /* {text} */"

    def proctype(self, p: int) -> Iterator[str]:
        tables = self.closure.tables[p]
        yield ""
        yield f"active proctype {self.actors[p]}()  /* {comment(self.model.actors[p])} */"
        yield "{"
        for table in tables:
            yield from self.location(p, table)
        yield "}"

    def rest(self) -> Iterator[str]:
        """Yield what is needed for an Oops, and for a bad state that holds from the start."""
        yield ""
        if not self.oops:
            yield "#ifdef WITHOUT"
        yield "active proctype ended()  /* a run that has ended is no deadlock */"
        yield "{"
        yield "end:\tif"
        yield "\t:: dead -> goto end"
        yield "\tfi"
        yield "}"
        if not self.oops:
            yield "#endif"
        wrong = self.wrong_at_start()
        if wrong or not self.running:
            yield ""
            yield "active proctype at_start()  /* what holds before the first step */"
            yield "{"
            yield "L0:"
            yield "\tif"
            yield "\t:: d_step { true ->"
            yield from (f"\t\t{self.judged(name)};" for name in wrong)
            yield f"\t\t{'skip' if self.running else 'completes'} }};"
            yield "\t   goto end_L1"
            yield "\tfi;"
            yield "end_L1:"
            yield "\tfalse;"
            yield "}"

    # -- one location ----------------------------------------------------------------------

    def label(self, p: int, table: Table) -> str:
        """Return the label of a location; one that begins with "end" is no deadlock."""
        may_wait = table.done or p not in self.threads
        return f"end_L{table.number}" if may_wait else f"L{table.number}"

    def location(self, p: int, table: Table) -> Iterator[str]:
        location, label = table.location, self.label(p, table)
        if location.step is None:
            yield f"{label}:  /* finished */"
            yield "\tfalse;"
            return
        line = location.lines[-1] if location.lines else None
        where = f", line {line.number} in {line.function}()" if line is not None else ""
        yield f"{label}:  /* {comment(location.step.label + where)} */"
        options = list(self.options(p, table))
        if not options:
            yield "\tfalse;"
            return
        yield "\tif"
        yield from options
        yield "\tfi;"

    def options(self, p: int, table: Table) -> Iterator[str]:
        """Yield one option for each effect that the step can have here."""
        effects: dict[Row, list[Cube]] = {}
        for row in table.rows:
            effect = Row((), row.writes, row.said, row.after, row.blocked, row.oops, row.left_out)
            effects.setdefault(effect, []).append(self.cube(row.when))
        read = {slot for row in table.rows for slot, _ in row.when if slot in self.variable}
        here = {slot: frozenset(self.closure.known(p, table.number, slot)) for slot in read}
        met = merged((c for e in effects if e.left_out != NOT_MET for c in effects[e]), here)
        for effect, found in effects.items():
            cubes = merged(found, here)
            if effect.left_out == NOT_MET and len(met) < len(cubes):
                yield from self.option(p, table, effect, cubes, f"!({self.either(met)})")
            elif not effect.blocked:
                yield from self.option(p, table, effect, cubes, self.either(cubes))

    def option(
        self, p: int, table: Table, effect: Row, cubes: Sequence[Cube], guard: str
    ) -> Iterator[str]:
        guard = "alive" if guard == "true" else f"alive && {guard}"
        if effect.left_out:
            yield f"\t:: d_step {{ {guard} -> assert(known_situation) }};"
            yield f"\t   goto {self.label(p, table)}  /* {comment(effect.left_out)} */"
            return
        parts = [f"{self.variable[s]} = {n}" for s, n in effect.writes if s in self.variable]
        parts += [f"said_{identifier(name)} = 1" for name in effect.said]
        after = table if effect.after is None else self.closure.tables[p][effect.after]
        ends = after.done and p in self.threads
        if ends:
            parts.append("running--")
        parts += [self.judged(name) for name in effect.said]
        parts += self.judgements(p, effect, cubes, ends)
        if ends:
            parts.append("completes")
        if effect.oops:
            parts.append("oops")
        goto = f"goto {self.label(p, after)}"
        if not parts:
            yield f"\t:: {guard} -> {goto}"
            return
        yield f"\t:: d_step {{ {guard} ->"
        yield from (f"\t\t{part};" for part in parts[:-1])
        yield f"\t\t{parts[-1]} }};"
        yield f"\t   {goto}"

    def judgements(self, p: int, effect: Row, cubes: Sequence[Cube], ends: bool) -> Iterator[str]:
        """Yield the bad states that this step may have made true."""
        if effect.oops:
            return  # its writes are undone
        written = {slot for slot, _ in effect.writes}
        after = self.after(cubes, effect.writes)
        for each in self.closure.judgements:
            if each.at_end and not ends and p in self.threads:
                continue
            ended = each.at_end and ends
            extra = "running == 0 && " if each.at_end else ""
            word = identifier(each.name)
            for start, either, text in (
                ("unknown", self.unknown[each.name], "known({})"),
                ("holds", self.holds[each.name], f"judge(bad_{word}, never_{word}, {{}})"),
            ):
                conditions = []
                for number, part in enumerate(either):  # one that no write touches is as it was
                    if ended or written & slots_of(part):
                        rest = self.closure.diagrams.restricted(part, after)
                        long = size(rest) > SHORT and size(part) > SHORT
                        name = f"{start}_{word}_{number}"
                        conditions.append(name if long else self.expression(rest))
                conditions = [each for each in conditions if each != "false"]
                if conditions:
                    joined = " || ".join(conditions)
                    many = len(conditions) > 1
                    yield text.format(extra + (f"({joined})" if many else joined))

    def after(self, cubes: Sequence[Cube], writes: Situation) -> dict[int, frozenset[int]]:
        """Return what is known of the slots after a step that was taken in one of some cubes."""
        known = dict(cubes[0])
        for cube in cubes[1:]:
            values = dict(cube)
            known = {slot: known[slot] | values[slot] for slot in known if slot in values}
        return known | {slot: frozenset([number]) for slot, number in writes}

    # -- the start -------------------------------------------------------------------------

    def wrong_at_start(self) -> list[str]:
        """Return the bad states that hold in the initial state."""
        return [
            each.name
            for each in self.closure.judgements
            if (not each.at_end or not self.running)
            and decide(each.holds, (0,) * len(self.closure.values)) is True
        ]

    def dead_at_start(self) -> str:
        wrong = [f"WITHOUT == bad_{identifier(name)}" for name in self.wrong_at_start()]
        return f"({' || '.join(wrong)})" if wrong else "0"

    # -- conditions ------------------------------------------------------------------------

    def cube(self, when: Situation) -> Cube:
        """Return a situation as a condition; slots that never change are left out."""
        return tuple((slot, frozenset([n])) for slot, n in when if slot in self.variable)

    def either(self, cubes: Sequence[Cube]) -> str:
        """Return the condition that one of some cubes holds."""
        if TRUE in cubes:
            return "true"
        texts = [" && ".join(self.test(slot, numbers) for slot, numbers in cube) for cube in cubes]
        if len(texts) == 1:
            return texts[0]
        return f"({' || '.join(f'({text})' if '&&' in text else text for text in texts)})"

    def test(self, slot: int, numbers: frozenset[int]) -> str:
        name = self.variable[slot]
        others = self.full[slot] - numbers
        if len(others) == 1 and len(numbers) > 1:
            return f"{name} != {min(others)}"
        texts = [f"{name} == {number}" for number in sorted(numbers)]
        return texts[0] if len(texts) == 1 else f"({' || '.join(texts)})"

    def yes(self, judgement: Judgement, wanted: Callable[[Diagram], bool]) -> Diagram:
        """Return a judgement as a diagram that ends with True where it ends as wanted."""

        def end(part: Diagram) -> Diagram | None:
            return None if isinstance(part, Choice) else wanted(part)

        return self.closure.diagrams.replaced(judgement.holds, end)

    def either_of(self, diagram: Diagram) -> list[Diagram]:
        """Return conditions that hold together where a diagram ends with True: one of them holds.

        A bad state that loops over objects has one for each object.
        """
        found = []
        while isinstance(diagram, Choice):
            for part in parts(diagram):
                ends = {each for each in parts(diagram, part) if isinstance(each, bool)}
                if isinstance(part, Choice) and part is not diagram and ends == {True}:
                    found.append(self.without(diagram, part, False))
                    diagram = part
                    break
            else:
                break
        return [*found, *([] if diagram is False else [diagram])]

    def expression(self, diagram: Diagram) -> str:
        """Return a diagram that ends with True and False as an expression.

        A part that each way to False leads through can be judged on its own, and so can a part
        that each way to True leads through: `first object || second object`.
        """
        if not isinstance(diagram, Choice):
            return "true" if diagram is True else "false"
        if id(diagram) not in self.expressions:
            self.expressions[id(diagram)] = self.expressed(diagram)
        return self.expressions[id(diagram)]

    def without(self, diagram: Diagram, part: Choice, end: bool) -> Diagram:
        """Return a diagram that ends where a part of it begins."""
        return self.closure.diagrams.replaced(diagram, lambda each: end if each is part else None)

    def expressed(self, diagram: Choice) -> str:
        for part in parts(diagram):
            if part is diagram or not isinstance(part, Choice):
                continue
            ends = {each for each in parts(diagram, part) if isinstance(each, bool)}
            if len(ends) == 1:
                rest = self.without(diagram, part, True not in ends)
                word = "||" if True in ends else "&&"
                return f"({self.expression(rest)} {word} {self.expression(part)})"
        groups: dict[object, tuple[Diagram, set[int]]] = {}
        for number, below in enumerate(diagram.below):
            key = id(below) if isinstance(below, Choice) else below
            groups.setdefault(key, (below, set()))[1].add(number)
        texts = []
        for below, numbers in groups.values():
            test = self.test(diagram.slot, frozenset(numbers))
            if below is True:
                texts.append(test)
            elif below is not False:
                texts.append(f"({test} && {self.expression(below)})")
        return texts[0] if len(texts) == 1 else f"({' || '.join(texts)})"

    def judged(self, name: str) -> str:
        return f"judge(bad_{identifier(name)}, never_{identifier(name)}, true)"

    def about(self, name: str) -> str:
        return comment(self.case.sentence(name))


def merged(cubes: Iterable[Cube], full: Mapping[int, frozenset[int]]) -> list[Cube]:
    """Return fewer cubes that hold in the same situations.

    Args:
        cubes: conditions.
        full: all values that a slot may have; a slot that may have each of them is left out.
    """
    found = list(dict.fromkeys(cubes))
    longest = max(map(len, found), default=0)
    at, quiet = longest - 1, 0
    while longest and quiet < longest:
        groups: dict[tuple[Cube, int, Cube], frozenset[int]] = {}
        whole: dict[Cube, None] = {}
        for cube in found:
            if at < len(cube):
                slot, numbers = cube[at]
                key = (cube[:at], slot, cube[at + 1 :])
                groups[key] = groups.get(key, frozenset()) | numbers
            else:
                whole[cube] = None
        after = list(whole)
        for (before, slot, rest), numbers in groups.items():
            dropped = numbers >= full.get(slot, numbers | {-1})
            after.append((*before, *(() if dropped else ((slot, numbers),)), *rest))
        after = list(dict.fromkeys(after))
        quiet = quiet + 1 if after == found or set(after) == set(found) else 0
        found = after
        at = at - 1 if at else longest - 1
    return found


def size(diagram: Diagram) -> int:
    """Return the number of choices in a diagram."""
    return sum(isinstance(part, Choice) for part in parts(diagram))


def slots_of(diagram: Diagram) -> set[int]:
    """Return the slots that a diagram depends on."""
    return {part.slot for part in parts(diagram) if isinstance(part, Choice)}


def comment(text: str) -> str:
    """Return a text that can stand in a comment: one line, and no end of the comment in it."""
    return printable(" ".join(text.split())).replace("*/", "* /").replace("/*", "/ *")


def _distinct(names: list[str]) -> list[str]:
    """Return names that differ, later ones with a number."""
    found: list[str] = []
    for name in names:
        each, number = name, 2
        while each in found:
            each, number = f"{name}_{number}", number + 1
        found.append(each)
    return found
