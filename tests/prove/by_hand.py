"""Let spin judge models that were written by hand, and compare with what the races declare.

    make prove          or    python -m tests.prove.by_hand [SCENARIO[:CASE] …]

Each file of tests/prove/models is the Promela of one race, written from its story and from the
kernel's sources, not from its Python.  So this confirms what `tests.prove.run` cannot: what the
steps mean.  Compared are, for each case and bad state, Never, Sometimes or Always; deadlock, as
spin's invalid end states; and livelock, as a cycle without progress under weak fairness.  Numbers
of states differ, as the steps do.  A difference ends with status 1.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from mmviz.cli.listing import select
from mmviz.engine import Case, Verdict
from mmviz.scenarios import names

MODELS = Path(__file__).parent / "models"
SAFETY, CYCLES = "-DSAFETY", "-DNP"  # what pan looks for: bad states, or runs that never end
TOGETHER = 2  # cases at the same time
DEPTH = 100_000  # steps of a run that spin follows
SECONDS = 60  # of one run


@dataclass(frozen=True)
class Said:
    """What a model says about a case.

    Attributes:
        verdicts: of each bad state.
        completed: some run is completed; if none is, the model is wrong.
        deadlock: a run gets stuck.
        livelock: a run never ends, though each actor that can step does.
    """

    verdicts: dict[str, Verdict]
    completed: bool
    deadlock: bool
    livelock: bool


@dataclass
class Check:
    """One case: what differs, if anything.

    Attributes:
        case: its scenario and name.
        verdicts: how many bad states were compared.
        differs: one sentence for each difference.
        seconds: how long it took.
    """

    case: str
    verdicts: int = 0
    differs: list[str] = field(default_factory=list)
    seconds: float = 0.0


@cache
def models() -> dict[str, Path]:
    """Return the file of each race that has one: thread/race -> thread_race.pml."""
    named = {f"{name.replace('/', '_')}.pml": name for name in names()}
    files = (file for file in sorted(MODELS.glob("*.pml")) if file.name != "common.pml")
    return {named[file.name]: file for file in files}


def words(file: Path) -> tuple[set[str], set[str]]:
    """Return the cases and the bad states that a model names."""
    text = file.read_text("utf-8")
    return set(re.findall(r"\bCASE_(\w+)", text)), set(re.findall(r"\bJUDGE\((\w+)\)", text))


def spin(file: Path, looks_for: str, *defines: str) -> str:
    """Let spin search a model, and return what it reports.

    Args:
        file: the model.
        looks_for: SAFETY or CYCLES.
        defines: macros, "CASE_Name".

    Raises:
        RuntimeError: spin or the compiler refuses the model, or spin does not see all of it.
    """
    compiler = ["tcc"] if shutil.which("tcc") else ["gcc", "-O1", "-w"]
    with tempfile.TemporaryDirectory() as folder:

        def run(*command: str) -> str:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=SECONDS
            )
            said = done.stdout + done.stderr
            if "Error" in said or (done.returncode and command[0] != "./pan"):
                raise RuntimeError(f"{file.name}: {' '.join(command)}: {said}")
            return said

        run("spin", *(f"-D{each}" for each in defines), "-a", str(file))
        run(*compiler, looks_for, "-DNOREDUCE", "-o", "pan", "pan.c")
        how = ["-c0"] if looks_for == SAFETY else ["-l", "-f"]
        said = run("./pan", *how, "-w18", f"-m{DEPTH}")
    if "states, stored" not in said or "max search depth too small" in said:
        raise RuntimeError(f"{file.name}: pan did not see every state: {said}")
    return said


def ask(case: Case) -> Said:
    """Let spin judge one case of a model."""
    file, name = models()[case.scenario], f"CASE_{case.name}"
    said = spin(file, SAFETY, name)
    met = set(re.findall(r"assertion violated never_(\w+)", said))
    verdicts = {}
    for bad in words(file)[1]:
        verdicts[bad] = Verdict.NEVER
        if bad in met:
            without = spin(file, SAFETY, name, f"WITHOUT=BAD_{bad}")
            avoided = "assertion violated always" in without
            verdicts[bad] = Verdict.SOMETIMES if avoided else Verdict.ALWAYS
    cycles = spin(file, CYCLES, name, "CYCLES")
    return Said(
        verdicts,
        "assertion violated completed" in said,
        "invalid end state (" in said,
        "non-progress cycle (" in cycles,
    )


def check(case: Case) -> Check:
    """Compare a case with what its model says."""
    found = Check(f"{case.scenario}:{case.name}")
    started = time.perf_counter()
    try:
        said = ask(case)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        found.differs.append(f"spin did not finish: {error}")
    else:
        found.verdicts = len(said.verdicts)
        found.differs += differences(case, said)
    found.seconds = time.perf_counter() - started
    return found


def differences(case: Case, said: Said) -> list[str]:
    """Return a sentence for each difference between a case and what its model says."""
    ends = ("a completed run", "deadlock", "livelock")
    ours = {**case.expect, **dict(zip(ends, (True, case.deadlock, case.livelock), strict=True))}
    last = (said.completed, said.deadlock, said.livelock)
    theirs = {**said.verdicts, **dict(zip(ends, last, strict=True))}
    return [
        f"{name} is {ours.get(name)}, the model by hand says {theirs.get(name)}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def check_named(named: tuple[str, str]) -> Check:
    """Check a case in another process, which loads it by its name."""
    (case,) = select([":".join(named)])
    return check(case)


def main() -> int:
    """Check the cases asked for, all that have a model by default; print a table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("selection", nargs="*", metavar="SCENARIO[:CASE]")
    cases = select(asked.parse_args().selection or list(models()))
    started = time.perf_counter()
    checks = []
    with ProcessPoolExecutor(TOGETHER) as pool:
        for each in pool.map(check_named, ((case.scenario, case.name) for case in cases)):
            checks.append(each)
            says = "; ".join(f"DIFFERS: {one}" for one in each.differs) or "agrees"
            print(f"{each.case:60} {each.seconds:5.2f} s  {says}", flush=True)
    wrong = sum(bool(each.differs) for each in checks)
    print(
        f"\n{len(checks)} cases in {time.perf_counter() - started:.0f} s against models written by "
        f"hand: {sum(each.verdicts for each in checks)} verdicts; {wrong} cases differ."
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
