"""What `make prove` reports when spin and the search differ; spin itself is played here."""

import pytest

from mmviz.engine.closure import Closure
from mmviz.engine.promela import promela
from mmviz.scenarios import find
from tests.prove import run

CASE = find("invalidate_page/faults_and_invalidators", "SequenceOnly1x1x1")
BAD = "device_reads_freed_page"


def proved(monkeypatch, tmp_path, **differs):
    """Compare the search with a spin that agrees but for what is given."""
    answer = {"states": 68, "failed": frozenset({BAD}), "deadlock": False, "whole": True} | differs
    always = differs.pop("always", frozenset({"always"}))
    answer.pop("always", None)

    def spin(text, *defines):
        return run.Found(1, always, False, True) if defines else run.Found(**answer)

    monkeypatch.setattr(run, "spin", spin)
    monkeypatch.setattr(run, "KEPT", tmp_path / "kept")
    return run.prove(CASE)


def test_agreement_is_no_difference(monkeypatch, tmp_path):
    proof = proved(monkeypatch, tmp_path)

    assert (proof.differs, proof.remarks) == ([], [])
    assert proof.states == (68, 68)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"states": 67}, "68 states, spin stored 67"),
        ({"failed": frozenset()}, f"{BAD} is Sometimes, spin says Never"),
        ({"always": frozenset()}, f"{BAD} is Sometimes, spin says Always"),
        ({"deadlock": True}, "deadlock: False, spin says True"),
        ({"whole": False}, "spin did not see every state"),
        (
            {"failed": frozenset({BAD, "known_situation"})},
            "a run meets a situation that the closed tables leave out",
        ),
    ],
)
def test_each_difference_is_said_and_the_file_is_kept(monkeypatch, tmp_path, answer, sentence):
    proof = proved(monkeypatch, tmp_path, **answer)

    assert proof.differs == [sentence]
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.read_text() == promela(Closure(CASE))
