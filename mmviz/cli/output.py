"""Where a command writes a text: standard output, or a file."""

import textwrap
from collections.abc import Iterator

from mmviz.engine import MmvizError
from mmviz.writing.files import file_of
from mmviz.writing.files import write as write_file

WIDE = 80  # columns of a terminal


def beside(start: str, text: str, below: str) -> Iterator[str]:
    """Yield a text behind the start of its row; one that is too wide stands below it.

    Args:
        start: of the row.
        text: what stands behind it.
        below: what the rows below it begin with.
    """
    if len(start) + len(text) <= WIDE:
        yield f"{start}{text}".rstrip()
    else:
        if start:
            yield start.rstrip()
        yield from textwrap.wrap(
            text,
            WIDE,
            initial_indent=below,
            subsequent_indent=below,
            break_long_words=False,
            break_on_hyphens=False,
        )


def write(what: str | bytes, output: str | None) -> bool:
    """Write a text or a picture; tell whether it went to a file.

    Args:
        what: what to write; a text as UTF-8.
        output: the file; None or "-" means stdout, which takes no picture.

    Raises:
        MmvizError: it is no file to write to, its folder is missing, or the system refuses it.
    """
    if output is None or output == "-":
        if isinstance(what, bytes):
            raise MmvizError("this is no text for a terminal; write -o FILE")
        print(what, end="")
        return False
    path = file_of(output, "-o FILE", devices=True)
    write_file(path, what.encode() if isinstance(what, str) else what)
    return True
