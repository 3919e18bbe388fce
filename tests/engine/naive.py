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


def on_fair_loops(graph):
    """Return the numbers of the states of a whole graph that lie on a fair loop, in linear time.

    As `fair_loops`, but an actor that need not run, a device, may move or not: so only the threads
    that move are tried, all sets of them.
    """
    threads = graph.model.threads()
    ends = zip(graph.offset, graph.offset[1:], strict=False)
    moves = [list(zip(graph.mover[i:k], graph.target[i:k], strict=True)) for i, k in ends]
    found = set()
    for count in range(1, len(threads) + 1):
        for moving in combinations(threads, count):
            still = set(threads) - set(moving)
            quiet = {s for s, after in enumerate(moves) if not any(p in still for p, _ in after)}
            within = {s: [(p, t) for p, t in moves[s] if t in quiet] for s in quiet}
            part = parts(within)
            movers = {}
            for s in quiet:
                movers.setdefault(part[s], set()).update(
                    p for p, t in within[s] if part[t] == part[s]
                )
            found |= {s for s in quiet if movers[part[s]] >= set(moving)}
    return found


def parts(moves):
    """Return for each state one that stands for all on a loop with it (Kosaraju)."""
    last_left, seen, before = [], set(), {}
    for start in moves:
        stack = [] if start in seen else [(start, iter(moves[start]))]
        seen.add(start)
        while stack:
            state, rest = stack[-1]
            for _, after in rest:
                before.setdefault(after, []).append(state)
                if after not in seen:
                    seen.add(after)
                    stack.append((after, iter(moves[after])))
                    break
            else:
                last_left.append(state)
                stack.pop()
    part = {}
    for start in reversed(last_left):
        stack = [] if start in part else [start]
        while stack:
            state = stack.pop()
            if state not in part:
                part[state] = start
                stack += (each for each in before.get(state, ()) if each not in part)
    return part


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
