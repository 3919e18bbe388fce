"""The command line: shapes, exit statuses, and what it says when something is wrong."""

import dataclasses
import errno
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmviz.cli import check as check_module
from mmviz.cli import counts, listing, main, mutate
from mmviz.cli import lab as lab_module
from mmviz.cli.lab import copy_course
from mmviz.engine import MmvizError, Verdict, replay
from mmviz.kernel.releases import release
from mmviz.scenarios import every_case, find, load, names
from mmviz.survey import mutations as mutations_module
from mmviz.survey.mutations import mutations_of
from tests.commands import run

ROOT = Path(__file__).parents[1]
RACE = "iommu_group/release_order"
FAMILY = "invalidate_page/faults_and_invalidators"
BUG, FIX = "DelistThenRelease", "ReleaseUnderMutex"
MMVIZ = [sys.executable, "-m", "mmviz"]


def complaint(capsys, *words):
    """Return the one line with which a command refuses."""
    status, out, err = run(capsys, *words)
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


# -- list ----------------------------------------------------------------------------------


def test_list_json_has_a_row_for_every_case(capsys):
    status, out, err = run(capsys, "list", "--json")
    rows = json.loads(out)
    assert (status, err) == (0, "")
    assert [(row["scenario"], row["case"]) for row in rows] == [
        (case.scenario, case.name) for case in every_case()
    ]
    for row in rows:
        assert list(row) == [
            *("scenario", "case", "id", "title", "actors", "bad_states", "expect"),
            *("kind", "source"),
        ]
        assert list(row["expect"]) == row["bad_states"]
        assert set(row["expect"].values()) <= {"Never", "Sometimes", "Always"}


def test_list_names_every_scenario_and_case_in_words(capsys):
    _, out, _ = run(capsys, "list")
    words = " ".join(out.split())
    for case in every_case():
        assert case.scenario in out
        assert case.name in out
        assert " ".join(case.title.split()) in words
    assert max(map(len, out.splitlines())) <= 80


def test_a_thread_stands_for_its_scenarios(capsys):
    _, out, _ = run(capsys, "list", "iommu_group", "--json")
    assert {row["scenario"] for row in json.loads(out)} == {
        name for name in names() if name.startswith("iommu_group/")
    }


def test_a_case_named_twice_is_there_once(capsys):
    _, out, _ = run(capsys, "list", f"{RACE}:{BUG}", RACE, f"{RACE}:B1/n5", "--json")
    cases = [row["case"] for row in json.loads(out)]
    assert len(cases) == len(set(cases))
    assert cases[0] == BUG


def test_list_of_a_kernel_has_only_what_that_release_does(capsys):
    _, out, _ = run(capsys, "list", "hmm", "--kernel", "5.3", "--json")
    rows = json.loads(out)
    _, everything, _ = run(capsys, "list", "hmm", "--json")
    assert 0 < len(rows) < len(json.loads(everything))
    for row in rows:
        first, last = row["source"]["first"], row["source"]["last"]
        assert release(first) <= (5, 3)
        assert not last or release(last) >= (5, 3)


def test_list_of_a_kernel_before_all_of_this_says_that_it_is_empty(capsys):
    status, out, _ = run(capsys, "list", "exclusive", "--kernel", "v2.6.30")
    assert (status, out) == (0, "No case here is known to have shipped in v2.6.30.\n")


@pytest.mark.parametrize("kernel", ["five", "5", "2.6", "5.20", "v5.3-rc1", "5.3; rm"])
def test_a_kernel_that_is_no_release_is_refused_in_one_line(capsys, kernel):
    assert kernel in complaint(capsys, "list", "--kernel", kernel)


# -- check ---------------------------------------------------------------------------------


def test_check_json_is_the_list_and_what_was_found(capsys):
    status, out, err = run(capsys, "check", f"{RACE}:{BUG}", f"{RACE}:{FIX}", "--json")
    bug, fix = json.loads(out)
    assert (status, err) == (0, "")
    assert list(bug)[9:] == [
        *("outcome", "headline", "verdict", "deadlock", "livelock", "ends"),
        *("cut", "undecided", "missing"),
        *("states", "transitions", "seconds", "counterexample"),
    ]
    assert (bug["outcome"], fix["outcome"]) == ("goes wrong", "safe")
    assert bug["headline"].startswith("goes wrong: device_attached_to_freed_domain Sometimes")
    assert bug["verdict"] == bug["expect"]
    assert (bug["deadlock"], bug["states"]) == (False, find(RACE, BUG).states)
    assert bug["transitions"] > 0
    assert bug["seconds"] > 0
    assert set(fix["verdict"].values()) == {"Never"}
    assert fix["counterexample"] == {}
    for bad_state, found in bug["counterexample"].items():
        assert list(found) == ["shortest", "fewest_preemptions"]
        for schedule in found.values():
            assert bad_state in replay(find(RACE, BUG), schedule).violated


