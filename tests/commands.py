"""Commands run in this process; what they print with `--json` is held to its schema."""

import json
from functools import cache

from jsonschema import Draft202012Validator

from mmviz.cli import main
from mmviz.cli.schema import schemas


def run(capsys, *words):
    """Run a command; return its status and what it printed."""
    try:
        status = main(words)
    except SystemExit as left:
        status = left.code
    out, err = capsys.readouterr()
    if "--json" in words and out:
        fits(words[0], out)
    return status, out, err


@cache
def validator(command):
    return Draft202012Validator(json.loads(schemas()[command].read_text("utf-8")))


def fits(command, text):
    """Return the data of a text; fail where it is not what the command's schema says."""
    data = json.loads(text)
    wrong = next(validator(command).iter_errors(data), None)
    assert wrong is None, f"{command} --json, {wrong.json_path}: {wrong.message[:300]}"
    return data
