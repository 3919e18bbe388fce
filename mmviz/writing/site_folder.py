"""The folder of a site: what is ours in it is replaced, and nothing of the reader's is."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from mmviz.engine import MmvizError
from mmviz.engine.text import quoted

LIST = "mmviz-site.json"  # path -> hash of each file of the site
INSTEAD = "write the site to another folder"


class SiteFolder:
    """Where a site goes: a new folder, an empty one, or that of an earlier site.

    Args:
        path: the folder; it is made when there is none.

    Raises:
        MmvizError: there is something else, or files that are not of an earlier site.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path.replace("\0", ""))
        if not path.strip():
            raise MmvizError("a site needs a folder; write --site DIR")
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            raise MmvizError(f"{quoted(path)} is not a folder: {INSTEAD}")
        try:
            there = self.path.is_dir() and any(self.path.iterdir())
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise MmvizError(f"{quoted(path)} cannot be read: {why}; {INSTEAD}") from None
        self.known = self._listed() if there else {}
        if there and not self.known:
            raise MmvizError(
                f"{quoted(path)} has files and is no site of mmviz: {INSTEAD}, or empty this one"
            )

    def _listed(self) -> dict[str, str]:
        """Return the files of the earlier site; nothing where there is none."""
        path = self.path / LIST
        if path.is_symlink() or not path.is_file():
            return {}
        try:
            found: Any = json.loads(path.read_bytes())
        except (ValueError, RecursionError, OSError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {name: mark for name, mark in found.items() if _is_inside(name)}

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write a site in the place of the earlier one; what is no longer in it is removed.

        All is looked at before one file is written.

        Args:
            files: by path.

        Raises:
            MmvizError: a file is not as the earlier site left it, a link is in the way, or it
                cannot be written.
        """
        for name in {*files, *self.known}:
            self._look(name, files.get(name))
        marks = {name: _mark(content) for name, content in sorted(files.items())}
        listing = json.dumps(marks, indent=0).encode()
        # What is written is ours from the first byte on, also when the writing is broken off.
        self._store(LIST, json.dumps(self.known | marks, indent=0, sort_keys=True).encode())
        for name, content in files.items():
            self._store(name, content)
        for name in self.known.keys() - files.keys():
            (self.path / name).unlink(missing_ok=True)
            for above in PurePosixPath(name).parents:
                folder = self.path / above
                if folder != self.path and folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
        self._store(LIST, listing)

    def _look(self, name: str, content: bytes | None) -> None:
        """Check what is in the place of a file: nothing, the file itself, or what we left there."""
        path = self.path / name
        for above in reversed(PurePosixPath(name).parents):
            folder = self.path / above
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                raise MmvizError(f"{quoted(str(folder))} is not a folder: {INSTEAD}")
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise MmvizError(f"{quoted(str(path))} is not a regular file: {INSTEAD}")
        if not path.exists():
            return
        mark = _mark(path.read_bytes())
        if mark not in (self.known.get(name), None if content is None else _mark(content)):
            raise MmvizError(f"{quoted(str(path))} is not as mmviz left it: move it, or {INSTEAD}")

    def _store(self, name: str, content: bytes) -> None:
        """Write a file under a new name, which then takes its place: no link is followed."""
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            number, made = tempfile.mkstemp(dir=path.parent)
            with open(number, "wb") as file:
                file.write(content)
            Path(made).chmod(0o644)
            os.replace(made, path)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise MmvizError(f"{quoted(str(path))} cannot be written: {why}") from None


def _is_inside(name: object) -> bool:
    """Tell whether a name is the path of a file in the folder."""
    if not isinstance(name, str) or not name or "\\" in name or "\0" in name or ":" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
