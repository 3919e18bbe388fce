"""What an answer is asked for, and the points of one that has been read."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmviz.engine import MmvizError, ModelError, Report, parse_schedule
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.text import index, printable, quoted
from mmviz.lessons.card import Answer, Card
from mmviz.lessons.exercise import CODE, SCHEDULE, Exercise, exercise
from mmviz.lessons.grading_answer import Given, Refused, class_of
from mmviz.lessons.judge import judge, searched
from mmviz.lessons.question import Question
from mmviz.scenarios import one_case

BREAKS, SHORTEST = "breaks the promise", "one of the shortest"
RIGHT = "right"
SAFE, FINISHES, JOB, COST = "safe", "finishes", "does its job", "costs no more than it may"
WORTH = {BREAKS: 2, SHORTEST: 1, RIGHT: 2, SAFE: 3, FINISHES: 2, JOB: 3, COST: 2}
SECOND = 1  # of a question that is answered right at the second try
WIDTH = 76  # characters of a line
MOST_SEED = 10**9
DEADLOCK = "deadlock"


@dataclass(frozen=True)
class Line:
    """What some points are for: how many were earned of how many, and why."""

    what: str
    earned: int
    possible: int
    reason: str


@dataclass(frozen=True, repr=False)
class Points:
    """The points of an answer; it prints, and shows itself in Jupyter, as a table.

    Attributes:
        item: what was asked, as `grade` takes it.
        lines: what the points are for.
    """

    item: str
    lines: tuple[Line, ...]

    @property
    def earned(self) -> int:
        """The points earned."""
        return sum(line.earned for line in self.lines)

    @property
    def possible(self) -> int:
        """The points that a right answer earns."""
        return sum(line.possible for line in self.lines)

    def line(self, what: str) -> Line:
        """Return the line of that name.

        Raises:
            MmvizError: there is none.
        """
        for line in self.lines:
            if line.what == what:
                return line
        raise MmvizError(f"{self.item} has no points for {quoted(what)}")

    def __str__(self) -> str:
        lines = [f"{self.item}: {self.earned} of {self.possible} points"]
        if len({line.reason for line in self.lines}) == 1:
            lines.append(_wrapped(self.lines[0].reason, "  "))
        else:
            lines += [
                _wrapped(f"{line.earned} of {line.possible}  {line.what}: {line.reason}", "  ")
                for line in self.lines
            ]
        return printable("\n".join(lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            (f"{each.earned} of {each.possible}", each.what, each.reason) for each in self.lines
        ]
        head = f"<strong>{escape(self.item)}: {self.earned} of {self.possible} points</strong>"
        return verbatim(head + html_table(("points", "for", "why"), rows))


def _wrapped(text: str, indent: str) -> str:
    import textwrap  # points are printed once

    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent * 2,
        break_long_words=False,
        break_on_hyphens=False,
    )


# -- what is asked ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """What is asked: an exercise, or a question about a case.

    Attributes:
        name: as it is written, "thread/exercise@2" or "thread/race:Case?next@2".
        exercise: the exercise; None for a question.
        question: the question; None for an exercise.
    """

    name: str
    exercise: Exercise | None = None
    question: Question | None = None

    @property
    def worth(self) -> dict[str, int]:
        """The points that a right answer earns, by what they are for."""
        if self.exercise is None:
            names = [RIGHT]
        elif self.exercise.asks == CODE:
            names = [SAFE, FINISHES, JOB, *([COST] if self.exercise.cheaper else [])]
        elif self.exercise.asks == SCHEDULE:
            names = [BREAKS, SHORTEST]
        else:
            names = [RIGHT]
        return {name: WORTH[name] for name in names}

    @property
    def asks_code(self) -> bool:
        """Whether the answer is a class."""
        return self.exercise is not None and self.exercise.asks == CODE

    @property
    def title(self) -> str:
        """The item in a line."""
        return self.exercise.title if self.exercise else "Predict"


def item_of(what: Any) -> Item:
    """Return what is asked.

    Args:
        what: an exercise, or its name; or a case and the kind of a question, "race:Case?next"; "@3"
            after it chooses the third variant.

    Raises:
        UnknownName: nothing has that name; the nearest is suggested.
        MmvizError: it is nothing of this, or the case has no such question.
    """
    if isinstance(what, Exercise):
        return Item(f"{what.name}@{what.seed}" if what.seed else what.name, what)
    if isinstance(what, Question):
        return Item(f"{what.case.label}?{what.kind}", question=what)
    if not isinstance(what, str):
        raise MmvizError(
            f"{quoted(what)} is nothing that can be graded; write the name of an exercise, or "
            '"thread/race:Case?next"'
        )
    name, _, number = what.strip().partition("@")
    if number and not (number.isascii() and number.isdigit() and int(number[:12]) <= MOST_SEED):
        raise MmvizError(f"{quoted(number)} is not a seed; write a number after @")
    seed = int(number or "0")
    case, asks, kind = name.partition("?")
    if not asks:
        made = exercise(name, seed)
        return Item(f"{made.name}@{seed}" if seed else made.name, made)
    from mmviz.lessons.questions import questions  # which takes longer to import

    found = questions(one_case(case), kinds=[kind] if kind else None, seed=seed, count=1)
    if not found:
        raise MmvizError(f"{quoted(case)} has no question of the kind {quoted(kind)}")
    return Item(what.strip(), question=found[0])


# -- points -----------------------------------------------------------------------------------


def points_of(given: Given, item: Item) -> Points:
    """Return the points of an answer that has been read; code is run in this process."""
    if given.refused:
        return nothing(item, given.refused)
    try:
        if item.question is not None:
            return _points(item, _answered(given, item.question))
        assert item.exercise is not None
        how: Callable[[Given, Exercise], dict[str, tuple[int, str]]] = {
            CODE: _written,
            SCHEDULE: _found,
        }.get(item.exercise.asks, _counted)
        return _points(item, how(given, item.exercise))
    except Exception as wrong:  # whatever an answer does, it earns nothing by it
        is_ours = isinstance(wrong, MmvizError | Refused)
        kind = "" if is_ours else f"it could not be judged, {type(wrong).__name__}: "
        return nothing(item, f"{kind}{_told(wrong)}")


def _told(wrong: Exception) -> str:
    try:
        return printable(" ".join(str(wrong).split()))[:500]
    except Exception:
        return "an error that cannot be told"


def nothing(item: Item, reason: str) -> Points:
    """Return 0 points, for one reason."""
    return _points(item, dict.fromkeys(item.worth, (0, reason)))


def _points(item: Item, earned: dict[str, tuple[int, str]]) -> Points:
    lines = (
        Line(what, min(earned[what][0], most), most, earned[what][1])
        for what, most in item.worth.items()
    )
    return Points(item.name, tuple(lines))


def _answered(given: Given, question: Question) -> dict[str, tuple[int, str]]:
    """Return the points for the answers to a question, in the order in which they were given."""
    tries = given.words or (given.text,)
    chosen = [_option(each, question) for each in tries]
    if None in chosen:
        wrong = tries[chosen.index(None)]
        letters = ", ".join("abcde"[: len(question.options)])
        return {RIGHT: (0, f"{quoted(wrong)} is no option: write one of {letters}")}
    if chosen[0] == question.right:
        return {RIGHT: (WORTH[RIGHT], "at the first answer")}
    if question.right in chosen[1:2]:
        return {RIGHT: (SECOND, "at the second answer")}
    return {RIGHT: (0, "another option is right")}


def _option(said: str, question: Question) -> int | None:
    """Return the number of an option that is named by letter, text or number."""
    word = said.strip()
    letters = "abcde"[: len(question.options)]
    if len(word) == 1 and word.lower() in letters:
        return letters.index(word.lower())
    if word.isascii() and word.isdigit() and len(word) < 3 and 1 <= int(word) <= len(letters):
        return int(word) - 1
    texts = [" ".join(option.text.split()) for option in question.options]
    same = " ".join(word.split())
    return texts.index(same) if same in texts else None


def _counted(given: Given, asked: Exercise) -> dict[str, tuple[int, str]]:
    """Return the points for the number of a step."""
    try:
        number = index(ast.literal_eval(given.text), "the number of a step")
    except (ValueError, SyntaxError, MmvizError, MemoryError, RecursionError):
        return {RIGHT: (0, f"{quoted(given.text)} is not the number of a step")}
    right = number == int(asked.solution())
    return {RIGHT: (WORTH[RIGHT], "this step") if right else (0, "another step")}


def _found(given: Given, asked: Exercise) -> dict[str, tuple[int, str]]:
    """Return the points for a run that is to break the promise."""
    case = asked.failing
    try:
        schedule = parse_schedule(case, list(given.words) if given.words else given.text)
    except MmvizError as wrong:
        return dict.fromkeys((BREAKS, SHORTEST), (0, str(wrong)))
    found = searched(case)
    model, report = found.search.model, found.report
    state, broken = model.start, -1
    for number, actor in enumerate(schedule, 1):
        after = model.successor(state, model.index[actor])
        if after is None:
            reason = f"step {number} cannot happen: {actor} is blocked, or has finished"
            return dict.fromkeys((BREAKS, SHORTEST), (0, reason))
        state = after
        if _is_goal(asked, state, found):
            broken = number
            break
    if broken < 0:
        what = asked.goal or "a bad state"
        return dict.fromkeys(
            (BREAKS, SHORTEST), (0, f"the run is possible, and does not reach {what}")
        )
    best = _shortest(asked, report)
    if asked.at_most:
        best = max(best, asked.at_most)
    if broken <= best:
        last = (WORTH[SHORTEST], f"{broken} steps")
    else:
        last = (0, f"{broken} steps; fewer are enough")
    return {BREAKS: (WORTH[BREAKS], f"in step {broken}"), SHORTEST: last}


def _is_goal(asked: Exercise, state: int, found: Any) -> bool:
    """Tell whether a packed state is what a run was asked for."""
    model = found.search.model
    if asked.goal == DEADLOCK:
        return bool(model.is_deadlock(state))
    violated = model.violated(state)
    return asked.goal in violated if asked.goal else bool(violated)


def _shortest(asked: Exercise, report: Report) -> int:
    """Return the length of a shortest run to what was asked for."""
    if asked.goal == DEADLOCK:
        if report.deadlock is None:
            raise ModelError(f"{asked.name} asks for a deadlock, and its case has none")
        return len(report.deadlock.shortest)
    examples = report.counterexamples
    names = [asked.goal] if asked.goal else list(examples)
    return min(len(examples[name].shortest) for name in names)


def _written(given: Given, asked: Exercise) -> dict[str, tuple[int, str]]:
    """Return the points for code: for each row of its card."""
    card = judge(class_of(given, asked), asked, quick=True)
    worth = Item(asked.name, asked).worth
    if card.error:
        return dict.fromkeys(worth, (0, card.error))
    if not card.does_its_job:
        reason = f"nothing counts before the job is done: {card.does_its_job.sentence}"
        return dict.fromkeys(worth, (0, reason))
    rows = _rows(card, asked)
    if not card.right and not _improves(rows, asked):
        failing = next(row.sentence for row in rows.values() if not row)
        reason = f"what fails in the given code still fails: {failing}"
        return dict.fromkeys(worth, (0, reason))
    return {what: (WORTH[what] if row else 0, row.sentence) for what, row in rows.items()}


def _rows(card: Card, asked: Exercise) -> dict[str, Answer]:
    """Return the rows of a card that points are for."""
    rows = {SAFE: card.safe, FINISHES: card.finishes, JOB: card.does_its_job}
    return rows | {COST: card.cost} if asked.cheaper else rows


def _improves(rows: dict[str, Answer], asked: Exercise) -> bool:
    """Tell whether a row says yes that says no of the given code."""
    before = _rows(judge(type("Unchanged", (asked.given,), {}), asked, quick=True), asked)
    return any(bool(rows[what]) and not before[what] for what in rows)
