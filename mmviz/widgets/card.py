"""A judge's card in Jupyter: the card, and below it the failing run beside the nearest safe run."""

from typing import Any

from IPython.display import display

from mmviz.lessons.card import Card
from mmviz.widgets.player import OpenedStage, Player


def player(card: Card) -> Player | None:
    """Return the stage of the run that a card shows; None where it shows none.

    The run stands at its last step, with the causes beside the memory: what led there, and the
    nearest safe run. Where a run or a step is asked for, the case's own runs would be the answer.
    """
    answer = card.shown
    if answer is None or answer.case is None or answer.schedule is None:
        return None
    violates = bool(answer.run and answer.run.violated)
    stage = Player if card.points is None else OpenedStage
    return stage(
        answer.case,
        answer.schedule,
        views=("causes", "memory") if violates else ("memory", "timeline"),
        start=-1,
    )


def show(card: Card) -> bool:
    """Display a card, and below it the stage of the run that it shows, if there is one."""
    words: dict[str, Any] = {"text/html": card._repr_html_(), "text/plain": str(card)}
    display(words, raw=True)  # type: ignore[no-untyped-call]
    made = player(card)
    if made is not None:
        made._ipython_display_()
    return True
