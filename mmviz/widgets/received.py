"""What the browser writes back, checked: a trait of a stage is data from outside.

Each function returns the value, or raises with a sentence on what is wrong.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mmviz.engine import MmvizError
from mmviz.engine.text import index, quoted
from mmviz.scene.views import known
from mmviz.widgets.prepared import Prepared

MOST_RUNS = 500  # runs tried
MOST_STEPS = 10_000  # of a run
MOST_IN_ALL = 100_000  # steps of all runs
MOST_WORDS = 2_000  # characters of a note
MOST_NOTES = 1_000
MOST_CHOSEN = 2_000  # fields and actors that are hidden, or in focus
ACTOR = "actor:"  # before the name of an actor, among the paths of fields
LONGEST_NAME = 300
SMALLEST, LARGEST = 50, 300  # hundredths of the usual type

At = dict[str, Any]


def number(value: Any, what: str, most: int) -> int:
    """Return an integer from 0 to `most`."""
    found = index(value, what)
    if not 0 <= found <= most:
        raise MmvizError(f"{what} is a number from 0 to {most}, not {quoted(found)}")
    return found


def listed(value: Any, what: str, most: int) -> list[Any]:
    """Return a list of at most `most` members."""
    if not isinstance(value, list | tuple):
        raise MmvizError(f"{what} are a list, not {quoted(value)}")
    if len(value) > most:
        raise MmvizError(f"{what} are at most {most:,}, not {len(value):,}")
    return list(value)


def schedule(value: Any, show: Prepared) -> list[int]:
    """Return a schedule, the numbers of actors, each of whose steps is possible."""
    steps = listed(value, "the steps of a schedule", MOST_STEPS)
    model = show.searched.model
    last = len(model.actors) - 1
    found = [number(step, "an actor in a schedule", last) for step in steps]
    state = model.start
    for p in found:
        after = model.successor(state, p)
        if after is None:
            show.run(found)  # raises, and says which step is not possible, and why
            raise MmvizError("a step of this schedule is not possible")
        state = after
    return found


def at(value: Any, show: Prepared) -> At:
    """Return the runs tried, the one shown, and the cursor."""
    if not isinstance(value, Mapping):
        raise MmvizError(f"'at' is a mapping, not {quoted(value)}")
    runs = listed(value.get("runs"), "the runs of a stage", MOST_RUNS)
    if sum(len(each) for each in runs if isinstance(each, list)) > MOST_IN_ALL:
        raise MmvizError(f"the runs of a stage have at most {MOST_IN_ALL:,} steps in all")
    if not runs:
        raise MmvizError("a stage has at least one run")
    found = [schedule(each, show) for each in runs]
    which = number(value.get("run"), "the run shown", len(found) - 1)
    k = number(value.get("k"), "the step shown", len(found[which]))
    turn = number(value.get("n", 0), "the turn of 'at'", 2**53)
    return {"runs": found, "run": which, "k": k, "by": "browser", "n": turn}


def view(value: Any, show: Prepared) -> str:
    """Return the name of a view that the case has."""
    if not isinstance(value, str):
        raise MmvizError(f"the name of a view is text, not {quoted(value)}")
    (name,) = known(value)
    if name not in show.views:
        raise MmvizError(
            f"this case has nothing for {quoted(name)}; it has {', '.join(show.views)}"
        )
    return name


def pinned(value: Any, show: Prepared) -> list[str]:
    """Return the names of the views that stay beside the open one."""
    names = listed(value, "pinned views", len(show.views))
    return list(dict.fromkeys(view(name, show) for name in names))


def words(value: Any, what: str, most: int) -> str:
    """Return a text of at most `most` characters."""
    if not isinstance(value, str):
        raise MmvizError(f"{what} is text, not {quoted(value)}")
    if len(value) > most:
        raise MmvizError(f"{what} has at most {most:,} characters, not {len(value):,}")
    return value


def notes(value: Any, _show: Prepared) -> dict[str, str]:
    """Return the notes on steps."""
    if not isinstance(value, Mapping):
        raise MmvizError(f"notes are a mapping, not {quoted(value)}")
    if len(value) > MOST_NOTES:
        raise MmvizError(f"a stage has at most {MOST_NOTES:,} notes, not {len(value):,}")
    return {
        words(key, "what a note is on", MOST_STEPS * 4): words(note, "a note", MOST_WORDS)
        for key, note in value.items()
    }


def chosen(value: Any, show: Prepared) -> list[str]:
    """Return paths of fields, and actors as "actor:name"."""
    names = listed(value, "hidden fields and actors, or those in focus,", MOST_CHOSEN)
    known = {*show.paths, *(ACTOR + actor for actor in show.searched.model.actors)}
    for name in names:
        if words(name, "the name of a field or an actor", LONGEST_NAME) not in known:
            kind, bare = "field", name
            if name.startswith(ACTOR):
                kind, bare = "actor", name.removeprefix(ACTOR)
            raise MmvizError(f"this case has no {kind} {quoted(bare)}")
    return list(dict.fromkeys(names))


def zoom(value: Any, _show: Prepared) -> int:
    """Return the size of the type."""
    found = number(value, "the size of the type", LARGEST)
    return max(found, SMALLEST)


def cursor(value: Any, _show: Prepared) -> int:
    """Return the step shown, as plots follow it."""
    return number(value, "the step shown", MOST_STEPS)


CHECKS: dict[str, Callable[[Any, Prepared], Any]] = {
    "at": at,
    "pane": view,
    "pinned": pinned,
    "notes": notes,
    "hidden": chosen,
    "focus": chosen,
    "zoom": zoom,
    "k": cursor,
}
"""The traits that the browser may set."""
