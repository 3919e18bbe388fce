"""Which loops are livelocks: those that go on although every actor that is enabled gets to run."""

from functools import cache
from itertools import permutations
from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmviz.engine import Graph, Oops, Verdict, explore, livelock, mark, replay
from mmviz.engine.mutation import mutants
from mmviz.engine.places import spots, watched
from mmviz.engine.search import Search
from mmviz.engine.step import atomic
from mmviz.scenarios import every_case, find

from .naive import avoidable, fair_loops, on_fair_loops, reachable, waits_forever
from .toys import Counter, case


async def asks_under_the_lock(k):
    while True:
        mark("again")
        await k.lock.take()
        ready = await k.load()
        await k.lock.drop()
        if ready:
            return


async def writes_under_the_lock(k):
    await k.lock.take()
    await k.store(1)
    await k.lock.drop()


async def asks_forever(k):
    while True:
        mark("again")
        await k.load()


def test_taking_a_lock_again_and_again_does_not_starve_who_waits_for_it():
    actors = {"A": asks_under_the_lock, "B": writes_under_the_lock}

    report = explore(case(actors=actors, bad=()))

    assert (report.livelock, report.deadlock) == (None, None)


def test_asking_for_ever_while_somebody_can_never_move_is_a_livelock():
    async def waits_for_ever(k):
        await k.wait_for(7)

    report = explore(case(actors={"A": asks_forever, "B": waits_for_ever}, bad=()))

    assert report.livelock.cycle == ("A",)


def test_a_device_that_could_end_a_wait_may_idle_so_asking_meanwhile_is_a_livelock():
    """The loop with the device's moves is unfair to B; the one without them is fair."""

    async def sets_and_clears(k):
        while True:
            mark("again")
            await k.store(1)
            await k.store(0)

    async def waits_for_one(k):
        await k.wait_for(1)

    actors = {"A": asks_forever, "B": waits_for_one, "DEV": sets_and_clears}

    report = explore(case(actors=actors, bad=(), daemons=("DEV",)))

    assert (report.livelock.prefix, report.livelock.cycle) == ((), ("A",))


def test_the_loop_shown_has_everybody_move_who_moves_for_ever():
    async def writes_for_ever(k):
        while True:
            mark("again")
            await k.store(0)

    actors = {"A": asks_forever, "DEV": writes_for_ever, "B": asks_under_the_lock}

    report = explore(case(actors=actors, bad=(), daemons=("DEV",)))

    run = replay(report.case, report.livelock.prefix + report.livelock.cycle)
    assert {"A", "B"} <= set(report.livelock.cycle)
    assert run.tip.state == report.livelock.state


async def waits_for_seven(k):
    await k.wait_for(7)


async def spins(k):
    while True:
        mark("again")
        await k.load()


@pytest.mark.parametrize("order", list(permutations(("SPIN", "WAIT", "DEV", "END"))))
def test_a_livelock_and_a_deadlock_are_both_found_whatever_the_order_of_actors(order):
    """END lets SPIN finish; until then SPIN goes round, and afterwards only DEV moves."""

    class Both(Counter):
        ended: bool = False

        @atomic("toy")
        def end(self) -> None:
            self.ended = True

        @atomic("toy")
        def look(self) -> bool:
            return self.ended

        @atomic("toy", when=lambda k: k.other.owner is None)
        def end_if_free(self) -> None:
            self.ended = True

    async def spin(k):
        while True:
            mark("again")
            if await k.look():
                return

    async def wait(k):
        await k.other.trylock()  # never dropped: END is blocked if it comes later
        await k.wait_for(7)

    async def end(k):
        await k.end_if_free()

    code = {"SPIN": spin, "WAIT": wait, "DEV": spins, "END": end}

    report = explore(
        case(world=Both, actors={name: code[name] for name in order}, bad=(), daemons=("DEV",))
    )

    assert report.livelock is not None
    assert report.deadlock is not None
    assert report.devices_go_on
    assert report.headline == "deadlocks; also livelocks"
    assert report.ends == {"deadlock", "livelock"}
    assert report.deadlock_verdict is report.livelock_verdict is Verdict.SOMETIMES


def test_the_run_into_a_wait_for_a_device_is_a_shortest_one():
    """The device takes five steps to its own loop; the thread waits in vain after its first."""

    async def device(k):
        for value in (1, 2, 3, 4, 5):
            await k.store(value)
        while True:
            mark("again")
            await k.load()

    async def waits(k):
        await k.load()
        await k.wait_for(0)
        await k.wait_for(9)

    report = explore(case(actors={"DEV": device, "A": waits}, bad=(), daemons=("DEV",)))

    assert report.deadlock.shortest == ("DEV", "A")
    assert report.deadlock.fewest_preemptions == ("A", "A")
    assert "only devices can step after 2 steps" in str(report)


