"""Pieces: which part of the reader's code runs now, in which thread, and where it is.

The engine calls the reader's code in small pieces: an actor up to its next `await`, a step's body,
a guard, a bad state, `world()`.  A rule such as "a guard only looks" needs to know which of them
runs, so each thread has one running piece.  A piece that goes on for a second is ended: one
watching thread raises in the thread that runs it.
"""

import dis
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from types import CodeType, CoroutineType, TracebackType
from typing import Any, NoReturn

from mmviz.engine.errors import ModelError, spot

ACTOR, STEP, GUARD, BAD_STATE, WORLD = "an actor", "a step", "a guard", "a bad state", "world()"
LONGEST = 1.0  # seconds of a piece; the longest in the catalogue takes a hundredth of that
TICK = 0.25  # seconds between two looks of the watching thread
IDLE = 8  # looks without a piece after which the watching thread ends

Line = tuple[str, str, int]  # file, function, line number

NOW: "dict[int, Piece | None]" = {}
"""The piece that each thread runs; None or nothing where it runs none."""

CREATED = inspect.CORO_CREATED
_thread = threading.get_ident
_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = os.path.dirname(_HERE)
_SCENARIOS = os.path.join(_PACKAGE, "scenarios")
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__))


class Piece:
    """A part of the reader's code that the engine calls.

    Attributes:
        kind: one of ACTOR, STEP, GUARD, BAD_STATE, WORLD.
        ledger: the world that it may touch; None while there is none yet.
        task: the actor whose step is running, None outside a step.
        said: (bad state, sentence) of each complaint of the step.
        marks: what `mark()` has noted, None where it may not be called.
        described: the steps that it has described so far.
        overdue: the watching thread has ended it.
    """

    __slots__ = ("described", "kind", "ledger", "marks", "overdue", "said", "task")

    def __init__(
        self, kind: str, ledger: Any, task: Any = None, marks: list[Any] | None = None
    ) -> None:
        self.kind, self.ledger, self.task, self.marks = kind, ledger, task, marks
        self.said: list[tuple[str, str]] = []
        self.described: list[Any] = []
        self.overdue = False

    def check(self) -> None:
        """Check at its end that each step it has described was used.

        Raises:
            ModelError: one was not.
        """
        for step in self.described:
            if not step.used:
                raise ModelError(f"{step.label} {step.unused(self.kind)}", line=step.line)

    def settle(self) -> None:
        """Take back what the watching thread has sent to this thread, once the piece has ended."""
        while True:
            try:
                with _SENDING:
                    _send(_thread(), None)
                return
            except TimeUp:
                continue


def running() -> Piece | None:
    """Return the piece that this thread runs."""
    return NOW.get(_thread())


# -- where the reader's code is --------------------------------------------------------------


def is_readers(file: str) -> bool:
    """Tell whether a file is the reader's: neither a library's nor mmviz's, races left out."""
    if file.startswith(_PACKAGE):
        return file.startswith(_SCENARIOS)
    if file == "<string>":  # python -c, or what dataclass writes
        return sys.argv[:1] == ["-c"]
    return not file.startswith((_LIBRARY, "<frozen"))


def line_at(code: CodeType, offset: int) -> Line:
    """Return the line of an instruction."""
    number = code.co_firstlineno
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            number = line
    return code.co_filename, code.co_name, number


def _frames(trace: TracebackType | None) -> Iterator[Line]:
    while trace is not None:
        frame, code = trace.tb_frame, trace.tb_frame.f_code
        # namedtuple writes code, too, and calls its file as python -c does
        if code.co_filename != "<string>" or frame.f_globals.get("__name__") == "__main__":
            yield code.co_filename, code.co_name, trace.tb_lineno
        trace = trace.tb_next


def line_of(trace: TracebackType | None) -> Line | None:
    """Return the innermost line of the reader's code in a traceback."""
    return next((line for line in list(_frames(trace))[::-1] if is_readers(line[0])), None)


