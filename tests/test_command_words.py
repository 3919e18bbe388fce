"""Words on the command line: versions, examples, what is mistyped, colours, completion, schemas."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import mmviz
from mmviz.cli import Screen, main, parser
from mmviz.cli import verify as verify_module
from mmviz.cli.colour import coloured, may_colour
from mmviz.cli.completion import COMPLETERS
from mmviz.cli.parser import EXAMPLES, WIDTH
from mmviz.cli.schema import schemas
from mmviz.cli.verify import as_data as check_as_data
from tests.commands import fits, run, validator

RACE, BUG, FIX = "iommu_group/release_order", "DelistThenRelease", "ReleaseUnderMutex"
READING = Path(__file__).parent / "reading"
LITMUS = """X86_64 SB
{ }
 P0            | P1            ;
 movl $1,(x)   | movl $1,(y)   ;
 movl (y),%eax | movl (x),%eax ;
exists (0:rax=0 /\\ 1:rax=0)
"""
ESCAPE = re.compile(r"\x1b\[[\d;]*m")


def test_the_version_is_that_of_the_package(capsys):
    assert run(capsys, "--version") == (0, f"mmviz {mmviz.__version__}\n", "")


# -- what is mistyped ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chekc"], "there is no command 'chekc'; did you mean check"),
        (["REPLAY"], "did you mean replay?"),
        (["qqq"], "there is no command 'qqq'; commands: list, check, replay"),
        (["check", "--jsno"], "did you mean --json"),
        (["check", RACE, "--max-sates=5"], "did you mean --max-states?"),
        (["replay", RACE, BUG, "--jsn"], "did you mean --json?"),
        (["export", RACE, BUG, "--form=sgv"], "did you mean svg?"),
        (["replay"], "are required: SCENARIO; `mmviz replay --help` says more"),
        (["schema", "replya"], "there is no schema 'replya'; did you mean replay"),
        (["completion", "fsh"], "did you mean fish"),
        (["replay", RACE], "replay needs a case after the scenario, or a link"),
        (["replay", f"{RACE}s", BUG], f"did you mean {RACE}"),
    ],
)
def test_a_mistyped_word_is_answered_with_what_is_near(capsys, words, said):
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert said in err.splitlines()[-1]


# -- help ----------------------------------------------------------------------------------


def test_every_command_has_an_example_and_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert set(EXAMPLES) == set(parser().commands)
    for words in ([], *([command] for command in EXAMPLES)):
        status, out, _ = run(capsys, *words, "--help")
        assert status == 0
        assert max(map(len, out.splitlines())) <= WIDTH + 2, words
        assert ("examples:" in out) == bool(words)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with what the examples name."""
    diagram = (READING / "diagrams" / "seed004.txt").read_text("utf-8")
    link = mmviz.link(f"{RACE}:{BUG}", "CPU0*3 CPU1*4", 5)
    (tmp_path / "mail.txt").write_text(f"> {link[:50]}\n> {link[50:]}\n\n{diagram}", "utf-8")
    (tmp_path / "splat.txt").write_bytes((READING / "reports" / "02.txt").read_bytes())
    (tmp_path / "SB.litmus").write_text(LITMUS, "utf-8")
    (tmp_path / "oops.txt").write_text("PGD 1067 PUD 2067 PMD 3067 PTE ffffffff8048a025\n", "utf-8")
    answer = mmviz.exercise("iommu_group/one_critical_section").solution()
    (tmp_path / "mine.py").write_text(answer, "utf-8")
    (tmp_path / "run.txt").write_text("CPU0*3 CPU1*4\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verify_module, "TOOLS", {})
    main(["new", "my_race.py"])
    main(["assignment", "iommu_group/break_it"])
    (tmp_path / "solved" / "races.ipynb").rename(tmp_path / "ada.ipynb")
    return tmp_path


@pytest.mark.parametrize("line", [each for lines in EXAMPLES.values() for each in lines])
def test_an_example_runs(line, desk, capsys, monkeypatch):
    words = shlex.split(line, comments=True)
    if words[0] == "eval":
        words = words[1].removeprefix("$(").removesuffix(")").split()
    if "<" in words:
        with open(words.pop(), "rb") as source:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(source.read())))
        words.pop()
    assert words.pop(0) == "mmviz"
    if "--site" in words:  # a site takes a minute: tests/writing has it
        assert parser().read(words).site
        return
    status, out, err = run(capsys, *words)
    assert status == 0, err
    if "-o" in words:
        assert Path(words[words.index("-o") + 1]).stat().st_size
    elif words[0] != "lab":
        assert out
    if "--json" in words:
        fits(words[0], out)


