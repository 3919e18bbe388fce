"""Limits, the stop button and Ctrl-C: what can end a search early, in each of its phases."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

INTERRUPTED = "interrupted"
STOPPED = "stopped by hand"
OFTEN = 0x3FF  # a phase asks after each this many states
SLICE = 0.02  # seconds between two looks at the limits, as nearly as the pace can tell
LEAST, MOST = 50, 20_000  # states of a slice


class Progress(NamedTuple):
    """How far a search is.

    Attributes:
        states: found so far.
        transitions: taken so far.
        seconds: since the start.
        phase: what it looks for now, once all states are found; "" before.
    """

    states: int
    transitions: int
    seconds: float
    phase: str = ""

    @property
    def rate(self) -> float:
        """Transitions a second."""
        return self.transitions / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        if self.phase:
            return f"{self.states:,} states; looking for {self.phase}"
        return f"{self.states:,} states, {self.rate:,.0f} transitions/s"


class Interrupt:
    """Ctrl-C while a search runs: the first asks it to end, the second raises KeyboardInterrupt.

    A search in a thread other than the main one never receives the signal; a handler that is not
    Python's own is left alone.

    Attributes:
        asked: Ctrl-C was pressed once.
        again: it was pressed again.
    """

    def __init__(self) -> None:
        self.asked = self.again = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                self._before = signal.signal(signal.SIGINT, self._heard)
            except ValueError:  # not the main thread
                self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, *_: object) -> None:
        if self.asked:
            self.again = True
            raise KeyboardInterrupt
        self.asked = True


class Ended(Exception):
    """A limit, the stop button or Ctrl-C ends the phase; the text says which."""


class Watch:
    """What each phase of a search asks, every few milliseconds, whether it may go on.

    Args:
        max_bytes: how much memory the search may take, in bytes.
        progress: called each time.
        stop: asked each time; True ends the search.
        interrupt: Ctrl-C; None where it raises KeyboardInterrupt as usual.

    Attributes:
        states, transitions: found and taken so far; the search keeps them up to date.
        size: the bytes they take (an estimate); the memory of a later phase comes on top.
        phase: what the search looks for now.
        until: the time at which a later phase must end; 0 for no such time.
    """

    def __init__(
        self,
        max_bytes: int = 0,
        progress: Callable[[Progress], None] | None = None,
        stop: Callable[[], bool] | None = None,
        interrupt: Interrupt | None = None,
    ) -> None:
        self.max_bytes, self.progress, self.stop = max_bytes, progress, stop
        self.interrupt = interrupt
        self.states = self.transitions = self.size = 0
        self.phase = ""
        self.until = 0.0
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time since the search began."""
        return time.perf_counter() - self.started

    def why(self, more: int = 0) -> str:
        """Report progress; return why the phase must end, "" when it may go on.

        Args:
            more: bytes that the phase takes beside the states.
        """
        if self.progress is not None:
            self.progress(Progress(self.states, self.transitions, self.seconds, self.phase))
        if self.interrupt is not None and self.interrupt.asked:
            return INTERRUPTED
        if self.stop is not None and self.stop():
            return STOPPED
        if self.max_bytes and self.size + more > self.max_bytes:
            return f"stopped at {self.max_bytes:,} bytes"
        if self.until and self.seconds > self.until:
            return f"stopped after {self.until:.3g} s"
        return ""

    def ask(self, more: int = 0) -> None:
        """Do as `why`.

        Raises:
            Ended: the phase must end.
        """
        if why := self.why(more):
            raise Ended(why)


class Pace:
    """Cuts a list into slices that take about `SLICE` seconds each, however slow the work is."""

    def __init__(self) -> None:
        self.states = 500

    def slices(self, states: list[int]) -> Iterator[list[int]]:
        """Yield the states in slices; each slice is worked on before the next is taken."""
        at = 0
        while at < len(states):
            started = time.perf_counter()
            yield states[at : at + self.states]
            at += self.states
            fits = SLICE / max(time.perf_counter() - started, 1e-6)
            self.states = max(LEAST, min(MOST, int(self.states * min(4.0, fits))))
