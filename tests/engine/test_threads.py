"""Searches in several threads at once, as a notebook's cell and its widgets have them."""

import sys
from concurrent.futures import ThreadPoolExecutor

from mmviz.engine import explore
from mmviz.scenarios import load

RACES = (
    "hmm/eagain_leaves_count",
    "invalidate_page/told_under_ptl",
    "exclusive/late_read_begin",
    "iommu_group/release_order",
)


def found(name):
    """Return what the search says of each case of a race."""
    return [
        (report.states, report.transitions, report.verdicts, report.counterexamples)
        for report in map(explore, load(name).cases)
    ]


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
