"""Progress: one readable file, which nothing loses and which fails no cell."""

import json
import multiprocessing
import os
import stat
import threading
import time
from pathlib import Path

import pytest

import mmviz
from mmviz.engine import MmvizError
from mmviz.lessons import progress as notes
from mmviz.lessons import progress_file as files
from mmviz.widgets.kept import Situations
from tests.commands import run as command

RACE, CASE = "iommu_group/release_order", "DelistThenRelease"
NAME = f"{RACE}:{CASE}"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keep progress in a file of this test; write at once when it is asked for."""
    path = tmp_path / "data" / "progress.json"
    monkeypatch.setenv("MMVIZ_PROGRESS", str(path))
    monkeypatch.setattr(notes, "PAUSE", 1_000)
    notes.NOTES.drop()
    yield path
    notes.NOTES.write()
    notes.NOTES.drop()


def back(stage, *runs, run=0, k=0):
    """Let the browser write back which runs were tried."""
    stage.set_state({"at": {"runs": [list(each) for each in runs], "run": run, "k": k, "n": 9}})


# -- what is kept --------------------------------------------------------------------------


def test_tries_hints_and_first_answers_are_kept(kept):
    notes.tried("hmm/one_put", False)
    notes.hinted("hmm/one_put")
    notes.tried("hmm/one_put", True)
    notes.tried("hmm/one_put", False)
    notes.predicted("a/b:C next 0", "Only CPU0", False)
    notes.predicted("a/b:C next 0", "Only CPU1", True)
    found = mmviz.progress()
    assert found.exercises == (notes.ExerciseDone("hmm/one_put", 3, 1, True),)
    assert found.predictions == (notes.Predicted("a/b:C next 0", "Only CPU0", False),)
    for text in (str(found), found._repr_html_()):
        assert "hmm/one_put" in text
        assert "Only CPU0" in text
    assert "1 of 1 exercise done" in str(found)


def test_runs_come_back_in_another_kernel(kept):
    stage = mmviz.Driver(RACE, case=CASE)
    back(stage, [], [0, 0, 0, 1, 1, 1, 1], [1, 1], run=1, k=7)
    again = mmviz.Driver(RACE, case=CASE)  # before anything was written
    assert again.branches == ((),)
    (seen,) = mmviz.progress().cases
    assert (seen.name, seen.runs) == (NAME, ("CPU0*3 CPU1*4", "CPU1*2"))
    assert seen.seen == "3 of 5 situations, 0 of 8 final states"
    again = mmviz.Driver(RACE, case=CASE)
    assert again.branches == ((), ("CPU0",) * 3 + ("CPU1",) * 4, ("CPU1", "CPU1"))
    assert again.at["run"] == 0
    player = mmviz.Player(RACE, "CPU0*3 CPU1*4", case=CASE)
    assert player.branches == (again.branches[1], again.branches[2])
    assert mmviz.Driver(RACE, case="ReleaseUnderMutex").branches == ((),)


def test_a_run_that_was_only_shown_counts_as_far_as_it_was_watched(kept):
    player = mmviz.Player(RACE, "CPU0*6 CPU1*10", case=CASE)
    back(player, [0] * 6 + [1] * 10, k=2)
    (seen,) = mmviz.progress().cases
    assert seen.runs == ("CPU0*2",)
    back(player, [0] * 6 + [1] * 10, k=16)
    (seen,) = mmviz.progress().cases
    assert seen.runs == ("CPU0*6 CPU1*10",)
    assert (seen.final_states, seen.of_final_states) == (1, 8)


def test_the_situations_are_those_of_the_whole_graph():
    case = mmviz.find(RACE, CASE)
    report = mmviz.explore(case)
    found = Situations(report_model(case))
    bad = {name.replace("_", " ") for name, v in report.verdicts.items() if v.name != "NEVER"}
    assert bad < found.possible
    assert ("deadlock" in found.possible) is (report.deadlock is not None)
    everything = found.shown([("CPU0", "CPU0", "CPU0", "CPU1", "CPU1", "CPU1", "CPU1")])
    assert everything.situations < found.possible
    assert found.shown([("CPU7",), ("CPU0",) * 99]).situations == frozenset()


def report_model(case):
    from mmviz.engine.learn import Model

    return Model(case)


def test_what_a_question_or_a_report_shows_is_not_kept(kept):
    assert mmviz.widgets.stage.Stage.remembers is False
    mmviz.explore(RACE, CASE)
    mmviz.Driver(RACE, case=CASE)
    notes.NOTES.write()
    assert not kept.exists()


# -- the file ------------------------------------------------------------------------------


def test_it_is_readable_and_its_own(kept):
    notes.tried("hmm/one_put", True)
    notes.NOTES.write()
    found = json.loads(kept.read_text("utf-8"))
    assert (found["format"], found["version"]) == ("mmviz progress", 1)
    assert len(kept.read_text().splitlines()) > 10
    assert {path.name for path in kept.parent.iterdir()} == {kept.name, f".{kept.name}.lock"}
    if os.name == "posix":
        assert stat.S_IMODE(kept.stat().st_mode) & 0o077 == 0  # the learner's alone


def good(**changes):
    return json.dumps(files.empty() | changes)


SPOILT = {
    "empty": "",
    "no JSON": "{",
    "binary": "\ud800",
    "deep": "[" * 100_000,
    "a list": "[]",
    "foreign": '{"format": "another program", "version": 1}',
    "newer": good(version=2),
    "much newer": good(version=10**30),
    "true": good(version=True),
    "more": good(more=1),
    "too large": " " * (files.MOST_BYTES + 1),
    "a run": good(cases={"a": files.empty()}),
    "a count": good(exercises={"a": {"tries": -1, "hints": 0, "done": True}}),
    "a text": good(predictions={"a": {"chosen": "x" * 501, "right": True}}),
    "a name": good(predictions={"x" * 301: {"chosen": "x", "right": True}}),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_file_that_cannot_be_read_is_set_aside(kept, capsys, kind):
    content = SPOILT[kind].encode("utf-8", "surrogatepass")
    kept.parent.mkdir()
    kept.write_bytes(content)
    notes.tried("hmm/one_put", True)
    found = mmviz.progress()
    assert found.exercises[0].done
    (aside,) = kept.parent.glob("*set-aside*")
    assert aside.read_bytes() == content
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert aside.name in said
    kept.write_bytes(content)
    assert mmviz.Driver(RACE, case=CASE).branches == ((),)
    assert len(list(kept.parent.glob("*set-aside*"))) == 2


def adds(path, name, count):
    os.environ["MMVIZ_PROGRESS"] = path
    for number in range(count):
        notes.tried("both/of_them", False)
        notes.predicted(f"{name} {number}", "x", True)
        notes.NOTES.write()


def test_two_kernels_that_write_at_once_lose_nothing(kept):
    context = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    each = [context.Process(target=adds, args=(str(kept), name, 25)) for name in "ab"]
    for process in each:
        process.start()
    for process in each:
        process.join()
    found = mmviz.progress()
    assert found.exercises[0].tries == 50
    assert len(found.predictions) == 50


def test_a_kernel_that_is_killed_while_it_writes_leaves_the_old_file(kept, monkeypatch):
    notes.tried("hmm/one_put", True)
    notes.NOTES.write()
    before = kept.read_bytes()

    def dies(*_):
        raise OSError("killed")

    monkeypatch.setattr(files.os, "replace", dies)
    notes.tried("hmm/one_put", True)
    notes.NOTES.write()
    assert kept.read_bytes() == before
    assert not list(kept.parent.glob(".progress.json.*[!k]"))


@pytest.mark.parametrize("what", ["folder", "file above", "FIFO"])
def test_where_it_cannot_be_kept_is_said_once(kept, capsys, what):
    if what == "folder":
        kept.mkdir(parents=True)
    elif what == "file above":
        kept.parent.write_text("a file")
    else:
        kept.parent.mkdir()
        os.mkfifo(kept)
    for _ in range(3):
        notes.tried("hmm/one_put", True)
        notes.NOTES.write()
        assert mmviz.Driver(RACE, case=CASE).branches == ((),)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot be kept" in said


def test_what_waits_for_a_lock_is_not_lost(kept, monkeypatch):
    with monkeypatch.context() as held:
        held.setattr(files, "PATIENCE", 0.05)
        held.setattr(files, "_take", lambda _file: False)
        notes.tried("hmm/one_put", False)
        notes.NOTES.write()
        notes.tried("hmm/one_put", True)
    assert not kept.exists()
    assert mmviz.progress().exercises == (notes.ExerciseDone("hmm/one_put", 2, 0, True),)


def test_it_never_grows_without_end(kept, monkeypatch):
    monkeypatch.setattr(notes, "MOST_PREDICTIONS", 3)
    monkeypatch.setattr(notes, "MOST_RUNS", 2)
    for number in range(5):
        notes.predicted(f"question {number}", "x" * 1_000, True)
        notes.ran("a/b:C", lambda runs, number=number: ([*runs, f"CPU{number}"], None))
    notes.predicted("x" * 1_000, "x", True)
    found = mmviz.progress()
    assert len(found.predictions) == 3
    assert len(found.predictions[0].chosen) == 500
    assert found.cases[0].runs == ("CPU3", "CPU4")


def test_what_would_be_too_large_to_be_read_again_is_not_written(kept, capsys, monkeypatch):
    notes.tried("hmm/one_put", True)
    notes.NOTES.write()
    before = kept.read_bytes()
    monkeypatch.setattr(files, "MOST_BYTES", len(before) + 10)
    notes.tried("hmm/the_second_waits", True)
    notes.NOTES.write()
    assert kept.read_bytes() == before
    assert "cannot be kept" in capsys.readouterr().err


def test_a_run_of_another_version_stays_in_the_file_and_off_the_stage(kept):
    entry = {"runs": ["CPU7*3", "CPU1*99"], "situations": [], "of": 0}
    entry |= {"final_states": 0, "of_final_states": 0}
    kept.parent.mkdir()
    kept.write_text(good(cases={NAME: entry}))
    stage = mmviz.Driver(RACE, case=CASE)
    assert stage.branches == ((),)
    back(stage, [1, 1], k=2)
    assert "CPU7*3" in mmviz.progress().cases[0].runs


# -- when ----------------------------------------------------------------------------------


def test_off_keeps_nothing(monkeypatch, tmp_path, capsys):
    for word in ("off", "OFF", "0", ""):
        monkeypatch.setenv("MMVIZ_PROGRESS", word)
        notes.tried("hmm/one_put", True)
        assert notes.NOTES._waiting == []
        assert "off" in str(mmviz.progress())
    monkeypatch.delenv("MMVIZ_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(files.sys, "platform", "linux")
    assert files.place() == tmp_path / "mmviz" / "progress.json"


def test_a_note_is_written_later_by_a_thread_and_once_for_many(kept, monkeypatch):
    monkeypatch.setattr(notes, "PAUSE", 0.05)
    written = []
    monkeypatch.setattr(notes, "change", lambda _file, changes, _say: written.append(len(changes)))
    before, start = threading.active_count(), time.process_time()
    for _ in range(100):
        notes.tried("hmm/one_put", True)
    assert time.process_time() - start < 0.1
    assert written == []
    for _ in range(100):
        if written:
            break
        time.sleep(0.02)
    assert written == [100]
    assert threading.active_count() <= before + 1


def test_the_tests_keep_nothing_at_home():
    assert os.environ["MMVIZ_PROGRESS"] == "off"
    assert files.place() is None


def test_the_command_shows_and_forgets(kept, capsys):
    notes.tried("hmm/one_put", True)
    notes.predicted("a/b:C next 0", "Only CPU0", False)
    status, out, _ = command(capsys, "progress", "--json")
    assert (status, json.loads(out)["exercises"][0]["name"]) == (0, "hmm/one_put")
    assert json.loads(out)["file"] == str(kept)
    status, out, _ = command(capsys, "progress", "--forget")
    assert (status, "0 cases seen" in out) == (0, True)
    assert not kept.exists()
    with pytest.raises(MmvizError, match="True or False"):
        mmviz.progress(forget="yes")


def test_a_hostile_name_is_shown_and_not_obeyed(kept):
    notes.tried("<script>alert(1)</script>\x1b[31m", True)
    found = mmviz.progress()
    assert "<script>" not in found._repr_html_()
    assert "\x1b" not in str(found)
    assert Path(found.file) == kept
