"""A diagram that is written and read is the same, or asked about, or refused; never another."""

import pytest

from mmviz.reading.reader import read

from .written import DAMAGE, HARMLESS, written

MANY = 60
UNDECIDABLE = {93}  # the step of column 2 has become a part of the remark before it


def outcome(text, steps):
    found = read(text)
    if found.refused:
        return "refused"
    same = [(step.column, step.text) for step in found.steps] == steps
    return ("right" if same else "wrong") + (", asked" if found.questions else "")


@pytest.mark.parametrize("way", HARMLESS)
def test_what_is_written_is_read(way):
    outcomes = [
        outcome(HARMLESS[way](diagram.text), diagram.steps) for diagram in map(written, range(MANY))
    ]

    assert set(outcomes) <= {"right", "right, asked"}
    assert outcomes.count("right") >= 0.9 * MANY


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_damaged_is_never_misread_in_silence(damage):
    wrong = [
        seed
        for seed in range(2 * MANY)
        if outcome(DAMAGE[damage]((diagram := written(seed)).text), diagram.steps) == "wrong"
    ]

    assert set(wrong) <= UNDECIDABLE
