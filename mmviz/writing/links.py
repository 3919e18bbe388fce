"""The links that a page without Python can hand out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmviz.engine import MmvizError
from mmviz.engine.link import link
from mmviz.scene.qr import code
from mmviz.scene.searched import SearchedCase


def links(searched: SearchedCase, schedules: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    """Return the link of every moment of some runs, {} for a case that is not of the catalogue.

    A run is named as the browser names it: by the numbers of its actors, "0,0,1".
    """
    found = {}
    number = searched.model.index
    try:
        for schedule in schedules:
            run = searched.run(schedule)
            name = ",".join(str(number[actor]) for actor in schedule)
            found[name] = [link(run, k) for k in range(run.tip.index + 1)]
    except MmvizError:
        return {}
    return found


def qr_of(known: Mapping[str, Sequence[str]], numbers: Iterable[int], at: int) -> dict[str, Any]:
    """Return the QR code of the moment that a page opens with, {} where there is none."""
    moments = known.get(",".join(map(str, numbers)), ())
    if at >= len(moments):
        return {}
    try:
        return {"link": moments[at], **code(moments[at])._asdict()}
    except (ImportError, MmvizError):
        return {}
