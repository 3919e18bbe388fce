"""Ctrl-C and a second thread while a model learns: it stays right, or says that it is not."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmviz.engine import ModelError, explore
from mmviz.engine.errors import HALF_LEARNED
from mmviz.engine.learn import Model
from mmviz.engine.piece import NOW
from mmviz.engine.run import Run

from .toys import case, locked, racy

ROOT = Path(__file__).parents[2]


def everything(model):
    """Return every reachable schedule's end, as the values of the world's fields."""
    found, waiting, seen = set(), [model.start], set()
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        places = tuple(model.location(state, p).depth for p in range(len(model.actors)))
        found.add((*map(str, model.cells(state)), places, *model.violated(state)))
        for p in range(len(model.actors)):
            after = model.successor(state, p)
            if after is not None:
                waiting.append(after)
    return found


def interrupt_at(number, function):
    """Call a function, raise KeyboardInterrupt at the n-th call inside it, and tell if it did."""
    left = number

    def trace(frame, event, argument):
        nonlocal left
        left -= 1
        if left == 0:
            sys.settrace(None)
            raise KeyboardInterrupt

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def alone(call):
    """Run a check in a process of its own: Ctrl-C may hit what else a process of tests does."""
    code = f"from tests.engine import test_interrupt as t; t.{call}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("actor", ["racy", "locked"])
def test_a_model_that_was_interrupted_stays_right_or_says_that_it_is_not(actor):
    alone(f"check_models(t.{actor})")


def test_an_interrupted_run_goes_on_where_it_was():
    alone("check_runs()")


def check_models(actor):
    toy = case(actors={"A": actor, "B": actor})
    right = everything(Model(toy))
    intact = unusable = 0
    for number in range(1, 1500, 5):
        model = Model(toy)
        if not interrupt_at(number, lambda model=model: everything(model)):
            break
        assert NOW.get(threading.get_ident()) is None
        try:
            assert everything(model) == right
            intact += 1
        except ModelError as error:
            unusable += error.what == HALF_LEARNED
    assert intact + unusable == (number - 1) // 5
    assert intact > unusable > 0


def check_runs():
    right = explore(case())
    for number in range(1, 2000, 11):
        run = Run(case())
        if not interrupt_at(number, lambda run=run: [run.step(name) for name in "AABB"]):
            break
        if run.model.ledger.whole:
            for name in ("A", "A", "B", "B")[run.tip.index :]:
                run.step(name)
            assert run.tip.values["value"] == 2
    assert explore(case()).verdicts == right.verdicts


def test_two_threads_can_step_in_one_model():
    toy = case(actors={"A": racy, "B": locked, "C": racy})
    right = everything(Model(toy))
    before = sys.getswitchinterval()
    sys.setswitchinterval(10e-6)
    try:
        for _ in range(10):
            model = Model(toy)
            with ThreadPoolExecutor(4) as pool:
                assert list(pool.map(everything, [model] * 4)) == [right] * 4
    finally:
        sys.setswitchinterval(before)