class Freed(Counter):
    """An object that one actor frees, and another one asks in a loop."""

    @atomic("toy")
    def ask(self):
        """Ask it, which ends the run once it is freed."""
        if self.value == 2:
            raise Oops("use_after_free", "it is freed")
        return self.value

    @atomic("toy")
    def stop_asking(self):
        """Ask it for the last time."""
        if self.value == 2:
            raise Oops("use_after_free", "it is freed")


async def asks_what_may_be_freed(k):
    while not await k.ask():
        mark("again")


async def stops_asking(k):
    await k.stop_asking()


async def frees(k):
    await k.store(2)


def test_a_loop_beside_a_step_that_ends_the_run_is_searched_to_its_end():
    actors = {"A": asks_what_may_be_freed, "B": frees, "C": stops_asking}
    toy, until = case(actors=actors, world=Freed, bad=("use_after_free",)), process_time() + 5
    report = explore(toy, stop=lambda: process_time() > until)

    assert report.complete
    assert report.livelock_checked
    assert report.verdicts["use_after_free"] is Verdict.ALWAYS


def test_no_actor_that_comes_back_means_no_livelock_however_many_states(monkeypatch):
    def refuses(*_):
        raise AssertionError("looked at the states")

    monkeypatch.setattr(livelock, "_components", lambda nodes, nexts, watch=None: [])
    monkeypatch.setattr(livelock, "_moves", refuses)

    assert explore(case()).livelock_checked


def test_a_livelock_that_every_run_ends_in_is_always():
    report = explore(case(actors={"A": asks_forever}, bad=()))

    assert report.headline == "livelocks in every run"
    assert ("livelock", "Always", "a fair loop of 1 steps") in report.rows()
    assert "no run completes" in report.small_print


