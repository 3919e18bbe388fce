"""Colours of what is printed on a terminal.  Each marks a word or sign that says the same.

A line is coloured after everything in it was escaped, by what it says; so no text of a reader can
bring a colour, or anything else that a terminal obeys.
"""

import os
import re
from typing import TextIO

COLOURED = ("check", "replay", "verify")  # commands
STOP = "\x1b[0m"
ROLES = {"good": "\x1b[32m", "bad": "\x1b[1;31m", "changed": "\x1b[33m", "quiet": "\x1b[2m"}
RULES = (  # a line is read once, from the left; the first rule that fits a place wins
    (r"^✓", "good"),
    (r"^✗.*$", "bad"),
    (r"(?<=  )Never\b", "good"),
    (r"(?<=  )(?:Sometimes|Always)\b", "bad"),
    (r"(?<=\d  )safe\b|^As declared\b", "good"),
    (r"(?<=\d  )(?:goes wrong|deadlocks|livelocks)\b", "bad"),
    (r"   declared \w+$|^Not as declared.*$|is not as declared:$", "bad"),
    (r"(?<=  )!! .*$", "bad"),
    (r"(?<=: )\S.* -> .*$", "changed"),
    (r"^\S+ is blocked: .*$", "quiet"),
)
ANY = re.compile("|".join(f"({pattern})" for pattern, _ in RULES), re.MULTILINE)


def may_colour(to: TextIO) -> bool:
    """Tell whether colours are wanted: NO_COLOR, FORCE_COLOR and TERM=dumb are heeded.

    Else a terminal has colours, and a pipe or a file has none.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and to.isatty()


def coloured(text: str) -> str:
    """Return a text with colours."""
    return ANY.sub(
        lambda found: f"{ROLES[RULES[(found.lastindex or 1) - 1][1]]}{found[0]}{STOP}", text
    )
