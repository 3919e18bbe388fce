"""Slips: small wrong models, each with what its message must say.

A slip is an ordinary mistake in a reader's model.  It must end in an error that says where it is
and what to write; never in a verdict.  `test_slips.py` runs all of them twice, through a search
and through a run, and `make bench` prints the table.

    @slip("CPU0", "line", "await k.load()")
    def a_step_that_is_not_awaited():
        async def cpu0(k):
            k.load()

        return case(CPU0=cpu0)
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

from mmviz.engine import Case, ModelError, explore
from mmviz.engine.run import Run

SLIPS: "list[Slip]" = []
MOST_STEPS = 200


class Slip(NamedTuple):
    """A small wrong model.

    Attributes:
        name: what is wrong.
        build: returns the case; or raises the error, if the slip shows while it is written.
        says: what the message must contain.
        error: the class of the error.
        run: the slip is met in a run, too; False where only a search can see it.
    """

    name: str
    build: Callable[[], Case]
    says: tuple[str, ...]
    error: type[Exception]
    run: bool

    def message(self, through: Callable[[Case], Any]) -> str:
        """Return what the reader is told, "" if nothing was noticed."""
        try:
            through(self.build())
        except self.error as error:
            return str(error)
        return ""


def slip(
    *says: str, error: type[Exception] = ModelError, run: bool = True
) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Register a function that builds a wrong model, with the parts of its message."""

    def register(build: Callable[[], Case]) -> Callable[[], Case]:
        name = build.__name__.replace("_", " ")
        SLIPS.append(Slip(name, build, says, error, run))
        return build

    return register


def all_slips() -> "list[Slip]":
    """Return the slips of every module of this package."""
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("test_"):
            importlib.import_module(f"{__name__}.{module.name}")
    return SLIPS


def search(case: Case) -> None:
    """Search a case; a report that decides nothing says why."""
    if undecided := explore(case).undecided:
        raise ModelError(undecided)


def every_run(case: Case) -> None:
    """Step through a case as a reader does at a stage, along every schedule."""
    waiting, seen = [Run(case)], set()
    while waiting:
        run = waiting.pop()
        run.tip.broken  # noqa: B018  # judged, as a stage does
        for actor in run.enabled():
            twin = run.fork()
            twin.step(actor)
            if twin.tip.state not in seen and twin.tip.index < MOST_STEPS:
                seen.add(twin.tip.state)
                waiting.append(twin)
