"""Judging every interleaving of a case: the entry to the search."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmviz.engine.case import Case
from mmviz.engine.report import Report
from mmviz.engine.search import MAX_BYTES, MAX_STATES, Search
from mmviz.engine.text import callback, check_limit, expected
from mmviz.engine.watch import Interrupt, Progress


def explore(
    case: Case,
    *,
    max_states: int = MAX_STATES,
    max_bytes: int = MAX_BYTES,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    partial: bool = True,
) -> Report:
    """Judge every interleaving of a case.

    Args:
        case: what to search.
        max_states: give up above this many states.
        max_bytes: give up above this much memory, in bytes: by how much the search lets the
            process grow (an estimate).
        progress: called several times a second, from the same thread.
        stop: asked as often; True ends the search.
        partial: Ctrl-C gives the report of what was found; if False, it raises KeyboardInterrupt,
            so that it ends a loop over many cases, too.

    Returns:
        The verdicts, counts and counterexamples.  A search that was cut off says so, and does not
        say Never where it might have found more.  Ctrl-C ends the search as `stop` does, with
        `cut="interrupted"`; a second Ctrl-C raises KeyboardInterrupt.

    Raises:
        ModelError: the case breaks a rule of the engine.
        MmvizError: it is not a case, or a limit is not a number above 0.
    """
    expected(case, Case, "what is searched", "write mmviz.find('thread/race', 'NameOfTheCase')")
    for name, limit in (("max_states", max_states), ("max_bytes", max_bytes)):
        check_limit(name, limit)
    callback(progress, "progress")
    callback(stop, "stop")
    kind = kind_of(case)
    with uncollected():
        if not partial:
            return kind(case, max_states, max_bytes, progress, stop).report()
        with Interrupt() as interrupt:
            return kind(case, max_states, max_bytes, progress, stop, interrupt).report()


def kind_of(case: Case) -> type[Search]:
    """Return the search of a case: over orbits, if it has interchangeable actors."""
    if not case.interchangeable:
        return Search
    from mmviz.engine.orbit import OrbitSearch  # few cases need it

    return OrbitSearch


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the collector of cyclic garbage: a search makes none until its end, and is scanned."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
