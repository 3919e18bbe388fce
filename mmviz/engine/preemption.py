"""The run with the fewest preemptions: of all failing runs, the easiest to follow."""

import heapq
from collections.abc import Collection, Iterator

from mmviz.engine.learn import Model
from mmviz.engine.report import DEADLOCK
from mmviz.engine.watch import OFTEN, Watch

SEEN_BYTES, QUEUED_BYTES = 220, 250  # of a state and its last mover: visited, and still to visit


def fewest_preemptions(
    model: Model, wanted: set[str], waits: Collection[int] = (), watch: Watch | None = None
) -> Iterator[tuple[str, tuple[tuple[str, ...], int]]]:
    """Find, for each violated bad state, a run with as few preemptions as possible.

    A preemption is a switch away from an actor that could have gone on.  A switch away from a
    daemon does not count: a device may idle.  Ties: fewest steps, then fewest switches.

    Args:
        model: the case.
        wanted: bad states known to be violated in some run, and `DEADLOCK` if there is one.
        waits: states that count as a deadlock although a device can step; others count if no
            actor can.
        watch: is asked whether to go on.

    Yields:
        (bad state or `DEADLOCK`, (schedule, preemptions)), as soon as it is found.

    Raises:
        Ended: by the watch.
    """
    left = set(wanted)
    daemons = {p for p, name in enumerate(model.actors) if name in model.case.daemons}
    start = (model.start, -1)
    came: dict[tuple[int, int], tuple[int, int]] = {}
    queue: list[tuple[int, int, int, int, tuple[int, int], tuple[int, int]]] = [
        (0, 0, 0, 0, start, start)
    ]
    serial = 0
    while queue and left:
        preempted, steps, switches, _, node, before = heapq.heappop(queue)
        if node in came:
            continue
        came[node] = before
        if watch is not None and not len(came) & OFTEN:
            watch.ask(SEEN_BYTES * len(came) + QUEUED_BYTES * len(queue))
        state, last = node
        moves = [(p, model.successor(state, p)) for p in range(len(model.actors))]
        open_moves = [(p, after) for p, after in moves if after is not None]
        here = set(model.violated(state))
        ends = not open_moves and not model.is_dead(state) and not model.is_complete(state)
        if ends or state in waits:
            here.add(DEADLOCK)
        for goal in here & left:
            yield goal, (_schedule(model, came, node), preempted)
        left -= here
        could_go_on = last not in daemons and any(p == last for p, _ in open_moves)
        for p, after in open_moves:
            serial += 1
            cost = preempted + (could_go_on and p != last)
            change = switches + (p != last)
            if (after, p) not in came:
                heapq.heappush(queue, (cost, steps + 1, change, serial, (after, p), node))


def _schedule(
    model: Model, came: dict[tuple[int, int], tuple[int, int]], node: tuple[int, int]
) -> tuple[str, ...]:
    names = []
    while came[node] != node:
        names.append(model.actors[node[1]])
        node = came[node]
    return tuple(reversed(names))
