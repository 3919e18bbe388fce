"""The file in which a learner's progress is kept: where it is, its form, and how it is changed.

A change is a function of the data. It is applied to what the file holds at that moment, under a
lock, so two kernels lose nothing of each other's; and the file is replaced at once, so a kernel
that is killed leaves the old content or the new. What is no such file is renamed, and never
overwritten.
"""

import contextlib
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from mmviz.engine import MmvizError
from mmviz.engine.text import quoted

FORMAT, VERSION = "mmviz progress", 1
VARIABLE = "MMVIZ_PROGRESS"
OFF = ("off", "0", "no", "none", "false", "")
MOST_BYTES = 4_000_000
MOST_CASES, MOST_EXERCISES, MOST_PREDICTIONS = 2_000, 2_000, 5_000
MOST_RUNS, MOST_RUN, MOST_NAMES = 100, 4_000, 100  # runs of a case, characters of one, situations
LONGEST_NAME, LONGEST_CHOICE = 300, 500  # characters
MOST_COUNT = 1_000_000
PATIENCE, PAUSE = 5.0, 0.02  # seconds for which a lock is waited for, and between two tries

Data = dict[str, Any]
Change = Callable[[Data], None]


class Unusable(MmvizError):
    """A file that is no progress of this version; the message says what is wrong with it."""


class Busy(OSError):
    """Another process holds the lock for too long."""


def place() -> Path | None:
    """Return where progress is kept; None where it is off.

    `MMVIZ_PROGRESS` is a file, or "off". Without it, the file is in the platform's folder for the
    data of programs.
    """
    said = os.environ.get(VARIABLE)
    if said is not None:
        return None if said.strip().lower() in OFF else Path(said).expanduser()
    try:
        return _data_folder() / "mmviz" / "progress.json"
    except RuntimeError:  # there is no home
        return None


def _data_folder() -> Path:
    """Return the folder in which programs keep a user's data."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    said = os.environ.get("XDG_DATA_HOME", "")
    return Path(said) if os.path.isabs(said) else Path.home() / ".local" / "share"


def empty() -> Data:
    """Return progress in which nothing has been done."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "cases": {},
        "exercises": {},
        "predictions": {},
    }


