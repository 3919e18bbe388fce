"""Measure the engine, and where they are installed spin and Harmony beside it.

    make bench          or    python tests/bench/bench.py

Every figure is measured in this run; what counts are the ratios.  The targets are T1-T5,
T7-T9 and T11 of the engine's design notes.  A target that is missed ends with status 1.
"""

import argparse
import gc
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mmviz.engine import Case, Fate, Graph, Run, Verdict, explore
from mmviz.scenarios import every_case, load
from mmviz.scenarios.invalidate_page.faults_and_invalidators import family

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tests import slips

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BAD = "device_reads_freed_page"
SMALL = [(1, 1, 1), (2, 2, 1), (2, 2, 2), (3, 2, 1)]
LARGE = [(3, 3, 1), (3, 3, 3), (4, 3, 1)]
missed: list[str] = []


def plain(*size: int, check: Literal["both", "sequence"]) -> Case:
    """Return a member of the family that is searched without symmetry, as spin searches it."""
    return replace(family(*size, check=check), interchangeable=())


def best(run: Callable[[], object], times: int = 3) -> float:
    """Return the seconds of the fastest of some calls."""
    seconds = []
    for _ in range(times):
        gc.collect()
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def row(target: str, what: str, figure: str, bar: str = "", met: bool = True) -> None:
    """Print one line of the result, and remember a target that was missed."""
    print(f"{target:4} {what:58} {figure:>26}  {bar}{'' if met else '   MISSED'}", flush=True)
    if not met:
        missed.append(f"{target} {what}: {figure}, wanted {bar}")


def cold(*command: str) -> float:
    """Return the seconds a fresh process takes, with compiled files as an installed package has."""
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        run = partial(subprocess.run, command, check=False, capture_output=True, cwd=ROOT)
        run(env=environment)
        return best(lambda: run(env=environment))


def spin(faults: int, invalidators: int, pages: int, both: bool, bfs: bool) -> dict[str, float]:
    """Generate, compile and run spin's verifier; return seconds, states, errors and depth."""
    with tempfile.TemporaryDirectory() as folder:
        defines = [f"-DNF={faults}", f"-DNI={invalidators}", f"-DNP={pages}", f"-DBOTH={int(both)}"]
        flags = ["-O2", "-DSAFETY", "-DNOREDUCE", *(["-DBFS"] if bfs else [])]
        start = time.perf_counter()
        for command in (
            ["spin", "-a", *defines, str(HERE / "family.pml")],
            ["gcc", *flags, "-o", "pan", "pan.c"],
        ):
            subprocess.run(command, check=True, capture_output=True, cwd=folder)
        out = subprocess.run(
            ["./pan", "-m1000000", "-w22"], check=True, capture_output=True, text=True, cwd=folder
        ).stdout
        seconds = time.perf_counter() - start
    found = re.search(r"errors: (\d+)", out), re.search(r"(\d+) states, stored", out)
    assert found[0] is not None
    assert found[1] is not None
    fails = re.search(r"assertion violated.*\(at depth (\d+)\)", out)
    return {
        "seconds": seconds,
        "errors": int(found[0][1]),
        "states": int(found[1][1]),
        "steps": int(fails[1]) + 1 if fails else 0,  # spin counts the steps before the failing one
    }


def against_spin() -> None:
    """T1, T2, T4: verdict, shortest depth, states, and time from cold to verdict."""
    if not (shutil.which("spin") and shutil.which("gcc")):
        print("     spin or gcc is not installed: T1, T2 and T4 were not measured")
        return
    for size in [*SMALL, (3, 3, 1)]:
        name = "x".join(map(str, size))
        ours = explore(plain(*size, check="both"))
        theirs = spin(*size, both=True, bfs=False)
        same = (ours.verdicts[BAD] == Verdict.NEVER) == (theirs["errors"] == 0)
        ratio = ours.states / theirs["states"]
        row("T1", f"{name} safe: verdict as spin's", "same" if same else "differs", "same", same)
        figure = f"{ours.states} / {theirs['states']:.0f} = {ratio:.2f}"
        row("T2", f"{name} states, ours / spin's exact", figure, "<= 1.1", ratio <= 1.1)
        bug = explore(plain(*size, check="sequence"))
        deep = spin(*size, both=False, bfs=True)
        steps = len(bug.counterexamples[BAD].shortest)
        same = steps == deep["steps"]
        row(
            "T1",
            f"{name} bug: shortest run, ours and spin's",
            f"{steps} {deep['steps']:.0f}",
            "equal",
            same,
        )
    for size in SMALL:
        name = "x".join(map(str, size))
        theirs = statistics.median(spin(*size, both=True, bfs=False)["seconds"] for _ in range(3))
        ours = ours_cold(*size)
        ratio = theirs / ours
        figure = f"{theirs:.2f} s / {ours:.3f} s = {ratio:.0f}"
        row("T4", f"{name} cold: spin + gcc -O2 + run / mmviz check", figure, ">= 10", ratio >= 10)


