"""The list of deliberate faults fits the code: `make faults` can try each of them."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

from mmviz.scenarios import names
from tests.faults.faults import FAULTS
from tests.faults.run import FAILED

ROOT = Path(__file__).parents[1]


@cache
def text(name):
    return (ROOT / name).read_text("utf-8")


@cache
def functions(name):
    """Return the names of the functions of a file of tests."""
    return {
        node.name for node in ast.walk(ast.parse(text(name))) if isinstance(node, ast.FunctionDef)
    }


def test_each_fault_fits_in_one_place_and_changes_it():
    places = {fault.name: text(fault.file).count(fault.old) for fault in FAULTS}

    assert {name: count for name, count in places.items() if count != 1} == {}
    assert [fault.name for fault in FAULTS if fault.old == fault.new] == []


def test_a_faulty_file_of_python_can_still_be_parsed():
    for fault in FAULTS:
        if fault.file.endswith(".py"):
            ast.parse(text(fault.file).replace(fault.old, fault.new), fault.name)


def test_the_tests_that_must_fail_exist():
    wrong = set()
    for fault in FAULTS:
        for test in fault.tests:
            path, _, rest = test.partition("::")
            function, _, given = rest.partition("[")
            if not (ROOT / path).is_file():
                wrong.add((fault.name, path))
            elif function and function not in functions(path):
                wrong.add((fault.name, function))
            elif given and given.removesuffix("]") not in names():
                wrong.add((fault.name, given))

    assert wrong == set()
    assert [fault.name for fault in FAULTS if not fault.tests] == []


def test_each_fault_has_a_name_of_its_own():
    assert [name for name, count in Counter(f.name for f in FAULTS).items() if count > 1] == []
    assert all(fault.name[-1] not in ".!" for fault in FAULTS)


def test_only_a_test_that_fails_has_caught_a_fault():
    assert FAILED.search("1 failed\nFAILED tests/a.py::test_b[x y] - assert 1")[1] == (
        "tests/a.py::test_b[x y]"
    )
    assert FAILED.search("ERROR tests/a.py - ImportError: no module b") is None
