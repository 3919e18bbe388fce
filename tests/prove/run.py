"""Let spin confirm the search: the same verdicts, deadlocks and numbers of states.

    make prove          or    python -m tests.prove.run [SCENARIO[:CASE] …]

Each case is written as Promela (mmviz/engine/promela.py), and spin's own exhaustive search runs on
it.  Compared are the reachability of each bad state; whether each completed run violates it
(Always); deadlock; and the exact number of states of the unreduced graph.  A difference ends with
status 1, and the file stays in test-artifacts/prove.

It confirms the search and its reductions.  It does not confirm what a step means: that comes from
the same Python code.
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
from pathlib import Path

from mmviz.cli.listing import select
from mmviz.engine import Case, Graph, MmvizError, Verdict, explore
from mmviz.engine.closure import Closure
from mmviz.engine.livelock import find_waits
from mmviz.engine.promela import bad_states, digest, identifier, promela

KEPT = Path(__file__).parents[2] / "test-artifacts" / "prove"
TOGETHER = 2  # cases at the same time
DEPTH = 1_000_000  # steps of a run that spin follows
SECONDS = 300  # of one run


@dataclass(frozen=True)
class Found:
    """What spin found in one run.

    Attributes:
        states: the number it stored.
        failed: the assertions that fail in some run, without "never_".
        deadlock: it found an invalid end state.
        whole: it saw every state.
    """

    states: int
    failed: frozenset[str]
    deadlock: bool
    whole: bool


def spin(text: str, *defines: str) -> Found:
    """Let spin search the whole of a Promela text.

    Args:
        text: the model.
        defines: macros, "ONLY=bad_x".

    Raises:
        RuntimeError: spin or the compiler refuses the text.
    """
    compiler = ["tcc"] if shutil.which("tcc") else ["gcc", "-O1", "-w"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "case.pml").write_text(text, "utf-8")
        for command in (
            ["spin", "-a", "-o2", *(f"-D{each}" for each in defines), "case.pml"],
            [*compiler, "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"],
        ):
            made = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=SECONDS
            )
            if made.returncode or "Error" in made.stdout:
                raise RuntimeError(f"{' '.join(command)}: {made.stdout}{made.stderr}")
        out = subprocess.run(
            ["./pan", "-c0", "-w18", f"-m{DEPTH}"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        ).stdout
    states = re.search(r"(\d+) states, stored", out)
    if states is None:
        raise RuntimeError(f"pan: {out}")
    return Found(
        int(states[1]),
        frozenset(re.findall(r"assertion violated (?:never_)?(\w+)", out)),
        "invalid end state (" in out,
        "max search depth too small" not in out and "not completed" not in out,
    )


@dataclass
class Proof:
    """One case: what was compared, and what differs.

    Attributes:
        case: its scenario and name.
        verdicts: how many bad states were compared.
        states: the number of states of the search, and spin's.
        remarks: what spin does not cover here.
        differs: one sentence for each difference.
        digest: of the Promela text.
        seconds: how long it took.
    """

    case: str
    verdicts: int = 0
    states: tuple[int, int] = (0, 0)
    remarks: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    digest: str = ""
    seconds: float = 0.0


def prove(case: Case) -> Proof:
    """Compare the search with spin's on one case."""
    proof = Proof(f"{case.scenario}:{case.name}")
    started = time.perf_counter()
    text = ""
    try:
        closure = Closure(case)
        text = promela(closure)
        proof.digest = digest(text)
        compare(case, closure, text, proof)
    except MmvizError as error:
        proof.differs.append(f"refused: {error}")
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        proof.differs.append(f"spin did not finish: {error}")
    proof.seconds = time.perf_counter() - started
    if proof.differs:
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{proof.case.replace('/', '.').replace(':', '.')}.pml").write_text(text, "utf-8")
    return proof


