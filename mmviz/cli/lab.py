"""`mmviz lab`: an edition of the course, written into a folder, and opened in JupyterLab."""

import contextlib
import hashlib
import importlib.util
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from mmviz.engine import MmvizError, nearest
from mmviz.engine.text import quoted
from mmviz.lessons.editions import SELF, STUDENT, build
from mmviz.lessons.progress_file import VARIABLE

PACKAGE = Path(__file__).parents[1]
SHIPPED = PACKAGE / "course"  # what a wheel carries
CHECKOUT = PACKAGE.parent / "notebooks"
NEEDED = ("anywidget", "bqplot", "graphviz", "ipywidgets", "jupyterlab")  # by the course
FOLDER = "mmviz-course"
NAME = "write mmviz lab FOLDER"
INSTEAD = f"move it away, or {NAME} to use another place"
MANIFEST = ".mmviz-course.json"
OFFLINE = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)


def lab(
    folder: str | None,
    copy_only: bool,
    no_browser: bool,
    port: int | None = None,
    notebook: str = "start",
    edition: str = SELF,
) -> int:
    """Write an edition of the course, open it in JupyterLab, and return the exit status.

    Args:
        folder: where the course is written to; None for ./mmviz-course, of another edition
            ./mmviz-course-teacher.
        copy_only: do not start JupyterLab.
        no_browser: print the address, and open no browser.
        port: where JupyterLab listens; by default it chooses a free one from 8888 on.
        notebook: the notebook in the folder that JupyterLab opens, "30_exclusive" or "exclusive".
        edition: "self", "student" or "teacher".

    Raises:
        MmvizError: something that the course needs is not installed, or something in the folder
            is in the way.
        UnknownName: the folder has no such notebook; the nearest is suggested.
    """
    if folder is not None and (not folder or "\0" in folder):
        raise MmvizError(f"{quoted(folder)} is not the name of a folder: write mmviz lab FOLDER")
    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if lacking and not copy_only:
        raise MmvizError(
            f"the course needs packages that are not installed here: pip install "
            f"{' '.join(lacking)}, then try again"
        )
    place = Path(folder or (FOLDER if edition == SELF else f"{FOLDER}-{edition}"))
    for line in copy_course(SHIPPED if SHIPPED.is_dir() else CHECKOUT, place, edition):
        print(line)
    opens = _notebook(place, notebook)
    if edition == STUDENT:
        os.environ.setdefault(VARIABLE, "off")  # nothing is recorded where answers are graded
    return 0 if copy_only else start(place, opens, no_browser, port)


def _notebook(place: Path, wanted: str) -> str:
    """Return the name of the notebook that is meant, with or without its number and its ending."""
    names = sorted(path.name for path in place.glob("*.ipynb"))
    if wanted in names:
        return wanted
    return nearest({_stem(name): name for name in reversed(names)}, _stem(wanted), "notebook")


def _stem(name: str) -> str:
    """Return the name of a notebook without its number and its ending: "hmm" of "20_hmm.ipynb"."""
    stem = name.removesuffix(".ipynb")
    return stem.lstrip("0123456789").lstrip("_") or stem


def copy_course(source: Path, target: Path, edition: str | None = None) -> Iterator[str]:
    """Write the files of the course into a folder, and yield a line for each thing done.

    A file that the reader changed is kept.  A small file beside the course records what was
    shipped, so that the next version can replace the files that were not changed.

    Args:
        source: the course as shipped.
        target: the reader's folder; made when there is none.
        edition: which edition of each notebook is written; None for the source as it is.

    Raises:
        MmvizError: in the place of the folder or of a file there is something else, or a file
            cannot be read or written, or a notebook is none.
    """
    _make_folder(target)
    shipped_before = _remembered(target / MANIFEST)
    remembered = dict(shipped_before)
    new, updated, kept = {}, {}, []
    for path in sorted(source.rglob("*")):  # all are looked at before one is written
        name = path.relative_to(source).as_posix()
        if not path.is_file() or any(part.startswith((".", "_")) for part in Path(name).parts):
            continue
        for folder in [target / part for part in Path(name).parents][:-1]:
            if folder.is_symlink():
                raise MmvizError(f"{quoted(str(folder))} is a link: {INSTEAD}")
        content, known = path.read_bytes(), _read(target / name)
        if edition is not None and path.suffix == ".ipynb":
            content = build(content, edition, name)
        mark, found = _mark(content), None if known is None else _mark(known)
        if found is None:
            new[name] = content
        elif found not in (mark, shipped_before.get(name)):
            kept.append(name)
            continue
        elif found != mark:
            updated[name] = content
        remembered[name] = mark
    for name, content in (new | updated).items():
        _write(target / name, content)
    _write(target / MANIFEST, json.dumps(remembered, indent=1, sort_keys=True).encode())
    yield f"The course is in {target}: {len(new)} new files, {len(updated)} brought up to date."
    for name in kept:
        yield f"Kept as you changed it: {name} (rename it and run this again to get ours)."


