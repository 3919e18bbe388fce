"""Which lines of a right answer make no difference: each is removed, and the rest judged anew."""

import time
from collections.abc import Callable

from mmviz.engine import Case, MmvizError
from mmviz.engine.mutation import CANNOT_GO_ON, mutants
from mmviz.engine.piece import is_readers
from mmviz.engine.places import spots, uses_answer, watched
from mmviz.engine.race import Playing


def redundant_lines(
    case: Case, still_right: Callable[[Case], bool], until: float
) -> tuple[int, list[str], int]:
    """Remove each line of the variant of a case in turn.

    Args:
        case: one that is right.
        still_right: judges a mutant as the case was judged.
        until: the CPU time of the process at which to stop.

    Returns:
        How many lines were looked at; those without which the case is still right; how many were
        not looked at.
    """
    model = watched(case)
    written = methods_of(case)
    files = {file for file, _ in written}
    every = spots(model, files)
    mine = [spot for spot in every if (spot.line.file, spot.line.function) in written]
    looked = 0
    spare: list[str] = []
    for number, spot in enumerate(mine):
        if time.process_time() > until:
            return looked, spare, len(mine) - number
        looked += 1
        if all(_is_right(mutant, still_right) for mutant in mutants(case, spot, model)):
            same = ", whose result is always the same here" if uses_answer(spot.line) else ""
            pair = " and its unlock" if spot in model.takes else ""
            spare.append(f"line {spot.line.number} ({spot.text}{same}){pair}")
    return looked, spare, 0


def _is_right(mutant: Case, still_right: Callable[[Case], bool]) -> bool:
    try:
        return still_right(mutant)
    except (MmvizError, *CANNOT_GO_ON):
        return False


def methods_of(case: Case) -> set[tuple[str, str]]:
    """Return the file and name of each method of the variant that the reader wrote."""
    found = set()
    for actor in case.actors.values():
        if isinstance(actor, Playing):
            for owner in type(actor.variant).__mro__:
                if owner.__module__.startswith("mmviz."):
                    break
                for value in vars(owner).values():
                    code = getattr(value, "__code__", None)
                    if code is not None and is_readers(code.co_filename):
                        found.add((code.co_filename, code.co_name))
    return found
