"""A share of `make fuzz`: hostile texts at every door, and the watch itself, which must see."""

import pytest

import mmviz
from tests.fuzz import doors
from tests.fuzz.run import tried

TEXTS = 600  # at all doors together
WHOLE = sum(door.share for door in doors.DOORS)
QUICK = [door for door in doors.DOORS if door.name != "catalogue"]  # it searches 500 cases first


@pytest.mark.parametrize("door", QUICK, ids=lambda door: door.name)
def test_a_hostile_text_is_answered_or_refused(door):
    came, _, said = tried(door.ready(), -(-TEXTS * door.share // WHOLE))
    assert came
    assert not said, said


@pytest.mark.parametrize(
    "does",
    [
        lambda: eval("1 + 1", {}),
        lambda: exec("pass", {}),
        lambda: open("/etc/passwd").close(),
        lambda: __import__("antigravity_of_mine"),
    ],
)
def test_the_watch_sees_what_is_run_or_opened(does):
    def takes(text):
        try:
            does()
        except ImportError:
            pass

    door = doors.DOORS[0]._replace(takes=takes, shows=lambda found: None)
    with pytest.raises(AssertionError, match=r"compile|exec|open|import"):
        doors.enter(door, "")


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (doors.is_printed, "\x1b[31mred"),
        (doors.is_printed, "a\u202eb"),
        (doors.is_html, "<p>a<img src=x></p>"),
        (doors.is_html, '<p onclick="zqx()">'),
        (doors.is_html, "<!--zqx-->"),
        (doors.is_markdown, "a <b>zqx</b>"),
        (doors.is_markdown, "[zqx](javascript:zqx(1))"),
        (doors.is_latex, r"\input{zqx}"),
        (doors.is_latex, "a %zqx"),
        (doors.is_mermaid, 'click A href "javascript:zqx(1)"'),
    ],
)
def test_the_checks_see_markup(check, text):
    with pytest.raises(AssertionError):
        check(text)


def test_an_error_of_another_kind_and_a_slow_answer_are_seen(monkeypatch):
    def breaks(text):
        raise ValueError(text)

    door = doors.DOORS[0]._replace(takes=breaks)
    assert "ValueError" in tried(door, 5)[2]
    monkeypatch.setattr(doors, "SECONDS", 0)
    with pytest.raises(AssertionError, match="s of computing"):
        doors.enter(doors.DOORS[0], doors.DOORS[0].good)


@pytest.mark.parametrize("name", ["diagram", "lockdep", "litmus"])
def test_more_than_64_kib_is_refused_at_once(name):
    found = getattr(mmviz, name)("CPU0: f()\n" * 7_000)
    assert "64 KiB" in found.refused


def test_an_interrupt_that_takes_the_lock_it_interrupts_needs_no_other_cpu():
    """Found by the fuzz: two reports spliced, whose table has one lock and one CPU."""
    found = mmviz.lockdep(
        "WARNING: possible irq lock inversion dependency detected\n"
        "swapper/4/0 just changed the state of lock:\n"
        "(&wren->lock){+.+.}-{2:2}, at: wren_timer+0x3c/0x350\n"
        "but this lock was taken by another, HARDIRQ-safe lock in the past:\n"
        " (egg_lock){-.-.}-{2:2}\n\n"
        "other info that might help us debug this:\n"
        " Possible unsafe locking scenario:\n\n"
        "       CPU0\n       ----\n  lock(&flock->gander);\n  lock(&flock->gander);\n\n"
        " *** DEADLOCK ***\n"
    )
    assert found.deadlock
    assert list(found.actors) == ["CPU0"]
