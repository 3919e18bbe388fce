"""Tables for a notebook, in the page's own style."""

from collections.abc import Sequence

# JupyterLab puts words to the right, as if they were figures, and runs lines together.
LEFT = 'style="text-align: left; vertical-align: top; white-space: pre-line"'


def escape(text: str) -> str:
    """Return a text as HTML shows it literally."""
    import html  # its table of entities takes a millisecond, and most runs show no HTML

    return html.escape(text)


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a bare HTML table; cells are escaped text, their lines kept apart."""
    top = "".join(f"<th {LEFT}>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td {LEFT}>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
