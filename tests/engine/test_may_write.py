"""Which actor may write which field, against every move of the graph."""

import pytest

from mmviz.engine import Graph
from mmviz.scenarios import find

CASES = [
    ("iommu_group/release_order", "PutGroupFirst"),
    ("exclusive/atomic_loses_update", "UnmapOnly"),
    ("exclusive/entry_ledger", "ForkWithoutReference"),
    ("hmm/alive_when_asked", "BelieveHelper"),
    ("invalidate_page/sequence_and_counter", "CounterOnly"),
    ("teardown/reset_times_out", "WaiterFrees"),
]


@pytest.mark.parametrize(("scenario", "name"), CASES, ids=lambda word: word)
def test_an_actor_may_write_what_some_step_of_it_writes(scenario, name):
    graph = Graph(find(scenario, name))
    model = graph.model
    written = set()
    for i, state in enumerate(graph.states):
        for m in range(graph.offset[i], graph.offset[i + 1]):
            changed = state ^ graph.states[graph.target[m]]
            actor = model.actors[graph.mover[m]]
            written |= {(actor, s) for s, bits in enumerate(model.bits) if changed & bits.mask}
    slots = set(range(len(model.bits))) - {model.complaints, model.dead}  # an Oops is not learned
    for actor in model.actors:
        may = {slot for slot in slots if model.may_write(actor, model.ledger.paths[slot])}
        assert may == {slot for who, slot in written if who == actor} & slots


def test_a_reader_is_not_told_of_what_the_engine_keeps_for_itself():
    model = Graph(find(*CASES[0])).model
    paths = [model.ledger.paths[slot] for slot in model.told()]
    assert not {"complaints", "dead", "CPU0.held", "CPU0.asked", "CPU0.decides"} & set(paths)
    assert "group.refs" in paths
    asked = Graph(find(*CASES[-1])).model
    assert any(asked.ledger.paths[slot].endswith(".asked") for slot in asked.told())
