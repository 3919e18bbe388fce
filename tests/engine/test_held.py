"""An actor that finishes while it holds a lock."""

from mmviz.engine import Case, World, atomic, explore, field, replay
from mmviz.engine.case import Verdict
from mmviz.kernel.sync.locks import SpinLock


class Locked(World):
    ptl: SpinLock = field(default_factory=SpinLock)
    other: SpinLock = field(default_factory=SpinLock)


async def forgets(k):
    await k.ptl.spin_lock()
    await k.other.spin_lock()
    await k.other.spin_unlock()


async def returns_early(k):
    if await k.ptl.spin_trylock():
        return
    await k.other.spin_lock()
    await k.other.spin_unlock()


class Handed(Locked):
    """The first lock is found by a pointer."""

    first: SpinLock | None = None

    def __post_init__(self):
        self.first = self.ptl

    @atomic("toy")
    def read_first(self):
        """Return the lock that the pointer names."""
        return self.first


async def forgets_what_it_has_found(k):
    await k.ptl.spin_lock()
    await k.read_first()


def case(actor, **more):
    return Case(name="Locks", world=Locked, actors={"CPU0": actor}, bad=(), **more)


def test_an_actor_that_finishes_with_a_lock_held_goes_wrong():
    report = explore(case(forgets))

    assert report.verdicts == {"returns_holding_lock": Verdict.ALWAYS}
    assert not report.safe


def test_the_run_says_which_lock_and_in_which_step():
    run = replay(case(forgets), "CPU0*3")

    assert run.frames[-1].violated == ("returns_holding_lock",)
    assert run.frames[-1].log == ("CPU0 finishes and still holds ptl",)
    assert run.frames[-2].violated == ()


def test_the_way_that_returns_early_is_found():
    report = explore(case(returns_early))

    assert report.counterexamples["returns_holding_lock"].shortest == ("CPU0",)


def test_a_last_step_that_returns_an_object_is_learned_again_alike():
    toy = Case(name="Handed", world=Handed, actors={"CPU0": forgets_what_it_has_found}, bad=())
    report = explore(toy)

    assert report.undecided == ""
    assert report.verdicts == {"returns_holding_lock": Verdict.ALWAYS}


def test_a_device_may_idle_with_a_lock():
    assert explore(case(forgets, daemons=("CPU0",))).verdicts == {}
