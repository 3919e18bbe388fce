"""MMU notifiers, callbacks, read sections, grace periods and deferred work in the picture."""

from mmviz.scene.forms import (
    calls,
    chips,
    counts,
    deferred,
    notifier_places,
    sampled,
    sections,
)

__all__ = [
    "calls",
    "chips",
    "counts",
    "deferred",
    "notifier_places",
    "sampled",
    "sections",
]
