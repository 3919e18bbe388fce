"""Pictures of a run in one view, as data for the browser: each mark once, a picture its numbers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mmviz.engine import Run
from mmviz.scene.keyed import Plain, marks_of, plain_parts, size, with_keys
from mmviz.scene.marks import Mark, Scene

if TYPE_CHECKING:
    from mmviz.scene.views import View


def frames(view: "View", run: Run, first: int, last: int) -> dict[str, Any]:
    """Return the pictures of a run from one frame to another in a view, and their texts."""
    steps = range(first, last + 1)
    scenes = [view.scene(run, step) for step in steps]
    return {
        "name": view.name,
        "schedule": [run.model.index[actor] for actor in run.schedule],
        "first": first,
        "size": size(scenes[0]),
        **_compact(scenes),
        "twins": [view.text(run, step) for step in steps],
    }


def _compact(scenes: Iterable[Scene]) -> dict[str, Any]:
    """Return scenes as lists of numbers, and the marks that these number, each once."""
    marks: list[Plain] = []
    numbers: dict[tuple[Mark, str], range] = {}
    drawn = []
    for scene in scenes:
        row: list[int] = []
        for keyed in with_keys(marks_of(scene)):
            if keyed not in numbers:
                first = len(marks)
                marks += plain_parts(*keyed)
                numbers[keyed] = range(first, len(marks))
            row += numbers[keyed]
        drawn.append(row)
    return {"marks": marks, "scenes": drawn}
