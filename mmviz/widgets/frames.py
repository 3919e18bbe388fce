"""What each frame of a run sets, as little of it as may be, made and sent when it is needed.

A store keeps the pictures of one view. Its first frame is kept whole; of each other one only what
differs from it: mostly a few colours and words, whatever the size of the picture. Frames are
made in any order, so a stage opens with those round the cursor, and a choice costs one frame.
"""

from collections.abc import Callable, Iterable
from typing import Any

from mmviz.widgets.traits import Traits

FrameTraits = dict[str, Traits]
Changes = dict[str, dict[str, Any]]


class FrameStore:
    """The pictures of one view of a run, as far as they have been made.

    Args:
        draw: draws a frame: returns the traits of each mark.
        looks_ahead: a picture depends on later frames, too, so a longer run changes all of them.

    Attributes:
        data: `{"base": drawn, "frames": {"3": changes}}`; it is changed in place.
    """

    def __init__(self, draw: Callable[[int], FrameTraits], looks_ahead: bool) -> None:
        self.draw, self.looks_ahead = draw, looks_ahead
        self.data: dict[str, Any] = {"base": None, "frames": {}}

    def cut(self, kept: int) -> None:
        """Forget what another run makes void: all but the first `kept` frames, or everything."""
        if self.looks_ahead or not kept:
            self.data["base"] = None
            self.data["frames"].clear()
        for k in [k for k in self.data["frames"] if int(k) >= kept]:
            del self.data["frames"][k]

    def piece(self, wanted: Iterable[int]) -> dict[str, Any]:
        """Return the frames wanted, those made that are missing.

        Returns:
            `{"frames": {...}}`, and "base" when it is new.
        """
        told: dict[str, Any] = {"frames": {}}
        frames = self.data["frames"]
        for k in map(str, wanted):
            if k not in frames:
                drawn = self.draw(int(k))
                if self.data["base"] is None:
                    self.data["base"] = told["base"] = drawn
                frames[k] = changes(self.data["base"], drawn)
            told["frames"][k] = frames[k]
        return told

    def drawn(self, k: int) -> FrameTraits:
        """Return a frame as the browser has it, made if need be."""
        self.piece([k])
        return applied(self.data["base"], self.data["frames"][str(k)])


def changes(base: FrameTraits, drawn: FrameTraits) -> Changes:
    """Return what a frame sets otherwise than the first: `{mark: {trait: change}}`.

    A change is `[index, value, index, value, …]` for a list that differs in some places, or
    `{"is": value}`.
    """
    told: Changes = {}
    for mark, traits in drawn.items():
        first = base[mark]
        for trait, value in traits.items():
            if value != first[trait]:
                told.setdefault(mark, {})[trait] = _change(first[trait], value)
    return told


def _change(old: Any, new: Any) -> Any:
    """Return the shortest way to say that `old` became `new`."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        apart = [
            part
            for at, (was, now) in enumerate(zip(old, new, strict=True))
            if was != now
            for part in (at, now)
        ]
        if len(apart) < len(new):
            return apart
    return {"is": new}


def applied(base: FrameTraits, changes: Changes) -> FrameTraits:
    """Return the frame that differs from `base` by `changes`."""
    made: FrameTraits = {mark: dict(traits) for mark, traits in base.items()}
    for mark, traits in changes.items():
        for trait, change in traits.items():
            if isinstance(change, dict):
                made[mark][trait] = change["is"]
                continue
            value = list(made[mark][trait])
            for at in range(0, len(change), 2):
                value[change[at]] = change[at + 1]
            made[mark][trait] = value
    return made
