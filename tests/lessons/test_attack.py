"""The worst run is legal and as short as can be; the nearest miss is one field away from bad."""

import pytest

import mmviz
from mmviz.engine import Graph, World, at_end, atomic
from mmviz.engine.miss import near_miss
from mmviz.engine.search import MAX_BYTES, MAX_STATES, Search
from mmviz.lessons.attack import covered, worst

RACES = ("iommu_group/release_order", "hmm/double_unregister", "sva/pasid_reused")
CASES = [case for race in RACES for case in mmviz.load(race)]


def attacked(case):
    search = Search(case, MAX_STATES, MAX_BYTES, None, None)
    report = search.report()
    return report, search.model, worst(case, report, search.model)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario}:{case.name}")
def test_the_worst_run_is_a_shortest_one_or_a_miss_that_is_one_field_away(case):
    report, model, found = attacked(case)
    assert len(found.reasons) == len(found.schedule)
    run = mmviz.replay(case, found.schedule)  # raises where it is not legal
    ways = [len(each.shortest) for each in report.counterexamples.values()]
    ways += [len(report.deadlock.shortest)] if report.deadlock else []
    if ways:
        assert len(found.schedule) == min(ways)
        assert found.reached == "deadlock" if run.deadlock else found.reached in run.violated
        assert found.miss is None
    elif report.livelock is None:
        assert (found.reached, run.violated, run.deadlock) == ("", (), False)
        assert covered(report) in found.text
        assert f"{report.states:,} states" in found.text
        if found.miss is not None:
            assert is_one_field_away(model, found)


def is_one_field_away(model, found):
    """Tell whether a state with the field of a miss changed is bad, or its next step is."""
    miss, state = found.miss, model.start
    for actor in found.schedule:
        state = model.successor(state, model.index[actor])
    bits = model.bits[model.ledger.paths.index(miss.path)]
    for packed, value in list(bits.values.items()):
        if mmviz.engine.spoken(value) != miss.needed:
            continue
        changed = state - (state & bits.mask) + packed
        if miss.bad_state in model.violated(changed):
            return True
        for p in range(len(model.actors)):
            step = model.location(state, p).step
            if step is not None and model.successor(state, p) is not None:
                said = model.execute(changed, p, step).said
                if miss.bad_state in {name for name, _ in said}:
                    return True
    return False


class Door(World):
    open: bool = False
    inside: int = 0

    @atomic("toy", when=lambda k: not k.open)
    def enter(self):
        self.open = True

    @atomic("toy")
    def stand(self):
        self.inside += 1

    @atomic("toy")
    def leave(self):
        self.inside -= 1
        self.open = False


async def visit(k):
    await k.enter()
    await k.stand()
    await k.leave()


def two_inside(k):
    """Two are inside."""
    return k.inside == 2


def never_left(k):
    """One stays inside."""
    return k.inside == 1


def test_a_race_of_a_cell_is_attacked_too():
    race = mmviz.Race(
        world=Door, actors={"A": visit, "B": visit}, bad=[two_inside, at_end(never_left)]
    )
    safe = race.build("closed door", of=None, name="Closed")
    report, model, found = attacked(safe)
    assert report.safe
    assert found.miss is not None
    assert found.miss.bad_state == "never_left"
    assert (found.miss.path, found.miss.now, found.miss.needed) == ("inside", "0", "1")
    assert is_one_field_away(model, found)
    assert near_miss(Graph(safe, model=model), lambda name: name == "two_inside") is None


def test_each_reason_counts_the_steps_that_are_left():
    case = mmviz.find("iommu_group/release_order", "DelistThenRelease")
    _, _, found = attacked(case)
    lefts = [int(reason.split()[0]) for reason in found.reasons[:-1]]
    assert lefts == [*range(len(found.schedule) - 1, 0, -1)]
    assert "CPU1 it could not be reached any more" in found.reasons[0]
    assert str(found).count("\n") == len(found.schedule)


def test_the_nearest_miss_is_what_siblings_break_and_only_a_step_away():
    case = mmviz.find("hmm/free_under_callback", "FreedAfterGracePeriod")
    _, _, found = attacked(case)
    assert found.miss is not None
    broken = {
        name
        for each in mmviz.load(case.scenario)
        for name, v in each.expect.items()
        if v != "Never"
    }
    assert found.miss.bad_state in broken
    assert (found.miss.path, found.miss.now, found.miss.needed, found.miss.away) == (
        *("hmm.freed", "no", "yes"),
        1,
    )
    assert len(set(found.schedule)) > 1
