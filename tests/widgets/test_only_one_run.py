"""A stage that shows one run and answers no question that is still to be asked."""

import json

import mmviz

RACE = "iommu_group/release_order"
CASE = "DelistThenRelease"
QUIET = "CPU0*6 CPU1*10"


def told(player):
    """Return what the page gets of a stage, as text."""
    player.open()
    return json.dumps([player.get_state(), player.prepared.film.piece()])


def test_a_stage_without_others_tells_nothing_but_its_run():
    alone = mmviz.Player(RACE, QUIET, case=CASE, others=False)
    open_to_all = mmviz.Player(RACE, QUIET, case=CASE)
    for telling in ("stays attached", "the thread's own run", '"kind": "bad"'):
        assert telling in told(open_to_all)
        assert telling not in told(alone)
    assert list(alone.schedules) == [alone.run]
    assert len(alone.prepared.film.packed) == 1 + 16
    assert not alone.remembers


def test_a_named_run_can_stand_alone_too():
    alone = mmviz.Player(RACE, "the thread's own run", case=CASE, others=False)
    assert alone.schedule == mmviz.replay(mmviz.find(RACE, CASE), "CPU0*3 CPU1*10 CPU0*2").schedule
    assert "the thread's own run" not in told(alone)


def test_its_still_picture_is_of_memory():
    alone = mmviz.Player(RACE, QUIET, case=CASE, others=False, views="timeline")
    assert "image/svg+xml" in alone._repr_mimebundle_()[0]
    assert alone.pane == "memory"
