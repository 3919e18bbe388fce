"""Who proposed a case, and when: what can be held against itself without looking anything up."""

import datetime
import re

import pytest

from mmviz.scenarios import every_case

PROPOSED = [case for case in every_case() if case.proposed]
COMPLETE = ("hmm", "invalidate_page")  # threads whose every release was looked up


@pytest.mark.parametrize("case", PROPOSED, ids=lambda case: f"{case.scenario}:{case.name}")
def test_a_proposal_names_a_message_or_a_commit_of_that_day(case):
    day, source = case.proposed
    when = datetime.date.fromisoformat(day)

    assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>|[0-9a-f]{12}", source)
    stamp = re.match(r"<(\d{8})\d{4,6}\.", source)
    if stamp:  # most programs begin the id with the second it was sent in, in UTC
        sent = datetime.datetime.strptime(stamp[1], "%Y%m%d").date()
        assert abs((sent - when).days) <= 1


@pytest.mark.parametrize("thread", COMPLETE)
def test_what_was_released_was_proposed_by_somebody(thread):
    released = [c for c in every_case() if c.scenario.startswith(f"{thread}/") and c.shipped]

    assert released
    assert [case.id for case in released if case.proposed is None] == []


def test_the_patches_of_a_review_are_counted_from_one():
    from mmviz.scenarios import hmm, invalidate_page

    assert hmm.patch(1) == ("2019-05-23", "<20190523153436.19102-2-jgg@ziepe.ca>")
    assert hmm.patch(11, revision=2)[1] == "<20190606184438.31646-12-jgg@ziepe.ca>"
    assert invalidate_page.RECOMMENDED == (
        "2017-08-31",
        "<20170831211738.17922-1-jglisse@redhat.com>",
    )