def _line_of_models(trace: TracebackType | None) -> Line | None:
    """Return the innermost line of mmviz's own models in a traceback."""
    return next((line for line in list(_frames(trace))[::-1] if _is_models(line[0])), None)


def _innermost_of_all(trace: TracebackType | None) -> Line | None:
    """Return the innermost line of the reader's code and of mmviz's own models in a traceback."""
    lines = list(_frames(trace))[::-1]
    return next((line for line in lines if is_readers(line[0]) or _is_models(line[0])), None)


def innermost(lines: tuple[Line, ...]) -> Line | None:
    """Return where an actor waits: the innermost line of the reader's code."""
    own = [line for line in lines if is_readers(line[0])]
    return tuple((own or lines)[-1]) if lines else None  # type: ignore[return-value]


def _is_models(file: str) -> bool:
    return file.startswith(_PACKAGE) and not file.startswith(_HERE)


def raised(error: BaseException, where: str, line: Line | None) -> ModelError:
    """Return what a reader is told about an exception in the reader's code.

    Args:
        error: what was raised.
        where: the kind of piece.
        line: where it was raised, or else where the actor is.
    """
    kind, words = type(error).__name__, str(error).strip()
    inner = _innermost_of_all(error.__traceback__)
    also = f" (raised at {spot(inner)})" if inner is not None and inner != line else ""
    text = f"{kind}: {words}" if words else kind
    return ModelError(f"{where} raised {text}{also}{_advice(error)}", line=line)


def _advice(error: BaseException) -> str:
    """Return what to write instead, for exceptions with a usual cause."""
    if isinstance(error, AttributeError) and "'coroutine' object" in str(error):
        return ". An async function was called without await; write await before the call"
    if isinstance(error, TypeError) and "coroutine" in str(error):
        return ". An async function was called without await; write await before the call"
    if isinstance(error, StopIteration):
        return ". next() found nothing; give it a default: next(…, None)"
    if isinstance(error, AssertionError):
        return (
            ". What must never happen is a bad state, not an assert: write a function of the "
            "world that returns True there, and name it in bad=(…)"
        )
    return ". Mend that line; a step or an actor may raise nothing but Oops"


def forgotten(values: Iterable[Any]) -> str:
    """Return the name of an async function that was called and not awaited, "" if there is none.

    It is closed, so that Python does not warn of it as well.

    Args:
        values: what the code holds: variables, arguments, a result.
    """
    for value in values:
        if type(value) is CoroutineType and inspect.getcoroutinestate(value) == CREATED:
            value.close()
            return value.__name__
    return ""


# -- a piece that does not end ---------------------------------------------------------------


class TimeUp(BaseException):
    """The piece has run for too long; raised by the watching thread in the one that runs it."""


RAISED = (Exception, SystemExit, TimeUp)  # what ends a piece: its code must not end the program

_SENDING = threading.Lock()
watched = False


def _send(thread: int, error: type[BaseException] | None) -> None:
    """Raise an exception in a thread, or take back one that has not been raised yet."""
    import ctypes  # only a piece that does not end needs it

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def _watch() -> None:
    """End each piece that has computed for too long; end when there are none for a while.

    What counts is the process's time, so a piece that waits in a debugger is left alone.
    """
    global watched
    since: dict[int, tuple[Piece, float]] = {}
    idle, used = 0, time.process_time()
    while idle < IDLE:
        time.sleep(TICK)
        idle, before, used = idle + 1, used, time.process_time()
        for thread, piece in list(NOW.items()):
            seen, spent = since.get(thread, (None, 0.0))
            if piece is None:
                continue
            idle = 0
            # another thread may have kept the interpreter to itself for a long time
            spent = spent + min(used - before, 2 * TICK) if seen is piece else 0.0
            since[thread] = piece, spent
            if spent >= LONGEST:
                with _SENDING:
                    piece.overdue = True
                    if NOW.get(thread) is piece:
                        _send(thread, TimeUp)
        if idle == IDLE:
            watched = False
            if any(piece is not None for piece in NOW.values()):
                watched, idle = True, 0


