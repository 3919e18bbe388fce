"""`mmviz export`: write a case as Promela, so that spin can search it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from mmviz.cli.listing import member
from mmviz.engine import Case, UnknownName
from mmviz.engine.closure import SAMPLE, Closure
from mmviz.engine.promela import digest, promela
from mmviz.scenarios import find


def export(
    scenario: str,
    case_name: str | None,
    output: str | None,
    sizes: Sequence[str] = (),
    sample: int | None = None,
) -> int:
    """Write a case as Promela; print on stderr what was written, and return the exit status.

    Args:
        scenario: "thread/race".
        case_name: a case's name or id; None goes with sizes.
        output: the file; None or "-" means stdout.
        sizes: another member of a race's family, "faults=3".
        sample: how many states the short search may visit that finds the values of the fields.

    Raises:
        MmvizError: a name is unknown, or a step or bad state has too many situations.
    """
    case = chosen(scenario, case_name, sizes)
    closure = Closure(case, sample=SAMPLE if sample is None else sample)
    text = promela(closure)
    if output is None or output == "-":
        print(text, end="")
    else:
        Path(output).write_text(text, "utf-8")
    print(
        f"{case.scenario}:{case.name} as Promela: {sum(map(len, closure.tables)):,} locations, "
        f"{closure.situations():,} situations, {len(text.encode()):,} bytes, sha256 {digest(text)}",
        file=sys.stderr,
    )
    if closure.left_out and not closure.sampled:
        print(
            f"{len(closure.left_out):,} kinds of situations were left out, because the short "
            "search met none of them. The file lists them; spin reports known_situation if a run "
            "meets one. Then write a larger --sample.",
            file=sys.stderr,
        )
    return 0


def chosen(scenario: str, case_name: str | None, sizes: Sequence[str]) -> Case:
    """Return the case that the words of the command line name."""
    if sizes and case_name is None:
        return member([scenario], sizes)
    if sizes or case_name is None:
        raise UnknownName(
            "export needs one case: its name after the scenario, or --set for another size"
        )
    return find(scenario, case_name)
