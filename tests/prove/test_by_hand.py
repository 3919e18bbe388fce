"""The models by hand name the cases and bad states as the races do; spin itself is played here."""

import re
from dataclasses import replace

import pytest

from mmviz.engine import Verdict
from mmviz.scenarios import find, load
from tests.prove import by_hand

MODELS = sorted(by_hand.models())


def test_there_are_ten_races_at_least():
    assert len(MODELS) >= 10


@pytest.mark.parametrize("race", MODELS)
def test_a_model_names_the_cases_and_bad_states_of_its_race(race):
    file = by_hand.models()[race]
    cases, bad = by_hand.words(file)

    assert cases == {case.name for case in load(race).cases}
    for case in load(race).cases:
        assert bad == set(case.expect), case.name


@pytest.mark.parametrize("race", MODELS)
def test_a_model_judges_each_bad_state_that_it_names_once(race):
    text = by_hand.models()[race].read_text("utf-8")
    judged = re.findall(r"\bJUDGE\((\w+)\)", text)

    assert len(judged) == len(set(judged))
    for bad in set(judged) - {"unlock_not_owner"}:
        assert f"#define BAD_{bad} " in text
        assert re.search(rf"\bbit [^;]*\bnever_{bad}\b", text)


CASE = find("mremap/flush_before_unlock", "FlushUnderOldLock")
BAD = "cpu_reaches_freed_page"
SAID = by_hand.Said({BAD: Verdict.SOMETIMES}, completed=True, deadlock=False, livelock=False)


def test_agreement_is_no_difference():
    assert by_hand.differences(CASE, SAID) == []


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"verdicts": {BAD: Verdict.NEVER}}, f"{BAD} is Sometimes, the model by hand says Never"),
        ({"verdicts": {}}, f"{BAD} is Sometimes, the model by hand says None"),
        ({"completed": False}, "a completed run is True, the model by hand says False"),
        ({"deadlock": True}, "deadlock is False, the model by hand says True"),
        ({"livelock": True}, "livelock is False, the model by hand says True"),
    ],
)
def test_each_difference_is_said(other, sentence):
    assert by_hand.differences(CASE, replace(SAID, **other)) == [sentence]


@pytest.mark.parametrize(
    ("avoided", "verdict"), [(True, Verdict.SOMETIMES), (False, Verdict.ALWAYS)]
)
def test_what_spin_reports_is_read(monkeypatch, avoided, verdict):
    def spin(file, looks_for, *defines):
        if "CYCLES" in defines:
            return "pan:1: non-progress cycle (at depth 3)"
        if f"WITHOUT=BAD_{BAD}" in defines:
            return "pan:1: assertion violated always" if avoided else ""
        return f"assertion violated never_{BAD}\npan: invalid end state (at depth 9)"

    monkeypatch.setattr(by_hand, "spin", spin)

    said = by_hand.ask(CASE)
    assert said == by_hand.Said({BAD: verdict}, completed=False, deadlock=True, livelock=True)