# -- colours -------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("variables", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, True),
    ],
)
def test_colours_are_for_terminals_that_want_them(variables, terminal, wanted, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert may_colour(Terminal() if terminal else io.StringIO()) == wanted


def test_colours_are_all_that_they_add(capsys, monkeypatch):
    commands = (["check", f"{RACE}:{BUG}"], ["replay", RACE, BUG, "CPU0*3 CPU1*4"])
    for words in commands:
        monkeypatch.delenv("FORCE_COLOR", raising=False)
        _, plain, _ = run(capsys, *words)
        monkeypatch.setenv("FORCE_COLOR", "1")
        _, bright, _ = run(capsys, *words)
        assert "\x1b" not in plain
        assert re.sub(r"\d\.\d{3}", "", ESCAPE.sub("", bright)) == re.sub(r"\d\.\d{3}", "", plain)
        assert re.search(r"\x1b\[1;31m[^\x1b]*!! device_attached", bright) or words[0] == "check"
    assert (
        coloured("  a  Never\n  b  Sometimes")
        == "  a  \x1b[32mNever\x1b[0m\n  b  \x1b[1;31mSometimes\x1b[0m"
    )


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\x9b31mb", "\u202etxet"])
def test_a_text_of_a_reader_brings_no_colour(text, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = tmp_path / "mine.py"
    main(["new", str(file)])
    told = re.compile(r'def gpu_maps_freed_page.*\n    """')
    named = told.sub(lambda head: head[0] + text, file.read_text("utf-8"))
    file.write_text(named, "utf-8")
    capsys.readouterr()
    _, out, _ = run(capsys, "check", f"{file}:NotifyThenClear")
    assert ascii(text)[1:-1].removesuffix("b") in out
    assert ESCAPE.sub("", out).replace("\n", "").isprintable()


def test_the_screen_escapes_before_it_colours():
    to = io.StringIO()
    screen = Screen(to)
    screen.coloured = True
    screen.write("  a  Never\x1b[2J\n")
    assert to.getvalue() == "  a  \x1b[32mNever\x1b[0m\\x1b[2J\n"


# -- completion ----------------------------------------------------------------------------


def completed(line):
    """Return what the shell is told may come next."""
    read, write = os.pipe()
    environment = os.environ | {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": os.devnull,
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    del environment["_ARGCOMPLETE_STDOUT_FILENAME"]
    code = (
        "import os, sys; os.dup2(int(sys.argv.pop()), 8); os.dup2(os.open(os.devnull, 1), 9)\n"
        "from mmviz.cli import main; main()"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(write)],
        env=environment,
        pass_fds=[write],
        check=False,
    )
    os.close(write)
    with open(read, encoding="utf-8") as answer:
        return [word.strip() for word in answer.read().split("\n") if word.strip()]


def test_a_shell_is_told_commands_and_names():
    assert completed("mmviz ch") == ["check"]
    assert completed(f"mmviz replay {RACE} Deli") == [BUG]


def test_each_argument_that_names_something_is_completed():
    options = type("Typed", (), {"scenario": RACE, "case": BUG})
    assert list(COMPLETERS["scenario"]()) == list(mmviz.names())
    assert RACE in COMPLETERS["selection"](prefix="")
    assert f"{RACE}:{FIX}" in COMPLETERS["selection"](prefix=f"{RACE}:")
    assert FIX in COMPLETERS["case"](parsed_args=options)
    assert COMPLETERS["schedule"](parsed_args=options) == ["CPU0", "CPU1"]
    options.scenario = "/etc/passwd.py"
    assert COMPLETERS["case"](parsed_args=options) == []
    assert COMPLETERS["schedule"](parsed_args=options) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_the_shell_reads(shell, capsys):
    status, out, _ = run(capsys, "completion", shell)
    assert status == 0
    assert "_ARGCOMPLETE" in out
    assert "mmviz" in out


# -- schemas -------------------------------------------------------------------------------


def test_every_command_with_json_has_a_schema(capsys):
    with_json = {name for name, each in parser().commands.items() if "--json" in each.words}
    assert set(schemas()) == with_json
    status, out, _ = run(capsys, "schema")
    assert (status, set(out.split())) == (0, with_json)
    for name in with_json:
        Draft202012Validator.check_schema(validator(name).schema)
        status, out, _ = run(capsys, "schema", name)
        assert (status, json.loads(out)) == (0, validator(name).schema)


def closed(schema):
    """Yield each object of a schema that allows what it does not name."""
    if isinstance(schema, dict):
        named = {*schema.get("properties", ())}
        if named and (named - {*schema["required"]} or schema["additionalProperties"]):
            yield schema
        for each in schema.values():
            yield from closed(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from closed(each)


def test_a_schema_names_all_there_is():
    for name in schemas():
        assert list(closed(validator(name).schema)) == []


def test_what_is_printed_of_samples_fits(capsys):
    samples = {
        "diagram": sorted((READING / "diagrams").glob("*.txt"))[::6],
        "lockdep": sorted((READING / "reports").glob("*.txt"))[::3],
    }
    for command, files in samples.items():
        for file in files:
            _, out, _ = run(capsys, command, str(file), "--json")
            fits(command, out)


def test_a_check_as_data_says_why_it_was_skipped():
    skipped = check_as_data("lint (skipped: ruff is not installed)", [])
    assert skipped == {
        "check": "lint",
        "ok": True,
        "wrong": [],
        "skipped": "ruff is not installed",
    }
    fits("verify", json.dumps([skipped, check_as_data("model", ["a", "b"])]))


def test_the_writes_of_a_replay_have_values(capsys):
    _, out, _ = run(capsys, "replay", RACE, BUG, "CPU0*3 CPU1*4", "--json")
    found = fits("replay", out)
    writes = [write for frame in found["frames"] for write in frame["writes"]]
    assert writes[0] == {"field": "group.mutex.owner", "old": None, "new": "CPU0"}
    assert writes[-1] == {"field": "domain V.freed", "old": False, "new": True}
    assert mmviz.replay(found["link"]).schedule == tuple(found["schedule"])
