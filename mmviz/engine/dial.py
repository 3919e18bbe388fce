"""What a race says of a case with some of its steps opened: see mmviz/engine/opened.py."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mmviz.engine import parts
from mmviz.engine.case import BadState, Case, Verdict, checked_bad, name_of
from mmviz.engine.errors import ModelError, UnknownName
from mmviz.engine.text import quoted


@dataclass(frozen=True)
class Dial:
    """What a race says of a case with some of its steps opened.

    Attributes:
        steps: the names of the steps.
        expect: the verdict of each bad state.
        deadlock, livelock: some run is declared to end so.
        why: why opening them changes the verdict, or why it does not.
    """

    steps: tuple[str, ...]
    expect: Mapping[str, Verdict]
    deadlock: bool = False
    livelock: bool = False
    why: str = ""


def dial_of(
    case: Case,
    steps: tuple[str, ...],
    sometimes: Collection[BadState],
    always: Collection[BadState],
    why: str,
    *,
    deadlock: bool = False,
    livelock: bool = False,
) -> Dial:
    """Return what a race declares of a case with some steps opened.

    Raises:
        ModelError: no step or no reason is named, or a bad state is not one of the case.
    """
    where = f"{case.name}, opened"
    parts.texts(where, {"why": why})
    if not why.strip():
        raise ModelError(f"{where}: say why it changes the verdict, or why not: why='…'")
    named: tuple[Any, ...] = steps
    if not named or not all(isinstance(each, str) and each for each in named):
        raise ModelError(f"{where}: name the steps to open, race.dial('{case.name}', 'get', …)")
    expect = dict.fromkeys(case.bad_states, Verdict.NEVER)
    for verdict, bad_states in ((Verdict.SOMETIMES, sometimes), (Verdict.ALWAYS, always)):
        for bad in map(name_of, checked_bad(where, bad_states)):
            if bad not in expect:
                raise UnknownName(f"{where}: {quoted(bad)} is none of {', '.join(expect)}")
            expect[bad] = verdict
    return Dial(steps, expect, deadlock, livelock, why)