def test_everything_is_as_declared(capsys):
    status, out, err = run(capsys, "check")
    assert (status, err) == (0, "")
    assert "As declared: all" in out
    for case in every_case():
        assert case.label in out


def test_check_of_one_case_prints_the_run_that_breaks_it(capsys):
    _, out, _ = run(capsys, "check", f"{RACE}:{BUG}")
    command = next(line for line in out.splitlines() if line.startswith("mmviz replay"))
    assert "iommu_domain_free(domain V)" in out
    assert command.startswith(f"mmviz replay {RACE} {BUG} 'CPU0*3 CPU1")


def declare(monkeypatch, name, **changes):
    """Let the command line find a case that declares something else."""
    case = dataclasses.replace(find(RACE, name), **changes)
    monkeypatch.setattr(check_module, "select", lambda _words: [case])


def test_status_1_and_the_run_when_a_verdict_is_not_the_declared_one(capsys, monkeypatch):
    calm = dict.fromkeys(find(RACE, BUG).bad_states, Verdict.NEVER)
    declare(monkeypatch, BUG, expect=calm)
    status, out, _ = run(capsys, "check")
    assert status == 1
    assert "device_attached_to_freed_domain is Sometimes, declared Never" in out
    assert "iommu_domain_free(domain V)" in out
    assert "Not as declared: 1 of 1." in out


def test_json_stays_json_when_a_verdict_differs(capsys, monkeypatch):
    bold = dict.fromkeys(find(RACE, FIX).bad_states, Verdict.SOMETIMES)
    declare(monkeypatch, FIX, expect=bold)
    status, out, err = run(capsys, "check", "--json")
    (row,) = json.loads(out)
    assert status == 1
    assert row["verdict"]["use_after_free"] == "Never"
    assert row["expect"]["use_after_free"] == "Sometimes"
    assert "use_after_free is Never, declared Sometimes" in err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"states": 7}, "declared 7"),
        ({"deadlock": True}, "deadlock"),
        ({"livelock": True}, "livelock"),
    ],
)
def test_status_1_for_another_count_deadlock_or_livelock(capsys, monkeypatch, changes, sentence):
    declare(monkeypatch, FIX, **changes)
    status, out, _ = run(capsys, "check")
    assert status == 1
    assert sentence in out


def test_a_deadlock_nobody_declared_is_shown_as_a_run(capsys, monkeypatch):
    declare(monkeypatch, "ReleaseTakesMutex", deadlock=False)
    status, out, _ = run(capsys, "check")
    assert status == 1
    assert "some run deadlocks" in out
    assert "deadlock: no actor can step" in out
    assert "mutex_lock(group.mutex)" in out


def test_a_search_that_was_cut_off_never_says_never(capsys):
    status, out, err = run(capsys, "check", f"{RACE}:{FIX}", "--max-states", "10", "--json")
    (row,) = json.loads(out)
    assert status == 1
    assert set(row["verdict"].values()) == {"Unknown"}
    assert row["states"] < find(RACE, FIX).states
    assert row["outcome"] == "not decided"
    assert "the search stopped at 10 states" in err


def test_what_no_completed_run_can_show_is_printed_as_not_judged(capsys):
    words = ("check", "exclusive/retry_loop:MutexAroundConversion")
    _, out, _ = run(capsys, *words)
    lines = [line.split() for line in out.splitlines()]
    assert ["Not", "judged", "page_leaked:", "no", "run", "completes"] in lines
    assert ["Always", "deadlock"] in lines
    assert "  deadlocks in every run\n" in out

    _, out, _ = run(capsys, *words, "--json")
    (row,) = json.loads(out)
    assert row["verdict"]["page_leaked"] == "Not judged"
    assert (row["outcome"], row["ends"]) == ("deadlocks", ["deadlock"])


