"""A step as a load and a store: what each half does, and what the engine makes of it."""

import pytest

from mmviz.engine import (
    MmvizError,
    ModelError,
    Race,
    Struct,
    UnknownName,
    Verdict,
    World,
    at_end,
    atomic,
    explore,
    field,
    replay,
)
from mmviz.engine.closure import Closure
from mmviz.engine.opened import opened, steps_of
from mmviz.engine.promela import promela


class Lock(Struct):
    owner: str | None = None

    @atomic("toy", when=lambda lock, _who: lock.owner is None)
    def lock(self, who):
        self.owner = who

    @atomic("toy")
    def unlock(self):
        self.owner = None


class Counter(World):
    mutex: Lock = field(default_factory=Lock)
    value: int = 0

    @atomic("toy")
    def add(self):
        """Add one, and return the sum."""
        self.value += 1
        return self.value

    @atomic("toy")
    def look(self):
        return self.value


async def bare(k, variant):
    await k.add()
    await k.look()


async def locked(k, variant):
    await k.mutex.lock("x")
    await k.add()
    await k.mutex.unlock()


async def counts(k, variant):
    seen = await k.add()
    while seen < 2:
        seen = await k.look()


@at_end
def lost(k):
    """An update is lost."""
    return k.value < 2


def race_of(role):
    race = Race(world=Counter, actors={"A": role, "B": role}, bad=[lost])
    race.case("two", of=1, name="Two")
    return race


def test_two_loads_before_two_stores_lose_an_update():
    case = opened(race_of(bare)["Two"], "add")
    report = explore(case)
    assert report.verdicts["lost"] == Verdict.SOMETIMES
    assert not report.doubt
    run = replay(case, "A B A B")
    assert [frame.label for frame in run.frames[1:]] == [
        *("add(): load", "add(): load", "add: store value = 1", "add: store value = 1")
    ]
    assert [len(frame.writes) for frame in run.frames[1:]] == [0, 0, 1, 0]
    assert run.frames[1].reads == ("value",)
    assert run.frames[3].reads == ()


def test_under_a_lock_it_makes_no_difference():
    case = race_of(locked)["Two"]
    assert explore(case).safe
    assert explore(opened(case, "add")).safe
    assert not explore(opened(case, "add", "lock")).safe


def test_the_guard_is_asked_by_the_load():
    case = opened(race_of(locked)["Two"], "unlock")
    run = replay(case, "A A A")
    assert "B" in run.tip.blocked
    assert run.tip.blocked["B"].by
    assert replay(case, "A A A A").tip.enabled == ("B",)


def test_the_answer_is_computed_from_what_was_loaded():
    case = opened(race_of(counts)["Two"], "add")
    report = explore(case)
    assert report.livelock is not None  # both saw 1, and wait for a 2 that never comes
    assert explore(race_of(counts)["Two"]).livelock is None


def test_a_step_that_writes_nothing_stays_one():
    case = race_of(bare)["Two"]
    assert explore(opened(case, "look")).states == explore(case).states


def test_what_is_opened_once_can_be_opened_again():
    case = race_of(locked)["Two"]
    twice = opened(opened(case, "add"), "lock")
    assert twice.opens == ("add", "lock")
    assert explore(twice).states == explore(opened(case, "add", "lock")).states


def test_spin_gets_both_halves():
    text = promela(Closure(opened(race_of(bare)["Two"], "add")))
    assert "add(): load" in text
    assert "store value = 1" in text


def test_what_no_actor_does_cannot_be_opened():
    case = race_of(bare)["Two"]
    assert steps_of(case) == ["add", "look"]
    with pytest.raises(UnknownName, match="add, look"):
        opened(case, "subtract")
    with pytest.raises(ModelError, match="add, look"):
        opened(case)
    with pytest.raises(MmvizError):
        opened("case", "add")


def test_a_race_declares_what_comes_of_it():
    race = race_of(bare)
    race.dial("Two", "add", sometimes=[lost], why="both load one value")
    case = opened(race["Two"], "add")
    assert (case.is_held, case.note) == (True, "both load one value")
    assert explore(case).as_expected
    race.dial("Two", "add", why="wrongly said to be safe")  # a cell that is run again
    (dial,) = race["Two"].dials
    assert dial.why.startswith("wrongly")
    assert not explore(opened(race["Two"], "add")).as_expected
    assert not opened(race["Two"], "look").is_held
    with pytest.raises(ModelError, match="why"):
        race.dial("Two", "add", why="")
    with pytest.raises(UnknownName, match="lost"):
        race.dial("Two", "add", sometimes=["found"], why="x")
    with pytest.raises(UnknownName, match="Two"):
        race.dial("Tow", "add", why="x")
