"""Check that each deliberate fault is caught: `python -m tests.faults.run [WORDS]`.

The tree is copied into a temporary folder. Each fault of `faults.py` is written into the copy, its
tests run there, and one of them must fail; then the file is as it was. Nothing of the checkout is
touched.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
FILES = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::.*?)(?: - |$)", re.MULTILINE)
MOST_SECONDS = 600  # for the tests of one fault: a search may never end
LATER = 10  # seconds that a faulty file is newer: Python compiles it anew, and keeps nothing of it


def main(words: Sequence[str]) -> int:
    """Try the faults whose name or file contains every word; return 1 if one survives."""
    chosen = [fault for fault in FAULTS if named(fault, words)]
    if not chosen:
        print("no fault is called so")
        return 1
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        return tried(chosen, copied(ROOT, Path(folder)))


def named(fault: Fault, words: Sequence[str]) -> bool:
    """Tell whether a fault's name or file contains every word."""
    about = f"{fault.file} {fault.name}".lower()
    return all(word.lower() in about for word in words)


def tried(faults: Sequence[Fault], tree: Path) -> int:
    """Try faults in a copy of the tree; print a line for each, and return 1 if one survives."""
    whole = outcome(tree, sorted({test for fault in faults for test in fault.tests}))
    if whole.returncode:
        print(whole.stdout, whole.stderr, "without a fault these tests must pass", sep="\n")
        return 1
    survivors = 0
    for fault in faults:
        test = caught(fault, tree)
        survivors += not test
        how = f"caught by {test}" if test else "SURVIVES"
        print(f"{fault.file}: {fault.name}: {how}", flush=True)
    print(f"{len(faults)} faults, {survivors} survive")
    return 1 if survivors else 0


def copied(root: Path, to: Path) -> Path:
    """Copy the files that git knows, or would add, to a folder; return the folder."""
    listed = subprocess.run(FILES, cwd=root, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():  # else it was deleted, and git was not told yet
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    return to


def caught(fault: Fault, tree: Path) -> str:
    """Return the test that fails with a fault, "" if none does."""
    path = tree / fault.file
    text, when = path.read_text("utf-8"), path.stat().st_mtime
    assert text.count(fault.old) == 1, f"{fault.file}: {fault.name}: it must fit in one place"
    try:
        path.write_text(text.replace(fault.old, fault.new), "utf-8")
        os.utime(path, (when + LATER, when + LATER))
        done = outcome(tree, fault.tests, MOST_SECONDS, PYTHONDONTWRITEBYTECODE="1")
    except subprocess.TimeoutExpired:
        return ""
    finally:
        path.write_text(text, "utf-8")
        os.utime(path, (when, when))
    failed = FAILED.search(done.stdout)
    return failed[1] if done.returncode and failed else ""


def outcome(
    tree: Path, tests: Sequence[str], seconds: float | None = None, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Run some tests in a tree; `more` is added to the environment."""
    return subprocess.run(
        (*PYTEST, *tests),
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)} | more,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
