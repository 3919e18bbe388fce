"""Tables for a notebook, in the page's own style."""

from collections.abc import Sequence

# JupyterLab aligns text to the right, as if it were numbers, and joins lines.
LEFT = 'style="text-align: left; vertical-align: top; white-space: pre-line"'


def escape(text: str) -> str:
    """Return a text escaped for HTML."""
    import html  # importing its entity table takes a millisecond, and most runs show no HTML

    return html.escape(text)


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a bare HTML table; cells are escaped text, their lines kept apart."""
    top = "".join(f"<th {LEFT}>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td {LEFT}>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
