"""Atomicity as a dial: what races say of cases with a step opened is what the search finds."""

import pytest

import mmviz
from mmviz.engine import Model
from mmviz.scenarios import every_case

DIALS = [(case, dial) for case in every_case() for dial in case.dials]


@pytest.mark.parametrize(
    ("case", "dial"), DIALS, ids=[f"{case.scenario}:{case.name}" for case, _ in DIALS]
)
def test_the_search_finds_what_is_declared(case, dial):
    opened = mmviz.opened(case, *dial.steps)
    report = mmviz.explore(opened)
    assert opened.is_held
    assert opened.note == dial.why
    assert report.as_expected, str(report)
    assert report.deadlock is None
    for found in report.counterexamples.values():
        mmviz.replay(opened, found.shortest)  # raises where it is not legal
    assert report.states > mmviz.explore(case).states


def test_dials_that_change_the_verdict_and_dials_that_do_not():
    changes = [case.scenario for case, dial in DIALS if dict(dial.expect) != {**case.expect}]
    assert len(set(changes)) >= 6
    assert len(DIALS) - len(changes) >= 2


@pytest.mark.parametrize(("case", "dial"), DIALS[:2], ids=[case.name for case, _ in DIALS[:2]])
def test_a_load_writes_nothing_and_a_store_reads_nothing(case, dial):
    opened = mmviz.opened(case, *dial.steps)
    report = mmviz.explore(opened)
    (name,) = dial.steps
    run = mmviz.replay(opened, next(iter(report.counterexamples.values())).shortest)
    halves = [frame for frame in run.frames[1:] if f"{name}" in frame.label]
    loads = [frame for frame in halves if frame.label.endswith(": load")]
    stores = [frame for frame in halves if ": store " in frame.label]
    assert len(loads) >= len(stores) > 0
    assert not any(frame.writes for frame in loads)
    assert Model(opened).ledger.opens == {name}
