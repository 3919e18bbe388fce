"""What was read in a text, a diagram or a lock report, as one file: a stage, a picture, a text."""

from collections.abc import Sequence

from mmviz.engine import MmvizError, Run, nearest, table
from mmviz.reading.shown import Staged
from mmviz.scene.searched import SearchedCase
from mmviz.writing.diagram import titled
from mmviz.writing.forms import FORMS
from mmviz.writing.markdown import report
from mmviz.writing.page import page, source
from mmviz.writing.saved import saved

RUN = "the run of the text"
BELOW = '<div class="mm-below">{table}</div>'


def written(found: Staged, form: str, look: str = "") -> bytes:
    """Return the stage of what was read as the bytes of a file.

    Args:
        found: what was read.
        form: one of `FORMS`: "html" is the stage, which a reader can go on with; "svg", "txt", …
        look: "light" or "dark"; by default a page follows the reader's system.

    Raises:
        MmvizError: there is no stage of it, no such form, or a package is missing.
    """
    if found.case is None:
        raise MmvizError(
            "there is no stage of this: it was refused, or is too long; leave -o out, and it says"
        )
    kind = nearest({name: name for name in FORMS if name != "pml"}, form, "form")
    searched = SearchedCase(found.case)
    if kind == "html" and not FORMS[kind].lacks:
        return _page(found, searched, look).encode()
    run = searched.run(found.schedule)
    if kind == "txt":
        return titled(run).encode()
    if kind == "md":
        return report(searched, run, origin=found.origin).encode()
    views = ["memory"] if found.case.is_drawing and kind in ("svg", "png", "pdf") else None
    order = " ".join(found.schedule)
    return saved(searched, order, kind, look=look or "light", views=views)


def _page(found: Staged, searched: SearchedCase, look: str) -> str:
    """Return the page: the stage with what the text says as notes, and below it a table."""
    run: Run = searched.run(found.schedule)
    order: Sequence[str] = found.schedule
    what = source(searched, run=" ".join(order)) if order else source(searched)
    numbers = [searched.model.index[name] for name in order]
    if not order:
        what["at"]["runs"] = [[]]
    what["named"] = [
        each | {"name": RUN} if each["schedule"] == numbers and order else each
        for each in what["named"]
    ]
    what["notes"] = {",".join(map(str, numbers[:k])): words for k, words in found.beside().items()}
    below = BELOW.format(table=found._repr_html_())
    return page(what, look=look, text=f"{found}\n\n{table(run)}", below=below)