def compare(case: Case, closure: Closure, text: str, proof: Proof) -> None:
    """Run both searches and note what differs."""
    report, graph, found = explore(case), Graph(case), spin(text)
    twice = "active proctype at_start" in text  # each state before and after it has judged
    proof.states = len(graph.states), found.states // (1 + twice)
    if not found.whole:
        proof.differs.append("spin did not see every state")
    if "known_situation" in found.failed:
        proof.differs.append("a run meets a situation that the closed tables leave out")
    if proof.states[0] != proof.states[1]:
        proof.differs.append("{:,} states, spin stored {:,}".format(*proof.states))
    waits = find_waits(graph.model, dict.fromkeys(graph.states, -1))
    endless = bool(waits) or report.livelock is not None
    for name in bad_states(closure):
        proof.verdicts += 1
        ours = report.verdicts.get(name, Verdict.NEVER)
        theirs = spins_verdict(text, name, found)
        if ours != theirs:
            without = f"a run that never ends avoids {name}: not covered by spin"
            known = (ours, theirs) == (Verdict.SOMETIMES, Verdict.ALWAYS) and endless
            (proof.remarks if known else proof.differs).append(
                without if known else f"{name} is {ours}, spin says {theirs}"
            )
    deadlock = has_deadlock(graph)
    if deadlock != found.deadlock:
        proof.differs.append(f"deadlock: {deadlock}, spin says {found.deadlock}")
    if deadlock and report.deadlock is None:
        proof.differs.append("the graph has a deadlock, the search found none")
    if report.deadlock is not None and not deadlock:
        proof.remarks.append("deadlock while daemons move: not covered by spin")
    if report.livelock is not None:
        proof.remarks.append("livelock: not covered by spin")


def spins_verdict(text: str, name: str, found: Found) -> Verdict:
    """Return what spin says about a bad state."""
    word = identifier(name)
    if word not in found.failed:
        return Verdict.NEVER
    without = spin(text, f"WITHOUT=bad_{word}")
    if "always" in without.failed or without.deadlock:
        return Verdict.SOMETIMES
    return Verdict.ALWAYS if without.whole else Verdict.UNKNOWN


def has_deadlock(graph: Graph) -> bool:
    """Return whether in some state no actor can step, and not all have finished."""
    model, offset = graph.model, graph.offset
    return any(
        offset[i] == offset[i + 1] and not model.is_dead(state) and not model.is_complete(state)
        for i, state in enumerate(graph.states)
    )


def main() -> int:
    """Prove the cases asked for, all by default; print a table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("selection", nargs="*", metavar="SCENARIO[:CASE]")
    cases = select(asked.parse_args().selection)
    print(subprocess.run(["spin", "-V"], capture_output=True, text=True, check=True).stdout.strip())
    started = time.perf_counter()
    with ProcessPoolExecutor(TOGETHER) as pool:
        proofs = []
        for proof in pool.map(prove_named, ((case.scenario, case.name) for case in cases)):
            proofs.append(proof)
            show(proof)
    wrong = [proof for proof in proofs if proof.differs]
    print(
        f"\n{len(proofs)} cases in {time.perf_counter() - started:.0f} s: "
        f"{sum(proof.verdicts for proof in proofs)} verdicts, {len(proofs)} deadlocks and "
        f"{sum(proof.states[1] for proof in proofs):,} states compared; {len(wrong)} cases differ."
    )
    remarks = [f"{proof.case}: {each}" for proof in proofs for each in proof.remarks]
    print(f"Not covered in {len(remarks)} places (see above).")
    print("spin confirms the search, not what the steps mean: both run the same Python code.")
    if wrong:
        print(f"The files of the cases that differ are in {KEPT.relative_to(Path.cwd())}.")
    return bool(wrong)


def prove_named(named: tuple[str, str]) -> Proof:
    """Prove a case in another process, which loads it by its name."""
    (case,) = select([":".join(named)])
    return prove(case)


def show(proof: Proof) -> None:
    """Print one line of the table."""
    says = "; ".join([*(f"DIFFERS: {each}" for each in proof.differs), *proof.remarks]) or "agrees"
    print(
        f"{proof.case:70} {proof.states[0]:9,} {proof.states[1]:9,}  {proof.seconds:5.2f} s  "
        f"{proof.digest}  {says}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
