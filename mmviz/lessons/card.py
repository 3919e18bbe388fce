"""The card: what was judged of a reader's answer, in five rows, each with a run that shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mmviz.engine.case import Case
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.text import printable, short

if TYPE_CHECKING:
    from mmviz.engine.run import Run
    from mmviz.lessons.cost import Cost

YES, NO, OPEN, ASIDE = "yes", "no", "not judged", "told"
MARKS = {YES: "✓", NO: "✗", OPEN: "?", ASIDE: "·"}
QUESTIONS = {
    "safe": "safe?",
    "finishes": "finishes?",
    "does_its_job": "does its job?",
    "cost": "at what cost?",
    "lines": "what matters?",
}
WIDTH = 78


@dataclass(frozen=True)
class Answer:
    """A row of a card. It is true if it says yes.

    Attributes:
        verdict: "yes", "no", "not judged", or "told" for a row that is not judged.
        sentence: the reason.
        schedule: a run that shows it; None where there is none to show.
        case: what the schedule runs.
        place: the step and the line at which that run goes wrong.
    """

    verdict: str
    sentence: str
    schedule: tuple[str, ...] | None = None
    case: Case | None = None
    place: str = ""

    @property
    def right(self) -> bool:
        """Whether it says yes."""
        return self.verdict == YES

    def __bool__(self) -> bool:
        return self.right

    @property
    def run(self) -> "Run | None":
        """The run that shows it, replayed; None where there is none."""
        if self.schedule is None or self.case is None:
            return None
        from mmviz.engine.run import replay  # only what is looked at is replayed

        return replay(self.case, self.schedule)


@dataclass(frozen=True)
class Card:
    """What was judged of an answer. It is true if the answer is right.

    Attributes:
        title: the exercise, or the case.
        safe: no bad state in any interleaving.
        finishes: no deadlock, no livelock, no lock that is still held, nothing cut off.
        does_its_job: what the exercise demands at the end of every run, and that each legal
            outcome is still possible.
        cost: what it costs, beside the given code and the cheapest right answer known.
        lines: which lines make no difference.
        error: why nothing was judged, "" normally: a slip, with place, rule and what to write.
        price: the cost in numbers; None where nothing completes.
        points: what was asked for and reached, where an exercise counts: {"breaks it": True}.
        display: shows the card in Jupyter with the failing run on a stage, and tells whether it
            did; None where no widgets are installed.
    """

    title: str
    safe: Answer
    finishes: Answer
    does_its_job: Answer
    cost: Answer
    lines: Answer
    error: str = ""
    price: "Cost | None" = None
    points: Mapping[str, bool] | None = None
    display: ClassVar[Callable[[Any], bool] | None] = None

    @property
    def right(self) -> bool:
        """Whether the answer is right: safe, finishes, does its job, and costs what it may."""
        return not self.error and all(
            each.verdict in (YES, ASIDE) for each in self.answers.values()
        )

    def __bool__(self) -> bool:
        return self.right

    @property
    def answers(self) -> dict[str, Answer]:
        """The five rows by their names."""
        return {name: getattr(self, name) for name in QUESTIONS}

    @property
    def failing(self) -> Answer | None:
        """The first row that says no and has a run."""
        rows = self.answers.values()
        return next(
            (each for each in rows if each.verdict == NO and each.schedule is not None), None
        )

    @property
    def shown(self) -> Answer | None:
        """The row whose run is shown: the failing one, or how far a schedule went that is stuck.

        It is false, since it does not say yes.
        """
        rows = self.answers.values()
        open_runs = (each for each in rows if each.verdict == OPEN and each.schedule is not None)
        return self.failing if self.failing is not None else next(open_runs, None)

    @property
    def run(self) -> "Run | None":
        """The run of the row that is shown; None where there is none."""
        return None if self.shown is None else self.shown.run

    @property
    def headline(self) -> str:
        """The result in one line."""
        if self.error:
            return f"{self.title}: not judged yet"
        if self.right:
            return f"{self.title}: right"
        wrong = [QUESTIONS[name] for name, each in self.answers.items() if each.verdict == NO]
        if not wrong:
            return f"{self.title}: not decided"
        return f"{self.title}: not right yet ({', '.join(wrong)} no)"

    def __str__(self) -> str:
        if self.error:
            return printable(f"{self.headline}\n" + _wrapped(f"not judged yet: {self.error}", 2))
        lines = [self.headline]
        for name, each in self._said():
            head = f"  {MARKS[each.verdict]} {QUESTIONS[name]:14} "
            lines.append(_wrapped(f"{each.verdict}: {each.sentence}", len(head), head))
            if each.place:
                lines.append(_wrapped(_at(each.place), len(head)))
            if each.verdict == NO and each.schedule is not None:
                lines.append(_wrapped(f"run: {short(each.schedule) or 'the start'}", len(head)))
        return printable("\n".join(lines))

    def __repr__(self) -> str:
        return str(self)

    def _said(self) -> list[tuple[str, Answer]]:
        """Return the rows that say something."""
        return [(name, each) for name, each in self.answers.items() if each.sentence]

    @property
    def story(self) -> str:
        """The card, and below it the failing run as a table."""
        from mmviz.engine.run_table import table

        run = self.run
        return str(self) if run is None else f"{self}\n\n{table(run)}"

    def _repr_html_(self) -> str:
        if self.error:
            return verbatim(
                f"<strong>{escape(self.headline)}</strong>"
                f"<p>not judged yet: {escape(self.error)}</p>",
                "mm-card",
            )
        rows = []
        for name, each in self._said():
            words = [each.sentence]
            words += [_at(each.place)] if each.place else []
            if each.verdict == NO and each.schedule is not None:
                words.append(f"run: {short(each.schedule) or 'the start'}")
            rows.append(
                (QUESTIONS[name], f"{MARKS[each.verdict]} {each.verdict}", "\n".join(words))
            )
        return verbatim(
            f"<strong>{escape(self.headline)}</strong>"
            + html_table(("question", "answer", "why"), rows),
            "mm-card",
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _ipython_display_(self) -> None:
        how = type(self).display
        if how is None or not how(self):
            raise NotImplementedError  # so that the table is shown


def _at(place: str) -> str:
    return f"goes wrong at {place}" if place.startswith(("step", "the start")) else place


def not_judged(title: str, error: str) -> Card:
    """Return the card of what cannot be judged: it says why, and is not right."""
    row = Answer(OPEN, "")
    return Card(title, row, row, row, row, row, error=error)


def _wrapped(text: str, indent: int, head: str = "") -> str:
    """Return a text of at most 78 columns, its lines after the first indented."""
    import textwrap  # a card is printed once

    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=head or " " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
