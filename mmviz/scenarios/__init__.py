"""The races, one file each, one folder a mail thread.  Nothing is listed by hand.

A module in a folder here is a race, called "folder/file"; it has a `Race` called `race`.  Only
`worlds` is none: it holds what several races of a thread share.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

from mmviz.engine import Case, ModelError, Scenario, nearest

SHARED = "worlds"


@cache
def names() -> tuple[str, ...]:
    """Return the name of every scenario, "thread/race", sorted."""
    found = []
    for folder in pkgutil.iter_modules(__path__):
        if folder.ispkg:
            package = importlib.import_module(f"{__name__}.{folder.name}")
            found += [
                f"{folder.name}/{race.name}"
                for race in pkgutil.iter_modules(package.__path__)
                if race.name != SHARED
            ]
    return tuple(sorted(found))


@cache
def _load(name: str) -> Scenario:
    module = f"{__name__}.{name.replace('/', '.')}"
    try:
        return Scenario.of(name, importlib.import_module(module))
    except ModelError as error:
        told = str(error)
        raise ModelError(told if module in told else f"{module}: {told}") from error


def load(name: str) -> Scenario:
    """Return a scenario.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
        ModelError: its file lacks a part.
    """
    return _load(nearest({known: known for known in names()}, name, "scenario"))


def find(scenario: str, case: str) -> Case:
    """Return a case by its scenario's name and its own name or id.

    Raises:
        UnknownName: one of them is unknown; the nearest is suggested.
    """
    return load(scenario).case(case)


def every_case() -> Iterator[Case]:
    """Yield each case of each scenario."""
    for name in names():
        yield from load(name).cases
