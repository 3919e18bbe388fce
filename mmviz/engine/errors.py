"""What can go wrong, each with the value, the rule and what to do."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Self


class MmvizError(Exception):
    """Anything mmviz itself complains about."""


class ModelError(MmvizError):
    """A scenario breaks a rule of the engine; the message says which, where and what to do.

    The code that finds the fault knows what is wrong; the model, the search and the run that call
    it know the place and `add` it.

    Attributes:
        what: what is wrong and what to write, without the place.
        actor: the actor whose code it is, "" if it is not an actor's.
        step: the step that is running or was to run, "spin_lock(ptl)".
        line: (file, function, line number) of the reader's code, None if it is not known.
        schedule: the steps that lead there, None if it is not known.
        state: the packed state in which it was found, for the engine.
        mover: the actor that has taken one more step from that state, "" if there is none.
    """

    state: int | None = None
    mover: str = ""

    def __init__(
        self,
        what: str = "",
        *,
        actor: str = "",
        step: str = "",
        line: tuple[str, str, int] | None = None,
        schedule: Sequence[str] | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.actor, self.step = what, actor, step
        self.line, self.schedule = line, schedule

    def add(
        self,
        *,
        actor: str = "",
        step: str = "",
        line: tuple[str, str, int] | None = None,
        schedule: Sequence[str] | None = None,
    ) -> Self:
        """Fill in what is not known yet, and return the error itself."""
        self.actor, self.step = self.actor or actor, self.step or step
        self.line = line if self.line is None else self.line
        self.schedule = schedule if self.schedule is None else self.schedule
        return self

    @property
    def place(self) -> str:
        """Where it is: `CPU0 at spin_lock(ptl), my_race.py line 12 in fault(), after "CPU1*2"`."""
        parts = [f"{self.actor} at {self.step}" if self.actor and self.step else ""]
        parts[0] = parts[0] or self.actor or self.step
        if self.line is not None:
            parts.append(spot(self.line))
        if self.schedule is not None:
            runs = [(name, len(list(same))) for name, same in groupby(self.schedule)]
            words = " ".join(name if count == 1 else f"{name}*{count}" for name, count in runs)
            parts.append(f'after "{words}"' if words else "at the start")
        return ", ".join(filter(None, parts))

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what


def spot(line: tuple[str, str, int]) -> str:
    """Return how a line is written in a message, "my_race.py line 12 in fault()"."""
    file, function, number = line
    notebook = "ipykernel" in file or file.startswith("<ipython-input")
    name = "the cell's" if notebook else re.split(r"[\\/]", file)[-1]
    function = "" if function == "<module>" else f" in {function.strip('<>')}()"
    return f"{name} line {number}{function}"


HALF_LEARNED = (
    "this model was interrupted while it learned a step, so it can no longer be trusted. Make a "
    "new one: replay(case, …), Run(case), or the widget once more"
)


class UnknownField(ModelError, AttributeError):
    """An object has no field, step or property of that name; the message suggests the nearest."""


class NotDeterministic(ModelError):
    """An actor took another step although it received the same results again."""


class LoopWithoutMark(ModelError):
    """An actor goes round a loop without a `mark()`."""


class BadMark(ModelError):
    """A `mark()` forgot a value that the actor still needs."""


class ScheduleError(MmvizError, ValueError):
    """A schedule asks for a step that cannot happen.

    Attributes:
        step: 1-based position in the schedule.
        actor: the actor that was to step.
    """

    def __init__(self, message: str, step: int = 0, actor: str = "") -> None:
        super().__init__(message)
        self.step, self.actor = step, actor


class UnknownName(MmvizError, KeyError):
    """No scenario, case, actor or bad state has that name; the message suggests the nearest."""

    def __str__(self) -> str:
        return str(self.args[0])


class VerdictError(MmvizError, AssertionError):
    """A case declared one verdict and the search found another."""


class Oops(Exception):
    """The machine stops in this step; `bad_state` is violated and the step's writes are undone."""

    def __init__(self, bad_state: str, text: str) -> None:
        super().__init__(text)
        self.bad_state, self.text = bad_state, text