@pytest.fixture
def sigint():
    """Receive Ctrl-C as a fresh Python does; another test may have left its own handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_prints_what_was_found_and_searches_no_other_case(capsys, monkeypatch):
    real, searched = check_module.explore, []

    def presses(case, **options):
        searched.append(case.name)
        return real(case, **options | {"progress": lambda _: signal.raise_signal(signal.SIGINT)})

    monkeypatch.setattr(check_module, "explore", presses)
    status, out, _ = run(capsys, "check", f"{RACE}:{FIX}", f"{RACE}:{BUG}")
    assert status == 130
    assert searched == [FIX]
    assert "not decided: the search was interrupted" in out
    assert "1 of 2 cases were not searched" in out


def test_a_broken_model_does_not_hide_the_other_cases(capsys, monkeypatch):
    async def forgets_the_step(k):
        k.v.freed = True

    good = find(RACE, FIX)
    bad = dataclasses.replace(good, name="Broken", actors={"CPU0": forgets_the_step})
    monkeypatch.setattr(check_module, "select", lambda _words: [bad, good])
    status, out, _ = run(capsys, "check")
    assert status == 1
    assert "between two steps" in out
    assert FIX in out
    status, out, err = run(capsys, "check", "--json")
    assert [row["verdict"]["use_after_free"] for row in json.loads(out)] == ["Unknown", "Never"]
    assert "between two steps" in err


# -- mutate --------------------------------------------------------------------------------


def test_mutate_says_of_each_line_what_it_is_for(capsys):
    status, out, _ = run(capsys, "mutate", f"{RACE}:{FIX}")
    assert status == 0
    assert "await k.group.iommu_group_set_core_domain" in out
    assert "device_attached_to_freed_domain" in out
    assert "0 unexplained" in out


def test_mutate_json_has_a_row_for_every_line(capsys):
    status, out, _ = run(capsys, "mutate", f"{RACE}:{FIX}", "--json")
    (case,) = json.loads(out)
    assert (status, case["case"]) == (0, FIX)
    assert {"function", "line", "actors", "breaks", "standing", "why"} == set(case["lines"][0])
    for line in case["lines"]:
        assert bool(line["breaks"]) == (line["standing"] == "killed")
        assert line["breaks"] or line["why"]


def test_mutate_passes_over_the_cases_that_fail(capsys):
    _, out, _ = run(capsys, "mutate", RACE, "--json")
    found = [case["case"] for case in json.loads(out)]
    assert FIX in found
    assert BUG not in found


def test_a_case_that_goes_wrong_has_no_lines_that_keep_it_safe(capsys):
    assert "goes wrong as it is" in complaint(capsys, "mutate", f"{RACE}:{BUG}")


def test_mutate_is_status_1_where_a_line_does_not_say_why_its_mutant_survives(capsys, monkeypatch):
    monkeypatch.setattr(mutations_module, "redundant", lambda line, case: None)
    mutations_of.cache_clear()
    try:
        status, out, _ = run(capsys, "mutate", RACE)
    finally:
        mutations_of.cache_clear()
    assert status == 1
    assert "UNEXPLAINED" in out
    assert "; 0 unexplained" not in out


def test_mutate_of_everything_is_status_1_for_a_comment_that_explains_nothing(capsys, monkeypatch):
    stale = "mmviz/scenarios/x.py:3: 'redundant: so it goes' explains nothing"
    monkeypatch.setattr(listing, "names", lambda: (RACE,))
    monkeypatch.setattr(mutate, "stale_comments", lambda: [stale])
    status, _, err = run(capsys, "mutate")
    assert (status, err) == (1, f"{stale}\n")


def test_check_write_shows_the_counts_that_differ_and_writes_them(capsys, monkeypatch, tmp_path):
    path = tmp_path / "release_order.py"
    source = Path(load(RACE).module.__file__).read_text()
    bug, fix = (f"    states={find(RACE, name).states},\n" for name in (BUG, FIX))
    assert source.count(bug) == source.count(fix) == 1
    path.write_text(source.replace(bug, "    states=99,\n").replace(fix, ""))
    stand_in = SimpleNamespace(module=SimpleNamespace(__file__=str(path)))
    monkeypatch.setattr(counts, "load", lambda name: stand_in)
    cases = [
        dataclasses.replace(case, states={BUG: 99, FIX: 0}.get(case.name, case.states))
        for case in load(RACE).cases
    ]
    monkeypatch.setattr(check_module, "select", lambda _words: cases)

    status, out, _ = run(capsys, "check", RACE, "--write")

    assert status == 0
    assert f"-    states=99,\n+{bug}" in out
    assert f"+{fix}" in out
    assert sorted(path.read_text().splitlines()) == sorted(source.splitlines())
    compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('@race.case("x")\nclass A: ...\n', '@race.case("x", states=7)\nclass A: ...\n'),
        ('race.case("x", name="A", of=B)\n', 'race.case("x", name="A", of=B, states=7)\n'),
        ('race.case("x", of=A, states=0)\n', 'race.case("x", of=A, states=7)\n'),
        (
            'race.case(\n    "x",\n    of=A,\n)\n',
            'race.case(\n    "x",\n    of=A,\n    states=7,\n)\n',
        ),
    ],
)
def test_a_count_is_written_where_the_case_is_declared(before, after):
    assert counts.with_counts(before, {"A": 7}) == after


@pytest.mark.parametrize("source", ["x = 1\n", 'race.case("x", of=A, states=5 + 2)\n'])
def test_a_count_that_has_no_place_is_refused(source):
    with pytest.raises(MmvizError, match=r"A is computed|declares A"):
        counts.with_counts(source, {"A": 7})


def test_another_size_of_a_family_is_searched(capsys):
    words = ("check", FAMILY, "--set", "faults=1", "--set", "invalidators=2", "--json")
    status, out, _ = run(capsys, *words)
    (row,) = json.loads(out)
    assert status == 0
    assert len(row["actors"]) == 3
    assert "faults" in complaint(capsys, "check", FAMILY, "--set", "fault=2")
    assert "NAME=N" in complaint(capsys, "check", FAMILY, "--set", "faults=many")
    assert "no sizes" in complaint(capsys, "check", RACE, "--set", "faults=2")


def until_closed(master):
    """Return what is still to come from a pseudo-terminal."""
    said = b""
    try:
        while more := os.read(master, 4096):
            said += more
    except OSError:  # the other end has gone
        pass
    return said


@pytest.fixture
def on_a_terminal():
    """Start a command whose stderr is a terminal; give the process and the other end."""
    master, slave = pty.openpty()
    processes = []

    def start(*words):
        process = subprocess.Popen([*MMVIZ, *words], stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        processes.append(process)
        return process, master

    yield start
    os.close(master)
    for process in processes:
        process.kill()
        process.communicate()


def test_a_terminal_sees_how_far_a_search_is(on_a_terminal):
    process, master = on_a_terminal("check", FAMILY, "--set", "faults=3")
    said = until_closed(master)
    assert process.wait(30) == 0
    assert b"1/1 invalidate_page" in said
    assert b"states" in said
    assert said.endswith(b"\r\x1b[K")


def test_ctrl_c_ends_a_search_without_noise(on_a_terminal):
    # millions of states, and no two actors that are interchangeable
    sizes = ["--set", "faults=4", "--set", "invalidators=4", "--set", "pages=4"]
    process, master = on_a_terminal("check", FAMILY, *sizes)
    assert b"states" in os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    said = until_closed(master)
    assert process.wait(30) == 130
    assert b"not decided: the search was interrupted" in process.stdout.read()
    assert said.endswith(b"\r\x1b[K")
    assert b"Traceback" not in said


# -- replay --------------------------------------------------------------------------------

SCHEDULE = "CPU0*3 CPU1*4"


def test_replay_json_has_a_frame_for_every_step(capsys):
    status, out, err = run(capsys, "replay", RACE, BUG, SCHEDULE, "--json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert list(found) == [
        *("scenario", "case", "schedule", "link"),
        *("frames", "enabled", "blocked"),
    ]
    assert [frame["actor"] for frame in found["frames"]] == ["CPU0"] * 3 + ["CPU1"] * 4
    for frame in found["frames"]:
        assert list(frame) == ["actor", "label", "reads", "writes", "violated"]
    assert [frame["violated"] for frame in found["frames"][:6]] == [[]] * 6
    assert found["frames"][6]["violated"] == ["device_attached_to_freed_domain"]
    freed = {"field": "domain V.freed", "old": False, "new": True}
    assert freed in found["frames"][6]["writes"]
    assert found["enabled"] == ["CPU0", "CPU1"]
    assert found["blocked"] == {}


def test_replay_tells_who_is_blocked_and_by_whom(capsys):
    _, out, _ = run(capsys, "replay", RACE, BUG, "CPU0", "--json")
    found = json.loads(out)
    assert found["enabled"] == ["CPU0"]
    assert "CPU0" in found["blocked"]["CPU1"]
    _, out, _ = run(capsys, "replay", RACE, BUG, "CPU0")
    assert "Enabled: CPU0." in out
    assert "CPU1 is blocked" in out


@pytest.mark.parametrize(
    "words",
    [
        ("CPU0 CPU0 CPU0 CPU1 CPU1 CPU1 CPU1",),
        ("CPU0,CPU0*2,  CPU1*4",),
        ("CPU0*3", "CPU1*4"),
        ('["CPU0", "CPU0", "CPU0", "CPU1", "CPU1", "CPU1", "CPU1"]',),
    ],
)
def test_a_schedule_is_written_in_any_of_these_ways(capsys, words):
    _, usual, _ = run(capsys, "replay", RACE, BUG, SCHEDULE, "--json")
    assert run(capsys, "replay", RACE, "B1/n3", *words, "--json") == (0, usual, "")


def test_a_stored_schedule_is_known_by_its_name(capsys):
    _, out, _ = run(capsys, "replay", RACE, BUG, "the thread's own run", "--json")
    frames = json.loads(out)["frames"]
    assert any("device_attached_to_freed_domain" in frame["violated"] for frame in frames)


def test_no_schedule_is_the_start(capsys):
    _, out, _ = run(capsys, "replay", RACE, BUG, "--json")
    found = json.loads(out)
    assert (found["schedule"], found["frames"], found["blocked"]) == ([], [], {})
    assert found["enabled"] == ["CPU0", "CPU1"]


def test_an_illegal_step_is_refused_in_one_line_with_the_reason(capsys):
    said = complaint(capsys, "replay", RACE, BUG, "CPU0 CPU1 CPU0", "--json")
    for word in ("step 2", "CPU1 is blocked", "held by CPU0", "Enabled: CPU0"):
        assert word in said


def test_an_actor_that_has_finished_cannot_go(capsys):
    said = complaint(capsys, "replay", RACE, BUG, "CPU0*7")
    assert "step 7: CPU0 has finished" in said
    assert "Enabled: CPU1" in said


@pytest.mark.parametrize(
    ("schedule", "word"),
    [
        ("CPU0 CPU7", "step 2: 'CPU7' is not an actor"),
        ("CPU0*x", "CPU0*x"),
        ("the threads own run", 'stored schedules: "the thread\'s own run"'),
        ('["CPU0"', "not a JSON list"),
        ('[["CPU0"]]', "list of actors"),
        ("[1]", "list of actors"),
    ],
)
def test_a_schedule_that_means_nothing_is_refused(capsys, schedule, word):
    assert word in complaint(capsys, "replay", RACE, BUG, schedule)


# -- names, usage, pipes -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (("check", "iommu_group/release_ordre"), RACE),
        (("check", "iomu_group"), "iommu_group"),
        (("list", f"{RACE}:DelistThenRelese"), BUG),
        (("replay", "release_order", BUG, ""), RACE),
        (("replay", RACE, "ReleaseUnderMutx", ""), FIX),
        (("mutate", f"{RACE}:ReleaseUnderMutx"), FIX),
        (("mutate", "iommu_group/release_ordre"), RACE),
        (("check", FAMILY, "--set", "fault=3"), "faults"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(capsys, words, nearest):
    assert nearest in complaint(capsys, *words)


@pytest.mark.parametrize(
    "words", [(), ("chek",), ("replay",), ("check", "--max-states", "none"), ("list", "--frob")]
)
def test_bad_usage_is_status_2(capsys, words):
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert "usage: mmviz" in err


def test_a_reader_that_leaves_early_causes_no_noise():
    with subprocess.Popen(
        [*MMVIZ, "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_the_module_and_the_command_are_the_same():
    done = subprocess.run([*MMVIZ, "list", RACE], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(RACE)


# -- lab -----------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path):
    source = tmp_path / "shipped"
    (source / "pictures").mkdir(parents=True)
    (source / "00_start.ipynb").write_text("first")
    (source / "pictures" / "a.svg").write_text("a picture")
    (source / ".hidden").write_text("none of the reader's business")
    return source


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".mmviz")
    }


def test_the_course_is_copied_into_a_new_folder(course, tmp_path):
    target = tmp_path / "deep" / "mine"
    (line,) = copy_course(course, target)
    assert files(target) == {"00_start.ipynb": "first", "pictures/a.svg": "a picture"}
    assert "2 new files" in line


def test_a_new_version_replaces_what_nobody_touched(course, tmp_path):
    list(copy_course(course, tmp_path / "mine"))
    (course / "00_start.ipynb").write_text("second")
    (line,) = copy_course(course, tmp_path / "mine")
    assert files(tmp_path / "mine")["00_start.ipynb"] == "second"
    assert "1 brought up to date" in line


def test_a_file_that_was_changed_is_kept_and_said(course, tmp_path):
    mine = tmp_path / "mine"
    list(copy_course(course, mine))
    (mine / "00_start.ipynb").write_text("my notes")
    for version in ("first", "second", "third"):
        (course / "00_start.ipynb").write_text(version)
        _, kept = copy_course(course, mine)
        assert "00_start.ipynb" in kept
        assert files(mine)["00_start.ipynb"] == "my notes"


def test_a_file_that_was_there_before_the_course_is_kept(course, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "00_start.ipynb").write_text("something of mine")
    list(copy_course(course, mine))
    assert files(mine)["00_start.ipynb"] == "something of mine"


@pytest.mark.parametrize("broken", ["{", "[]", "null", '{"00_start.ipynb": 7}'])
def test_a_damaged_memory_of_what_was_shipped_costs_nobody_a_file(course, tmp_path, broken):
    mine = tmp_path / "mine"
    list(copy_course(course, mine))
    (mine / "00_start.ipynb").write_text("my notes")
    (mine / ".mmviz-course.json").write_text(broken)
    list(copy_course(course, mine))
    assert files(mine)["00_start.ipynb"] == "my notes"


def test_lab_copies_the_real_course_and_starts_nothing(capsys, tmp_path):
    status, out, _ = run(capsys, "lab", str(tmp_path / "here"), "--copy-only")
    shipped = {path.name for path in (ROOT / "notebooks").iterdir() if path.is_file()}
    assert status == 0
    assert set(files(tmp_path / "here")) == shipped
    assert str(tmp_path / "here") in out


def test_lab_says_in_a_line_that_the_folder_is_a_file(capsys, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert "taken" in complaint(capsys, "lab", str(tmp_path / "taken"), "--copy-only")


def planted(place, what):
    """Put something that is no regular file at a place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if what == "link":
        place.symlink_to(place.parent.parent / "elsewhere")
    elif what == "FIFO":
        os.mkfifo(place)
    else:
        place.mkdir()


