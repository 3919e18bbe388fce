"""What leaves: a run of a case as the bytes of a file, in each form that there is."""

from collections.abc import Iterable

from mmviz.engine import Case, MmvizError, Run, nearest
from mmviz.engine.closure import Closure
from mmviz.engine.promela import promela
from mmviz.engine.text import index, quoted
from mmviz.scene.searched import SearchedCase
from mmviz.writing.forms import FORMS, Form

__all__ = ["FORMS", "Form", "saved"]

THEMES = {"light": "light", "dark": "dark"}


def saved(
    case: Case | SearchedCase,
    schedule: str,
    form: str,
    *,
    at: int | None = None,
    look: str = "light",
    views: str | Iterable[str] | None = None,
    tabs: bool = False,
    brief: bool = False,
) -> bytes:
    """Return a run of a case as the bytes of a file.

    Args:
        case: the case; one that has been searched is not searched again.
        schedule: the run, as `mmviz.replay` takes it, or the name of one of the runs of the
            stage; "" for the first of these.
        form: one of `FORMS`: "html", "svg", "txt", …
        at: the step after which a picture shows the run (by default its last), or with which a
            page begins (by default 0).
        look: "light" or "dark"; a page also takes "", as the reader's system prefers.
        views: the names of the views of a picture, by default those of `mmviz.scene.views.STILL`.
        tabs: whether a diagram for a mail has tabs for blanks.
        brief: whether in a diagram for a mail "..." stands for steps that led to nothing.

    Raises:
        MmvizError: a name is unknown, the run cannot happen or has no such step, or a package is
            not installed; the message says what to write or to install.
    """
    kind = nearest({name: name for name in FORMS}, form, "form")
    if FORMS[kind].lacks:
        raise MmvizError(FORMS[kind].lacks)
    if kind == "pml":
        return promela(Closure(case.case if isinstance(case, SearchedCase) else case)).encode()
    theme = "" if kind == "html" and not look else nearest(THEMES, look, "theme")
    searched = case if isinstance(case, SearchedCase) else SearchedCase(case)
    run = _run(searched, schedule)
    last = run.tip.index
    k = None if at is None else index(at, "the step shown")
    if k is not None and not 0 <= k <= last:
        raise MmvizError(
            f"step {quoted(at)}: this run has {last} steps; write a number from 0 to {last}"
        )
    if kind == "html":
        from mmviz.writing.page import case_page

        return case_page(searched, schedule, look=theme, at=k or 0).encode()
    if kind in ("svg", "png", "pdf", "gif"):
        from mmviz.writing.pictures import Picture

        drawn, shown = Picture(searched, run, theme, views), last if k is None else k
        match kind:
            case "svg":
                return drawn.svg(shown).encode()
            case "png":
                return drawn.png(shown)
            case "pdf":
                return drawn.pdf(shown)
        return drawn.gif()
    return _written(kind, searched, run, tabs, brief).encode()


def _written(kind: str, searched: SearchedCase, run: Run, tabs: bool, brief: bool) -> str:
    """Return a run in a form that is text."""
    match kind:
        case "md":
            from mmviz.writing.markdown import report

            return report(searched, run, brief)
        case "mmd":
            from mmviz.writing.mermaid import sequence

            return sequence(run)
        case "tex":
            from mmviz.writing.tikz import document

            return document(run)
    from mmviz.writing.diagram import titled

    return titled(run, tabs, brief)


def _run(searched: SearchedCase, schedule: str) -> Run:
    """Return the run that a reader names, or the most instructive one."""
    return searched.run(
        searched.schedule(schedule) if schedule else next(iter(searched.runs().values()))
    )
