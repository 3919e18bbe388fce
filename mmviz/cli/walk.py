"""`mmviz replay`: one schedule, step by step."""

import json
from collections.abc import Sequence
from typing import Any

from mmviz.engine import Case, Run, ScheduleError, replay, table
from mmviz.scenarios import find

LIST = 'a schedule in JSON is a list of actors, ["CPU0", "CPU1"]'


def walk(scenario: str, case_name: str, words: Sequence[str], as_json: bool) -> int:
    """Replay a schedule, print the run, and return the exit status."""
    case = find(scenario, case_name)
    try:
        run = replay(case, read_schedule(case, " ".join(words)))
    except ScheduleError as error:
        if error.actor in case.actors or not case.schedules:
            raise
        stored = ", ".join(map(repr, case.schedules))
        raise ScheduleError(f"{error}; stored schedules: {stored}") from None
    if as_json:
        print(json.dumps(as_data(run), indent=1))
        return 0
    print(f"{case.scenario}, {case.headline}\n")
    print(table(run))
    print()
    if run.finished:
        print("The run has ended.")
    else:
        print(f"Enabled: {', '.join(run.enabled()) or 'no actor'}.")
        for actor, why in run.blocked().items():
            print(f"{actor} is blocked: {why.reason}.")
    return 0


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


def as_data(run: Run) -> dict[str, Any]:
    """Return a run as `--json` prints it; one frame a step."""
    return {
        "frames": [
            {
                "actor": frame.actor,
                "label": frame.label,
                "reads": list(frame.reads),
                "writes": [change.field for change in frame.writes],
                "violated": list(frame.violated),
            }
            for frame in run.frames[1:]
        ],
        "enabled": list(run.enabled()),
        "blocked": {actor: why.reason for actor, why in run.blocked().items()},
    }
