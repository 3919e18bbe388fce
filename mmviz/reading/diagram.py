"""What was understood of a race diagram, and what a case says of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mmviz.engine import Case
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.text import printable, replay_line
from mmviz.reading.also_called import is_anywhere
from mmviz.reading.columns import Question
from mmviz.reading.shown import Brought

FEASIBLE, HARMLESS, INFEASIBLE, UNKNOWN = "feasible", "harmless", "infeasible", "unknown"
LEAST = 2  # steps of a diagram that a case must have for a verdict
MOST_FILLED, AT_LEAST = 3, 8  # steps for each row, beside which harmless says nothing
FILLED_IN_PART = 2  # for each row, where rows are missing
BARE = re.compile(r"(?:\w+(?:->|\.))*([A-Za-z_]\w*)")
WIDEST = 60  # characters of a cell as displayed


class Cell(NamedTuple):
    """A cell of a diagram; rows, columns and steps count from 1.

    Attributes:
        row: the line of the text.
        column: None for what belongs to no column.
        kind: header, rule, step, remark, state, elided, blank, prose, line or handover.
        step: the number of the step that it is, or belongs to.
        text: what it says.
    """

    row: int
    column: int | None
    kind: str
    step: int | None
    text: str


class Step(NamedTuple):
    """A step of a diagram.

    Attributes:
        column: whose step it is, counted from 1.
        text: what it says, on one line.
        function: what it calls, if it is a call.
        args: with what.
        rows: the lines that it is written on.
        depth: how deep it is nested by indentation.
    """

    column: int
    text: str
    function: str | None
    args: list[str]
    rows: list[int]
    depth: int

    @property
    def name(self) -> str:
        """The function that it calls, or may mean by a name that stands alone; "" for none."""
        bare = BARE.fullmatch(self.text.rstrip("; "))
        return self.function or (bare[1] if bare else "")


@dataclass(frozen=True)
class Unmatched:
    """A step of the diagram that the case does not have.

    Attributes:
        step: its number in the diagram.
        why: what is missing.
        near: functions of the case with a similar name.
    """

    step: int
    why: str
    near: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return it as data."""
        return {"step": self.step, "why": self.why, "near": list(self.near)}


