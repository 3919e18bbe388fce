"""Where a command writes a text: standard output, or a file."""

from pathlib import Path

from mmviz.engine import MmvizError
from mmviz.engine.text import quoted


def write(what: str | bytes, output: str | None) -> bool:
    """Write a text or a picture; tell whether it went to a file.

    Args:
        what: what to write; a text as UTF-8.
        output: the file; None or "-" means stdout, which takes no picture.

    Raises:
        MmvizError: it is a folder, or a pipe that may have no reader, or its folder is missing.
    """
    if output is None or output == "-":
        if isinstance(what, bytes):
            raise MmvizError("this is no text for a terminal; write -o FILE")
        print(what, end="")
        return False
    path = Path(output.replace("\0", ""))
    if not output.strip() or path.is_dir() or path.is_fifo() or path.is_socket():
        raise MmvizError(f"{quoted(output)} is no file to write to; write -o FILE")
    if not path.parent.is_dir():
        raise MmvizError(f"there is no folder {quoted(str(path.parent))}; make it first")
    path.write_bytes(what.encode() if isinstance(what, str) else what)
    return True
