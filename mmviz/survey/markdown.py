"""Text for Markdown, in which every sign stands for itself."""

import re

from mmviz.engine.text import printable

SIGNS = re.compile(r"([\\`*_\[\]<>|#~&])")
DOLLAR = r"<span>\\$</span>"  # in a piece of its own, so that a page finds no formula between two


def marked(text: str) -> str:
    """Return text for a cell of a Markdown table, its lines kept apart."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "<br>".join(_line(line) for line in lines)


def _line(text: str) -> str:
    return re.sub(r"\$", DOLLAR, SIGNS.sub(r"\\\1", printable(text)))


def coded(text: str) -> str:
    """Return text as a piece of code, in which nothing is a sign, in a table or out of one."""
    line = printable(" ".join(text.split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{line}{space}{fence}".replace("|", r"\|")