@dataclass(frozen=True)
class Match:
    """What a case says of a diagram.

    Attributes:
        case: the case.
        actors: the actor of each column, "" for none.
        verdict: "feasible", "infeasible", "harmless" or "unknown".
        line: the row of the text at which it becomes infeasible, or stops the machine; or None.
        reason: the verdict in a sentence.
        schedule: a shortest run through the rows that can happen.
        at: for each step of the diagram the number of the step of that run, 0 for none.
        violated: the bad states of that run.
        unmatched: the steps that the case does not have.
        filled: the steps of the run that are in no row: number, actor and step.
        waits: whether it is infeasible because an actor waits.
        strange: how many columns alone cannot happen, either: they are not the case's code.
        also: other cases that have as many of its functions, with their verdicts.
        reached: how many of its steps have happened in the run.
    """

    case: Case
    actors: tuple[str, ...]
    verdict: str
    line: int | None
    reason: str
    schedule: tuple[str, ...] = ()
    at: tuple[int, ...] = ()
    violated: tuple[str, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    filled: tuple[tuple[int, str, str], ...] = ()
    waits: bool = False
    strange: int = 0
    also: tuple[str, ...] = ()
    reached: int = 0

    @property
    def matched(self) -> int:
        """How many steps of the diagram the case has."""
        return len(self.at) - len(self.unmatched)

    def sober(self, diagram: "Diagram") -> "Match":
        """Return the match, without a verdict where the case has too little of the diagram."""
        missing = {each.step for each in self.unmatched}
        steps = list(enumerate(diagram.steps, 1))
        named = [step.column for _, step in steps if step.function]
        there = {step.column for number, step in steps if number not in missing}
        whole = self.verdict == FEASIBLE or set(named) <= there
        enough = self.matched >= min(LEAST, len(steps)) and 2 * self.matched >= len(named)
        if self.verdict not in (FEASIBLE, HARMLESS):
            return self
        filled = len(self.filled)
        if not (whole and enough):
            why = f"only {self.matched} of the {len(steps)} steps of the diagram are in this case"
        elif missing:
            rows = dict.fromkeys(str(step.rows[0]) for n, step in steps if n in missing)
            part = f"{_lines(list(rows))} not its code"
            strange = any(_is_other(diagram, column, missing) for column in there)
            few = filled < FILLED_IN_PART * self.matched
            if self.verdict == FEASIBLE and few and not strange:
                return replace(self, reason=f"{self.reason}; {part}")
            why = f"it fits only in part: {part}"
        elif self.verdict == HARMLESS and filled > max(AT_LEAST, MOST_FILLED * self.matched):
            why = f"{filled} steps are filled in beside {self.matched}: too many to say"
        else:
            return self
        return replace(self, verdict=UNKNOWN, line=None, reason=why, violated=())

    def lines(self) -> Iterator[str]:
        """Yield what a reader is told, a line each."""
        yield f"{self.case.label}: {self.verdict}. {self.reason[:1].upper()}{self.reason[1:]}."
        if self.also:
            yield f"  fits as well: {', '.join(self.also)}"
        for each in self.unmatched:
            near = f" (near: {', '.join(each.near)})" if each.near else ""
            yield f"  not matched: step {each.step}: {each.why}{near}"
        if self.filled:
            steps = ", ".join(f"{number} {actor} {label}" for number, actor, label in self.filled)
            yield f"  filled in: {steps}"
        if self.schedule:
            yield f"  {replay_line(self.case, self.schedule)}"

    def beside(self, diagram: "Diagram") -> Iterator[tuple[int, str]]:
        """Yield what the diagram says beside a step of the run: its number, and the words."""
        verdict = f"{self.reason[:1].upper()}{self.reason[1:]}."
        said: dict[int, list[str]] = {0: [verdict]}
        for step, k in zip(diagram.steps, self.at, strict=True):
            if k:
                words = f"line {step.rows[0]} of the diagram: {step.text}"
                said.setdefault(k, []).append(words)
        for number, _, _ in self.filled:
            said.setdefault(number, []).append("filled in: it is on no line of the diagram.")
        if self.schedule:
            said.setdefault(len(self.schedule), []).append(verdict)
        for k, lines in sorted(said.items()):
            yield k, printable("  ".join(lines))

    def json(self) -> dict[str, Any]:
        """Return it as data."""
        return {
            "scenario": self.case.scenario,
            "case": self.case.name,
            "verdict": self.verdict,
            "line": self.line,
            "reason": self.reason,
            "schedule": list(self.schedule),
            "violated": list(self.violated),
            "unmatched": [each.json() for each in self.unmatched],
            "filled": [
                {"step": number, "actor": actor, "label": label}
                for number, actor, label in self.filled
            ],
        }


def _lines(rows: list[str]) -> str:
    if len(rows) == 1:
        return f"line {rows[0]} is"
    return f"lines {', '.join(rows[:-1])} and {rows[-1]} are"


def _is_other(diagram: "Diagram", column: int, missing: set[int]) -> bool:
    """Tell whether a column's own functions are missing: what is there, any code may hold."""
    steps = [(n, step) for n, step in enumerate(diagram.steps, 1) if step.column == column]
    own = {n for n, step in steps if step.function and not is_anywhere(step.function)}
    return bool(own) and own <= missing


@dataclass
class Diagram(Brought):
    """What was understood of a diagram, line by line.

    It prints as that, and as what a case says of it. In Jupyter it is a stage: of the case that it
    matches, or of its own steps in its own order.

    Attributes:
        columns: the names of the actors; of a column without a header, its first step.
        rows: each cell, in the order of the text.
        steps: each step, in the order of time.
        refused: why it cannot be read, "" if it can.
        questions: what the layout leaves open.
        ordered: whether the text says in which order steps of different columns come.
        named: the case that its last line names, "thread/race:Case"; "" for none.
        match: what a case says of it; None where none has its functions.
        goes_on: which column goes on although another one holds its lock, in a sentence.
        case: what its stage shows, `mmviz.Player(found.case, found.schedule)`; None for no stage.
        schedule: the run that it shows.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[Cell] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    refused: str = ""
    questions: list[Question] = field(default_factory=list)
    ordered: bool = True
    named: str = ""
    match: Match | None = None
    goes_on: str = ""
    case: Case | None = None
    schedule: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return it as data that JSON can hold."""
        return {
            "columns": self.columns,
            "rows": [cell._asdict() for cell in self.rows],
            "steps": [step._asdict() for step in self.steps],
            "refused": self.refused or None,
            "questions": [question.json() for question in self.questions],
            "race": None if self.match is None else self.match.json(),
        }

    @property
    def headline(self) -> str:
        """What was understood, in a line."""
        if self.refused:
            return f"Refused: {self.refused}."
        columns, steps = len(self.columns), len(self.steps)
        read = f"{columns} column{'s' * (columns != 1)} ({', '.join(self.columns)}), "
        read += f"{steps} step{'s' * (steps != 1)}"
        asked = len(self.questions)
        doubt = "" if not asked else f"; {asked} question{'s' * (asked > 1)}"
        return printable(f"{read}{doubt}.")

    def _cells(self) -> Iterator[tuple[str, str, str, str]]:
        at = self.match.at if self.match is not None else ()
        for cell in self.rows:
            if cell.kind == "blank":
                continue
            column = self.columns[cell.column - 1] if cell.column else ""
            kind = f"step {cell.step}" if cell.kind == "step" and cell.step else cell.kind
            if kind != cell.kind and cell.step and at and at[cell.step - 1]:
                kind += f" ({at[cell.step - 1]} of the run)"
            yield str(cell.row), column, kind, cell.text

    def beside(self) -> dict[int, str]:
        """Return what the diagram says beside a step of the run, by its number; 0 is the start."""
        if self.match is None:
            return {}
        return dict(self.match.beside(self))

    def _says(self) -> Iterator[str]:
        for question in self.questions:
            yield f"Asked: {question.ask} Either {', or '.join(question.readings)}."
        if self.match is not None:
            yield from self.match.lines()
            yield from self._roles(self.match)
        elif not self.refused:
            yield "No case of the catalogue is recognised by these functions: nothing is claimed."
        if self.goes_on and (self.match is None or self.match.verdict == UNKNOWN):
            yield self.goes_on

    def _roles(self, match: Match) -> Iterator[str]:
        """Say which actor each column is, where one has another actor's name."""
        both = list(zip(self.columns, match.actors, strict=True))
        named = {actor.lower() for actor in match.case.actors}
        if any(name.lower() in named - {actor.lower()} for name, actor in both if actor):
            said = ", ".join(f"{name} is {actor or 'none'}" for name, actor in both)
            yield f"  columns as actors of the case: {said}"

    def __str__(self) -> str:
        lines = [self.headline]
        cells = list(self._cells())
        wide = [min(max([len(cell[n]) for cell in cells], default=0), 40) for n in range(3)]
        for row, column, kind, text in cells:
            lines.append(
                f"  {row:>{wide[0]}}  {column[:40]:{wide[1]}}  {kind:{wide[2]}}  {text[:WIDEST]}"
            )
        return printable("\n".join(line.rstrip() for line in [*lines, *self._says()]))

    def __repr__(self) -> str:
        return f"<Diagram: {self.headline}>"

    def _repr_html_(self) -> str:
        table = html_table(("line", "column", "what", "text"), list(self._cells()))
        says = "".join(f"<p>{escape(line)}</p>" for line in self._says())
        return verbatim(f"<p>{escape(self.headline)}</p>{says}{table}")
