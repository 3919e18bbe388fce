"""Tables for a notebook, in the page's own style."""

from collections.abc import Sequence

from mmviz.engine.text import printable

# JupyterLab aligns text to the right, as if it were numbers, and joins lines; other pages let
# columns touch.
LEFT = 'style="text-align: left; vertical-align: top; white-space: pre-line; padding: 0.2em 0.6em"'


def escape(text: str) -> str:
    """Return a text escaped for HTML; what would change the direction of text is shown."""
    import html  # importing its entity table takes a millisecond, and most runs show no HTML

    return html.escape(printable(text))


def verbatim(html: str, name: str = "") -> str:
    """Return HTML in which a notebook sets nothing as a formula, whatever stands between `$`.

    Args:
        html: the HTML.
        name: a class for what is around it.
    """
    classes = f"{name} mathjax_ignore tex2jax_ignore".strip()
    return f'<div class="{classes}">{html}</div>'


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; cells are escaped text, their lines kept apart.

    Where the page is narrower, the table scrolls.
    """
    top = "".join(f"<th {LEFT}>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td {LEFT}>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow: auto">{table}</div>'
