"""Code that is graded in a process of its own, with limits on time and memory.

The process is given the text of the answer, and writes its points to a pipe that the answer does
not see. A loop without end, a crash or an exit of the answer ends that process only.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import mmviz.engine
from mmviz.engine import MmvizError
from mmviz.lessons.grading_answer import CODE, Given
from mmviz.lessons.grading_points import Item, Line, Points, item_of, nothing, points_of
from mmviz.lessons.progress_file import VARIABLE

HOME = str(Path(mmviz.engine.__file__).parents[2])  # where `import mmviz` finds it
SECONDS, LONGER = 20, 120  # of CPU, and until it is ended whatever it does
MOST_MEMORY = 3_000_000_000  # bytes
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from mmviz.lessons.grading_apart import main; main()"
)
KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH")  # of the environment


def graded_apart(given: Given, item: Item) -> Points:
    """Return the points of code, judged in a process of its own.

    Raises:
        MmvizError: the exercise is none of the catalogue, where that process would find it.
    """
    if item_of(item.name).exercise != item.exercise:
        raise MmvizError(
            f"{item.name} is not the exercise of that name in mmviz; mmviz.judge judges your own"
        )
    try:
        lines = _asked(item.name, given.text, given.name)
    except (OSError, subprocess.SubprocessError, ValueError) as wrong:
        return nothing(item, f"the answer ended its process: {type(wrong).__name__}")
    if isinstance(lines, str):
        return nothing(item, lines)
    return Points(item.name, lines)


@lru_cache(maxsize=64)
def _asked(item: str, text: str, name: str) -> tuple[Line, ...] | str:
    """Return what a new process says of an answer: its lines, or why there are none.

    Raises:
        OSError, SubprocessError, ValueError: the process could not be started, or said nothing.
    """
    word = secrets.token_hex(16)
    asked = json.dumps({"item": item, "text": text, "name": name, "word": word})
    environment = {key: os.environ[key] for key in KEPT if key in os.environ} | {VARIABLE: "off"}
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-X", "utf8", "-c", START, HOME],
                input=asked.encode("utf-8", "surrogatepass"),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=environment,
                timeout=LONGER,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "the answer did not end"
    if not done.stdout:
        return f"the answer ended its process (status {done.returncode})"
    said = json.loads(done.stdout)
    if said["word"] != word:
        return "the answer wrote over the points"
    return tuple(Line(**line) for line in said["lines"])


def main() -> None:
    """Grade the answer on stdin, and write its points to stdout."""
    out = os.dup(1)
    os.set_inheritable(out, False)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    asked = json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    item = item_of(asked["item"])
    _limit()
    points = points_of(Given(CODE, asked["text"], name=asked["name"]), item)
    said = {"word": asked["word"], "lines": [vars(line) for line in points.lines]}
    os.write(out, json.dumps(said).encode())
    os._exit(0)  # whatever the answer left behind


def _limit() -> None:
    """Limit the time, the memory and the files of this process, where the platform can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's limit on the time is left
        return
    for what, most in (
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_FSIZE, 1_000_000),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))
