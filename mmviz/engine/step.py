"""Steps: what an actor awaits.  One `await` is one atomic step.

An actor is an `async def` function of the world.  It awaits `@atomic` methods; calling
one only *describes* a step; the run performs it.  No event loop is involved: `await`
marks the places where other actors may run, and nothing else.
"""

import functools
from collections.abc import Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from mmviz.engine.errors import ModelError
from mmviz.engine.struct import Struct

P = ParamSpec("P")
S = TypeVar("S", bound=Struct)
R = TypeVar("R")


class Task(Struct):
    """What the engine knows about an actor: the kernel's `current`.

    Attributes:
        held: the locks and read sections it is in, in the order it entered them.
    """

    held: tuple[Struct, ...] = ()


class Machine(Struct):
    """What the engine knows about the whole machine.

    Attributes:
        complaints: the complaints that steps have raised so far.
        dead: an Oops ended the run.
    """

    complaints: frozenset[str] = frozenset()
    dead: bool = False


@dataclass
class Effect:
    """What one execution of a step did.

    Attributes:
        reads: slots read.
        writes: slot -> new value.
        answer: the result that the actor receives.
        blocked: the guard was false.
        said: (bad state, sentence) for each complaint.
        oops: the machine stopped.
    """

    reads: set[int]
    writes: dict[int, Any]
    answer: Any = None
    blocked: bool = False
    said: tuple[tuple[str, str], ...] = ()
    oops: bool = False


class Blocked(Exception):
    """A step inside a step is blocked, so the whole step is."""


class Step(Generic[R]):
    """One atomic action of one actor, described but not yet performed.

    Attributes:
        on: the object it acts on.
        body: the function that performs it, with the kernel's name.
        args, kwargs: the arguments of the body.
        cite: the kernel file that has the function, or "driver", or "hardware".
        when: the guard; while it is false the actor is blocked here.
    """

    __slots__ = ("args", "body", "cite", "kwargs", "on", "when")

    def __init__(
        self,
        on: Struct,
        body: Callable[..., R],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        cite: str,
        when: Callable[..., bool] | None,
    ) -> None:
        self.on, self.body, self.args, self.kwargs = on, body, args, kwargs
        self.cite, self.when = cite, when

    def __await__(self) -> Generator["Step[R]", R, R]:
        answer = yield self
        return answer

    def do(self) -> R:
        """Perform a step at once, as a part of the step that is running.

        Raises:
            Blocked: the guard is false, so the enclosing step is blocked too.
        """
        if self.when is not None and not self.when(self.on, *self.args, **self.kwargs):
            raise Blocked(self.label)
        return self.body(self.on, *self.args, **self.kwargs)

    @property
    def label(self) -> str:
        """The function and its arguments, with the object where its name helps."""
        values = [*self.args, *self.kwargs.values()]
        words = [str(value) for value in values]
        if self.on.name and not words:
            words = [self.on.name]
        return f"{self.body.__name__}({', '.join(words)})"

    @property
    def doc(self) -> str:
        """The first line of the step's docstring."""
        lines = (self.body.__doc__ or "").strip().splitlines()
        return lines[0] if lines else ""

    @property
    def signature(self) -> tuple[Any, ...]:
        """What makes two steps the same step."""
        return (self.body.__qualname__, self.on.name, self.args, tuple(self.kwargs.items()))


def atomic(
    cite: str, when: Callable[..., bool] | None = None
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], Step[R]]]:
    """Make a method of a Struct an atomic step.

    Args:
        cite: the kernel file the function is in, "mm/rmap.c"; "driver" for code of no
            particular driver; "hardware" for what a device or a page-table walker does.
        when: the guard, given the same arguments as the method; it must not write.

    Returns:
        A decorator: the method then returns a Step to be awaited.
    """

    def decorate(
        body: Callable[Concatenate[S, P], R],
    ) -> Callable[Concatenate[S, P], Step[R]]:
        def describe(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Step[R]:
            return Step(self, body, args, kwargs, cite, when)

        functools.update_wrapper(describe, body)
        return describe

    return decorate


# Of each thread its own: a notebook searches in one while widgets are answered in another.
_TASK: ContextVar[Task | None] = ContextVar("task", default=None)
_SAID: ContextVar[list[tuple[str, str]] | None] = ContextVar("said", default=None)
_MARKS: ContextVar[list[tuple[Any, ...]] | None] = ContextVar("marks", default=None)


def current() -> Task:
    """Return the actor whose step is running, as the kernel's `current` does.

    Raises:
        ModelError: no step is running.
    """
    task = _TASK.get()
    if task is None:
        raise ModelError("current() was called outside a step; call it in an @atomic method")
    return task


def warn(bad_state: str, text: str) -> None:
    """Complain as the kernel does with WARN() or a debug check, and go on.

    Args:
        bad_state: the bad state that is violated from here on, "sleeps_in_atomic".
        text: one sentence for readers.
    """
    said = _SAID.get()
    if said is None:
        raise ModelError("warn() was called outside a step; call it in an @atomic method")
    said.append((bad_state, text))


def mark(label: str, *values: Any) -> None:
    """Declare at the head of a loop that `values` holds everything the code below still needs.

    Not a step.  The engine tells an actor's locations apart by the results it has received;
    a mark forgets them, so that a loop comes back to the same location.

    Args:
        label: names the loop.
        values: the earlier values that the code below still uses.
    """
    marks = _MARKS.get()
    if marks is not None:
        marks.append((label, *values))


def acting(task: Task | None, said: list[tuple[str, str]] | None) -> None:
    """Tell `current()` and `warn()` which task acts; for the engine."""
    _TASK.set(task)
    _SAID.set(said)


def listening(marks: list[tuple[Any, ...]] | None) -> None:
    """Set the receiver of `mark()`; for the engine."""
    _MARKS.set(marks)
