"""What a page shows of a widget where the widget does not run: it stands still, and is no blank.

A page that knows no widgets shows the richest other form of the output: a picture or a table. A
page that was exported with the state of its widgets shows nothing at all when it cannot load the
code that draws them, and a reopened notebook says only that a model was not found: an output has
one form. So the widget is followed by a second output, which is seen only in these cases.
"""

from base64 import b64encode
from typing import Any

from IPython import get_ipython
from IPython.display import display

from mmviz.engine.html import escape
from mmviz.scene import theme

WIDGET, HTML = "application/vnd.jupyter.widget-view+json", "text/html"
OUTPUT = ":is(.jp-OutputArea-child, .output_area, .cell_output > .output)"
BLANK = (  # what tells that an output should have a widget and has none
    f'{OUTPUT}:has(script[type="{WIDGET}"]):not(:has(.mm-theme))',  # exported, and nothing loaded
    f"{OUTPUT}:has(> .jupyter-widgets):not(:has(.jupyter-widgets > *))",  # "model not found"
    f"{OUTPUT}:has(.jupyter-widgets-error-widget)",  # "Failed to load model class"
    f'.cell_output > script[type="{WIDGET}"]',  # Jupyter Book 1, which gives it no output
)
STYLE = (
    ".mm-instead { display: none; } "
    + ", ".join(f"{each} + * .mm-instead" for each in BLANK)
    + " { display: block; } "
    + ".cell_output > .widget-subarea:has(.mm-theme) + script + * .mm-instead { display: none; } "
    + f"{OUTPUT}:has(+ * .mm-instead) .jupyter-widgets-error-widget {{ display: none; }}"
)
WHY = (
    "This page cannot run the widget; in its place stands a picture or a table. In a notebook, "
    "run the cell again; if that does not help, install anywidget and jupyterlab_widgets beside "
    "the server, and reload the page."
)
NO_WIDGETS = (  # a notebook in a JupyterLab that knows no widgets shows the HTML; so do exports
    "<style>.mm-why { display: none; } .jp-NotebookPanel .mm-why { display: block; }</style>"
    f"<p class='mm-why'>{WHY}</p>"
)


def picture(svg: str, words: str) -> str:
    """Return a picture as HTML whose colours follow the page.

    As an image it stays where a page takes scripts, styles and drawings out of what it shows.

    Args:
        svg: an SVG file in the theme "page".
        words: what it shows, for readers who cannot see it.
    """
    own = svg.replace(">", f"><style>{theme.own_css()}</style>", 1)
    image = b64encode(own.encode()).decode("ascii")
    return (  # Sphinx themes dim what has no class `dark-light`
        f"<style>{theme.css('.mm-image')}.mm-image {{max-width: 100%}}</style>"
        f'<img class="mm-image dark-light" alt="{escape(words)}" '
        f'src="data:image/svg+xml;base64,{image}">'
    )


def shown(widget: Any) -> None:
    """Display a widget, and after it what the page shows where the widget does not run."""
    made = widget._repr_mimebundle_()
    forms, about = made if isinstance(made, tuple) else (made, {})
    known = forms | {HTML: NO_WIDGETS + forms[HTML]} if HTML in forms else forms
    display(known, metadata=about, raw=True)  # type: ignore[no-untyped-call]
    if WIDGET in forms and HTML in forms and getattr(get_ipython(), "kernel", None):
        words = f"<style>{STYLE}</style><div class='mm-instead'><p>{WHY}</p>{forms[HTML]}</div>"
        hidden = {HTML: words, "text/plain": ""}
        display(hidden, raw=True)  # type: ignore[no-untyped-call]
