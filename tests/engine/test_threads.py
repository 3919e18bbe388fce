"""Searches in several threads at once, as a notebook's cell and its widgets have them."""

import sys
from concurrent.futures import ThreadPoolExecutor

from mmviz.engine import Graph, explore
from mmviz.scenarios import load

RACES = (
    "hmm/eagain_leaves_count",
    "invalidate_page/told_under_ptl",
    "exclusive/late_read_begin",
    "iommu_group/release_order",
    "exclusive/owner_filter",  # livelocks
    "iommu_group/file_outlives_device",  # deadlocks
)


def found(name):
    """Return what the search says of each case of a race."""
    return [
        (
            *(report.states, report.transitions, report.verdicts, report.counterexamples),
            *(report.deadlock, report.livelock, report.ends, report.headline),
        )
        for report in map(explore, load(name).cases)
    ]


def fates(case):
    """Return the fate of every state of a case, for each of its bad states."""
    graph = Graph(case)
    return [bytes(graph.fate(bad_state)) for bad_state in case.bad_states]


def test_two_searches_at_once_do_not_disturb_each_other():
    alone = {name: found(name) for name in RACES}
    before = sys.getswitchinterval()
    sys.setswitchinterval(20e-6)  # let threads take turns as often as they can
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(3):
                together = dict(zip(RACES, pool.map(found, RACES), strict=True))
                assert together == alone
    finally:
        sys.setswitchinterval(before)


def test_one_case_searched_in_several_threads_at_once_comes_out_the_same():
    """Each search has a model of its own; the case, its world's function and code are shared."""
    cases = load("hmm/eagain_leaves_count").cases
    alone = found("hmm/eagain_leaves_count")
    before = sys.getswitchinterval()
    sys.setswitchinterval(20e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for together in pool.map(found, ["hmm/eagain_leaves_count"] * 4):
                assert together == alone
            assert list(pool.map(fates, cases)) == list(map(fates, cases))
    finally:
        sys.setswitchinterval(before)
