"""Every way in which the runs of a case end, each with a shortest run."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mmviz.engine.explore import uncollected
from mmviz.engine.learn import Model

K = TypeVar("K", bound=Hashable)


@dataclass
class Outcomes(Generic[K]):
    """What the runs of a case end with.

    Attributes:
        found: what a final state is known by -> a shortest run to it, in the order of their length.
        deadlock: a shortest run that deadlocks; None if none does.
        states: how many states were looked at.
        cut: there are more states than were to be looked at, so there may be more outcomes.
    """

    found: dict[K, tuple[str, ...]] = field(default_factory=dict)
    deadlock: tuple[str, ...] | None = None
    states: int = 0
    cut: bool = False


def outcomes(
    model: Model,
    known_by: Callable[[int], K],
    chosen: Callable[[int], Iterable[int]],
    most: float,
) -> Outcomes[K]:
    """Find every outcome of a case whose runs all end.

    Args:
        model: the case; its steps are learned where they are met.
        known_by: what a packed final state is known by.
        chosen: the numbers of the actors whose steps are looked at in a packed state: all, or so
            many that every outcome is still found (a persistent set).
        most: look at hardly more states than this.

    Raises:
        ModelError: the case breaks a rule of the engine.
    """
    found: Outcomes[K] = Outcomes()
    parent: dict[int, tuple[int, int]] = {model.start: (-1, -1)}

    def way(state: int) -> tuple[str, ...]:
        names: list[str] = []
        while (step := parent[state])[0] >= 0:
            names.append(model.actors[step[1]])
            state = step[0]
        return tuple(reversed(names))

    level = [model.start]
    with uncollected():
        while level and not found.cut:
            below: list[int] = []
            for state in level:
                if model.is_complete(state):
                    found.found.setdefault(known_by(state), way(state))
                    continue
                is_stuck = True
                for p in chosen(state):
                    after = model.successor(state, p)
                    is_stuck = is_stuck and after is None
                    if after is not None and after not in parent:
                        parent[after] = (state, p)
                        below.append(after)
                if is_stuck and found.deadlock is None:
                    found.deadlock = way(state)
                if len(parent) > most:
                    found.cut = True
                    break
            level = below
    found.states = len(parent)
    return found
