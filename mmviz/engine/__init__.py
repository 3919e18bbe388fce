"""Steps, runs, schedules, the one search, fates and text reports.  Standard library only.

What a search does not need (runs, graphs, causes) is imported when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mmviz.engine.case import Case, Verdict, at_end, bad, complaint, nearest
from mmviz.engine.choose import choose, environment
from mmviz.engine.errors import (
    BadMark,
    LoopWithoutMark,
    MmvizError,
    ModelError,
    NotDeterministic,
    Oops,
    ScheduleError,
    UnknownName,
    VerdictError,
)
from mmviz.engine.explore import explore
from mmviz.engine.learn import Model
from mmviz.engine.location import Line
from mmviz.engine.race import Race
from mmviz.engine.report import Counterexample, Lasso, Report
from mmviz.engine.scenario import Scenario
from mmviz.engine.step import Step, Task, atomic, current, mark, warn
from mmviz.engine.struct import Allocated, Map, Struct, World, field
from mmviz.engine.text import replay_line, short, spoken
from mmviz.engine.watch import Progress

if TYPE_CHECKING:
    from mmviz.engine.causes import Conflict, conflict, happens_before, races, turned
    from mmviz.engine.frame import Blocked, Change, Frame, Next
    from mmviz.engine.graph import Fate, Graph
    from mmviz.engine.run import Run, parse_schedule, replay
    from mmviz.engine.run_table import table

__all__ = [
    "Allocated",
    "BadMark",
    "Blocked",
    "Case",
    "Change",
    "Conflict",
    "Counterexample",
    "Fate",
    "Frame",
    "Graph",
    "Lasso",
    "Line",
    "LoopWithoutMark",
    "Map",
    "MmvizError",
    "Model",
    "ModelError",
    "Next",
    "NotDeterministic",
    "Oops",
    "Progress",
    "Race",
    "Report",
    "Run",
    "Scenario",
    "ScheduleError",
    "Step",
    "Struct",
    "Task",
    "UnknownName",
    "Verdict",
    "VerdictError",
    "World",
    "at_end",
    "atomic",
    "bad",
    "choose",
    "complaint",
    "conflict",
    "current",
    "environment",
    "explore",
    "field",
    "happens_before",
    "mark",
    "nearest",
    "parse_schedule",
    "races",
    "replay",
    "replay_line",
    "short",
    "spoken",
    "table",
    "turned",
    "warn",
]

_LATE = {
    **dict.fromkeys(("Conflict", "conflict", "happens_before", "races", "turned"), "causes"),
    **dict.fromkeys(("Blocked", "Change", "Frame", "Next"), "frame"),
    **dict.fromkeys(("Fate", "Graph"), "graph"),
    **dict.fromkeys(("Run", "parse_schedule", "replay"), "run"),
    "table": "run_table",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(f"mmviz.engine.{_LATE[name]}"), name)
    raise AttributeError(f"module 'mmviz.engine' has no attribute {name!r}")
