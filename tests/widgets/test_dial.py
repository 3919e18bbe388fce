"""The dial: a step is a load and a store, and the search judges anew."""

import mmviz
from mmviz.engine import Report, World, at_end, atomic

RACE = "vmstat/update_is_preempted"


def test_the_dial_opens_the_step_that_the_race_names_and_judges_anew():
    dial = mmviz.Dial(RACE)
    assert (dial.case.name, dial.step, dial.is_open) == ("OneInstruction", "this_cpu_add", False)
    assert dial.report.safe
    assert "safe" in dial._verdict.value
    closed = dial.children[2]

    dial._way.value = "load, store"  # as the slider does
    assert not dial.report.safe
    assert "update_is_lost Sometimes" in dial._verdict.value
    assert "the other task adds in between" in dial._verdict.value
    stage = dial.children[2]
    assert "update_is_lost" in stage.the_run.violated
    assert repr(stage).startswith("Player(mmviz.opened(mmviz.find('vmstat/")
    assert (closed.comm, stage.comm is not None) == (None, True)
    assert isinstance(dial.turn(False), Report)
    assert dial.report.safe
    assert "as one step" in str(dial)
    dial.close()


class Counter(World):
    value: int = 0

    @atomic("toy")
    def add(self):
        self.value += 1


async def adds(k):
    await k.add()


@at_end
def lost(k):
    """An update is lost."""
    return k.value < 2


def test_a_race_of_a_cell_has_a_dial_and_its_opened_case_is_a_case():
    race = mmviz.Race(world=Counter, actors={"A": adds, "B": adds}, bad=[lost])
    race.case("two adds", of=adds, name="Two")
    dial = mmviz.Dial(race)
    assert dial.report.safe
    assert not dial.turn(True).safe
    case = mmviz.opened(race["Two"], "add")
    assert not case.is_held  # the race says nothing of it
    run = mmviz.replay(case, "A B A B")
    assert run.violated == ("lost",)
    assert mmviz.Player(case).the_run.violated == ("lost",)
    assert mmviz.possible(case, "value == 1 and A is done and B is done")
    assert "add: store value = 1" in mmviz.table(run)
    dial.close()


def test_a_guard_and_an_oops_are_of_the_load():
    case = mmviz.opened(mmviz.find("iommu_group/release_order", "ReleaseUnderMutex"), "mutex_lock")
    report = mmviz.explore(case)
    assert not report.safe  # a lock that two can take
    mmviz.replay(case, next(iter(report.counterexamples.values())).shortest)
