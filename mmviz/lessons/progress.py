"""What a learner has seen and done, in one readable file on the learner's machine.

Nothing is sent anywhere. `MMVIZ_PROGRESS=off` keeps nothing; `MMVIZ_PROGRESS=FILE` keeps it there.
Notes are written by a thread, at rest and at most once in `PAUSE` seconds, so stepping never waits
for a disk; a note that cannot be written is said once, and fails no cell.
"""

import atexit
import contextlib
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmviz.engine import Case, MmvizError
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.text import printable, quoted, several
from mmviz.lessons.progress_file import (
    LONGEST_CHOICE,
    LONGEST_NAME,
    MOST_CASES,
    MOST_COUNT,
    MOST_EXERCISES,
    MOST_NAMES,
    MOST_PREDICTIONS,
    MOST_RUN,
    MOST_RUNS,
    Busy,
    Change,
    Data,
    change,
    empty,
    forget,
    place,
    usable,
)

PAUSE = 3.0  # seconds between a note and its way to the disk


@dataclass(frozen=True)
class CaseSeen:
    """What has been seen of a case.

    Attributes:
        name: "thread/race:Case".
        situations: those seen, as `mmviz.widgets.kept` names them.
        of: how many the case has; 0 where its search did not find them all.
        final_states: how many have been seen.
        of_final_states: how many the case has; 0 as for `of`.
        runs: the schedules that were tried.
    """

    name: str
    situations: tuple[str, ...]
    of: int
    final_states: int
    of_final_states: int
    runs: tuple[str, ...]

    @property
    def seen(self) -> str:
        """How much has been seen, "5 of 7 situations, 2 of 3 final states"."""
        if not self.of:
            return "too many situations to count"
        return (
            f"{len(self.situations)} of {self.of} situations, "
            f"{self.final_states} of {self.of_final_states} final states"
        )


@dataclass(frozen=True)
class ExerciseDone:
    """What has been done on an exercise: how often it was judged, and whether it is right."""

    name: str
    tries: int
    hints: int
    done: bool


@dataclass(frozen=True)
class Predicted:
    """The first answer to a question: its option, and whether that was right."""

    question: str
    chosen: str
    right: bool


