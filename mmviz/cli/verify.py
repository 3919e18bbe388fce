"""`mmviz verify`: all checks of one race, each on a line."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmviz.engine import MmvizError, ModelError, Scenario
from mmviz.scenarios import load, names
from mmviz.survey.rules import RULES, SearchedRace, searched

MOST_SHOWN = 8  # sentences of one check
# What a checkout checks a file with, by the name of the check: the module and its arguments. None
# of them may leave a cache beside the file, which would be in the package.
TOOLS = {
    "format": ("ruff", "format", "--check", "--quiet", "--no-cache", "--output-format=concise"),
    "lint": ("ruff", "check", "--quiet", "--no-cache", "--output-format=concise"),
    "types": (
        "mypy",
        "--no-error-summary",
        "--follow-imports=silent",  # this file's alone
        f"--cache-dir={os.devnull}",
    ),
}


def verify(name: str, as_json: bool = False) -> int:
    """Run every check of a race; print a line for each, and return the exit status.

    Args:
        name: "thread/race", or the path of a file.
        as_json: print JSON, and no lines.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
        ModelError: the file cannot be read.
    """
    if as_json:
        rows = [as_data(check, wrong) for check, wrong in checks(name)]
        print(json.dumps(rows, indent=1))
        return 0 if all(row["ok"] for row in rows) else 1
    failed, count = 0, 0
    for check, wrong in checks(name):
        count += 1
        failed += bool(wrong)
        print(f"{'✗' if wrong else '✓'} {check}{'' if wrong else ': ok'}")
        for each in wrong[:MOST_SHOWN]:
            print(f"    {each}")
        if len(wrong) > MOST_SHOWN:
            print(f"    … and {len(wrong) - MOST_SHOWN} more")
        sys.stdout.flush()
    print(f"{name}: {f'{failed} of {count} checks failed' if failed else f'all {count} checks ok'}")
    if not failed and name in names():
        print("`make documents` writes the tables in assets and the layouts anew.")
    return 1 if failed else 0


def as_data(check: str, wrong: Sequence[str]) -> dict[str, Any]:
    """Return a check as `--json` prints it."""
    name, _, why = check.partition(" (skipped: ")
    return {"check": name, "ok": not wrong, "wrong": list(wrong), "skipped": why.rstrip(")")}


def checks(name: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each check of a race, and what it finds wrong; nothing where all is well.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
        ModelError: the file cannot be read.
    """
    scenario = load(name)
    try:
        race = SearchedRace(scenario, tuple(map(searched, scenario.cases)))
    except ModelError as error:
        yield "model", [str(error)]
    else:
        for check, rule in RULES.items():
            try:
                wrong = rule(race)
            except ModelError as error:  # a mutant of the race, for example
                wrong = [str(error)]
            yield check, wrong
        yield from _pictures(scenario)
    path = Path(str(getattr(scenario.module, "__file__", "")))
    for check, (tool, *options) in TOOLS.items():
        if importlib.util.find_spec(tool) is None:
            yield f"{check} (skipped: {tool} is not installed)", []
        else:
            yield check, _complaints([tool, *options, str(path)], path)


def _pictures(scenario: Scenario) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each check of the pictures, over every frame of the runs that a stage offers."""
    try:  # drawing needs packages that the other checks do not
        from mmviz.scene.pictures import RULES as PICTURES
        from mmviz.scene.pictures import Played

        played = [Played(case, seen=0) for case in scenario.cases]
        for check, rule in PICTURES.items():
            found = [f"{each.case.name}: {sentence}" for each in played for sentence in rule(each)]
            yield check, list(dict.fromkeys(found))
    except (ImportError, RuntimeError) as error:
        yield f"pictures (skipped: {error})", []
    except MmvizError as error:  # a stored schedule that cannot happen, for example
        yield "pictures", [str(error)]


def _complaints(words: Sequence[str], path: Path) -> list[str]:
    """Return what a tool says of a file; nothing where it has nothing to say."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=path.parent, capture_output=True, text=True, check=False
    )
    said = f"{done.stdout}{done.stderr}".replace(str(path), path.name).strip().splitlines()
    mend = {"--check": f"`ruff format {path.name}` mends it"}
    return [*said, *(mend[word] for word in words if word in mend)] if done.returncode else []
