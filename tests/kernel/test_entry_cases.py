"""Real values are answered as the threads about them concluded."""

import pytest

from mmviz.kernel.entries.kinds import EntryError
from mmviz.kernel.entries.reading import read
from mmviz.reading.entry_log import entries
from tests.kernel.entry_cases import ARM64, DUMPS, GATHERED, GIVEN, LATER, LOGS, REFUSED

ROWS = [("x86-64", *row) for row in (*GIVEN, *GATHERED, *LATER)] + [
    ("arm64", *row) for row in ARM64
]


@pytest.mark.parametrize(
    ("arch", "value", "level", "kernel", "possible", "kind", "names", "guess"), ROWS
)
def test_a_value_is_answered(arch, value, level, kernel, possible, kind, names, guess):
    found = read(value, kernel, level=level, arch=arch).data()
    named = found["pfn"]
    if named is None and possible:
        named = found["swap"]["offset"]
    assert (found["possible"], found["kind"], named) == (possible, kind, names)
    assert (found["was"][0]["guess"] if found["was"] else "") == guess
    assert possible or found["was"]


@pytest.mark.parametrize(("log", "value", "possible", "kind", "guess"), LOGS)
def test_a_log_is_answered(log, value, possible, kind, guess):
    found = {each["value"]: each for each in (r.data() for r in entries(log))}[value]
    assert (found["possible"], found["kind"]) == (possible, kind)
    assert found["was"][0]["guess"] == guess


@pytest.mark.parametrize(("log", "why"), REFUSED)
def test_entries_of_other_architectures_are_refused(log, why):
    with pytest.raises(EntryError, match=why):
        entries(log)


@pytest.mark.parametrize(("log", "value", "possible", "kind", "frame"), DUMPS)
def test_a_dump_of_the_tables_is_answered(log, value, possible, kind, frame):
    found = {each["value"]: each for each in (r.data() for r in entries(log))}[value]
    assert (found["possible"], found["kind"], found["pfn"]) == (possible, kind, frame)
