"""The search against a plain enumeration that learns nothing, on random small programs."""

from collections import deque
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from mmviz.engine import Graph, Map, Verdict, World, atomic, current, explore, field, mark, replay
from mmviz.engine.conformance import walk

from .naive import avoidable
from .toys import case

NAMES = ("A", "B", "C")


class Cells(World):
    cell: Map[str, int] = field(default_factory=lambda: Map({"x": 0, "y": 0}))
    owner: str | None = None

    @atomic("toy")
    def read(self, c: str) -> int:
        return self.cell[c]

    @atomic("toy")
    def write(self, c: str, value: int) -> None:
        self.cell[c] = value

    @atomic("toy", when=lambda k, c: k.cell[c] < 3)
    def add(self, c: str) -> None:
        self.cell[c] += 1

    @atomic("toy", when=lambda k: k.owner is None)
    def take(self) -> None:
        self.owner = current().name

    @atomic("toy")
    def drop(self) -> None:
        self.owner = None


def both_two(k: Cells) -> bool:
    return k.cell["x"] == 2 and k.cell["y"] >= 2


def x_three(k: Cells) -> bool:
    return k.cell["x"] == 3


INSTRUCTION = st.one_of(
    st.tuples(st.just("read"), st.sampled_from("xy")),
    st.tuples(st.just("write"), st.sampled_from("xy"), st.integers(0, 2)),
    st.tuples(st.just("copy"), st.sampled_from("xy")),
    st.tuples(st.just("add"), st.sampled_from("xy")),
    st.tuples(st.just("take")),
    st.tuples(st.just("drop")),
    st.tuples(st.just("again")),
)
PROGRAMS = st.lists(st.lists(INSTRUCTION, max_size=5), min_size=1, max_size=3)


def actor(program):
    async def runs(k):
        while True:
            mark("top")
            last = 0
            for op, *args in program:
                if op == "read":
                    last = await k.read(*args)
                elif op == "copy":
                    await k.write(args[0], last)
                elif op == "again":
                    if last == 1:
                        break
                elif op in ("write", "add"):
                    await getattr(k, op)(*args)
                else:
                    await getattr(k, op)()
            else:
                return
            # "again" was reached with last == 1: go round once more

    return runs


@dataclass(frozen=True)
class Plain:
    """A state of the enumeration: cells, owner, and for each actor (next op, last)."""

    x: int
    y: int
    owner: str | None
    at: tuple


def settle(program, pc, last):
    """Skip what is no step, as the code between two awaits does."""
    while pc < len(program) and program[pc][0] == "again":
        if last == 1:
            pc, last = 0, 0
            if program and program[0][0] == "again":
                pc = 1 if len(program) > 1 else len(program)
                continue
        else:
            pc += 1
    if pc >= len(program):
        return None
    return pc, 0 if program[pc][0] == "read" else last  # a read sets it anew: it is dead


def successors(programs, s):
    for p, program in enumerate(programs):
        if s.at[p] is None:
            continue
        pc, last = s.at[p]
        op, *args = program[pc]
        cells, owner = {"x": s.x, "y": s.y}, s.owner
        if op == "read":
            last = cells[args[0]]
        elif op == "copy":
            cells[args[0]] = last
        elif op == "write":
            cells[args[0]] = args[1]
        elif op == "add":
            if cells[args[0]] >= 3:
                continue
            cells[args[0]] += 1
        elif op == "take":
            if owner is not None:
                continue
            owner = NAMES[p]
        elif op == "drop":
            owner = None
        after = settle(program, pc + 1, last)
        at = (*s.at[:p], after, *s.at[p + 1 :])
        yield p, Plain(cells["x"], cells["y"], owner, at)


def enumerate_all(programs):
    """Return (shortest distance of every state, moves)."""
    start = Plain(0, 0, None, tuple(settle(program, 0, 0) for program in programs))
    distance, queue, moves = {start: 0}, deque([start]), 0
    while queue:
        s = queue.popleft()
        for _, after in successors(programs, s):
            moves += 1
            if after not in distance:
                distance[after] = distance[s] + 1
                queue.append(after)
    return start, distance, moves


def holds(bad_state, s):
    if bad_state == "x_three":
        return s.x == 3
    return s.x == 2 and s.y >= 2


def plain_verdict(programs, start, distance, bad_state):
    if not any(holds(bad_state, s) for s in distance):
        return Verdict.NEVER
    avoided = avoidable(
        start,
        lambda s: list(successors(programs, s)),
        range(len(programs)),
        lambda s: holds(bad_state, s),
        lambda s: all(at is None for at in s.at),
    )
    return Verdict.SOMETIMES if avoided else Verdict.ALWAYS


def plain_preemptions(programs, start, bad_state):
    """Return the fewest preemptions before `bad_state` holds, by relaxing until nothing changes."""
    best = {(start, None): 0}
    queue = deque([(start, None)])
    while queue:
        node = queue.popleft()
        s, last = node
        moves = list(successors(programs, s))
        ready = {p for p, _ in moves}
        for p, after in moves:
            cost = best[node] + (last in ready and p != last)
            if cost < best.get((after, p), 99):
                best[after, p] = cost
                queue.append((after, p))
    return min(cost for (s, _), cost in best.items() if holds(bad_state, s))


@settings(max_examples=250, deadline=None)
@given(PROGRAMS)
def test_the_search_agrees_with_a_plain_enumeration(programs):
    toy = case(
        world=Cells,
        actors={NAMES[p]: actor(program) for p, program in enumerate(programs)},
        bad=(both_two, x_three),
    )
    start, distance, moves = enumerate_all(programs)

    report = explore(toy)

    assert (report.states, report.transitions) == (len(distance), moves)
    for bad_state, verdict in report.verdicts.items():
        assert verdict == plain_verdict(programs, start, distance, bad_state)
        if bad_state in report.counterexamples:
            example = report.counterexamples[bad_state]
            depth = min(d for s, d in distance.items() if holds(bad_state, s))
            assert len(example.shortest) == depth
            assert example.preemptions == plain_preemptions(programs, start, bad_state)
            for schedule in (example.shortest, example.fewest_preemptions):
                run = replay(toy, schedule)
                assert bad_state in run.tip.violated
    ends = [s for s in distance if not any(True for _ in successors(programs, s))]
    dead = [s for s in ends if any(at is not None for at in s.at)]
    assert bool(dead) <= (report.deadlock is not None)
    if report.deadlock is not None and dead:
        assert len(report.deadlock.shortest) == min(distance[s] for s in dead)
    assert walk(toy, walks=5, steps=30) >= 0


@settings(max_examples=100, deadline=None)
@given(PROGRAMS)
def test_a_fate_is_unavoidable_exactly_when_no_way_out_exists(programs):
    toy = case(
        world=Cells,
        actors={NAMES[p]: actor(program) for p, program in enumerate(programs)},
        bad=(both_two, x_three),
    )
    graph = Graph(toy)
    model = graph.model
    fates = graph.fate("x_three")
    for i, state in enumerate(graph.states):
        nexts = [model.successor(state, p) for p in range(len(programs))]
        below = [fates[graph.index[after]] for after in nexts if after is not None]
        if "x_three" in model.violated(state):
            assert fates[i] == 2
        elif fates[i] == 2:
            assert below
            assert all(fate == 2 for fate in below)
        elif fates[i] == 1:
            assert any(below)
            assert not all(fate == 2 for fate in below)
        else:
            assert not any(below)
