"""Tables for a notebook, in the page's own style."""

from collections.abc import Sequence
from html import escape


LEFT = 'style="text-align: left"'  # JupyterLab puts words to the right, as if they were figures


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a bare HTML table; every cell is escaped, the page's own style applies."""
    top = "".join(f"<th {LEFT}>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td {LEFT}>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
