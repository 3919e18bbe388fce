"""A question about one state of a run, and its options, each with its reason."""

from dataclasses import dataclass
from typing import Any

from mmviz.engine.case import Case
from mmviz.engine.html import escape, verbatim
from mmviz.engine.text import printable

KINDS = {
    "next": "who can take the next step",
    "blocked": "who blocks whom, and since which step",
    "value": "what a field will hold",
    "reachable": "whether the bad state can still happen",
    "final": "which final state is possible",
    "line": "which line matters",
}
"""The kinds of questions, and what each asks."""

LETTERS = "ABCDEF"


@dataclass(frozen=True)
class Option:
    """One answer that is offered.

    Attributes:
        text: the answer, without its letter.
        right: whether it is the right one.
        reason: why it is right or wrong, in a sentence or two that teach; not to be shown before
            the learner has answered.
        schedule: a run that shows it, from the start; None where no run does.
        case: the case of that run, where it is another one than the question's: a mutant, or
            a neighbour in the same race.
    """

    text: str
    right: bool
    reason: str
    schedule: tuple[str, ...] | None = None
    case: Case | None = None


@dataclass(frozen=True)
class Question:
    """A question about one state of a run. Exactly one of its options is right.

    Attributes:
        kind: one of `KINDS`.
        case: what it is about.
        schedule: the run at whose end it is asked; () asks at the start.
        text: the question; it stands without the options.
        options: two to five, in the order in which they are offered.
        given: what has to be known beside the code: a line each for the run so far, the next step
            of each actor and, where the question needs them, fields.
    """

    kind: str
    case: Case
    schedule: tuple[str, ...]
    text: str
    options: tuple[Option, ...]
    given: tuple[str, ...] = ()

    @property
    def right(self) -> int:
        """The number of the right option."""
        return next(number for number, each in enumerate(self.options) if each.right)

    @property
    def letter(self) -> str:
        """The letter of the right option."""
        return LETTERS[self.right]

    def option(self, letter: str) -> Option | None:
        """Return the option with a letter, "a" or "A"; None if there is none."""
        wanted = letter.strip().upper()
        number = LETTERS.find(wanted) if len(wanted) == 1 else -1
        return self.options[number] if 0 <= number < len(self.options) else None

    def __str__(self) -> str:
        lines = [*self.given, "", self.text] if self.given else [self.text]
        lines += [f"  {LETTERS[i]}  {each.text}" for i, each in enumerate(self.options)]
        return printable("\n".join(lines))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        given = "<br>".join(map(escape, self.given))
        items = "".join(f"<li>{escape(each.text)}</li>" for each in self.options)
        return verbatim(
            (f"<p><small>{given}</small></p>" if given else "")
            + f"<p>{escape(self.text)}</p><ol type='A'>{items}</ol>"
        )

    def json(self, answers: bool = False) -> dict[str, Any]:
        """Return the question as plain data; what tells the answer is None unless asked for.

        The run of a mutant is left out: what reads the data cannot replay it.
        """
        options: list[dict[str, Any]] = []
        for letter, each in zip(LETTERS, self.options, strict=False):
            case = each.case or self.case
            is_mutant = case is not self.case and case.race is None
            run = each.schedule if answers and not is_mutant else None
            options.append(
                {
                    "letter": letter,
                    "text": each.text,
                    "right": each.right if answers else None,
                    "reason": each.reason if answers else None,
                    "schedule": None if run is None else list(run),
                    "case": case.name if answers else None,
                }
            )
        return {
            "kind": self.kind,
            "scenario": self.case.scenario,
            "case": self.case.name,
            "schedule": list(self.schedule),
            "given": list(self.given),
            "question": self.text,
            "options": options,
        }
