"""`mmviz lab`: the course in JupyterLab, copied into a folder first where necessary."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mmviz.engine import MmvizError

PACKAGE = Path(__file__).parents[1]
SHIPPED = PACKAGE / "course"  # what a wheel carries
CHECKOUT = PACKAGE.parent / "notebooks"
FIRST = "00_start.ipynb"
MANIFEST = ".mmviz-course.json"
OFFLINE = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)


def lab(folder: str | None, copy_only: bool, no_browser: bool) -> int:
    """Copy the course if necessary, open it in JupyterLab, and return the exit status."""
    place = Path(folder or "mmviz-course")
    if folder is None and not copy_only and not SHIPPED.is_dir():
        place = CHECKOUT
    else:
        for line in copy_course(SHIPPED if SHIPPED.is_dir() else CHECKOUT, place):
            print(line)
    if copy_only:
        return 0
    if importlib.util.find_spec("jupyterlab") is None:
        raise MmvizError("JupyterLab is not installed here: pip install jupyterlab, then try again")
    return start(place, no_browser)


def copy_course(source: Path, target: Path) -> Iterator[str]:
    """Copy the files of the course into a folder, and yield a line for each thing done.

    A file that the reader changed is kept.  A small file beside the course records what was
    shipped, so that the next version can replace the files that were not changed.

    Args:
        source: the course as shipped.
        target: the reader's folder; made when there is none.
    """
    target.mkdir(parents=True, exist_ok=True)
    shipped_before = _remembered(target / MANIFEST)
    remembered = dict(shipped_before)
    new, updated, kept = [], [], []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if not path.is_file() or any(part.startswith((".", "_")) for part in Path(name).parts):
            continue
        content = path.read_bytes()
        mark = _mark(content)
        there = target / name
        if there.exists():
            found = _mark(there.read_bytes())
            if found not in (mark, shipped_before.get(name)):
                kept.append(name)
                continue
            updated += [name] if found != mark else []
        else:
            new.append(name)
        remembered[name] = mark
        if name in new or name in updated:
            _write(there, content)
    _write(target / MANIFEST, json.dumps(remembered, indent=1, sort_keys=True).encode())
    yield f"The course is in {target}: {len(new)} new files, {len(updated)} brought up to date."
    for name in kept:
        yield f"Kept as you changed it: {name} (rename it and run this again to get ours)."


def _remembered(manifest: Path) -> dict[str, str]:
    """Return what was shipped here before, by file; nothing when that cannot be read."""
    try:
        found = json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): str(mark) for name, mark in found.items()}


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    partial.replace(path)


def start(place: Path, no_browser: bool) -> int:
    """Run JupyterLab on the first notebook until it exits; nothing is fetched from a network."""
    opens = f"--LabApp.default_url=/lab/tree/{FIRST}"
    command = [sys.executable, "-m", "jupyterlab", opens, *OFFLINE]
    if no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # root in a container is an ordinary user here
    kernel_of_this_environment = os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"}
    if os.name == "posix":  # become JupyterLab, so that it handles Ctrl-C itself
        sys.stdout.flush()
        os.chdir(place)
        os.execve(command[0], command, kernel_of_this_environment)
    return subprocess.call(command, cwd=place, env=kernel_of_this_environment)
