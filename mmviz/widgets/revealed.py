"""What a question reveals once it is answered or skipped; made only then."""

from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
from IPython import get_ipython
from IPython.display import Markdown, display
from IPython.utils.capture import capture_output

from mmviz.engine import Case, MmvizError, explore, nearest, table
from mmviz.engine.html import escape
from mmviz.scene.searched import SearchedCase

REVEALS = {
    "stage": "the case on a stage, from there on",
    "report": "what the search finds",
    "text": "the run of the right answer as text",
}
"""What can be named."""


def checked(then: Any) -> tuple[Any, ...]:
    """Return the things that are to be revealed: one, or a list of them.

    Raises:
        MmvizError: one is the name of nothing, or a widget, which the page would have at once.
    """
    return tuple(map(_one, then if isinstance(then, list | tuple) else [then]))


def _one(then: Any) -> Any:
    if isinstance(then, str) and len(then.split()) < 2:
        return nearest({name: name for name in REVEALS}, then, "thing to reveal")
    if isinstance(then, ipywidgets.Widget):
        raise MmvizError(
            "then= is a widget, which is on the page as soon as it is made: write "
            "then=lambda: mmviz.Player(…), which makes it afterwards"
        )
    return then


def revealed(
    then: Sequence[Any], case: Case, searched: SearchedCase, run: Sequence[str]
) -> Iterator[Any]:
    """Yield the widgets that show what was `checked`.

    Args:
        then: a name of `REVEALS`, a text in Markdown, a function that makes something, or
            anything that a notebook displays.
        case: what the question is about.
        searched: the same case, or that of the run.
        run: the run that "text" names.
    """
    for each in then:
        if each == "report":
            yield from displayed(explore(case))
        elif each == "text":
            yield ipywidgets.HTML(f"<pre>{escape(table(searched.run(run)))}</pre>")
        elif isinstance(each, str) and each != "stage":
            yield from displayed(Markdown(each))  # type: ignore[no-untyped-call]
        elif each != "stage":  # which goes on, above
            yield from _made(each)


def _made(then: Any) -> Iterator[Any]:
    if not callable(then):
        yield from displayed(then)
        return
    with capture_output() as got:
        made = then()
    if got.stdout:
        yield _output([{"output_type": "stream", "name": "stdout", "text": got.stdout}])
    yield from _rich(got.outputs)
    if made is not None:
        yield from displayed(made)


def displayed(made: Any) -> Iterator[Any]:
    """Yield widgets that show something as a cell would."""
    if isinstance(made, ipywidgets.Widget):
        yield made
    elif get_ipython() is None:
        data = {"text/plain": str(made)}
        yield _output([{"output_type": "display_data", "data": data, "metadata": {}}])
    else:
        with capture_output() as got:
            display(made)  # type: ignore[no-untyped-call]
        yield from _rich(got.outputs)


def _rich(outputs: Sequence[Any]) -> Iterator[Any]:
    for each in outputs:
        data, about = each.data, each.metadata or {}
        yield _output([{"output_type": "display_data", "data": data, "metadata": about}])


def _output(outputs: Sequence[Any]) -> ipywidgets.Output:
    made = ipywidgets.Output()
    made.outputs = tuple(outputs)
    return made
