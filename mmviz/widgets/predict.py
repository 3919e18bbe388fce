"""A question that is answered before the answer is seen.

What follows is sealed until the learner has answered or skipped: neither the page, nor the state of
the widgets, nor the notebook, nor a saved file has it. The kernel keeps the answer, and decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

import anywidget
import ipywidgets
import traitlets

from mmviz.browser import esm
from mmviz.engine import Case, MmvizError, nearest, short
from mmviz.engine.condition import Holds
from mmviz.engine.html import escape, verbatim
from mmviz.engine.text import expected, index, left_out, printable, quoted
from mmviz.lessons.question import KINDS, Option, Question
from mmviz.scenarios import Named, cases_of, one_case
from mmviz.scene import theme
from mmviz.scene.searched import SearchedCase
from mmviz.scene.svg import svg
from mmviz.scene.views import FIRST, picture
from mmviz.widgets import revealed
from mmviz.widgets.closing import close_parts
from mmviz.widgets.player import OpenedStage, Player
from mmviz.widgets.prepared import Prepared, Sealed
from mmviz.widgets.received import LONGEST_NAME, listed, number
from mmviz.widgets.shows import SEEN, UNSEEN, PutAway
from mmviz.widgets.stage import Stage, complaint, stage_height
from mmviz.widgets.still import picture as picture_of
from mmviz.widgets.subshell import answered_in_any_shell

HEIGHT = 420  # px of the stage: with the question it fits into a notebook on 1280x800
SEALED, ASKED, ANSWERED, SKIPPED = "sealed", "asked", "answered", "skipped"
LETTERS = "ABCDEFGHIJ"
WAITS = "This question opens when the one before it is answered or skipped."
UNANSWERED = "The answer is sealed: run the cell in a notebook, and answer or skip there."


class SealedStage(Stage):
    """A stage that has a run up to a question, and nothing of what follows.

    Args:
        searched: the case.
        schedule: the run up to the question.
        height: pixels.
    """

    def __init__(self, searched: SearchedCase, schedule: Sequence[str], height: int) -> None:
        self._upto = tuple(schedule)
        super().__init__(
            searched.case, searched, runs=[self._upto], k=len(self._upto), height=height
        )

    def _prepare(
        self,
        searched: SearchedCase,
        runs: Iterable[Sequence[str]] = (),
        own_goal: Holds | None = None,
    ) -> Prepared:
        return Sealed(searched, self._upto)


class Card(anywidget.AnyWidget):
    """The question in the browser. Before it is answered, no trait has anything of the answer."""

    _esm = esm(entry="predict.js")
    _css = theme.css(".mm-theme") + (Path(__file__).parent / "predict.css").read_text("utf-8")

    #: "sealed" while another question comes first, "asked", "answered" or "skipped".
    state = traitlets.Unicode(SEALED).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    #: What has to be known beside the code, a line each.
    given = traitlets.List(traitlets.Unicode()).tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    #: Whether more than one option is right.
    several = traitlets.Bool(False).tag(sync=True)
    #: The numbers of the options that are chosen.
    picked: Any = traitlets.List(traitlets.Int()).tag(sync=True)
    #: Once it is answered: `{"right", "picked", "first", "options": [{"right", "reason", "run"}]}`.
    result = traitlets.Dict().tag(sync=True)
    #: The option whose run is on the stage; -1 for none.
    shows = traitlets.Int(-1).tag(sync=True)
    #: What a screen reader says.
    status = traitlets.Unicode().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """Take nothing from the page but messages: what it chose comes with the answer."""


class Predict(PutAway, ipywidgets.VBox):
    """Ask a question about a state, and reveal what follows once it is answered or skipped.

    Above is the question, below the run up to there on a stage. After the answer each option has
    its reason and a run, and the stage goes on. A wrong answer may be followed by another; the
    first one stays recorded. Nothing is sent anywhere.

    Args:
        race: a case; or a race, a scenario, or its name, "thread/race", or the path of a file.
        schedule: the run at whose end it is asked, as for `Player`; by default where it is worth
            asking.
        case: the case's name or id; by default the first of which such a question can be asked.
        kind: "next", "blocked", "value", "reachable", "final" or "line"; by default any.
        seed: another one asks another question, or offers its options in another order.
        then: what is revealed below, one thing or a list: "stage", "report" or "text"; a text of
            several words in Markdown; a function without arguments, which is called then, and what
            it returns is displayed; or anything else that a notebook displays.
        after: another `Predict`, before which this one does not open.
        question: a `Question` of your own, instead of a race.
        height: of the stage in pixels.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
        ScheduleError: the schedule cannot happen; the message says at which step and why.
        MmvizError: there is nothing to ask there, or an argument is not what it has to be.

    Example:
        mmviz.Predict("iommu_group/release_order", "CPU0*3", kind="next")
    """

    children: Any  # the card, the stage, and what is revealed

    def __init__(
        self,
        race: Named | Case | None = None,
        schedule: str | Iterable[str] = "",
        case: str = "",
        kind: str = "",
        seed: int = 0,
        *,
        then: Any = "stage",
        after: "Predict | None" = None,
        question: Question | None = None,
        height: int = HEIGHT,
    ) -> None:
        self._then, self._height = revealed.checked(then), stage_height(height)
        if after is not None and not isinstance(after, Predict):
            raise MmvizError(f"after={quoted(after)} is no question: write after=p, a Predict")
        if race is not None and question is not None:
            raise MmvizError("a question of your own has its case: leave the race out")
        asked = _found(race, schedule, case, kind, seed) if question is None else question
        self.question = checked(asked)
        self._searched: SearchedCase | None = SearchedCase(self.question.case)
        self._upto = self._searched.run(self.question.schedule).schedule  # raises if impossible
        self._right = tuple(i for i, each in enumerate(self.question.options) if each.right)
        self._first: tuple[int, ...] = ()
        self._picked: tuple[int, ...] = ()
        self._turn, self._after = RLock(), after
        self.card = Card()
        self.card.on_msg(self._heard)
        self.reporter = self.card
        super().__init__([self.card])
        for name in ("mm-prediction", "mm-theme"):
            self.add_class(name)
        if after is None or after.is_open:
            self._ask()
        else:
            after.card.observe(self._opened_before, "state")

    # -- what an author or a later cell asks ----------------------------------------------------

    @property
    def answered(self) -> bool:
        """Whether it was answered."""
        return bool(self._first)

    @property
    def skipped(self) -> bool:
        """Whether it was skipped without an answer."""
        return bool(self.card.state == SKIPPED)

    @property
    def right(self) -> bool:
        """Whether the last answer was right; false before."""
        return bool(self._picked) and self._picked == self._right

    @property
    def first(self) -> str:
        """The letters of the first answer, which stays recorded; "" before."""
        return letters(self._first)

    @property
    def is_open(self) -> bool:
        """Whether it was answered or skipped, so that what follows may be seen."""
        return self.answered or self.skipped

    def answer(self, *options: str | int) -> bool:
        """Answer, as by the button; tell whether that is right.

        Args:
            options: each a letter, "B", or a number counted from 0.

        Raises:
            MmvizError: there is no such option, or the question cannot be answered now.
        """
        with self._turn:
            self._must_be(ASKED)
            several, last = len(self._right) > 1, len(self.question.options) - 1
            picked = tuple(sorted({_number(each, last) for each in options}))
            if not picked or (len(picked) > 1 and not several):
                raise MmvizError(f"choose one of the options {LETTERS[0]} to {LETTERS[last]}")
            is_first = not self._first
            self._first, self._picked = self._first or picked, picked
            self._reveal(ANSWERED)
            if is_first:
                self._record()
            return self.right

    def skip(self) -> None:
        """Show the answer without answering; it stays marked as skipped.

        Raises:
            MmvizError: it is open already, or waits for another question.
        """
        with self._turn:
            self._must_be(ASKED)
            self._reveal(ANSWERED if self._first else SKIPPED)

    def again(self) -> None:
        """Hide the reasons, and take another answer after a wrong one.

        Raises:
            MmvizError: it was not answered yet, or rightly.
        """
        with self._turn:
            self._must_be(ANSWERED)
            if self.right:
                raise MmvizError("the answer is right: there is nothing to answer again")
            with self.card.hold_sync():
                self.card.picked, self.card.result, self.card.shows = [], {}, -1
                self.card.status, self.card.state = "", ASKED

    def show(self, option: str | int) -> Player:
        """Put the run of an option on the stage.

        Raises:
            MmvizError: the question is still sealed, or no run shows this option.
        """
        with self._turn:
            if self.card.state not in (ANSWERED, SKIPPED):
                raise MmvizError("the runs are sealed: answer or skip the question first")
            which = _number(option, len(self.question.options) - 1)
            found = self.question.options[which]
            if found.schedule is None:
                raise MmvizError(f"no run shows option {LETTERS[which]}")
            stage: Player = self.children[1]
            case = found.case or self.question.case
            if stage.case == case:
                stage.visit(found.schedule)
            else:
                stage = OpenedStage(case, found.schedule, start=-1, height=self._height)
                self._put(stage, self.children[2:])
            with self.card.hold_sync():
                self.card.shows = which
                self.card.status = f"On the stage below: {LETTERS[which]}, {_run(found)}."
            return stage

    # -- the seal --------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Show the question, and the run up to it."""
        asked = self.question
        assert self._searched is not None
        with self.card.hold_sync():
            self.card.text = printable(asked.text)
            self.card.given = [printable(line) for line in asked.given]
            self.card.options = [printable(each.text) for each in asked.options]
            self.card.several = len(self._right) > 1
            self.card.state = ASKED
        self.children = (self.card, SealedStage(self._searched, self._upto, self._height))

    def _opened_before(self, _change: Any) -> None:
        """Ask once the question before this one is open."""
        after = self._after
        if after is not None and after.is_open and self.comm is not None:
            after.card.unobserve(self._opened_before, "state")
            with self._turn:
                if self.card.state == SEALED:
                    self._ask()

    def _reveal(self, state: str) -> None:
        """Show what each option is, and the first time what follows."""
        options, is_new = self.question.options, isinstance(self.children[1], SealedStage)
        with self.card.hold_sync():
            self.card.picked = list(self._picked)
            self.card.result = {
                "right": self.right,
                "picked": list(self._picked),
                "first": list(self._first),
                "options": [
                    {"right": each.right, "reason": printable(each.reason), "run": _run(each)}
                    for each in options
                ],
            }
            self.card.status = self._said(state)
            self.card.state = state
        if is_new:
            stage = OpenedStage(self.question.case, self._upto, start=-1, height=self._height)
            self._put(stage, ())
            self._put(self.children[1], self._content())

    def _said(self, state: str) -> str:
        """Return what a screen reader says of the answer: right or wrong, and why."""
        options = self.question.options
        because = " ".join(printable(options[i].reason) for i in self._picked or self._right)
        if state == SKIPPED:
            return f"Skipped. Right is {letters(self._right)}. {because}"
        if self.right:
            return f"Right. {because}"
        return f"Wrong. {because} Right is {letters(self._right)}."

    def _put(self, stage: Stage, below: Sequence[Any]) -> None:
        """Put a stage and what is below it on the page, and close the stage that was there."""
        before = self.children[1]
        self.children = (self.card, stage, *below)
        if before is not stage:
            before.close()

    def _content(self) -> list[Any]:
        """Return the widgets that show what `then` names; what goes wrong is told on the card."""
        runs = (self.question.options[i].schedule for i in self._right)
        run = next((each for each in runs if each is not None), self._upto)
        found: list[Any] = []
        try:
            searched = self.children[1].searched
            found += revealed.revealed(self._then, self.question.case, searched, run)
        except Exception as wrong:
            self.card.error = complaint(self, wrong)
        return found

    def _must_be(self, state: str) -> None:
        """Raise if a question is not in the state in which something is done."""
        now = self.card.state
        if now == state:
            return
        if now == SEALED:
            raise MmvizError(WAITS[0].lower() + WAITS[1:].rstrip("."))
        raise MmvizError(f"this question is {now}, so this cannot be done now")

    def _record(self) -> None:
        """Note the first answer in the learner's own file, where one is kept."""
        from mmviz.lessons import progress  # which starts a thread

        asked = self.question
        chosen = "; ".join(asked.options[i].text for i in self._first)
        name = f"{progress.name_of(asked.case)} {asked.kind}: {asked.text}"
        progress.predicted(name[:LONGEST_NAME], chosen, self.right)

    # -- the page --------------------------------------------------------------------------------

    def _heard(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Do what the learner asked for; what goes wrong is told on the card."""
        if not isinstance(message, Mapping) or message.get("ask") in (SEEN, UNSEEN):
            return  # see `shows`
        asked, given = message.get("ask"), message.get("id")
        told: dict[str, Any] = {"id": given if isinstance(given, int | float) else None}
        self.card.error = ""
        try:
            if asked == "answer":
                picked = listed(message.get("picked"), "the options chosen", len(LETTERS))
                self.answer(*(number(each, "an option", len(LETTERS)) for each in picked))
            elif asked == "skip":
                self.skip()
            elif asked == "again":
                self.again()
            elif asked == "show":
                self.show(number(message.get("option"), "an option", len(LETTERS)))
            else:
                raise MmvizError(f"a question is not asked for {quoted(asked)}")
        except Exception as wrong:
            told["error"] = complaint(self, wrong)
        self.card.send(told)
        answered_in_any_shell(self.card)

    def close(self) -> None:
        """Take the question off every page, with its stage and what it revealed."""
        if self.comm is not None:
            self.card.on_msg(self._heard, remove=True)
            self.card.unobserve_all()
            for each in self.children:
                each.close()
            close_parts(self)
            self._searched = None
        super().close()

    # -- elsewhere -------------------------------------------------------------------------------

    def __str__(self) -> str:
        state = self.card.state
        if state == SEALED:
            return WAITS
        lines = [*self.question.given, ""] if self.question.given else []
        lines.append(self.question.text)
        is_done = state in (ANSWERED, SKIPPED)
        for i, each in enumerate(self.question.options):
            mark = ("  ✓ right" if each.right else "  ✗ wrong") if is_done else ""
            lines.append(f"  {LETTERS[i]}  {each.text}{mark}")
            if is_done:
                lines.append(f"       {each.reason}")
        if state == SKIPPED:
            lines.append("Skipped: the question was not answered.")
        elif state == ANSWERED:
            lines.append(f"First answer: {self.first}. Last answer: {letters(self._picked)}.")
        else:
            lines.append(UNANSWERED)
        return printable("\n".join(lines))

    def __repr__(self) -> str:
        return f"<Predict, {self.card.state}: {quoted(self.question.text)}>"

    def still(self) -> str:
        """Return the question as HTML, for a page where no widget runs; without the answer."""
        if self.card.state == SEALED or self._searched is None:
            return f"<p>{WAITS}</p>"
        drawn = self.children[1].views[FIRST]
        run = self._searched.run(self._upto)
        seen = svg(picture([drawn], run, len(self._upto)), "page", "The state asked about")
        items = "".join(f"<li>{escape(each.text)}</li>" for each in self.question.options)
        given = "".join(f"<li>{escape(line)}</li>" for line in self.question.given)
        return verbatim(
            f"<p><strong>{escape(self.question.text)}</strong></p><ol type='A'>{items}</ol>"
            f"<p>{UNANSWERED}</p>" + (f"<ul>{given}</ul>" if given else "")
        ) + picture_of(seen, f"The state that the question is about: {self.question.case.name}")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
            bundle["text/html"] = self.still()
        return bundle


def letters(options: Iterable[int]) -> str:
    """Return numbers of options as letters, "A, C"."""
    return ", ".join(LETTERS[i] for i in options)


def checked(question: Any) -> Question:
    """Return a question that can be asked.

    Raises:
        MmvizError: it is no question, or has no options, or none of them is right.
    """
    if not isinstance(question, Question):
        raise MmvizError(
            f"question={quoted(question)} is no question: write mmviz.lessons.question.Question("
            "kind, case, schedule, text, options)"
        )
    options: Any = question.options
    if not isinstance(options, tuple | list) or not all(isinstance(o, Option) for o in options):
        raise MmvizError("the options of a question are a tuple of Option(text, right, reason, …)")
    if not 2 <= len(options) <= len(LETTERS):
        raise MmvizError(f"a question has 2 to {len(LETTERS)} options, not {len(options)}")
    if not any(each.right for each in options):
        raise MmvizError("no option of this question is right: write Option(…, right=True, …)")
    words: list[Any] = [
        question.text,
        *(text for each in options for text in (each.text, each.reason)),
    ]
    if not all(isinstance(each, str) and each.strip() for each in words):
        raise MmvizError("a question and each of its options have a text, and each option a reason")
    expected(
        question.case, Case, "the case of a question", "write mmviz.find('thread/race', 'Name')"
    )
    return question


def _found(race: Any, schedule: Any, case: str, kind: Any, seed: Any) -> Question:
    """Return the question that the graph of a case asks."""
    from mmviz.lessons.questions import questions

    if race is None:
        raise MmvizError(
            "Predict asks about a race: Predict('thread/race'); or a question= of yours"
        )
    kinds = None if left_out(kind) else [nearest({k: k for k in KINDS}, kind, "kind")]
    seeded = index(seed, "a seed")
    first = one_case(race, case, first=True)
    others = cases_of(race) if left_out(case) and not isinstance(race, Case) else ()
    steps = None if left_out(schedule) else SearchedCase(first).schedule(schedule)
    for chosen in (first, *(() if steps else others)):
        found = questions(chosen, steps, kinds=kinds, seed=seeded, count=1)
        if found:
            break
    else:
        what = f"of the kind {kinds[0]!r} " if kinds else ""
        where = f" after {short(steps)}" if steps else ""
        raise MmvizError(
            f"there is no question {what}to ask of {first.name}{where}: leave kind or schedule "
            "out, or name another case"
        )
    asked: Question = found[0]
    return asked


def _number(option: Any, last: int) -> int:
    """Return the number of an option, given as a letter or a number."""
    if isinstance(option, str):
        at = LETTERS.find(option.strip().upper()) if len(option.strip()) == 1 else -1
        if not 0 <= at <= last:
            raise MmvizError(
                f"{quoted(option)} is no option: write {LETTERS[0]} to {LETTERS[last]}"
            )
        return at
    return number(option, "an option", last)


def _run(option: Option) -> str:
    """Return the run of an option in words, "" for none."""
    if option.schedule is None:
        return ""
    run = short(option.schedule) or "no step"
    return f"{run} in {option.case.name}" if option.case is not None else run
