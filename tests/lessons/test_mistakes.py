"""What the judge says of typical mistakes: no false green, no false red, and a run or a line.

Here the mistakes written by hand and a part of the mutants; `make exercises` judges all of them.
"""

from functools import cache

import pytest

from tests.lessons.mistakes import corpus
from tests.lessons.mistakes.operators import mutants

THREADS = corpus.threads()
OF_MUTANTS = 24  # one in so many is judged here
PAIR = """
async def method(self, k):
    await k.lock.mutex_lock()
    if await k.check():
        return False
    await k.lock.mutex_unlock()
    return True
"""


@cache
def answers_of(thread):
    """All answers of a thread."""
    return list(corpus.corpus(thread))


def written(thread):
    """The answers of a thread that are no mutants, and a part of the mutants."""
    answers = answers_of(thread)
    by_hand = [each for each in answers if each.label in corpus.labels(thread)]
    rest = [each for each in answers if each.label not in corpus.labels(thread)]
    return by_hand + rest[::OF_MUTANTS]


@pytest.mark.parametrize("thread", THREADS)
def test_typical_mistakes_are_rejected_with_a_reason_and_right_fixes_accepted(thread):
    found, safe = [], corpus.safe_of(thread)
    for each in written(thread):
        wrong = corpus.faults(each, corpus.judged(each, quick=True), safe)
        found += [f"{each.exercise}: {each.label}\n{wrong}\n{each.methods}"] if wrong else []
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("thread", THREADS)
def test_who_locks_everything_is_wrong_or_pays_for_it(thread):
    found = [
        f"{each.exercise}: {each.label}: {wrong}\n{each.methods}"
        for plain, each in corpus.always_locked(thread)
        if (wrong := corpus.unlocked_cost(plain, each))
    ]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("thread", THREADS)
def test_a_thread_has_sixty_mistakes_and_a_right_fix_of_every_exercise_that_asks_for_code(thread):
    answers = answers_of(thread)
    assert sum(not each.right for each in answers) >= 60
    asked = {each.name for each in corpus.coded(thread)}
    assert {each.exercise for each in answers if each.right} == asked


def test_a_mutant_differs_in_one_place():
    labels = dict(mutants(PAIR))
    assert len(labels) == len(set(labels.values()))
    assert labels["method: only return False"].endswith("(self, k):\n    return False")
    assert "mutex" not in labels["without lock and unlock: await k.lock.mutex_lock() (line 2)"]
    assert "not await k.check()" in labels["the opposite: if await k.check() (line 3)"]
    assert "    k.check()" not in labels["no await: await k.check() (line 3)"]
    assert "if k.check()" in labels["no await: await k.check() (line 3)"]


def test_a_wrong_answer_that_is_called_right_and_a_right_one_that_is_not_are_told():
    right = next(each for each in corpus.corpus("hmm") if each.right)
    wrong = next(each for each in corpus.corpus("hmm") if not each.right)
    safe = {}
    accepted, rejected = corpus.judged(right), corpus.judged(wrong)
    assert corpus.faults(right, accepted, safe) == corpus.faults(wrong, rejected, safe) == ""
    assert "FALSE RED" in corpus.faults(right, rejected, safe)
    assert "FALSE GREEN" in corpus.faults(wrong, accepted, safe)
    known = {(wrong.exercise, wrong.label): "a reason"}
    assert corpus.faults(wrong, accepted, known) == ""
    assert "STALE" in corpus.faults(wrong, rejected, known)


def test_a_readers_line_may_not_take_a_step_of_the_hardware():
    answers = {each.label: each for each in answers_of("exclusive")}
    mistake = answers["adds for the device"]
    error = corpus.judged(mistake).error
    assert "the hardware takes by itself" in error
    assert "the cell's line 7 in invalidate()" in error
