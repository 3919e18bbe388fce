"""Where a case comes from: what can be held against itself without looking anything up."""

import datetime
import re

import pytest

from mmviz.kernel.provenance import Origin
from mmviz.scenarios import every_case, hmm, invalidate_page

DATED = [case for case in every_case() if case.source.day]
COMPLETE = ("hmm", "invalidate_page")  # threads whose every release was looked up
MESSAGE, COMMIT = r"<[^<>@\s]+@[^<>@\s]+>", r"[0-9a-f]{12}"


def test_what_has_a_day_names_a_message_a_commit_or_a_document():
    lacking = {f"{case.scenario}:{case.name}": case.source.where for case in DATED}
    assert {
        name: where
        for name, where in lacking.items()
        if not re.search(rf"{MESSAGE}|\b{COMMIT}\b|\w/\w", where)
    } == {}


def test_the_id_of_a_message_fits_its_day():
    """Most programs begin the id with the second it was sent in, in UTC."""
    wrong = {}
    for case in DATED:
        stamp = re.match(r"<(\d{8})\d{4,6}\.", case.source.where)
        if stamp:
            sent = datetime.datetime.strptime(stamp[1], "%Y%m%d").date()
            when = datetime.date.fromisoformat(case.source.day)
            if abs((sent - when).days) > 1:
                wrong[f"{case.scenario}:{case.name}"] = (case.source.day, case.source.where)

    assert wrong == {}


@pytest.mark.parametrize("thread", COMPLETE)
def test_what_was_released_says_by_which_message_commit_or_document(thread):
    released = [
        case
        for case in every_case()
        if case.scenario.startswith(f"{thread}/") and case.source.kind == Origin.SHIPPED
    ]

    assert released
    assert [f"{case.scenario}:{case.name}" for case in released if not case.source.where] == []


def test_the_patches_of_a_review_are_counted_from_one():
    first = hmm.patch(1)

    assert (first.day, first.where) == ("2019-05-23", "<20190523153436.19102-2-jgg@ziepe.ca>")
    assert hmm.patch(11, revision=2).where == "<20190606184438.31646-12-jgg@ziepe.ca>"
    cover = invalidate_page.RECOMMENDED
    assert (cover.day, cover.where) == (
        "2017-08-31",
        "<20170831211738.17922-1-jglisse@redhat.com>",
    )
