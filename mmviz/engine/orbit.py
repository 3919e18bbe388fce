"""The search over orbits: one state stands for all that differ only by who is who."""

from collections.abc import Mapping

from mmviz.engine.livelock import loopers
from mmviz.engine.search import STATE_BYTES, Search
from mmviz.engine.symmetry import Symmetry
from mmviz.engine.watch import Ended

MOST_STATES = 400_000  # to which the states of a search are expanded again


class OrbitSearch(Search):
    """A search that visits one state of each orbit.

    Attributes:
        symmetry: the representatives.
    """

    def search(self) -> None:
        """Visit a representative of every reachable state, then check the declaration."""
        self.symmetry = Symmetry(self.model)
        super().search()
        ends = filter(self.model.is_complete, self.parent) if self.judges_ends else ()
        self.symmetry.check(ends)

    def expand(self, states: list[int], below: list[int]) -> None:
        """Do as the plain search does, and replace each state by its representative."""
        model, parent, symmetry = self.model, self.parent, self.symmetry
        table, learn, dead = model.table, model.learn, model.bits[model.dead]
        orders, moves = symmetry.orders, 0
        for state in states:
            if state & dead.mask:
                continue
            moved = 0
            for mask, rows, p in table:
                touched, deltas = rows[state & mask]
                try:
                    delta = deltas[state & touched]
                except KeyError:
                    delta = learn(state, p)
                    symmetry.refresh()
                if delta is not None:
                    moved += 1
                    after = state + delta
                    for order in orders:
                        change = order.known.get(after & order.mask)
                        after += order.learn(after) if change is None else change
                    if after not in parent:
                        parent[after] = state
                        below.append(after)
            if moved:
                moves += moved
            elif self.deadlock is None and not model.is_complete(state):
                self.deadlock = state
        self.transitions += moves
        self.judge_ends(states)

    def successor(self, state: int, p: int) -> int | None:
        """Return the representative after actor `p` moves, None when it cannot."""
        after = self.model.successor(state, p)
        return None if after is None else self.symmetry(after)

    def each(self, states: Mapping[int, int]) -> Mapping[int, int]:
        """Return all states of the orbits: fairness is about each actor, not about a member.

        Raises:
            Ended: there are too many.
        """
        if not loopers(self.model) and len(self.model.threads()) == len(self.model.actors):
            return states  # neither livelocks nor waits are possible
        found: dict[int, int] = {}
        for state in states:
            self.watch.ask(STATE_BYTES * len(found))
            found.update(dict.fromkeys(sorted(self.symmetry.orbit(state)), -1))
            if len(found) > MOST_STATES:
                raise Ended(f"without symmetry there are more than {MOST_STATES:,} states")
        return found

    def run_to(self, state: int) -> tuple[str, ...]:
        """Return a shortest schedule that reaches a state."""
        passed = [self.symmetry(state)]
        while (before := self.parent[passed[-1]]) != -1:
            passed.append(before)
        movers = self.symmetry.schedule(passed[::-1], state)
        here: int | None = self.model.start
        for p in movers:  # a run of representatives is believed only after it is replayed
            here = None if here is None else self.model.successor(here, p)
        if here != state:
            raise AssertionError("a run of representatives could not be mapped back")
        return tuple(self.model.actors[p] for p in movers)