def _remembered(manifest: Path) -> dict[str, str]:
    """Return what was shipped here before, by file; nothing if the file says nothing of it.

    Then each file that differs from the course is taken for the reader's own, and kept.

    Raises:
        MmvizError: it is not a regular file, or cannot be read.
    """
    try:
        found = json.loads(_read(manifest) or b"{}")
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: mark for name, mark in found.items() if isinstance(mark, str)}


def _read(path: Path) -> bytes | None:
    """Return the content of a regular file; None if there is none.

    It is opened without waiting, so that a FIFO in its place does not hold the command up.

    Raises:
        MmvizError: there is something else (a folder, a link, a FIFO), or it cannot be read.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # those that the platform has
        flags |= getattr(os, name, 0)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise MmvizError(f"{quoted(str(path))} is not a regular file: {INSTEAD}")
        with open(os.open(path, flags), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, "read", error) from None


def _make_folder(path: Path) -> None:
    """Make a folder, and those above it.

    Raises:
        MmvizError: there is something else in its place, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise MmvizError(f"{quoted(str(path))} is not a folder: {INSTEAD}") from None
    except OSError as error:
        raise _refused(path, "made", error) from None


def _refused(path: Path, what: str, error: OSError) -> MmvizError:
    """Return the complaint that a file cannot be read or written."""
    why = error.strerror or type(error).__name__
    return MmvizError(f"{quoted(str(path))} cannot be {what}: {why}. To use another place, {NAME}")


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file at once: it holds what it held before, or all of the new content.

    The content goes to a new file of an unpredictable name beside it, which then takes its place;
    when that fails, nothing of it is left.

    Raises:
        MmvizError: it cannot be written.
    """
    _make_folder(path.parent)
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _refused(path, "written", error) from None
    try:
        with open(number, "wb") as file:
            file.write(content)
        os.chmod(name, 0o666 & ~_umask())  # mkstemp lets only its owner read
        os.replace(name, path)
    except OSError as error:
        raise _refused(path, "written", error) from None
    finally:
        with contextlib.suppress(OSError):  # it has taken its place
            os.unlink(name)


def _umask() -> int:
    """Return the process's file mode creation mask; it can be read only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def start(place: Path, notebook: str, no_browser: bool, port: int | None = None) -> int:
    """Run JupyterLab on a notebook until it exits; nothing is fetched from a network."""
    opens = f"--LabApp.default_url=/lab/tree/{quote(notebook)}"
    # -P: a file random.py beside the notebooks is the reader's, and no part of JupyterLab
    command = [sys.executable, "-P", "-m", "jupyterlab", opens, *OFFLINE]
    if no_browser:
        command.append("--no-browser")
    if port is not None:
        command += [f"--port={port}", "--ServerApp.port_retries=0"]  # this one, or none
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # root in a container is an ordinary user here
    kernel_of_this_environment = os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"}
    if os.name == "posix":  # become JupyterLab, so that it handles Ctrl-C itself
        sys.stdout.flush()
        os.chdir(place)
        os.execve(command[0], command, kernel_of_this_environment)
    return subprocess.call(command, cwd=place, env=kernel_of_this_environment)
