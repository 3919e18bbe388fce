"""The days of releases: none missing, in order, and those looked up last."""

from datetime import date
from itertools import pairwise

from mmviz.kernel.releases import DAYS, LAST


def test_every_release_since_v5_0_has_its_day():
    known = [f"v{major}.{minor}" for major in (5, 6) for minor in range(LAST[major] + 1)]
    assert [*known, "v7.0", "v7.1", "v7.2"] == list(DAYS)[list(DAYS).index("v5.0") :]


def test_releases_follow_one_another_after_eight_to_twelve_weeks():
    days = [date.fromisoformat(day) for name, day in DAYS.items() if name >= "v5"]
    assert all(8 * 7 - 1 <= (after - before).days <= 12 * 7 for before, after in pairwise(days))


def test_the_days_looked_up_last():
    found = {name: DAYS[name] for name in ("v6.16", "v6.17", "v6.19", "v7.1", "v7.2")}
    assert found == {
        "v6.16": "2025-07-27",
        "v6.17": "2025-09-28",
        "v6.19": "2026-02-08",
        "v7.1": "2026-06-14",
        "v7.2": "2026-08-16",
    }
