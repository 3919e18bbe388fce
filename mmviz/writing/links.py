"""The links that a page without Python can hand out."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from mmviz.engine import MmvizError
from mmviz.engine.link import link
from mmviz.engine.link import links as links_of
from mmviz.scene.qr import code
from mmviz.scene.searched import SearchedCase


def links(searched: SearchedCase, schedules: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    """Return the link of every moment of some runs.

    A run is named as the browser names it: by the numbers of its actors, "0,0,1". Left out are
    runs that are too long for a link, and all of a case that is not of the catalogue.
    """
    found = {}
    number = searched.model.index
    for schedule in schedules:
        run = searched.run(schedule)
        with suppress(MmvizError):
            name = ",".join(str(number[actor]) for actor in schedule)
            found[name] = links_of(run, range(run.tip.index + 1))
    return found


def qr_of(searched: SearchedCase, schedule: Sequence[str], at: int) -> dict[str, Any]:
    """Return the QR code of the moment that a page opens with, or in "lacks" why there is none."""
    try:
        text = link(searched.run(schedule), at)
    except MmvizError as wrong:
        return {"lacks": str(wrong)}
    drawn = code_of(text)
    return drawn if "lacks" in drawn else {"link": text, **drawn}


def code_of(text: str) -> dict[str, Any]:
    """Return the QR code of a link as the path of an SVG, or in "lacks" why there is none."""
    try:
        return code(text)._asdict()
    except (ImportError, MmvizError) as wrong:
        return {"lacks": str(wrong)}
