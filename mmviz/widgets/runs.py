"""The runs that a stage offers, and whether they give the answer away."""

from collections.abc import Mapping

from mmviz.scene.searched import SearchedCase
from mmviz.widgets.stage import NamedRun, named_run

BAD, SAFE, NAMED = "bad", "safe", "named"


def offered(
    searched: SearchedCase, runs: Mapping[str, tuple[str, ...]], sealed: bool = False
) -> list[NamedRun]:
    """Return runs as a stage offers them.

    Args:
        searched: the case.
        runs: schedules by name.
        sealed: where one of them breaks the promise, hide all until the reader has broken it or
            given up: a safe run tells as much, as it is the violation with its race reversed.
    """
    kinds = {name: _kind(searched, name, schedule) for name, schedule in runs.items()}
    hidden = sealed and BAD in kinds.values()
    return [named_run(name, runs[name], kind, hidden) for name, kind in kinds.items()]


def _kind(searched: SearchedCase, name: str, schedule: tuple[str, ...]) -> str:
    """Tell whether a run breaks the promise, and if not, whether an author has named it."""
    run, loop = searched.run(schedule), searched.report.livelock
    if run.violated or run.deadlock or (loop and schedule == loop.prefix + loop.cycle):
        return BAD
    return NAMED if name in searched.case.schedules else SAFE