def watch() -> None:
    """Start the watching thread, unless it runs; a platform without threads goes without."""
    global watched
    if not watched:
        watched = True
        try:
            threading.Thread(target=_watch, name="mmviz-watch", daemon=True).start()
        except RuntimeError:
            watched = False


def _forget() -> None:
    global watched
    watched = False
    NOW.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def overdue(kind: str, line: Line | None) -> ModelError:
    """Return what a reader is told about a piece that was ended."""
    if kind == ACTOR:
        what = "an actor has computed for a second without await; it is in a loop"
        wants = "Write await in each way round the loop: an actor's loop takes a step each time"
    else:
        what = f"{kind} has computed for a second without end; it is in a loop"
        wants = "Bound the loop, or let the actor loop and await a step each time"
    return ModelError(f"{what}. {wants}", line=line)


def fault(piece: Piece, error: BaseException, line: Line | None) -> NoReturn:
    """Raise what the reader is told about an exception in a piece of the reader's code.

    Args:
        piece: the code that was running.
        error: what it raised.
        line: where it is, if the exception does not show a line of the reader's.
    """
    at = line_of(error.__traceback__) or line or _line_of_models(error.__traceback__)
    if piece.overdue or isinstance(error, TimeUp):
        raise overdue(piece.kind, at) from None
    if isinstance(error, ModelError):
        raise error.add(line=at)
    trace = error.__traceback__
    if isinstance(error, Exception | SystemExit) and (line_of(trace) or _line_of_models(trace)):
        raise raised(error, piece.kind, at) from None
    if isinstance(error, TypeError) and piece.kind in (STEP, GUARD) and line is not None:
        raise raised(error, "a step", at) from None  # it cannot be called with these arguments
    raise error


# -- worlds and actors -----------------------------------------------------------------------

AWAITS = dis.opmap["GET_AWAITABLE"]


def made(world: Callable[[], Any]) -> Any:
    """Call `world()`.

    Raises:
        ModelError: it is async, raises, does not end, or describes a step.
    """
    piece, thread = Piece(WORLD, None), _thread()
    before = NOW.get(thread)
    try:
        NOW[thread] = piece
        found = world()
        if forgotten([found]):
            raise ModelError("world() is async. Write a plain def that returns a World")
        piece.check()
        return found
    except RAISED as error:
        fault(piece, error, None)
    finally:
        NOW[thread] = before
        if piece.overdue:
            piece.settle()


def started(actor: Callable[[Any], Any], name: str, world: Any) -> Any:
    """Call an actor: nothing of it runs yet.

    Raises:
        ModelError: it does not take the world, or is not async.
    """
    role = getattr(actor, "role", actor)
    function = getattr(role, "__name__", type(role).__name__)
    try:
        coroutine = actor(world)
    except TypeError as error:
        if line_of(error.__traceback__) is not None:
            raise
        raise ModelError(
            f"actor {name} cannot be called: {error}. Write async def {function}(k), or "
            "async def …(k, variant) for an actor of a Race"
        ) from None
    if not isinstance(coroutine, Coroutine):
        raise ModelError(
            f"actor {name} is not an async function of the world. Write: async def {function}(k)"
        )
    return coroutine


def check_awaits(name: str, coroutine: Any) -> None:
    """Refuse an actor that has finished at once, if it has no `await` at all."""
    code = getattr(coroutine, "cr_code", None)
    if code is not None and AWAITS not in code.co_code[::2]:
        raise ModelError(
            f"actor {name} never awaits, so it takes no step. Await its steps, or leave the "
            "actor out",
            line=(code.co_filename, code.co_name, code.co_firstlineno),
        )
