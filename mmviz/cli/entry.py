"""`mmviz entry`: what a page-table entry means, or what a value was that cannot be one."""

import json
import re
from pathlib import Path

from mmviz.cli.diagram import pasted
from mmviz.engine import MmvizError
from mmviz.engine.text import quoted
from mmviz.kernel.entries.coding import architecture
from mmviz.kernel.entries.explained import Explanation, wrapped
from mmviz.kernel.entries.reading import Reading, read
from mmviz.reading.entry_log import entries

VALUE = re.compile(r"0[xX][0-9a-fA-F_]+")
BARE = re.compile(r"[0-9a-fA-F]{3,16}")


def entry(
    what: str,
    kernel: str = "",
    level: str = "",
    space: str = "",
    arch: str = "",
    as_json: bool = False,
) -> int:
    """Print what each entry of a value, a file or a log line means.

    Raises:
        MmvizError: it is none of this, or an option is not known.
    """
    found = _found(what, kernel, level, space, arch)
    if as_json:
        print(json.dumps([each.data() for each in found], ensure_ascii=False))
    elif len(found) == 1:
        print(Explanation(found[0]))
    else:
        print("\n".join(_short(found)))
    return 0


def _found(what: str, kernel: str, level: str, space: str, arch: str) -> list[Reading]:
    """Return the reading of each entry."""
    arch = architecture(arch) if arch else ""
    if VALUE.fullmatch(what.strip()):
        return [_one(what.strip(), kernel, level, space, arch)]
    if what != "-" and not _is_file(what):
        if BARE.fullmatch(what):
            return [_one(f"0x{what}", kernel, level, space, arch)]
        if not re.search(r"[\s:=]", what):
            raise MmvizError(
                f"{quoted(what)} is neither a value nor a file: write 0x and up to 16 hexadecimal "
                "digits, the name of a file with a log, or - for standard input"
            )
        text = what
    else:
        text = pasted(what)
    return entries(text, kernel, level=level, space=space, arch=arch)


def _one(value: str, kernel: str, level: str, space: str, arch: str) -> Reading:
    return read(value, kernel, level=level or "pte", space=space, arch=arch or "x86-64")


def _is_file(what: str) -> bool:
    """Tell whether there is such a file; a line of a log is none."""
    try:
        return Path(what).exists()
    except (OSError, ValueError):
        return False


def _short(found: list[Reading]) -> list[str]:
    """Return each entry in a line, and below it what is wrong with it."""
    lines = []
    for each in found:
        said = Explanation(each)
        lines += wrapped(said.title, f"{each.where.level:4} ")
        if not each.possible:
            lines += wrapped(said.story, "     ")
        for name, evidence in said.guesses():
            lines += wrapped(f"{name}: {evidence}", "     ")
        for note in each.notes:
            lines += wrapped(f"({note})", "     ")
    return [*lines, "(`mmviz entry VALUE --kernel RELEASE --level LEVEL` explains one bit by bit)"]