def ours_cold(*size: int) -> float:
    """Return the seconds of a fresh process that judges one member of the family."""
    scenario, name = "invalidate_page/faults_and_invalidators", family(*size).name
    if name in {case.name for case in load(scenario).cases}:
        return cold(sys.executable, "-m", "mmviz", "check", f"{scenario}:{name}")
    code = (
        "from mmviz.engine import explore\n"
        f"from mmviz.scenarios.{scenario.replace('/', '.')} import family\n"
        f"print(explore(family{size}))"
    )
    return cold(sys.executable, "-c", code)


def against_harmony() -> None:
    """From cold to verdict with Harmony, for comparison; no target."""
    tool = shutil.which("harmony")
    if tool is None:
        print("     harmony is not installed: it was not measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        for size in [*SMALL, (3, 3, 1)]:
            sizes = [f"NF={size[0]}", f"NI={size[1]}", f"NP={size[2]}"]
            shutil.copy(HERE / "family.hny", folder)
            words = [
                tool,
                "--noweb",
                *(w for s in sizes for w in ("-c", s)),
                f"{folder}/family.hny",
            ]
            theirs = cold(*words)
            ours = ours_cold(*size)
            name = "x".join(map(str, size))
            row(
                "T6",
                f"{name} cold: harmony / mmviz check",
                f"{theirs:.2f} s / {ours:.3f} s = {theirs / ours:.1f}",
            )


def in_process() -> None:
    """T3, T5, T7: how fast and how lean the search is."""
    for size in SMALL:
        proof = plain(*size, check="both")
        bug = plain(*size, check="sequence")
        name = "x".join(map(str, size))
        states = explore(proof).states
        seconds = best(lambda proof=proof: explore(proof))
        if sum(size[:2]) <= 4:
            row(
                "T3",
                f"{name} proof, {states} states",
                f"{seconds * 1e3:.1f} ms",
                "<= 50 ms",
                seconds <= 0.05,
            )
            seconds = best(lambda bug=bug: explore(bug))
            row(
                "T3",
                f"{name} bug, all states and both runs",
                f"{seconds * 1e3:.1f} ms",
                "<= 50 ms",
                seconds <= 0.05,
            )
    for size in LARGE:
        name = "x".join(map(str, size))
        reports = [explore(plain(*size, check="both")) for _ in range(3)]
        rate = max(r.transitions / r.seconds for r in reports)
        figure = f"{rate / 1e6:.2f} M/s of {reports[0].transitions:,}"
        row("T5", f"{name} transitions a second", figure, ">= 2.0 M/s", rate >= 2e6)
    tracemalloc.start()
    report = explore(plain(3, 3, 1, check="both"))
    peak = tracemalloc.get_traced_memory()[1] / report.states
    tracemalloc.stop()
    row(
        "T7",
        "3x3x1 bytes a state, trace links and all, at the peak",
        f"{peak:.0f}",
        "<= 140",
        peak <= 140,
    )


def at_scale() -> None:
    """T10: interchangeable actors; a newcomer's model with three threads and three pages."""
    for size in ((4, 4, 1), (5, 3, 1)):
        declared = family(*size, check="both")
        report = explore(declared)
        seconds = best(lambda declared=declared: explore(declared))
        name = "x".join(map(str, size))
        what = f"{name} proof up to symmetry, {report.states:,} states"
        safe = report.verdicts[BAD] == Verdict.NEVER
        row("T10", what, f"{seconds:.2f} s", "<= 1 s", seconds <= 1 and safe)
    out = subprocess.run(
        [sys.executable, "-m", "tests.bench.swapin", "3", "3", "fixed"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    found = json.loads(out.stdout)
    what = f"swap-in, 3 threads, 3 pages: {found['states']:,} states, {found['verdict']}"
    met = found["seconds"] <= 60 and found["peak"] <= 2e9 and not found["cut"]
    figure = f"{found['seconds']:.0f} s, {found['peak'] / 1e9:.2f} GB"
    row("T10", what, figure, "<= 60 s, 2 GB", met)


def told_slips() -> None:
    """Slips in a model: the table of them, each with the message that a search ends in."""
    table = slips.all_slips()
    silent = []
    for slip in table:
        message = slip.message(slips.search)
        print(f"     {slip.name}:\n         {message or 'A VERDICT WAS PRINTED'}")
        if not message:
            silent.append(slip.name)
    figure = f"{len(table) - len(silent)} of {len(table)}"
    row("G", "slips that end in an error", figure, "all, >= 40", not silent and len(table) >= 40)


def fates_and_steps() -> None:
    """T8, T9: what the stage needs."""
    for size, check in (((2, 2, 2), "sequence"), ((3, 3, 1), "sequence")):
        member = plain(*size, check=check)
        edges = len(Graph(member).target)
        seconds = best(lambda member=member: Graph(member).fate(BAD))
        each = seconds / edges * 1e6
        name = "x".join(map(str, size))
        figure = f"{each:.2f} us x {edges:,}"
        row("T8", f"{name} graph and fate, an edge", figure, "<= 3 us", each <= 3)
        if edges <= 20_000:
            row(
                "T8",
                f"{name} graph and fate",
                f"{seconds * 1e3:.0f} ms",
                "<= 60 ms",
                seconds <= 0.06,
            )
    case = plain(2, 2, 1, check="sequence")
    schedule = explore(case).counterexamples[BAD].shortest
    run, graph = Run(case), Graph(case)
    fates = graph.fate(BAD)
    for actor in schedule:
        run.step(actor)

    def there_and_back() -> None:
        for _ in schedule:
            run.undo()
        for actor in schedule:
            run.step(actor)

    loops = 300
    each = best(lambda: [there_and_back() for _ in range(loops)]) / (loops * 2 * len(schedule))
    row("T9", "a step or a step back", f"{each * 1e6:.2f} us", "< 5 us", each < 5e-6)
    state, index = graph.states[-1], graph.index
    each = best(lambda: [Fate(fates[index[state]]) for _ in range(10_000)]) / 10_000
    row("T9", "fate of a state", f"{each * 1e6:.2f} us", "< 5 us", each < 5e-6)
    model = graph.model
    actors = range(len(model.actors))
    each = (
        best(lambda: [[model.successor(state, p) for p in actors] for _ in range(10_000)]) / 10_000
    )
    row("T9", "who can move", f"{each * 1e6:.2f} us", "< 5 us", each < 5e-6)


COUNTS = """
import json, sys
from mmviz.engine import explore
from mmviz.scenarios import every_case
print(json.dumps([[c.scenario, c.name, r.states, r.transitions, r.verdicts,
    {p: [e.shortest, e.fewest_preemptions] for p, e in r.counterexamples.items()}]
    for c in every_case() for r in [explore(c)]]))
"""


def same_everywhere() -> None:
    """T11: the same counts and counterexamples on every Python that can be found."""
    pythons = {sys.version_info[:2]: sys.executable}
    for minor in range(11, 15):
        tools = [*map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))]
        tools.append(shutil.which(f"python3.{minor}"))
        for tool in tools:
            if tool is not None and (3, minor) not in pythons:
                pythons[3, minor] = tool
    sums = {}
    for version, tool in sorted(pythons.items()):
        for seed in ("0", "1"):
            out = subprocess.run(
                [tool, "-c", COUNTS],
                capture_output=True,
                check=False,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            )
            if out.returncode == 0:
                sums[version, seed] = zlib.crc32(out.stdout)
            else:
                print(f"     Python {version[0]}.{version[1]} could not run: {out.stderr[-200:]!r}")
    names = ", ".join(f"{a}.{b}" for a, b in sorted({version for version, _ in sums}))
    same = len(set(sums.values())) == 1 and len(sums) == 2 * len(pythons)
    row("T11", f"counts and runs on Python {names}", "same" if same else f"{sums}", "same", same)


def all_cases() -> None:
    """Everything that is declared, in one process; and the cost of the import."""
    cases = list(every_case())
    start = time.perf_counter()
    reports = [explore(case) for case in cases]
    again = sum(report.again_seconds for report in reports)
    seconds = time.perf_counter() - start - again
    wrong = [report.case.name for report in reports if not report.as_expected]
    each = seconds / len(cases) * 1e3
    figure = f"{seconds:.2f} s, {each:.1f} ms a case"
    row("all", f"{len(cases)} cases checked", figure, "<= 4 ms a case", each <= 4)
    row("all", "the same, learned a second time", f"{again:.2f} s")
    row("all", "cases as declared", f"{len(cases) - len(wrong)}", f"{len(cases)}", not wrong)
    bare, imported = (cold(sys.executable, "-c", code) for code in ("pass", "import mmviz"))
    extra = imported - bare
    row("all", "import mmviz, over bare Python", f"{extra:.3f} s", "<= 0.15 s", extra <= 0.15)


def measured(module: str) -> dict[str, Any] | None:
    """Return what a module that measures prints; None, and a row that says so, if it cannot."""
    out = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, cwd=ROOT)
    if out.returncode:
        row("lab", f"the stage in a browser, {module}", "could not be measured", "", met=False)
        print(out.stderr[-500:])
        return None
    found: dict[str, Any] = json.loads(out.stdout)
    return found