def read(path: Path) -> Data:
    """Return what a file holds; `empty` where there is none.

    Raises:
        Unusable: it is damaged, too large, of a newer version, or something else.
        OSError: it cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        number = os.open(path, flags)
    except FileNotFoundError:
        return empty()
    with open(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(f"{quoted(str(path))} is not a regular file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Unusable(f"it has more than {MOST_BYTES:,} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Unusable("it is not JSON") from None
    return checked(found)


def checked(found: Any) -> Data:
    """Return the data of a file whose form is right.

    Raises:
        Unusable: it is not; the message names the place and the rule.
    """
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Unusable(f'it is another program\'s: its "format" is not {FORMAT!r}')
    version = found.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise Unusable(f"a newer mmviz wrote it (version {str(version)[:9]}, this one reads 1)")
    if version != VERSION or isinstance(version, bool):
        raise Unusable('its "version" is not 1')
    _only(found, "the file", *empty())
    for part, most, check in (
        ("cases", MOST_CASES, _case),
        ("exercises", MOST_EXERCISES, _exercise),
        ("predictions", MOST_PREDICTIONS, _prediction),
    ):
        entries = found[part]
        if not isinstance(entries, dict) or len(entries) > most:
            raise Unusable(f'"{part}" is not a mapping of at most {most:,} entries')
        for name, entry in entries.items():
            where = f"{part}: {quoted(name)}"
            _text(name, where, LONGEST_NAME)
            check(entry, where)
    return found


def _only(entry: Any, where: str, *names: str) -> None:
    if not isinstance(entry, dict) or set(entry) != set(names):
        raise Unusable(f"{where} does not have {', '.join(names)} and nothing else")


def _text(value: Any, where: str, most: int) -> None:
    if not isinstance(value, str) or len(value) > most:
        raise Unusable(f"{where} is not text of at most {most:,} characters")


def _texts(value: Any, where: str, most: int, longest: int) -> None:
    if not isinstance(value, list) or len(value) > most:
        raise Unusable(f"{where} is not a list of at most {most:,}")
    for each in value:
        _text(each, where, longest)


def _count(value: Any, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COUNT:
        raise Unusable(f"{where} is not a number from 0 to {MOST_COUNT:,}")


def _bool(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        raise Unusable(f"{where} is not true or false")


def _case(entry: Any, where: str) -> None:
    _only(entry, where, "runs", "situations", "of", "final_states", "of_final_states")
    _texts(entry["runs"], f"{where}, runs,", MOST_RUNS, MOST_RUN)
    _texts(entry["situations"], f"{where}, situations,", MOST_NAMES, LONGEST_NAME)
    for name in ("of", "final_states", "of_final_states"):
        _count(entry[name], f"{where}, {name},")


def _exercise(entry: Any, where: str) -> None:
    _only(entry, where, "tries", "hints", "done")
    _count(entry["tries"], f"{where}, tries,")
    _count(entry["hints"], f"{where}, hints,")
    _bool(entry["done"], f"{where}, done,")


def _prediction(entry: Any, where: str) -> None:
    _only(entry, where, "chosen", "right")
    _text(entry["chosen"], f"{where}, chosen,", LONGEST_CHOICE)
    _bool(entry["right"], f"{where}, right,")


def usable(path: Path, say: Callable[[str], None]) -> Data:
    """Return what a file holds; one that is unusable is set aside, and that is said.

    Raises:
        OSError: it can neither be read nor set aside.
    """
    try:
        return read(path)
    except Unusable:
        with locked(Path(os.path.realpath(path))):
            return _usable(path, say)


def _usable(path: Path, say: Callable[[str], None]) -> Data:
    """Do what `usable` does, for the holder of the lock."""
    try:
        return read(path)
    except Unusable as wrong:
        aside = set_aside(path)
        say(
            f"Your progress could not be read: {wrong}. The file is now {quoted(str(aside))}, "
            "nothing of it is lost, and a new one was begun."
        )
        return empty()


def set_aside(path: Path) -> Path:
    """Rename a file to a name that is free, and return that name."""
    for number in range(1, 10_000):
        aside = path.with_name(f"{path.stem}.set-aside-{number}{path.suffix}")
        try:
            os.link(path, aside)  # which fails where there is a file of that name
        except FileExistsError:
            continue
        except OSError:  # no hard links here
            if aside.exists():
                continue
            os.replace(path, aside)
            return aside
        os.unlink(path)
        return aside
    raise OSError(f"too many files beside {quoted(str(path))} have been set aside")


def change(path: Path, changes: list[Change], say: Callable[[str], None]) -> None:
    """Apply changes to what the file holds.

    Raises:
        Busy: another process holds its lock for too long.
        OSError: it cannot be read or written.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        data = _usable(path, say)
        for each in changes:
            each(data)
        checked(data)
        write(path, data)


def write(path: Path, data: Data) -> None:
    """Replace a file: it holds what it held before, or all of the data.

    Raises:
        OSError: it cannot be written.
        Unusable: there is too much of it to be read again.
    """
    content = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if len(content.encode("utf-8", "replace")) > MOST_BYTES:
        raise Unusable(f"it would have more than {MOST_BYTES:,} bytes")
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(number, "wb") as file:
            file.write(content.encode("utf-8", "replace"))
        os.replace(name, path)
    finally:
        with contextlib.suppress(OSError):  # it has taken its place
            os.unlink(name)


def forget(path: Path) -> bool:
    """Remove the file; tell whether there was one.

    Raises:
        OSError: it cannot be removed.
    """
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        return False
    with locked(path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file.

    Raises:
        Busy: another process holds it for too long.
        OSError: there is no place for it.
    """
    with open(path.with_name(f".{path.name}.lock"), "a+b") as file:
        end = time.monotonic() + PATIENCE
        while not _take(file):
            if time.monotonic() > end:
                raise Busy("another process is writing it")
            time.sleep(PAUSE)
        try:
            yield
        finally:
            _leave(file)


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _leave(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _leave(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