@dataclass(frozen=True, repr=False)
class Progress:
    """What a learner has seen and done; it prints, and shows itself in Jupyter, as tables.

    Attributes:
        file: where it is kept; None where it is not.
        cases: what was seen on stages.
        exercises: what was judged.
        predictions: first answers.
        remark: why nothing is kept; "" where it is.
    """

    file: Path | None = None
    cases: tuple[CaseSeen, ...] = ()
    exercises: tuple[ExerciseDone, ...] = ()
    predictions: tuple[Predicted, ...] = ()
    remark: str = ""

    @property
    def headline(self) -> str:
        """The whole in a line."""
        done = sum(each.done for each in self.exercises)
        right = sum(each.right for each in self.predictions)
        return (
            f"{several(len(self.cases), 'case')} seen, "
            f"{done} of {several(len(self.exercises), 'exercise')} done, "
            f"{right} of {several(len(self.predictions), 'prediction')} right at the first answer"
        )

    def as_data(self) -> dict[str, Any]:
        """Return it as data for JSON."""
        return {
            "file": None if self.file is None else str(self.file),
            "remark": self.remark,
            "cases": [
                vars(each) | {"situations": list(each.situations), "runs": list(each.runs)}
                for each in self.cases
            ],
            "exercises": [dict(vars(each)) for each in self.exercises],
            "predictions": [dict(vars(each)) for each in self.predictions],
        }

    def _tables(self) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
        seen: list[tuple[str, ...]] = [
            (e.name, e.seen, several(len(e.runs), "run")) for e in self.cases
        ]
        done: list[tuple[str, ...]] = [
            (
                e.name,
                "done" if e.done else "open",
                several(e.tries, "try", "tries"),
                several(e.hints, "hint"),
            )
            for e in self.exercises
        ]
        said: list[tuple[str, ...]] = [
            (e.question, e.chosen, "right" if e.right else "wrong") for e in self.predictions
        ]
        every: list[tuple[tuple[str, ...], list[tuple[str, ...]]]]
        every = [
            (("case", "seen", "tried"), seen),
            (("exercise", "", "tried", "hints"), done),
            (("prediction", "first answer", ""), said),
        ]
        return [(head, rows) for head, rows in every if rows]

    def _where(self) -> str:
        return self.remark or f"Kept in {self.file}; nothing is sent anywhere."

    def __str__(self) -> str:
        lines = [self.headline + ".", self._where()]
        for head, rows in self._tables():
            lines += ["", f"{head[0]}s:"]
            for name, *said in rows:
                lines += [f"  {name}", f"    {', '.join(said)}"]
        return printable("\n".join(lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = "".join(html_table(head, rows) for head, rows in self._tables())
        said = f"<p>{escape(self.headline)}. {escape(self._where())}</p>"
        return verbatim(said + tables)


def progress(*, forget: bool = False) -> Progress:
    """Return what you have seen and done on this machine.

    It is kept in one JSON file, which you may read, copy or remove; nothing is sent anywhere.

        mmviz.progress()

    Args:
        forget: remove the file first.

    Raises:
        MmvizError: `forget` is not True or False, or the file cannot be read or removed.
    """
    if not isinstance(forget, bool):
        raise MmvizError(f"forget={quoted(forget)} is not True or False")
    file = place()
    if file is None:
        return Progress(remark="Progress is off (MMVIZ_PROGRESS): nothing is kept.")
    try:
        if forget:
            _forget(file)
        NOTES.write()
        data = usable(file, _say)
    except OSError as error:
        why = error.strerror or str(error)
        raise MmvizError(f"{quoted(str(file))} cannot be read or removed: {why}") from None
    return _of(file, data)


def _forget(file: Path) -> None:
    NOTES.drop()
    forget(file)


def _of(file: Path, data: Data) -> Progress:
    return Progress(
        file,
        tuple(
            CaseSeen(
                name,
                tuple(entry["situations"]),
                entry["of"],
                entry["final_states"],
                entry["of_final_states"],
                tuple(entry["runs"]),
            )
            for name, entry in sorted(data["cases"].items())
        ),
        tuple(ExerciseDone(name, **entry) for name, entry in sorted(data["exercises"].items())),
        tuple(Predicted(name, **entry) for name, entry in sorted(data["predictions"].items())),
    )


# -- notes ------------------------------------------------------------------------------------


@dataclass
class Notes:
    """Changes that wait for their way to the disk.

    Attributes:
        failed: the places that could not be written; nothing more is kept there.
    """

    _waiting: list[Change] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _disk: threading.Lock = field(default_factory=threading.Lock)
    _timer: threading.Timer | None = None
    failed: set[Path] = field(default_factory=set)

    def add(self, note: Change) -> None:
        """Keep a note; it is written later."""
        file = place()
        if file is None or file in self.failed:
            return
        with self._turn:
            self._waiting.append(note)
            self._start()

    def _start(self) -> None:
        """Let a thread write what waits, later; the turn is held."""
        if self._timer is None:
            self._timer = threading.Timer(PAUSE, self.write)
            self._timer.daemon = True
            self._timer.start()

    def write(self) -> None:
        """Write what waits now."""
        with self._disk:
            with self._turn:
                waiting, self._waiting = self._waiting, []
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = None
            file = place()
            if not waiting or file is None or file in self.failed:
                return
            try:
                change(file, waiting, _say)
            except Busy:  # nothing is lost: they wait for the next time
                with self._turn:
                    self._waiting = [*waiting, *self._waiting]
                    self._start()
            except (OSError, MmvizError) as error:
                self.failed.add(file)
                why = getattr(error, "strerror", None) or str(error)
                _say(f"Your progress cannot be kept in {quoted(str(file))}: {why}.")

    def drop(self) -> None:
        """Forget what waits, and that a place could not be written."""
        with self._turn:
            self._waiting = []
            self.failed.clear()


@dataclass(frozen=True)
class Shown:
    """What some runs of a case show, of what the case has.

    Attributes:
        possible: the names of all situations of the case.
        situations: of those that the runs have.
        final_states: how many the runs end in.
        of_final_states: how many the case has.
    """

    possible: frozenset[str]
    situations: frozenset[str]
    final_states: int
    of_final_states: int


NOTHING_SEEN: Data = {
    "runs": [],
    "situations": [],
    "of": 0,
    "final_states": 0,
    "of_final_states": 0,
}
NOTES = Notes()
atexit.register(NOTES.write)


def _say(message: str) -> None:
    """Say something to the learner without failing a cell."""
    with contextlib.suppress(Exception):
        print(f"mmviz: {message}", file=sys.stderr)


def _room(entries: Data, name: str, most: int) -> bool:
    """Tell whether there is room for an entry of that name."""
    return len(name) <= LONGEST_NAME and (name in entries or len(entries) < most)


def tried(exercise: str, right: bool) -> None:
    """Note that an answer to an exercise was judged, and whether it was right."""

    def note(data: Data) -> None:
        entry = _exercise(data, exercise)
        entry["tries"] = min(entry["tries"] + 1, MOST_COUNT)
        entry["done"] = entry["done"] or bool(right)

    NOTES.add(note)


def hinted(exercise: str) -> None:
    """Note that a hint of an exercise was shown."""

    def note(data: Data) -> None:
        entry = _exercise(data, exercise)
        entry["hints"] = min(entry["hints"] + 1, MOST_COUNT)

    NOTES.add(note)


def _exercise(data: Data, name: str) -> Data:
    entries = data["exercises"]
    fresh = {"tries": 0, "hints": 0, "done": False}
    found: Data = entries.setdefault(name, fresh) if _room(entries, name, MOST_EXERCISES) else fresh
    return found


def predicted(question: str, chosen: str, right: bool) -> None:
    """Note the first answer to a question; a later one changes nothing.

    Args:
        question: what it was about, "thread/race:Case next 0".
        chosen: the text of the option; nothing else that was typed is kept.
        right: whether it was right.
    """

    def note(data: Data) -> None:
        entries = data["predictions"]
        if _room(entries, question, MOST_PREDICTIONS):
            entries.setdefault(question, {"chosen": chosen[:LONGEST_CHOICE], "right": bool(right)})

    NOTES.add(note)


def name_of(case: Case) -> str:
    """Return the name under which a case is kept: of the catalogue, or of a reader's own."""
    return f"{case.scenario or 'your own'}:{case.name}"


def ran(name: str, look: Callable[[list[str]], tuple[list[str], Shown | None]]) -> None:
    """Note runs of a case.

    Args:
        name: of the case, as `name_of` returns it.
        look: is given the schedules that are kept, later and in another thread, and returns those
            to keep from now on, the newest last, and what they show; None where the case is too
            large to count.
    """

    def note(data: Data) -> None:
        cases = data["cases"]
        if not _room(cases, name, MOST_CASES):
            return
        before = cases.get(name, NOTHING_SEEN)
        runs, shown = look(list(before["runs"]))
        kept = [run for run in runs if len(run) <= MOST_RUN][-MOST_RUNS:]
        cases[name] = {**before, "runs": kept} if shown is None else _added(before, kept, shown)

    NOTES.add(note)


def _added(before: Data, runs: list[str], shown: Shown) -> Data:
    """Return the entry of a case; what is no longer possible in it is dropped."""
    names = sorted(shown.possible & {*before["situations"], *shown.situations})
    ends = max(before["final_states"], shown.final_states)
    return {
        "runs": runs,
        "situations": names[:MOST_NAMES],
        "of": min(len(shown.possible), MOST_NAMES),
        "final_states": min(ends, shown.of_final_states),
        "of_final_states": shown.of_final_states,
    }


def runs_of(name: str) -> list[str]:
    """Return the runs of a case that are kept; [] where nothing is, or it cannot be read."""
    file = place()
    if file is None or file in NOTES.failed:
        return []
    try:
        data = usable(file, _say)
    except OSError:
        return []
    return list(data["cases"].get(name, NOTHING_SEEN)["runs"])


assert empty().keys() >= {"cases", "exercises", "predictions"}
