"""`mmviz entry`: values, files, logs, JSON."""

import json

import pytest

from mmviz.cli import main
from tests.commands import validator

LOG = "BUG: Bad page map in process a  pte:ffff8801a700ff00 pmd:1a700f067\nNot tainted 4.9.0+ #1\n"


def run(capsys, *words):
    status = main(["entry", *words])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.mark.parametrize(
    "words",
    [
        ["0xf7fffffffdb97400", "--kernel", "5.14"],
        ["f7fffffffdb97400", "--kernel=5.14"],
        ["0x676b700029736c6f", "--kernel", "3.3"],
        ["0x2e0396009e2", "--kernel", "4.4.180-default", "--level", "pmd"],
        ["0x0060000040000fc3", "--arch", "arm64"],
        ["0x800ffff08c9df060", "--space", "kernel"],
        [LOG],
    ],
)
def test_its_json_has_the_promised_form(capsys, words):
    status, out, _ = run(capsys, *words, "--json")
    found = json.loads(out)
    validator("entry").validate(found)
    assert status == 0
    assert found


def test_a_file_and_standard_input_are_logs(capsys, tmp_path, monkeypatch):
    file = tmp_path / "splat.txt"
    file.write_text(LOG)
    _, from_file, _ = run(capsys, str(file), "--json")
    _, from_line, _ = run(capsys, LOG, "--json")
    assert json.loads(from_file) == json.loads(from_line)
    assert [each["level"] for each in json.loads(from_file)] == ["pte", "pmd"]
    assert json.loads(from_file)[0]["was"][0]["guess"] == "pointer"


def test_its_text_fits_a_terminal(capsys):
    for words in (["0x676b700029736c6f"], ["0xf7fffffffdb97400"], [LOG], ["0x8", "--kernel=4.19"]):
        _, out, _ = run(capsys, *words)
        assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nosuch"], "neither a value nor a file"),
        (["0x" + "f" * 17], "16 hexadecimal digits"),
        (["0x8000000400000000", "--arch", "i386"], "32-bit kernel"),
        (["0x67", "--level", "page"], "level is one of"),
        (["0x67", "--kernel", "six"], "names no kernel release"),
        (["no entry in here"], "there is no page-table entry"),
        (["mm/swap_state.c:704: bad pte c5183f1c(8000000400000000)"], "PAE"),
    ],
)
def test_what_is_no_entry_is_refused_in_a_sentence(capsys, words, says):
    status, out, err = run(capsys, *words, "--json")
    assert (status != 0, out) == (True, "")
    assert says in err