PIECES = st.lists(
    st.lists(
        st.one_of(
            st.tuples(st.just("store"), st.integers(0, 2)),
            st.tuples(st.just("wait_for"), st.integers(0, 2)),
            st.tuples(st.just("take")),
            st.tuples(st.just("drop")),
        ),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=3,
)


def piece(program, is_loop):
    async def runs(k):
        while True:
            mark("again")
            for op, *args in program:
                await getattr(k.lock if op in ("take", "drop") else k, op)(*args)
            if not is_loop:
                return

    return runs


def two(k):
    """The number is two."""
    return k.value == 2


@settings(max_examples=300, deadline=None)
@given(PIECES, st.lists(st.booleans(), min_size=3, max_size=3), st.integers(0, 1), st.randoms())
def test_deadlocks_livelocks_and_always_are_as_their_definitions_say(
    programs, loops, devices, dice
):
    names = [f"A{n}" for n in range(len(programs))]
    daemons = tuple(names[:devices])
    code = {
        name: piece(program, loop)
        for name, program, loop in zip(names, programs, loops, strict=False)
    }
    dice.shuffle(names)
    toy = case(actors={name: code[name] for name in names}, bad=(two,), daemons=daemons)
    model = Search(toy, 10_000, 0, None, None).model
    threads = set(model.threads())

    @cache
    def moves(state):
        after = [(p, model.successor(state, p)) for p in range(len(names))]
        return [(p, state) for p, state in after if state is not None]

    report = explore(toy)

    states = reachable(model.start, moves)
    waits = [s for s in states if waits_forever(s, moves, threads, model.is_complete)]
    assert (report.deadlock is not None) == bool(waits)
    if waits:
        stops = [s for s in waits if not moves(s)]
        assert report.devices_go_on == (not stops)
        near = min(distance(model.start, moves)[s] for s in stops or waits)
        assert len(report.deadlock.shortest) == near
    parts = list(fair_loops(states, moves, threads))
    assert (report.livelock is not None) == bool(parts)
    if parts:
        near = min(distance(model.start, moves)[s] for part in parts for s in part)
        assert len(report.livelock.prefix) == near
    completes = any(map(model.is_complete, states))
    assert report.completes == completes
    assert (report.deadlock_verdict is Verdict.ALWAYS) == bool(
        waits and not completes and not parts
    )
    if any("two" in model.violated(s) for s in states):
        avoided = avoidable(
            model.start,
            moves,
            threads,
            lambda s: "two" in model.violated(s),
            model.is_complete,
        )
        assert (report.verdicts["two"] is Verdict.SOMETIMES) == avoided


def distance(start, moves):
    """Return the fewest steps to each state."""
    found, queue = {start: 0}, [start]
    for state in queue:
        for _, after in moves(state):
            if after not in found:
                found[after] = found[state] + 1
                queue.append(after)
    return found


def both_ways(what, monkeypatch):
    """Return where the first livelock begins: looking at rows that can return, and everywhere."""
    done = Search(what, 30_000, 0, None, None)
    few = livelock.find_livelock(done.model, done.parent)
    with monkeypatch.context() as patch:
        patch.setattr(livelock, "spinning", lambda model, states, watch: states)
        everywhere = livelock.find_livelock(done.model, done.parent)
    return few and few.state, everywhere and everywhere.state


def test_looking_only_at_rows_that_can_return_misses_no_livelock(monkeypatch):
    found = [both_ways(each, monkeypatch) for each in list(every_case())[::4]]

    assert [few for few, _ in found] == [everywhere for _, everywhere in found]


def test_a_row_that_was_dropped_when_it_grew_is_remembered(monkeypatch):
    """Without the line that restores the entry, a fault repeats without end."""
    whole = find("exclusive/gup_fast_meets_fork", "RestoredAtFork")
    known = watched(whole)
    (spot,) = [spot for spot in spots(known) if spot.step == "restore_exclusive_pte"]
    (mutant,) = mutants(whole, spot, known)

    few, everywhere = both_ways(mutant, monkeypatch)

    assert few == everywhere
    assert few is not None


def against_the_whole_graph(what):
    """Return where a search and the whole graph differ about livelocks, "" if they agree."""
    found, graph = explore(what).livelock, Graph(what)
    on = on_fair_loops(graph)
    if not on or found is None:
        return "" if bool(on) == (found is not None) else f"{found}, {len(on)} states on fair loops"
    model, states = graph.model, [graph.model.start]
    for name in found.prefix + found.cycle:
        states.append(model.successor(states[-1], model.index[name]))
    begins = len(found.prefix)
    moved = {model.index[name] for name in found.cycle} & set(model.threads())
    asked = {
        p
        for state in states[begins:]
        for p in model.threads()
        if model.successor(state, p) is not None
    }

    def moves(here):
        return enumerate(graph.target[graph.offset[here] : graph.offset[here + 1]])

    steps = distance(0, moves)
    nearest = min(steps[state] for state in on)
    is_fair = states[begins] == states[-1] and moved and asked <= moved
    return "" if is_fair and begins == nearest else f"{found}, entered after {nearest} steps"


def test_the_catalogue_has_the_livelocks_that_its_whole_graphs_have():
    """A third of the cases; all of them agree, too."""
    some = [each for each in every_case() if each.states <= 3_000][::3]

    assert {each.name: said for each in some if (said := against_the_whole_graph(each))} == {}


class Wheels(Counter):
    """Numbers that come back to their values."""

    left: int = 0
    right: int = 0

    @atomic("toy")
    def get(self, which: str) -> int:
        return self.right if which == "right" else self.left

    @atomic("toy")
    def put(self, which: str, number: int) -> None:
        setattr(self, which, number)

    @atomic("toy")
    def turn(self) -> int:
        self.left = (self.left + 1) % 3
        return self.left

    @atomic("toy", when=lambda k, number: k.left == number)
    def until(self, number: int) -> None:
        pass

    @atomic("toy")
    def look_twice(self) -> int:
        """Look at the second number only where the first one is 1: a row that grows."""
        return self.right if self.left == 1 else 0


LINES = (
    "a = await k.get('left')",
    "a = await k.get('right')",
    "a = await k.turn()",
    "a = await k.look_twice()",
    "await k.put('left', {})",
    "await k.put('right', {})",
    "await k.put('right', a)",
    "await k.until({})",
    "await k.lock.take()",
    "await k.lock.drop()",
    "a = int(await k.other.trylock())",
)


def code(dice, depth=2, in_loop=False):
    """Yield the lines of a program; each turn of a loop begins with a step."""
    for _ in range(dice.randint(1, 3)):
        number, kind = dice.randint(0, 2), dice.random()
        if in_loop and kind < 0.3:
            yield f"if a == {number}:"
            yield "    " + dice.choice(("break", "return", "continue"))
        elif depth and kind < 0.7:
            head, *first = dice.choice(
                (("while True:", f"    {dice.choice(LINES[:4])}"), (f"if a == {number}:",))
            )
            yield head
            yield from first
            inner = code(dice, depth - 1, in_loop or bool(first))
            yield from (f"    {line}" for line in inner)
        else:
            yield dice.choice(LINES).format(number)


def program(dice):
    made = {}
    text = "".join(f"    {line}\n" for line in ("a = 0", "await k.load()", *code(dice)))
    exec(f"async def runs(k):\n{text}", made)
    return made["runs"]


def test_random_loops_are_livelocks_where_the_whole_graph_says_so():
    wrong, found = {}, 0
    for seed in range(250):
        dice = Random(seed)
        actors = {name: program(dice) for name in "ABC"[: dice.randint(1, 3)]}
        daemons = ("A",) if len(actors) > 1 and dice.random() < 0.5 else ()
        toy = case(world=Wheels, actors=actors, bad=(), daemons=daemons)
        said = against_the_whole_graph(toy)
        wrong |= {seed: said} if said else {}
        found += explore(toy).livelock is not None

    assert wrong == {}
    assert 50 < found < 200
