"""`mmviz diagram`: what is understood of a race diagram, and what a case says of it."""

import json
import os
import stat
import sys
from pathlib import Path

from mmviz.engine import MmvizError
from mmviz.engine.text import quoted
from mmviz.reading.mail import MOST
from mmviz.reading.recognise import diagram as understood
from mmviz.reading.skeleton import skeleton

REFUSED = 1


def pasted(file: str) -> str:
    """Return the text of a file, "-" for standard input; no more than can be read is taken.

    Raises:
        MmvizError: there is no such file, or it is no regular file.
    """
    if file == "-":
        return sys.stdin.buffer.read(MOST + 1).decode("utf-8", "replace")
    try:
        found = os.open(Path(file), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise MmvizError(f"{quoted(file)} cannot be read: {why}") from None
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise MmvizError(f"{quoted(file)} is no file: give one, or - for standard input")
    with open(found, "rb") as source:
        return source.read(MOST + 1).decode("utf-8", "replace")


def diagram(file: str, race: str = "", as_json: bool = False, as_skeleton: bool = False) -> int:
    """Print what is understood of a diagram; the status is 1 when it is refused."""
    found = understood(pasted(file), race or None)
    if as_json:
        print(json.dumps(found.json(), ensure_ascii=False))
    elif as_skeleton and not found.refused:
        print(skeleton(found), end="")
    else:
        print(found)
    return REFUSED if found.refused else 0
