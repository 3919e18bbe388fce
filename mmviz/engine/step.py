"""Steps: what an actor awaits.  One `await` is one atomic step.

An actor is an `async def` function of the world.  It awaits `@atomic` methods; calling
one only *describes* a step; the run performs it.  No event loop is involved: `await`
marks the places where other actors may run, and nothing else.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from threading import get_ident
from types import CoroutineType, FunctionType
from typing import Any, Concatenate, Generic, NamedTuple, NoReturn, ParamSpec, TypeVar

from mmviz.engine.bits import token
from mmviz.engine.errors import ModelError, UnknownField
from mmviz.engine.piece import ACTOR, BAD_STATE, GUARD, NOW, STEP, Line, Piece, forgotten, line_at
from mmviz.engine.struct import Struct
from mmviz.engine.text import printable

P = ParamSpec("P")
S = TypeVar("S", bound=Struct)
R = TypeVar("R")


class Task(Struct):
    """What the engine knows about an actor: the kernel's `current`.

    Attributes:
        held: the locks and read sections it is in, in the order it entered them.
        asked: what it has left to the environment and not yet heard (mmviz/engine/choose.py).
        decides: it is the environment. Never changes.
    """

    held: tuple[Struct, ...] = ()
    asked: Any = None
    decides: bool = False


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
        returned: the actor has finished with it, and what it still holds is looked at.
    """

    reads: set[int]
    writes: dict[int, Any]
    answer: Any = None
    blocked: bool = False
    said: tuple[tuple[str, str], ...] = ()
    oops: bool = False
    returned: bool = False


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
        used: it is awaited or has been done.
    """

    __slots__ = (
        "_answered",
        "_at",
        "_piece",
        "args",
        "body",
        "cite",
        "kwargs",
        "on",
        "used",
        "when",
    )

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
        self.used = self._answered = False
        self._piece: Piece | None = None
        self._at: tuple[Any, int] | None = None

    def __await__(self) -> Generator["Step[R]", R, R]:
        if self._answered or self._piece is not NOW.get(get_ident()):
            self._refuse_await()
        self.used = True
        answer = yield self
        self._answered = True
        return answer

    def do(self) -> R:
        """Perform a step at once, as a part of the step that is running.

        Raises:
            Blocked: the guard is false, so the enclosing step is blocked too.
            ModelError: no step is running, or the guard does not return a bool.
        """
        self.used = True
        piece = NOW.get(get_ident())
        if piece is not None and piece.kind == ACTOR:
            raise ModelError(
                f"{self.label}.do() performs a step as a part of another one, and an actor runs "
                f"between steps. Write: await {self.label}"
            )
        if self.when is not None:
            if piece is None:
                is_open = self.when(self.on, *self.args, **self.kwargs)
            else:
                is_open = self._is_open(self.when, piece)
            if not is_open:
                raise Blocked(self.label)
        return self.body(self.on, *self.args, **self.kwargs)

    def _is_open(self, when: Callable[..., bool], piece: Piece) -> bool:
        """Evaluate the guard; after an exception `piece.kind` says that it was the guard's."""
        before, piece.kind = piece.kind, GUARD
        piece.ledger.looking, looked = GUARD, piece.ledger.looking
        is_open = when(self.on, *self.args, **self.kwargs)
        if is_open is not True and is_open is not False:
            piece.check()
            raise ModelError(
                f"the guard of {self.label} returned {not_a_bool(is_open)}. A guard returns True "
                "or False: compare with a value (… is not None, … > 0), or write bool(…)"
            )
        piece.kind, piece.ledger.looking = before, looked
        return is_open

    # -- slips: a step is neither its result nor a condition ---------------------------------

    @property
    def line(self) -> Line | None:
        """Where it was described; None if that was outside of the code of a case."""
        return None if self._at is None else line_at(*self._at)

    def unused(self, kind: str) -> str:
        """Return what is wrong when the piece of code that has described the step does not use it.

        Args:
            kind: of the piece.
        """
        if kind == ACTOR:
            return f"was described and never awaited, so it never runs. Write: await {self.label}"
        if kind == STEP:
            return (
                f"was described inside a step and never done, so it does nothing. Write: "
                f"{self.label}.do()"
            )
        if kind in (GUARD, BAD_STATE):
            return f"is a step, and {kind} only looks. Read the field instead"
        return f"was described in {kind}, outside of any actor. Await it in an actor"

    def _refuse(self, *_: Any) -> NoReturn:
        """Raise the error for a step that is used as if it were its result."""
        self.used = True  # one complaint is enough
        piece = NOW.get(get_ident())
        kind = ACTOR if piece is None else piece.kind
        if kind in (GUARD, BAD_STATE):
            raise ModelError(f"{self.label} {self.unused(kind)}", line=self.line)
        way = f"(await {self.label})" if kind == ACTOR else f"{self.label}.do()"
        raise ModelError(
            f"{self.label} only describes a step, and stands here for its result. Write: {way}",
            line=self.line,
        )

    def _refuse_await(self) -> NoReturn:
        if self._answered:
            why = "is awaited a second time"
        else:
            why = "was described before the actor came here"
        raise ModelError(
            f"{self.label} {why}. Each await takes a step of its own: describe it where it is "
            f"awaited, await {self.label}"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UnknownField(
            f"{self.label}.{name}: {self.label} only describes a step, and {name} is looked up on "
            f"it. Write: (await {self.label}).{name}, or in a step {self.label}.do().{name}",
            line=self.line,
        )

    @property
    def label(self) -> str:
        """The function and its arguments, with the object where its name helps.

        A step that was read in a text has its words there: the `label` of its body.
        """
        said: str = self.body.__dict__.get("label", "")
        if said:
            return printable(said)
        values = [*self.args, *self.kwargs.values()]
        words = [str(value) for value in values]
        if self.on.name and not words:
            words = [self.on.name]
        return printable(f"{self.body.__name__}({', '.join(words)})")

    @property
    def doc(self) -> str:
        """The first line of the step's docstring."""
        lines = (self.body.__doc__ or "").strip().splitlines()
        return printable(lines[0]) if lines else ""

    @property
    def signature(self) -> tuple[Any, ...]:
        """What makes two steps of one world the same step."""
        return (self.body.__qualname__, self.on, self.args, tuple(self.kwargs.items()))


OPERATORS = (
    "bool eq ne lt le gt ge contains iter len getitem setitem call enter exit index int float "
    "add radd iadd sub rsub isub mul rmul imul truediv rtruediv floordiv rfloordiv mod rmod pow "
    "and rand iand or ror ior xor rxor lshift rlshift rshift rrshift neg pos invert abs format"
)
"""What a step cannot do in place of its result."""

for _operator in OPERATORS.split():
    setattr(Step, f"__{_operator}__", Step._refuse)


def not_a_bool(value: Any) -> str:
    """Return how a message names what should have been True or False."""
    if value is None:
        return "None; a return is missing"
    called = forgotten([value])
    if called:
        return f"a coroutine: {called}() is async and was called without await"
    return f"{value!r} ({type(value).__name__})"


def atomic(
    cite: str, when: Callable[..., bool] | None = None
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], Step[R]]]:
    """Make a method of a Struct an atomic step.

    Args:
        cite: the kernel file the function is in, "mm/rmap.c"; "driver" for code of no
            particular driver; "hardware" for what a device or a page-table walker does;
            "environment" for what the model leaves open.
        when: the guard, given the same arguments as the method; it must not write.

    Returns:
        A decorator: the method then returns a Step to be awaited.
    """

    def decorate(
        body: Callable[Concatenate[S, P], R],
    ) -> Callable[Concatenate[S, P], Step[R]]:
        _plain(body, f"the step {body.__name__}()", "an actor")
        if when is not None:
            _plain(when, f"the guard of {body.__name__}()", "a step")

        def describe(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Step[R]:
            step = Step(self, body, args, kwargs, cite, when)
            piece = NOW.get(get_ident())
            if piece is not None:
                caller = sys._getframe(1)
                step._piece, step._at = piece, (caller.f_code, caller.f_lasti)
                piece.described.append(step)
                for value in (*args, *kwargs.values()) if kwargs else args:
                    if type(value) is Step or type(value) is CoroutineType:
                        _refuse_argument(step, value)
            ledger = self._ledger
            if ledger is not None and ledger.opens and (piece is None or piece.kind == ACTOR):
                opened: Step[R] = ledger.in_two(step)  # or a coroutine that awaits two
                return opened
            return step

        functools.update_wrapper(describe, body)
        return describe

    return decorate


def _plain(function: Callable[..., Any], what: str, instead: str) -> None:
    """Refuse an async function or a generator where a plain function must stand."""
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & (
        inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
    ):
        line = (code.co_filename, code.co_name, code.co_firstlineno)
        raise ModelError(
            f"{what} is async, or has a yield. It is one atomic action: write a plain def; what "
            f"takes several steps is an async function that {instead} calls",
            line=line,
        )


def _refuse_argument(step: Step[Any], value: Any) -> NoReturn:
    """Raise the error for an argument that is described and not awaited."""
    if isinstance(value, Step):
        value._refuse()
    name = value.__name__
    value.close()
    step.used = True
    raise ModelError(
        f"{step.body.__name__}(…) is given {name}(…), which is async and was called without "
        f"await. Write: await {name}(…), and give the step its result",
        line=step.line,
    )


class Mark(NamedTuple):
    """The last `mark()` that an actor passed, and the results since.

    Attributes:
        code: the function that called `mark()`.
        number: the line of the call.
        values: the label, then the values.
        since: tokens of the results since the mark, the last one beside those before it; of all
            results if there was no mark.
    """

    code: Any
    number: int
    values: tuple[Any, ...]
    since: tuple[Any, ...]

    @property
    def key(self) -> Any:
        """Equal for two histories that the mark declares to be one."""
        return (token(self.values), self.since)


def current() -> Task:
    """Return the actor whose step is running, as the kernel's `current` does.

    Raises:
        ModelError: no step is running.
    """
    piece = NOW.get(get_ident())
    if piece is None or piece.task is None:
        raise ModelError("current() was called outside a step; call it in an @atomic method")
    task: Task = piece.task
    return task


def warn(bad_state: str, text: str) -> None:
    """Complain as the kernel does with WARN() or a debug check, and go on.

    Args:
        bad_state: the bad state that is violated from here on, "sleeps_in_atomic".
        text: one sentence for readers.
    """
    piece = NOW.get(get_ident())
    if piece is None or piece.task is None:
        raise ModelError("warn() was called outside a step; call it in an @atomic method")
    piece.said.append((bad_state, text))


def mark(label: str, *values: Any) -> None:
    """Declare at the head of a loop that `values` holds everything the code below still needs.

    Not a step, and seldom needed: the engine finds the variables that are still used by itself, and
    a loop comes back to the same location if they are the same.  Where the interpreter does not
    show them, results received tell locations apart, and a mark forgets them.  A mark that leaves
    out a variable is refused (`BadMark`).

    Args:
        label: names the loop.
        values: the earlier values that the code below still uses.

    Raises:
        ModelError: it was called in a step, a guard, a bad state or world().
    """
    piece = NOW.get(get_ident())
    if piece is None:
        return
    caller = sys._getframe(1)
    if piece.marks is None:
        raise ModelError(
            f"mark({label!r}) was called in {piece.kind}; a mark stands in an actor, between two "
            "steps, at the head of a loop"
        )
    piece.marks.append(Mark(caller.f_code, caller.f_lineno, (label, *values), ()))


def check_answer(step: Step[Any], answer: Any) -> None:
    """Refuse a result that is not a value, or that was not computed."""
    called = forgotten([answer])
    if called:
        raise ModelError(
            f"{step.label} returned a coroutine: {called}() is async, and a step is one atomic "
            "action. Await it in the actor instead"
        )
    if isinstance(answer, Step):
        raise ModelError(
            f"{step.label} returned {answer.label}, a step. Write: {answer.label}.do()"
        )
    kind: Any = type(answer)
    if kind.__hash__ is object.__hash__ and not isinstance(answer, Struct | type | FunctionType):
        raise ModelError(
            f"{step.label} answered an object of class {kind.__name__}, a new one each time. "
            "Answer a value: a number, a string, a tuple, an Enum, or an object of the world"
        )
    try:
        hash(answer)
    except TypeError:
        raise ModelError(
            f"{step.label} answered {answer!r}; an answer must be immutable, as a field is"
        ) from None
