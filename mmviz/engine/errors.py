"""What can go wrong, each with the value, the rule and what to do."""


class MmvizError(Exception):
    """Anything mmviz itself complains about."""


class ModelError(MmvizError):
    """A scenario breaks a rule of the engine; the message says which, where and what to do."""


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
