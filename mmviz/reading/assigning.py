"""Which actors of a case the columns of a diagram are, and which of its locks they name."""

import re
from difflib import get_close_matches
from itertools import permutations

from mmviz.reading.case_code import CaseCode
from mmviz.reading.diagram import Diagram, Step, Unmatched

MOST_ACTORS = 6  # of a case that are tried for the columns
MOST_ASSIGNED = 6  # ways in which the columns are its actors
GENERAL = re.compile(r"(?:v?cpu|thread|task|proc|process|core|actor|[pt])?(?:\d+|[a-z])?")
LOCKS = re.compile(r"_*(?:raw_)?(?:mutex_(?:un)?lock|spin_(?:un)?lock|down|up)(?:_\w+)?")


def assignments(diagram: Diagram, code: CaseCode) -> list[tuple[str, ...]]:
    """Return the actors that the columns may be: those whose functions the columns name most.

    Of several, first those with the columns' names. Only a name that says more than `CPU0` decides:
    the columns of an export, too, are the actors that they name.
    """
    if diagram.named and set(diagram.columns) <= set(code.model.actors):
        return [tuple(diagram.columns)]
    if len(diagram.columns) > MOST_ACTORS:
        return []
    asked: list[list[Step]] = [[] for _ in diagram.columns]
    for step in diagram.steps:
        asked[step.column - 1].append(step)
    actors = [*code.model.actors[:MOST_ACTORS]]
    actors += [""] * max(0, len(asked) - len(actors))
    best = 0.0
    found: dict[tuple[str, ...], tuple[int, tuple[str, ...]]] = {}
    for chosen in dict.fromkeys(permutations(actors, len(asked))):
        has = [
            sum(bool(code.named(step, actor)) for step in steps)
            for actor, steps in zip(chosen, asked, strict=True)
        ]
        both = zip(chosen, diagram.columns, strict=True)
        same = [plain(name) for actor, name in both if plain(actor) == plain(name)]
        score = sum(has) + sum(not GENERAL.fullmatch(name) for name in same) / 10
        if not sum(has) or score < best:
            continue
        if score > best:
            best, found = score, {}
        of = tuple(actor if there else "" for actor, there in zip(chosen, has, strict=True))
        found[of] = max(found.get(of, (-1, chosen)), (len(same), chosen), key=lambda each: each[0])
    by_name = sorted(found.values(), key=lambda each: -each[0])
    return [chosen for _, chosen in by_name[:MOST_ASSIGNED]]


def plain(name: str) -> str:
    """Return the name of a column or an actor as they are compared."""
    return "".join(sign for sign in name.lower() if sign.isalnum())


def missing(code: CaseCode, number: int, step: Step, actor: str) -> Unmatched:
    """Say why a step of the diagram has no place in an actor's code, and what is near."""
    if not step.function:
        return Unmatched(number, "names no function")
    near = get_close_matches(step.function, code.functions.get(actor, ()), 3, 0.6)
    if not actor:
        return Unmatched(number, "the case has no actor for its column")
    who = [name for name, own in code.functions.items() if step.function in own]
    if who:
        return Unmatched(number, f"{' and '.join(who)} does it, not {actor}", tuple(near))
    return Unmatched(number, f"{actor} does not do it", tuple(near))


def same_locks(
    diagram: Diagram, code: CaseCode, actors: tuple[str, ...]
) -> dict[int, frozenset[str]]:
    """Return the locks that a step may take, by its number, where several columns name its lock.

    They are those that all their actors take; none where there is no such lock. A lock that one
    column alone names may be any.
    """
    by_lock: dict[str, list[tuple[int, str, str]]] = {}
    for number, step in enumerate(diagram.steps, 1):
        actor = actors[step.column - 1]
        named = code.named(step, actor)
        if named and step.args and LOCKS.fullmatch(named):
            lock = re.sub(r"[\s&*()]", "", step.args[0])
            by_lock.setdefault(lock, []).append((number, actor, named))
    found: dict[int, frozenset[str]] = {}
    for lock, rows in by_lock.items():
        if len({actor for _, actor, _ in rows}) < 2:
            continue
        each = [code.on[actor, named] for _, actor, named in rows]
        called = frozenset(name for own in each for name in own if _last(name) == _last(lock))
        both = frozenset.intersection(*each, called) if called else frozenset.intersection(*each)
        for (number, actor, _), own in zip(rows, each, strict=True):
            own = own & called if called else own if actor == rows[0][1] else frozenset()
            found[number] = both or own
    return found


def _last(lock: str) -> str:
    """Return the last word of a lock's name: `ptl` of `vmf->ptl` and of `cpu.ptl`."""
    return re.split(r"\W+", lock)[-1]
