"""Saving what a stage shows: for its menu, and for `Player.save`."""

import json
from collections.abc import Container, Iterable, Sequence
from typing import Any

from mmviz.engine import MmvizError, short, table
from mmviz.engine.link import link
from mmviz.scene.searched import SearchedCase
from mmviz.scene.views import STILL
from mmviz.widgets.prepared import Prepared
from mmviz.writing.forms import FORMS
from mmviz.writing.links import code_of, qr_of
from mmviz.writing.page import page, source
from mmviz.writing.saved import saved

HTML = "html"


def saved_as(
    show: Prepared,
    schedule: Sequence[str],
    form: str,
    *,
    at: int,
    look: str,
    views: Sequence[str],
) -> bytes:
    """Return the run and the moment that a stage shows, as the bytes of a file.

    A `Driver` as a page is a `Driver` again, with its goal, and does not give its answer away.

    Args:
        show: what the stage shows.
        schedule: the run.
        form: one of `FORMS`.
        at: the step shown.
        look: "light" or "dark".
        views: the names of the views of a picture, as `pictured` has them.

    Raises:
        MmvizError: as `mmviz.writing.saved.saved`.
    """
    text = short(schedule) or " "  # "" is the first run of the stage
    searched = show.searched
    if form != HTML:
        return saved(searched, text, form, at=at, look=look, views=list(views))
    if show.game is None:
        named = (name for name, run in searched.runs().items() if run == tuple(schedule))
        return saved(searched, next(named, text), form, at=at, look="")
    if FORMS[HTML].lacks:
        raise MmvizError(FORMS[HTML].lacks)
    what = source(searched, driver=True, run=short(schedule))
    film = json.loads(show.first_piece())  # which has the goal, too
    film["head"]["views"] = what["film"]["head"]["views"]
    what |= {"film": film, "game": show.game}
    what["at"] |= {"runs": [list(show.numbers(schedule))], "k": at}
    what["qr"] = qr_of(searched, schedule, at)
    return page(what, text=table(searched.run(schedule))).encode()


def pictured(shown: Iterable[str], there: Container[str]) -> list[str]:
    """Return the names of the views of a saved picture: the usual ones, and what else is open.

    A stage has code columns and a strip beside its view; a picture has the timeline for them.
    """
    return [name for name in dict.fromkeys((*STILL, *shown)) if name in there]


def choices() -> list[dict[str, str]]:
    """Return the forms for a menu, each with what is to be installed for it, "" for nothing."""
    return [{"form": f, "name": each.name, "lacks": each.lacks} for f, each in FORMS.items()]


def linked(searched: SearchedCase, schedule: Sequence[str], at: int) -> dict[str, Any]:
    """Return the link of a moment of a run, and its QR code as the path of an SVG.

    Raises:
        MmvizError: the case is not of the catalogue, or the run is too long.
    """
    text = link(searched.run(schedule), at)
    return {"link": text, "qr": code_of(text)}
