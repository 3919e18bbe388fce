"""`mmviz replay`: one schedule, step by step."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from mmviz.cli.diagram import pasted
from mmviz.engine import (
    Case,
    MmvizError,
    Run,
    ScheduleError,
    UnknownName,
    replay,
    spoken,
    table,
)
from mmviz.engine.link import link
from mmviz.scenarios import find
from mmviz.scenarios.link import is_link, opened

DIFFERS = 1
WRITE = "mmviz:0.2.0/…, as `mmviz replay` prints it"

LIST = 'a schedule in JSON is a list of actors, ["CPU0", "CPU1"]'


def walk(scenario: str, case_name: str | None, words: Sequence[str], as_json: bool) -> int:
    """Replay a schedule or a link, print the run, and return the exit status.

    The status is 1 when the run of a link differs from the one that was linked.
    """
    if case_name is None and words:  # an option stood before them
        case_name, *words = words
    text = " ".join([scenario, *filter(None, [case_name]), *words])
    if scenario == "-":
        text = pasted("-")
        if not is_link(text):
            raise MmvizError(f"the text on stdin has no link in it, {WRITE}")
    if is_link(text):
        found = opened(text)
        run, at = found.run, found.at
    elif case_name is None:
        raise UnknownName(f"replay needs a case after the scenario, or a link, {WRITE}")
    else:
        found, run = None, replayed(find(scenario, case_name), words)
        at = shown_last(run)
    if as_json:
        print(json.dumps(as_data(run, at), indent=1))
    else:
        show(run, at)
    if found and found.remark:
        print(f"{found.remark[0].upper()}{found.remark[1:]}", file=sys.stderr)
        return DIFFERS
    return 0


def replayed(case: Case, words: Sequence[str]) -> Run:
    """Return the run of a schedule typed on a command line.

    Raises:
        ScheduleError: a step cannot happen, or is no actor; then stored schedules are named.
    """
    try:
        return replay(case, read_schedule(case, " ".join(words)))
    except ScheduleError as error:
        if error.actor in case.actors or not case.schedules:
            raise
        stored = ", ".join(map(repr, case.schedules))
        raise ScheduleError(f"{error}; stored schedules: {stored}") from None


def shown_last(run: Run) -> int:
    """Return the step at which a run breaks its promise, or its last."""
    return next((frame.index for frame in run.frames if frame.violated), run.tip.index)


def show(run: Run, at: int) -> None:
    """Print a run.

    Args:
        run: the run.
        at: the step that its link looks at, 0 for none.
    """
    case = run.case
    print(f"{case.scenario}, {case.headline}\n")
    print(table(run))
    text = linked(run, at)
    if text is not None:
        print(text)
    print()
    if text is not None and at:
        print(f"The link looks at step {at}: {run.frames[at].actor} {run.frames[at].label}.")
    if run.finished:
        print("The run has ended.")
    else:
        print(f"Enabled: {', '.join(run.enabled()) or 'no actor'}.")
        for actor, why in run.blocked().items():
            print(f"{actor} is blocked: {why.reason}.")


def read_schedule(case: Case, text: str) -> str | list[str]:
    """Return what a schedule typed on a command line stands for.

    Args:
        case: the case to run.
        text: a stored schedule's name, a JSON list of actors, or actors with counts.

    Raises:
        ScheduleError: it begins like a JSON list but is not valid JSON.
    """
    stored = {name.lower(): schedule for name, schedule in case.schedules.items()}
    if text.strip().lower() in stored:
        return stored[text.strip().lower()]
    if not text.lstrip().startswith("["):
        return text
    try:
        names = json.loads(text)
    except RecursionError:
        raise ScheduleError(f"the schedule is not a JSON list: it is nested; {LIST}") from None
    except ValueError as error:
        raise ScheduleError(f"the schedule is not a JSON list: {error}; {LIST}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ScheduleError(LIST)
    return names


def linked(run: Run, at: int) -> str | None:
    """Return a run as a link; None where the case is the reader's own, or the run is too long."""
    try:
        return link(run, at)
    except MmvizError:
        return None


def plain(value: Any) -> Any:
    """Return a field's value in JSON: numbers, truth and null as such, all else as displayed."""
    return value if value is None or isinstance(value, bool | int) else spoken(value)


def as_data(run: Run, at: int) -> dict[str, Any]:
    """Return a run as `--json` prints it; one frame a step."""
    return {
        "scenario": run.case.scenario,
        "case": run.case.name,
        "schedule": list(run.schedule),
        "link": linked(run, at),
        "frames": [
            {
                "actor": frame.actor,
                "label": frame.label,
                "reads": list(frame.reads),
                "writes": [
                    {"field": change.field, "old": plain(change.old), "new": plain(change.new)}
                    for change in frame.writes
                ],
                "violated": list(frame.violated),
            }
            for frame in run.frames[1:]
        ],
        "enabled": list(run.enabled()),
        "blocked": {actor: why.reason for actor, why in run.blocked().items()},
    }
