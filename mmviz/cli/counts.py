"""`mmviz check --write`: state counts, written into the files that declare them."""

import ast
import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmviz.engine import MmvizError, Report
from mmviz.scenarios import load


def with_counts(text: str, counts: Mapping[str, int]) -> str:
    """Return the source of a race with new state counts.

    Args:
        text: the source, with `@race.case(…)` or `race.case(…)` for each case.
        counts: name of a case -> its number of states.

    Raises:
        MmvizError: a case is not declared in this file by name, or its count is computed.
    """
    lines = text.splitlines(keepends=True)
    found = _declarations(ast.parse(text))
    for name, call in sorted(found.items(), key=lambda pair: -pair[1].lineno):
        if name not in counts:
            continue
        told = next((each.value for each in call.keywords if each.arg == "states"), None)
        if told is None:
            _insert(lines, call, f"states={counts[name]}")
        elif isinstance(told, ast.Constant):
            line = lines[told.lineno - 1]
            lines[told.lineno - 1] = (
                line[: told.col_offset] + str(counts[name]) + line[told.end_col_offset :]
            )
        else:
            raise MmvizError(f"line {told.lineno}: the count of {name} is computed; write a number")
    missing = sorted(set(counts) - set(found))
    if missing:
        raise MmvizError(f"no `race.case(…)` declares {', '.join(missing)} in this file")
    return "".join(lines)


class Change(NamedTuple):
    """A file whose counts differ from what the searches found."""

    path: Path
    old: str
    new: str

    @property
    def diff(self) -> Iterator[str]:
        """The lines of a unified diff."""
        name = "/".join(self.path.parts[-2:])
        old, new = self.old.splitlines(), self.new.splitlines()
        return difflib.unified_diff(old, new, name, name, lineterm="", n=1)


def changes(reports: Iterable[Report]) -> list[Change]:
    """Return what `--write` would change in the files of the races.

    Only counts change: a verdict that differs needs a reason, so it is not rewritten.

    Raises:
        MmvizError: a search was cut off, or a case's count cannot be written.
    """
    found: dict[str, dict[str, int]] = {}
    for report in reports:
        case = report.case
        if report.cut:
            raise MmvizError(f"{case.scenario}:{case.name}: {report.cut}; its states are not known")
        if case.states != report.states:
            found.setdefault(case.scenario, {})[case.name] = report.states
    made = []
    for scenario, counts in found.items():
        path = Path(str(getattr(load(scenario).module, "__file__", "")))
        old = path.read_text("utf-8")
        made.append(Change(path, old, with_counts(old, counts)))
    return made


def offer(made: Sequence[Change]) -> None:
    """Show the changes as a diff, then write them; at a terminal, ask first."""
    for change in made:
        print(*change.diff, sep="\n")
    if not made:
        print("Every count is as written.")
    elif not sys.stdin.isatty() or input("Write this? [y/N] ").strip().lower() in ("y", "yes"):
        for change in made:
            change.path.write_text(change.new, "utf-8")
        print(f"Written: {', '.join('/'.join(change.path.parts[-2:]) for change in made)}")


def _declarations(tree: ast.Module) -> dict[str, ast.Call]:
    """Return the call that declares each case, by the name of the case."""
    found: dict[str, ast.Call] = {}
    for node in ast.walk(tree):
        own = getattr(node, "name", "")
        calls = getattr(node, "decorator_list", [])
        if isinstance(node, ast.Expr | ast.Assign):
            own, calls = "", [node.value]
        for call in calls:
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "case"
            ):
                words = {each.arg: each.value for each in call.keywords}
                given = words.get("name")
                name = given.value if isinstance(given, ast.Constant) else own
                if not name and isinstance(of := words.get("of"), ast.Name):
                    name = of.id
                found[str(name)] = call
    return found


def _insert(lines: list[str], call: ast.Call, words: str) -> None:
    """Add a keyword to a call: on a line of its own where the call has several."""
    last = (call.end_lineno or call.lineno) - 1
    end = (call.end_col_offset or 0) - 1
    line = lines[last]
    if last > call.lineno - 1 and not line[:end].strip():
        indent = " " * (end + 4)
        lines.insert(last, f"{indent}{words},\n")
    else:
        lines[last] = f"{line[:end]}, {words}{line[end:]}"
