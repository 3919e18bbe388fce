"""Questions made from states: true by another machine, the same each time, worth asking."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import islice

import pytest

import mmviz
from mmviz.engine import World, atomic, choose, environment
from mmviz.engine.graph import Graph
from mmviz.engine.learn import Model
from mmviz.lessons import questions_line, questions_next, questions_value
from mmviz.lessons.question import KINDS, Question
from mmviz.lessons.questions import kinds_of, none_asked, questions
from mmviz.lessons.questions_space import SPACES
from tests.commands import fits, run
from tests.engine.toys import Counter, Lock, case, field, locked, lost_update, racy
from tests.prove.questions import Machine, Wrong, check, prove

RACE, BUG, FIX = "iommu_group/release_order", "DelistThenRelease", "ReleaseUnderMutex"
MIGRATED = ("vmstat/update_is_preempted", "PreemptDisable")
SAMPLE = range(3, 550, 53)  # every 53rd case of the catalogue


@pytest.fixture
def fresh():
    """Nothing is known of a case before or after."""
    SPACES.kept.clear()
    yield
    SPACES.kept.clear()


# -- true ------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", SAMPLE)
def test_questions_of_the_catalogue_are_true(at):
    (chosen,) = islice(mmviz.every_case(), at, at + 1)
    counts, wrong = prove(chosen, range(2))
    assert wrong == []
    assert counts["different"] >= 2


@pytest.mark.parametrize("name", [BUG, FIX])
def test_a_question_with_another_option_marked_is_caught(name):
    chosen = mmviz.find(RACE, name)
    machine, caught = Machine(chosen), set()
    for seed in range(3):
        for question in questions(chosen, seed=seed, count=6):
            check(question, machine)
            right = (question.right + 1) % len(question.options)
            options = tuple(
                replace(each, right=number == right) for number, each in enumerate(question.options)
            )
            with pytest.raises(Wrong, match="right is"):
                check(replace(question, options=options), machine)
            with pytest.raises(Wrong, match="options are marked"):
                check(
                    replace(question, options=tuple(replace(o, right=True) for o in options)),
                    machine,
                )
            caught.add(question.kind)
    assert caught == set(KINDS)


def forgets_every_other_state(known):
    def fates(graph, bad):
        return bytearray(fate * (number % 2) for number, fate in enumerate(known(graph, bad)))

    return fates


BREAKS = {
    "fates are lost": (Graph, "fates_before", forgets_every_other_state, (RACE, BUG), "reachable"),
    "one of several ways is enough": (
        questions_next,
        "_needs",
        lambda _: lambda *_: True,
        MIGRATED,
        "blocked",
    ),
    "a step later": (
        questions_next,
        "_steps",
        lambda known: lambda actor, count: known(actor, count and count + 1),
        (RACE, BUG),
        "blocked",
    ),
    "the value before": (
        questions_value,
        "_ask_field",
        lambda known: lambda space, run, ahead, *more: known(space, run, run.fork(), *more),
        (RACE, BUG),
        "value",
    ),
    "an actor has not finished": (
        Model,
        "is_complete",
        lambda _: lambda model, state: model.is_done(state, 0),
        (RACE, BUG),
        "final",
    ),
    "no line matters": (
        questions_line,
        "goes_wrong",
        lambda _: lambda *_: frozenset(),
        (RACE, FIX),
        "line",
    ),
    "another step is named": (
        questions_line,
        "_after",
        lambda known: (
            lambda one, run, count: known(one, run, count).replace(
                f"step {count},", f"step {count - 1},"
            )
        ),
        (RACE, BUG),
        "line",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_generator_that_is_broken_is_caught(name, monkeypatch, fresh):
    where, attribute, broken, of, kind = BREAKS[name]
    chosen = mmviz.find(*of)
    machine, wrong = Machine(chosen), 0
    monkeypatch.setattr(where, attribute, broken(getattr(where, attribute)))
    for seed in range(8):
        if wrong:
            break
        for question in questions(chosen, kinds=kind, seed=seed, count=4):
            try:
                check(question, machine)
            except Wrong:
                wrong += 1
    assert wrong


# -- the same each time ----------------------------------------------------------------------


def text_of(found):
    return json.dumps([each.json(answers=True) for each in found])


def test_the_same_seed_asks_the_same_whatever_was_asked_before(fresh):
    chosen = mmviz.find(RACE, FIX)
    first = text_of(questions(chosen, seed=5, count=12))
    for seed in range(8):
        questions(chosen, seed=seed, count=12)
    assert text_of(questions(chosen, seed=5, count=12)) == first
    SPACES.kept.clear()
    assert text_of(questions(chosen, seed=5, count=12)) == first
    assert text_of(questions(chosen, seed=6, count=12)) != first
    asked = [(each.kind, each.schedule, each.text) for each in questions(chosen, count=60)]
    assert len(asked) == len(set(asked)) > 30


def test_the_same_seed_asks_the_same_in_another_process():
    words = ["quiz", f"{RACE}:{BUG}", "--seed=3", "--count=12", "--json", "--answers"]
    found = {
        subprocess.run(
            [sys.executable, "-m", "mmviz", *words],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_schedule_says_where_it_is_asked():
    chosen = mmviz.find(RACE, BUG)
    for question in questions(chosen, "CPU0*3 CPU1", seed=1, count=6):
        assert question.schedule == ("CPU0", "CPU0", "CPU0", "CPU1")
    assert {q.schedule for q in questions(chosen, at_start=True, count=4)} == {()}
    with pytest.raises(mmviz.ScheduleError, match="step 2"):
        questions(chosen, "CPU0 CPU1")


def test_options_have_no_pattern():
    """The right one is as often first as others, and is not the longest more often than not."""
    first = longest = total = 0
    for name in (BUG, FIX, "ReleaseThenDelist"):
        for seed in range(12):
            for question in questions(mmviz.find(RACE, name), seed=seed, count=6):
                lengths = [len(each.text) for each in question.options]
                total += 1
                first += question.right == 0
                longest += lengths.count(max(lengths)) == 1 and lengths[question.right] == max(
                    lengths
                )
                assert all(each.reason.strip() for each in question.options)
    assert 0.15 * total < first < 0.45 * total
    assert longest < 0.45 * total


# -- a race of one's own ---------------------------------------------------------------------


def asked_of(chosen, seeds=12, **how):
    machine, kinds = Machine(chosen), set()
    for seed in range(seeds):
        for question in questions(chosen, seed=seed, count=6, **how):
            check(question, machine)
            kinds.add(question.kind)
    return kinds


def test_a_race_without_a_file_has_questions_of_every_kind(fresh):
    race = mmviz.Race(world=Counter, actors={"A": racy, "B": racy}, bad=[lost_update])
    race.case("no lock", name="Open", of=1, sometimes=[lost_update])
    race.case("a lock", name="Closed", of=2, actors={"A": locked, "B": locked})
    assert asked_of(race["Open"]) == {"value", "reachable", "final", "line"}
    assert asked_of(race["Closed"]) >= {"next", "blocked", "value", "line"}


def test_symmetric_actors_are_told_apart(fresh):
    chosen = case("Pair", actors={"A": locked, "B": locked}, interchangeable=(("A", "B"),))
    assert "blocked" in asked_of(chosen)


class Asked(World):
    """An actor whose allocation may fail."""

    got: int = 0
    lock: Lock = field(default_factory=Lock)

    @atomic("toy")
    def take(self, count: int) -> None:
        """Take some."""
        self.got += count


async def allocates(k):
    if await choose("kmalloc() fails"):
        return
    await k.lock.take()
    await k.take(2)
    await k.lock.drop()


async def takes(k):
    await k.lock.take()
    await k.take(1)
    await k.lock.drop()


def test_the_environment_is_not_asked_about(fresh):
    chosen = mmviz.Case(
        name="Chosen",
        world=Asked,
        actors={"CPU0": allocates, "CPU1": takes, "environment": environment},
        bad=(),
    )
    assert {"next", "blocked", "final"} <= asked_of(chosen)


async def waits(k):
    await k.wait_for(7)


def test_a_deadlock_is_asked_about(fresh):
    chosen = case("Stuck", actors={"A": racy, "B": waits}, deadlock=True)
    found = [q for s in range(30) for q in questions(chosen, kinds="next", seed=s)]
    assert any(q.options[q.right].text in ("None of them", "No") for q in found)
    machine = Machine(chosen)
    for question in found:
        check(question, machine)


async def alone(k):
    await k.store(1)


def test_what_is_not_interesting_is_not_asked(fresh):
    chosen = case("Alone", actors={"A": alone}, bad=())
    assert questions(chosen, count=6) == ()
    why = kinds_of(chosen)
    assert all(why.values())
    assert none_asked(chosen).startswith("Alone has no question: next: every")
    assert "next: every actor can step" in none_asked(chosen, "next")
    assert none_asked(case("Racy"), "next").endswith("It has: value, reachable, line.")


# -- too large -------------------------------------------------------------------------------


def test_of_a_case_with_too_many_states_only_what_is_decided_is_asked(fresh):
    chosen = mmviz.find(RACE, BUG)
    assert asked_of(chosen, max_states=20) <= {"next", "blocked", "value", "line"}
    assert {"next", "blocked", "value"} <= asked_of(chosen, max_states=20)
    why = kinds_of(chosen, max_states=20)
    assert why["final"] == why["reachable"] == "not decided: the case has more than 20 states"
    first = text_of(questions(chosen, seed=2, count=6, max_states=20))
    questions(chosen, seed=3, count=6, max_states=20)
    assert text_of(questions(chosen, seed=2, count=6, max_states=20)) == first


def test_a_line_of_a_large_safe_case_is_not_asked_about(fresh, monkeypatch):
    monkeypatch.setattr(questions_line, "MOST_STATES", 20)
    assert questions(mmviz.find(RACE, FIX), kinds="line") == ()


async def endless(k):
    while True:
        await k.store(1 - await k.load())


def test_runs_without_end_are_no_window(fresh):
    chosen = case("Endless", actors={"A": racy, "B": endless}, bad=(lost_update,), livelock=True)
    asked_of(chosen, seeds=6)


# -- as text, as data ------------------------------------------------------------------------


def test_a_question_shows_no_answer():
    (question,) = questions(mmviz.find(RACE, BUG), kinds="value", seed=4)
    for shown in (str(question), repr(question), question._repr_html_(), str(question.json())):
        for each in question.options:
            assert each.reason not in shown
        assert "True" not in shown
    assert question.option(question.letter.lower()).right
    assert question.option(question.letter + " ") is question.option(question.letter)
    for wrong in ("", "Z", "AB", "1"):
        assert question.option(wrong) is None


def test_what_a_race_says_is_escaped(fresh):
    question = Question("next", mmviz.find(RACE, BUG), (), "<b>\x1b[31m", (), ("<i>",))
    assert "<b>" not in question._repr_html_()
    assert "\x1b" not in str(question)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kinds": "nxt"}, "did you mean next"),
        ({"kinds": []}, "no kind of question is named"),
        ({"kinds": 5}, "the kinds of questions"),
        ({"count": 0}, "1 to 100 questions"),
        ({"count": 1.5}, "is an integer"),
        ({"seed": "one"}, "is an integer"),
        ({"max_states": -1}, "not a number above 0"),
        ({"schedule": "CPU7"}, "is not an actor"),
    ],
)
def test_a_wrong_argument_is_answered_with_a_sentence(given, said):
    with pytest.raises(mmviz.MmvizError, match=said):
        questions(mmviz.find(RACE, BUG), **given)
    with pytest.raises(mmviz.MmvizError, match="what is asked about is a Case"):
        questions(RACE)


# -- the command -----------------------------------------------------------------------------


def test_printed_questions_have_no_answers(capsys):
    status, out, err = run(capsys, "quiz", f"{RACE}:{BUG}", "--count=6", "--seed=2")
    assert (status, err) == (0, "")
    assert out.count("Question ") == 6
    assert "class DelistThenRelease" in out
    assert max(map(len, out.splitlines())) < 110  # code of the race is as wide as it is
    for question in questions(mmviz.find(RACE, BUG), seed=2, count=6):
        assert " ".join(question.text.split()) in " ".join(out.split())
        for each in question.options:
            assert " ".join(each.reason.split()) not in " ".join(out.split())
    status, out, _ = run(capsys, "quiz", f"{RACE}:{BUG}", "--count=6", "--seed=2", "--answers")
    assert " is right: " in out
    assert "mmviz.replay(mmviz.find('iommu_group/release_order', 'DelistThenRelease')" in out


def test_answers_are_in_the_data_only_where_they_are_asked_for(capsys):
    for more in ([], ["--answers"]):
        status, out, _ = run(capsys, "quiz", RACE, "--count=8", "--json", *more)
        found = fits("quiz", out)
        assert status == 0
        assert len(found) == 8
        assert len({each["case"] for each in found}) > 1
        told = {key for q in found for option in q["options"] for key in option if option[key]}
        assert ({"right", "reason", "schedule", "case"} <= told) == bool(more)
        assert (told == {"letter", "text"}) != bool(more)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_at_a_terminal_a_letter_is_answered_with_its_reason(capsys, monkeypatch):
    asked = questions(mmviz.find(RACE, BUG), seed=1, count=3)
    wrong = "AB"[asked[1].right == 0]
    typed = Terminal(f"{asked[0].letter.lower()}\nZ\n{wrong}\n\n")
    monkeypatch.setattr("sys.stdin", typed)
    status, out, err = run(capsys, "quiz", RACE, f"--case={BUG}", "--seed=1", "--count=3")
    assert (status, err) == (0, "")
    told = " ".join(out.split())
    assert f"Right: {' '.join(asked[0].options[asked[0].right].reason.split())}" in told
    assert "Type one of A, B" in told
    assert f"No: {' '.join(asked[1].option(wrong).reason.split())}" in told
    assert f"Right is {asked[1].letter}: " in told
    assert f"Right is {asked[2].letter}: " in told  # it was skipped
    assert told.endswith("1 of 2 right.")


def test_the_end_of_what_is_typed_ends_the_quiz(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal(""))
    status, out, _ = run(capsys, "quiz", RACE, "--count=3")
    assert status == 0
    assert out.count("Question ") == 1


def test_a_kind_that_a_case_lacks_is_said(capsys):
    status, out, err = run(capsys, "quiz", f"{RACE}:{BUG}", "--kind=frob")
    assert (status, out) == (2, "")
    assert "there is no kind of question 'frob'" in err


def test_the_run_of_a_mutant_is_played_and_is_not_in_the_data(fresh):
    (question,) = questions(mmviz.find(RACE, FIX), kinds="line", seed=1)
    right = question.options[question.right]
    assert right.case.title.startswith("without ")
    assert not right.case.is_held
    assert right.case.expression == ""
    mutated = mmviz.replay(right.case, right.schedule)
    assert mutated.violated or mutated.deadlock
    told = question.json(answers=True)["options"][question.right]
    assert (told["right"], told["schedule"]) == (True, None)