def in_motion() -> None:
    """How smoothly steps move in a plain page, beside an empty animation."""
    found = measured("tests.browser.measure")
    if found is None:
        return
    rates = sorted(found["cases"].values())
    figure = f"{rates[1]:.0f} of {found['empty']:.0f}"
    slow = 0.95 * found["empty"]
    row("page", "frames a second in motion, 9 of 10 cases", figure, ">= 0.95", rates[1] >= slow)
    row(
        "page", "frames a second in motion, the slowest", f"{rates[0]:.0f}", ">= 30", rates[0] >= 30
    )


def on_screen() -> None:
    """How long a step takes in a real JupyterLab, beside the barest things that could be there."""
    found = measured("tests.ui.measure")
    if found is None:
        return
    stages = ("release_order", "restore_at_fork", "eagain_leaves_count")
    for part, p50, p95 in (*((name, 0.6, 1.0) for name in stages), ("driver", 0.6, 1.0)):
        one = found[part]
        for which, bar in (("p50", p50), ("p95", p95)):
            figure = one[f"{which}_ratio"]
            what = f"{part}: first paint of a step, {which} / Button->Label"
            row("lab", what, ratio(figure), f"<= {bar}", figure <= bar)
        messages = one["messages"]
        row("lab", f"{part}: kernel messages a step", f"{messages:g}", "0", messages == 0)
    bare = found["animated"]["keys"]["p50_ms"]
    for part in stages:
        one = found[part]
        late = one["keys"]["p50_ms"] - bare
        what = f"{part}: key to presentation, over a bare button's"
        row("lab", what, f"{late:.0f} ms", "<= 17 ms", late <= 17)
        fps = one["motion"]["fps"]
        row("lab", f"{part}: frames a second in motion", f"{fps:.0f}", ">= 30", fps >= 30)
        for key, what, bar in (
            ("shown_s", "first display", 1.5),
            ("second_s", "second stage of a page", 0.3),
        ):
            seconds = one[key]
            row("lab", f"{part}: {what}", f"{seconds:.2f} s", f"<= {bar} s", seconds <= bar)
        tabs = one["tabs_ms"]
        row("lab", f"{part}: slowest switch of a view", f"{tabs:.0f} ms", "<= 100 ms", tabs <= 100)
        row("lab", f"{part}: the same / Button->Label, p50", ratio(one["tabs_ratio"]))
        over = one["kernel_mb"]
        row("lab", f"{part}: kernel over a bare one", f"{over:.0f} MB", "<= 60 MB", over <= 60)
    long = found["long"]
    gap, shown = long["longest_ms"], long["shown_s"]
    row("lab", "1,000 steps scrubbed, longest frame", f"{gap:.0f} ms", "<= 50 ms", gap <= 50)
    row("lab", "1,000 steps, first display", f"{shown:.1f} s", "<= 1.5 s", shown <= 1.5)


def ratio(figure: float) -> str:
    """Return a ratio as it is printed."""
    return f"{figure:.2f}"


def main() -> int:
    """Run the parts asked for, all by default."""
    parts = {
        "engine": in_process,
        "scale": at_scale,
        "slips": told_slips,
        "stage": fates_and_steps,
        "cases": all_cases,
        "pythons": same_everywhere,
        "motion": in_motion,
        "screen": on_screen,
        "spin": against_spin,
        "harmony": against_harmony,
    }
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    for name in asked.parse_args().parts or parts:
        parts[name]()
    print(json.dumps({"missed": missed}))
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
