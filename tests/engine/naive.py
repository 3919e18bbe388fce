"""What the words deadlock, livelock and Always mean, straight from their definitions.

A graph here is a function from a state to the moves of the actors that can step: (actor, state
after).  Nothing is clever; the graphs of the tests are small.
"""

from itertools import combinations


def reachable(start, moves, within=None):
    """Return every state that moves lead to, those outside of `within` left out."""
    seen, stack = {start}, [start]
    while stack:
        for _, after in moves(stack.pop()):
            if after not in seen and (within is None or after in within):
                seen.add(after)
                stack.append(after)
    return seen


def waits_forever(state, moves, threads, is_over):
    """Tell whether no thread ever steps again from a state on, while the run is not over."""
    below = reachable(state, moves)
    return not any(is_over(s) or any(p in threads for p, _ in moves(s)) for s in below)


def fair_loops(states, moves, threads):
    """Yield the states of each loop within `states` in which a fair run may stay forever.

    In such a run some actors move again and again, at least one thread among them; from some
    point on every other thread is never enabled.
    """
    movers = sorted({p for s in states for p, _ in moves(s)})
    for count in range(1, len(movers) + 1):
        for moving in combinations(movers, count):
            if not set(moving) & set(threads):
                continue
            quiet = {s for s in states if all(p in moving or p not in threads for p, _ in moves(s))}

            def some(s, moving=moving, quiet=quiet):
                return [(p, t) for p, t in moves(s) if p in moving and t in quiet]

            ahead = {s: reachable(s, some, quiet) for s in quiet}
            for s in quiet:
                part = {t for t in ahead[s] if s in ahead[t]}
                if {p for t in part for p, after in some(t) if after in part} == set(moving):
                    yield part


def avoidable(start, moves, threads, is_bad, is_over):
    """Tell whether some maximal run never reaches a bad state."""
    if is_bad(start):
        return False
    good = {start}
    stack = [start]
    while stack:
        for _, after in moves(stack.pop()):
            if after not in good and not is_bad(after):
                good.add(after)
                stack.append(after)
    return (
        any(is_over(s) or waits_forever(s, moves, threads, is_over) for s in good)
        or next(fair_loops(good, moves, threads), None) is not None
    )
