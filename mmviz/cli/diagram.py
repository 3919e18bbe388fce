"""`mmviz diagram`: what is understood of a race diagram, and what a case says of it."""

import json
import os
import stat
import sys
from pathlib import Path

from mmviz.cli.output import write
from mmviz.engine import MmvizError
from mmviz.engine.text import quoted
from mmviz.reading.mail import MOST
from mmviz.reading.recognise import diagram as understood
from mmviz.reading.shown import Staged
from mmviz.reading.skeleton import skeleton
from mmviz.writing.files import form_of
from mmviz.writing.forms import FORMS

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


def diagram(
    file: str,
    race: str = "",
    as_json: bool = False,
    as_skeleton: bool = False,
    output: str | None = None,
) -> int:
    """Print what is understood of a diagram, or write its stage to a file.

    Returns:
        The status: 1 when the diagram is refused.

    Raises:
        MmvizError: it has no stage, is refused and has no skeleton, or the file cannot be written.
    """
    found = understood(pasted(file), race or None)
    if as_skeleton and found.refused:
        raise MmvizError(f"no skeleton of a diagram that cannot be read: {found.refused}")
    if output is not None and not found.refused:
        return stage(found, output)
    if as_json:
        print(json.dumps(found.json(), ensure_ascii=False))
    elif as_skeleton:
        print(skeleton(found), end="")
    else:
        print(found)
    return REFUSED if found.refused else 0


def stage(found: Staged, output: str) -> int:
    """Write the stage of what was read, in the form that the file's name says, and return 0.

    Raises:
        MmvizError: there is no such form, no stage, or the file cannot be written.
    """
    form = form_of(output, "", (each for each in FORMS if each != "pml"))
    from mmviz.writing.brought import written  # what draws is imported when something is drawn

    data = written(found, form)
    if write(data.decode() if FORMS[form].text else data, output):
        print(f"Written: {output}, {len(data):,} bytes", file=sys.stderr)
    return 0
