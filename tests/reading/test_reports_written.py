"""Reports written for these tests, in the layouts that lockdep, loggers and mailers leave.

`keys.json` has for each what is right: its kind, its locks, what the actors do, or why it is
refused.
"""

import json
from functools import cache
from pathlib import Path

import pytest

import mmviz
from mmviz.engine import replay

REPORTS = Path(__file__).parent / "reports"
KEYS = json.loads((REPORTS / "keys.json").read_text("utf-8"))
RINGS = {name for name, key in KEYS.items() if key["kind"] == "circular" and key.get("deadlock")}


@cache
def answer(name):
    return mmviz.lockdep((REPORTS / f"{name}.txt").read_text("utf-8"))


@pytest.mark.parametrize("name", KEYS)
def test_a_report_is_answered_as_its_key_says(name):
    key, found = KEYS[name], answer(name)

    if "refused" in key:
        assert key["refused"] in found.refused
        assert (found.case, found.json()["deadlock"]) == (None, False)
        return
    assert (found.refused, found.kind) == ("", key["kind"])
    assert found.locks == key["locks"]
    assert (len(found.actors), found.deadlock) == (key["actors"], key["deadlock"])
    for actor, does in key.get("does", {}).items():
        assert [list(each) for each in found.actors[actor][: len(does)]] == does
    assert key.get("note", "") in " ".join(found.notes)


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key.get("deadlock")])
def test_the_search_has_run_into_the_deadlock(name):
    found = answer(name)
    run = replay(found.case, found.schedule)

    assert run.deadlock
    assert found.report.counterexamples == {}  # nothing but the deadlock goes wrong
    assert found.notes[0].startswith("In the order of the report it deadlocks: ")


@pytest.mark.parametrize("name", sorted(RINGS))
def test_each_lock_of_a_chain_is_taken_while_the_one_before_is_held(name):
    found = answer(name)
    ring = [lock for lock, _ in found.chain[::-1]]
    takes = ("lock", "rlock", "sync", "wait")
    orders = [[lock for what, lock in own if what in takes] for own in found.actors.values()]

    assert ring == found.locks
    for before, after in zip([ring[-1], *ring], ring, strict=False):
        assert any(
            after in order[order.index(before) + 1 :] for order in orders if before in order
        ) or before.startswith("(completion)")


def test_the_functions_are_those_that_take_the_locks():
    functions = [function for _, function in answer("four_without_table").chain]
    inlined = [function for _, function in answer("bot_with_inlined_frames").chain]

    assert functions == ["ibis_get", "stork_get", "egret_get", "heron_get"]
    assert inlined == ["egret_queue", "egret_handle"]


def ring(count):
    """Return a report of a ring of locks, each of them a letter."""
    locks = [f"&{chr(97 + number)}_lock" for number in range(count)]
    rows = [
        "WARNING: possible circular locking dependency detected",
        "cook/7 is trying to acquire lock:",
        f"ffff888100000000 ({locks[0]}){{+.+.}}-{{3:3}}, at: take+0x1/0x2",
        "but task is already holding lock:",
        f"ffff888100000100 ({locks[-1]}){{+.+.}}-{{3:3}}, at: take+0x1/0x2",
        "the existing dependency chain (in reverse order) is:",
    ]
    for number in reversed(range(count)):
        rows.append(f"-> #{number} ({locks[number]}){{+.+.}}-{{3:3}}:")
        rows += ["       lock_acquire+0xc0/0x2d0", f"       take_{number}+0x10/0x20"]
    return "\n".join(rows)


def test_a_search_that_is_cut_off_says_what_it_leaves_open():
    whole, cut = (mmviz.lockdep(ring(count)) for count in (4, 8))

    assert not any("search" in note for note in whole.notes)
    assert cut.notes[1].startswith("The search stopped at 100,000 states: this run proves")
    assert replay(cut.case, cut.schedule).deadlock
