"""The run with the fewest preemptions: of all failing runs, the easiest to follow."""

import heapq

from mmviz.engine.learn import Model

DEADLOCK = "deadlock"


def fewest_preemptions(
    model: Model, wanted: set[str], deadlock: int | None
) -> dict[str, tuple[tuple[str, ...], int]]:
    """Find, for each violated bad state, a run with as few preemptions as possible.

    A preemption is a switch away from an actor that could have gone on.  A switch away from a
    daemon does not count: a device may idle.  Ties: fewest steps, then fewest switches.

    Args:
        model: the case.
        wanted: bad states known to be violated in some run.
        deadlock: a state with a deadlock, if there is one; then a run to one is found too.

    Returns:
        bad state (or "deadlock") -> (schedule, preemptions).
    """
    left = wanted | ({DEADLOCK} if deadlock is not None else set())
    found: dict[str, tuple[tuple[str, ...], int]] = {}
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
        state, last = node
        moves = [(p, model.successor(state, p)) for p in range(len(model.actors))]
        open_moves = [(p, after) for p, after in moves if after is not None]
        here = set(model.violated(state))
        ends = not open_moves and not model.is_dead(state) and not model.is_complete(state)
        if ends or state == deadlock:
            here.add(DEADLOCK)
        for goal in here & left:
            found[goal] = (_schedule(model, came, node), preempted)
        left -= here
        could_go_on = last not in daemons and any(p == last for p, _ in open_moves)
        for p, after in open_moves:
            serial += 1
            cost = preempted + (could_go_on and p != last)
            change = switches + (p != last)
            if (after, p) not in came:
                heapq.heappush(queue, (cost, steps + 1, change, serial, (after, p), node))
    return found


def _schedule(
    model: Model, came: dict[tuple[int, int], tuple[int, int]], node: tuple[int, int]
) -> tuple[str, ...]:
    names = []
    while came[node] != node:
        names.append(model.actors[node[1]])
        node = came[node]
    return tuple(reversed(names))
