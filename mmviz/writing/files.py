"""Where what leaves is written: the form that a file's name says, and the file."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path, PurePath

from mmviz.engine import MmvizError
from mmviz.engine.text import quoted
from mmviz.writing.forms import FORMS

LONGEST_PATH = 4_096  # characters


def form_of(path: "str | PurePath", hint: str, forms: Iterable[str] = FORMS) -> str:
    """Return the form that the end of a file's name says.

    Args:
        path: the file.
        hint: how else a form is named, "write form=".
        forms: those there are.

    Raises:
        MmvizError: it says none of them; the message lists them.
    """
    known = tuple(forms)
    name = str(path).replace("\0", "")
    suffix = PurePath(name).suffix.lower().lstrip(".")
    if suffix not in known:
        endings = ", ".join(f".{each}" for each in known)
        raise MmvizError(
            f"{quoted(PurePath(name).name)} does not say what to write: known are {endings}{hint}"
        )
    return suffix


def file_of(path: "str | PathLike[str]", hint: str, devices: bool = False) -> Path:
    """Return where to write.

    Args:
        path: the file.
        hint: what to write instead of a wrong one, 'save("run.svg")'.
        devices: whether it may be a device, such as /dev/null.

    Raises:
        MmvizError: it is no path, a folder, a pipe or a device, or its folder is missing.
    """
    text = str.__str__(path) if isinstance(path, str) else ""
    if isinstance(path, PurePath):
        text = str(path)
    wrong = MmvizError(f"{quoted(path)} is no file to write to: write {hint}")
    if not text.strip() or "\0" in text:
        raise wrong
    if len(text) > LONGEST_PATH:
        raise MmvizError(f"the path of a file has at most {LONGEST_PATH:,} characters")
    found = Path(text)
    try:
        if found.exists() and not (found.is_file() or (devices and found.is_char_device())):
            raise wrong
        if not found.parent.is_dir():
            raise MmvizError(f"there is no folder {quoted(str(found.parent))}; make it first")
    except (OSError, ValueError) as error:
        raise _refused(found, error) from None
    return found


def write(path: Path, data: bytes) -> Path:
    """Write a file, in place of one that is there, and return its path.

    Raises:
        MmvizError: the system refuses it; the message says why.
    """
    try:
        path.write_bytes(data)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from None
    return path


def _refused(path: Path, error: Exception) -> MmvizError:
    """Return what is said of a path that the system refuses; a ValueError is one of its letters."""
    why = error.strerror if isinstance(error, OSError) else "it has letters that no file has"
    return MmvizError(f"{quoted(str(path))} cannot be written: {why}")
