"""What was read in a text, a diagram or a lock report, on a stage."""

from IPython.display import display

from mmviz.reading.shown import Staged
from mmviz.widgets.player import Player


def player(found: Staged) -> Player | None:
    """Return the stage of what was read, with what the text says as notes; None for none."""
    if found.case is None:
        return None
    made = Player(found.case, found.schedule)
    numbers = made.prepared.numbers(found.schedule)
    made.notes = {",".join(map(str, numbers[:k])): words for k, words in found.beside().items()}
    return made


def show(found: Staged) -> bool:
    """Display the stage of what was read, and below it what was understood, as a table.

    Returns:
        Whether there is a stage; else nothing is displayed.
    """
    made = player(found)
    if made is None:
        return False
    made._ipython_display_()
    words = {"text/html": found._repr_html_(), "text/plain": str(found)}
    display(words, raw=True)  # type: ignore[no-untyped-call]
    return True