@pytest.mark.parametrize("what", ["link", "FIFO", "folder"])
@pytest.mark.parametrize("name", ["00_start.ipynb", "pictures/a.svg", ".mmviz-course.json"])
def test_what_is_no_regular_file_is_refused_and_left_alone(course, tmp_path, what, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    planted(tmp_path / "mine" / name, what)
    with pytest.raises(MmvizError, match=r"is not a regular file: move it away, or write mmviz"):
        list(copy_course(course, tmp_path / "mine"))
    assert elsewhere.read_text() == "precious"


def test_a_link_in_the_place_of_a_folder_of_the_course_is_refused(course, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pictures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MmvizError, match="pictures' is a link: move it away"):
        list(copy_course(course, tmp_path / "mine"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_planted_partial_file_is_not_followed(course, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (tmp_path / "precious").write_text("precious")
    for name in ("00_start.ipynb", ".mmviz-course.json"):
        (mine / f"{name}.part").symlink_to(tmp_path / "precious")
    list(copy_course(course, mine))
    assert (tmp_path / "precious").read_text() == "precious"
    assert (mine / "00_start.ipynb").read_text() == "first"


def test_a_file_in_the_place_of_the_folder_is_refused(course, tmp_path):
    (tmp_path / "mine").write_text("precious")
    for target in (tmp_path / "mine", tmp_path / "mine" / "deeper"):
        with pytest.raises(MmvizError, match="is not a folder: move it away"):
            list(copy_course(course, target))


def test_a_full_disk_leaves_nothing_behind_and_says_which_file(course, tmp_path, monkeypatch):
    def full(_old, _new):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    mine = tmp_path / "mine"
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(MmvizError, match=r"00_start.ipynb' cannot be written: No space left"):
        list(copy_course(course, mine))
    assert list(mine.iterdir()) == []


def test_a_disk_that_fills_up_while_a_file_is_written_keeps_the_old_one(course, tmp_path):
    resource = pytest.importorskip("resource")
    mine = tmp_path / "mine"
    list(copy_course(course, mine))
    (course / "00_start.ipynb").write_text("a second version, which is longer")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))  # bytes; a write beyond fails
    try:
        with pytest.raises(MmvizError, match=r"00_start.ipynb' cannot be written: File too large"):
            list(copy_course(course, mine))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files(mine) == {"00_start.ipynb": "first", "pictures/a.svg": "a picture"}


def test_nothing_is_written_when_one_file_is_in_the_way(course, tmp_path):
    planted(tmp_path / "mine" / "pictures" / "a.svg", "FIFO")
    with pytest.raises(MmvizError, match="is not a regular file"):
        list(copy_course(course, tmp_path / "mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["pictures"]


def test_two_at_once_leave_each_file_whole(course, tmp_path):
    """Sixteen copies of two versions at once, in processes of their own."""
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "00_start.ipynb").write_text("second")
    mine = tmp_path / "mine"
    code = (
        "import sys; from pathlib import Path; from mmviz.cli.lab import copy_course\n"
        "for _ in range(100): list(copy_course(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    copies = [
        subprocess.Popen([sys.executable, "-c", code, source, mine], cwd=ROOT)
        for source in (course, tmp_path / "newer", course)
    ]
    assert [copy.wait() for copy in copies] == [0, 0, 0]
    assert files(mine)["00_start.ipynb"] in ("first", "second")
    assert sorted(path.name for path in mine.iterdir()) == [
        ".mmviz-course.json",
        "00_start.ipynb",
        "pictures",
    ]


def test_two_copies_at_once_share_no_partial_file(course, tmp_path, monkeypatch):
    used = []

    def noted(old, new):
        used.append(str(old))
        assert Path(old).read_bytes()
        rename(old, new)

    rename = os.replace
    monkeypatch.setattr(os, "replace", noted)
    for _ in range(2):
        list(copy_course(course, tmp_path / "mine"))
        (course / "00_start.ipynb").write_text("second")
    assert len(set(used)) == len(used) > 3
    assert all(Path(name).parent.is_relative_to(tmp_path / "mine") for name in used)
    assert not any(Path(name).exists() for name in used)


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"a": ' * 100_000, b"not JSON", b"\xff\xfe", b"[]", b'{"a": 3}', b""],
)
def test_a_broken_record_keeps_what_may_be_the_readers_own(course, tmp_path, content):
    mine = tmp_path / "mine"
    list(copy_course(course, mine))
    (mine / ".mmviz-course.json").write_bytes(content)
    (course / "00_start.ipynb").write_text("second")
    _, kept = copy_course(course, mine)
    assert "00_start.ipynb" in kept
    assert files(mine)["00_start.ipynb"] == "first"


def test_a_record_that_cannot_be_read_is_named(course, tmp_path, monkeypatch):
    def denied(path, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    mine = tmp_path / "mine"
    list(copy_course(course, mine))
    monkeypatch.setattr(os, "open", denied)  # root may read everything
    with pytest.raises(MmvizError, match=r"course.json' cannot be read: Permission denied. To use"):
        list(copy_course(course, mine))


def test_a_copy_can_be_read_by_whom_the_umask_allows(course, tmp_path):
    before = os.umask(0o022)
    try:
        list(copy_course(course, tmp_path / "mine"))
    finally:
        os.umask(before)
    assert (tmp_path / "mine" / "00_start.ipynb").stat().st_mode & 0o777 == 0o644


NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


def started(monkeypatch, course, *words):
    """Return the command line of the JupyterLab that `mmviz lab` starts, and its folder."""
    found, folders = [], []
    for path in course.glob("*.ipynb"):
        path.write_text(NOTEBOOK)
    monkeypatch.setattr(lab_module, "SHIPPED", course)
    monkeypatch.setattr(lab_module.os, "execve", lambda _file, words, _env: found.extend(words))
    monkeypatch.setattr(lab_module.os, "chdir", folders.append)
    monkeypatch.setattr(lab_module.subprocess, "call", lambda *_, **__: 0)
    assert main(["lab", *words]) == 0
    return found, folders


def test_lab_hands_the_port_on(course, tmp_path, monkeypatch):
    words = str(tmp_path / "mine"), "--port", "9999", "--no-browser"
    found, folders = started(monkeypatch, course, *words)
    assert {"--port=9999", "--ServerApp.port_retries=0", "--no-browser"} <= set(found)
    assert folders == [tmp_path / "mine"]


@pytest.mark.parametrize("name", ["hmm", "HMM", "20_hmm", "20_hmm.ipynb"])
def test_lab_opens_the_notebook_that_is_named(course, tmp_path, monkeypatch, name):
    (course / "20_hmm.ipynb").write_text("another")
    found, _ = started(monkeypatch, course, str(tmp_path / "mine"), "--notebook", name)
    assert "--LabApp.default_url=/lab/tree/20_hmm.ipynb" in found


def test_lab_opens_a_notebook_of_the_reader(course, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my notes #1.ipynb").write_text("mine")
    found, _ = started(monkeypatch, course, str(tmp_path / "mine"), "--notebook", "my notes #1")
    assert "--LabApp.default_url=/lab/tree/my%20notes%20%231.ipynb" in found


def test_a_notebook_that_is_not_there_is_refused(course, tmp_path, capsys, monkeypatch):
    (course / "00_start.ipynb").write_text(NOTEBOOK)
    monkeypatch.setattr(lab_module, "SHIPPED", course)
    for name in ("strat", "../../etc/passwd", "", "/dev/zero"):
        status, _, said = run(capsys, "lab", str(tmp_path / "mine"), "--notebook", name)
        assert status == 2
        assert "there is no notebook" in said
        assert "did you mean start?" in said


def test_a_file_beside_the_notebooks_is_no_part_of_jupyterlab(course, tmp_path, monkeypatch):
    """A reader saves random.py beside the notebooks: JupyterLab starts all the same."""
    (course / "random.py").write_text("raise SystemExit('the wrong random')")
    found, (folder,) = started(monkeypatch, course, str(tmp_path / "mine"))
    at = found.index("jupyterlab")
    done = subprocess.run(
        [*found[: at - 1], "-c", "import random; print(random.random)"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert "built-in method random" in done.stdout


def test_lab_names_every_package_that_is_missing_and_copies_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        lab_module.importlib.util, "find_spec", lambda name: None if "lab" in name else name
    )
    said = complaint(capsys, "lab", str(tmp_path / "mine"))
    assert "pip install jupyterlab, then try again" in said
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "8888.0", "9" * 5000, "①"])
def test_what_is_no_port_is_refused(capsys, port):
    status, out, err = run(capsys, "lab", f"--port={port}")
    assert (status, out) == (2, "")
    assert "is not a port, a number from 1 to 65535" in err


# -- words and options in any order, control characters, a reader that has gone --------------


@pytest.mark.parametrize(
    "words",
    [
        ("replay", RACE, BUG, "--json", SCHEDULE),
        ("replay", RACE, "--json", BUG, SCHEDULE),
        ("replay", "--json", RACE, BUG, SCHEDULE),
        ("replay", RACE, BUG, "CPU0*3", "--json", "CPU1*4"),
    ],
)
def test_options_may_stand_anywhere(capsys, words):
    _, usual, _ = run(capsys, "replay", RACE, BUG, SCHEDULE, "--json")
    assert run(capsys, *words) == (0, usual, "")


def test_a_selection_goes_on_after_an_option(capsys):
    _, usual, _ = run(capsys, "list", f"{RACE}:{BUG}", f"{RACE}:{FIX}", "--json")
    assert run(capsys, "list", f"{RACE}:{BUG}", "--json", f"{RACE}:{FIX}") == (0, usual, "")


def test_what_a_terminal_would_obey_is_escaped_on_stdout(capsys, monkeypatch):
    odd = dataclasses.replace(find(RACE, FIX), title="\x1b[31mred \u202etxet")
    monkeypatch.setattr(listing, "select", lambda _words: [odd])
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert r"\x1b[31mred \u202etxet" in out
    assert all(char.isprintable() or char == "\n" for char in out)


@pytest.mark.parametrize("columns", ["1", "0", "-5", "x"])
def test_a_window_of_any_width_has_a_help(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    for words in (["--help"], ["replay", "--help"]):
        status, out, err = run(capsys, *words)
        assert (status, err) == (0, "")
        assert "mmviz" in out


@pytest.mark.parametrize("closed", ["stdout", "both"])
def test_a_command_without_an_output_ends_quietly(closed):
    script = f"exec {sys.executable} -m mmviz list {RACE} >&- {'2>&-' * (closed == 'both')}"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_without_a_character_gets_a_question_mark():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*MMVIZ, "list"], capture_output=True, env=environment, check=True)
    assert done.stdout.isascii()
    assert done.stderr == b""


def test_a_full_disk_is_said_in_one_line():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*MMVIZ, "list"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr == b"mmviz: No space left on device\n"
