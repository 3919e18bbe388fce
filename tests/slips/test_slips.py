import sys
from collections import namedtuple

import pytest

from mmviz.engine import piece

from . import all_slips, every_run, search

BOTH = [
    pytest.param(slip, through, id=f"{slip.name}, {through.__name__}")
    for slip in all_slips()
    for through in (search, every_run)
    if slip.run or through is search
]


@pytest.fixture(autouse=True)
def shorter(monkeypatch):
    """End a piece of code that does not end earlier than in a notebook."""
    monkeypatch.setattr(piece, "LONGEST", 0.5)
    monkeypatch.setattr(piece, "TICK", 0.1)


@pytest.mark.parametrize(("slip", "through"), BOTH)
def test_a_slip_ends_in_an_error_that_says_where_it_is_and_what_to_write(slip, through):
    message = slip.message(through)

    assert message, "a verdict was printed over a slip"
    for part in slip.says:
        assert part in message


def test_there_are_at_least_forty_slips():
    assert len({slip.name for slip in all_slips()}) >= 40


def test_code_that_namedtuple_wrote_is_not_the_readers(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["-c"])
    pair = namedtuple("pair", "first")
    try:
        pair.__new__(int, 1)
    except TypeError as error:
        line = piece.line_of(error.__traceback__)

    assert line is not None
    assert line[1] == "test_code_that_namedtuple_wrote_is_not_the_readers"
