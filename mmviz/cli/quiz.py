"""`mmviz quiz`: questions about a race, on paper or one after another."""

import json
import sys
import textwrap
from collections.abc import Iterator
from random import Random
from typing import Any

from mmviz.engine import Case, replay
from mmviz.engine.text import replay_line
from mmviz.lessons.asked import memory_now, steps_so_far
from mmviz.lessons.played import played
from mmviz.lessons.question import LETTERS, Option, Question
from mmviz.lessons.questions import none_asked, questions
from mmviz.scenarios import cases_of, one_case

WIDTH = 79
NONE_FOUND = 1


def quiz(options: Any) -> int:
    """Ask questions, or print them, and return the exit status: 1 where there is none to ask.

    Args:
        options: race, case, kind, seed, count, answers and json, as they were typed.
    """
    one = one_case(options.race, options.case) if options.case else None
    cases = list(cases_of(options.race)) if one is None else [one]
    found = list(_asked(cases, options.kind, options.seed, options.count))
    if options.json:
        print(json.dumps([each.json(options.answers) for each in found], indent=1))
    elif options.answers or not (sys.stdin and sys.stdin.isatty()):
        _print(found, options.answers)
    else:
        _ask(found)
    if found:
        return 0
    print(f"mmviz: {_why_none(cases, options.kind)}", file=sys.stderr)
    return NONE_FOUND


def _asked(cases: list[Case], kind: str, seed: int, count: int) -> Iterator[Question]:
    """Yield questions, each of another case in turn, as long as there are any."""
    order = Random(f"{seed} quiz").sample(cases, len(cases))
    waiting: dict[int, list[Question]] = {}
    share = -(-count // len(order))
    for most in (share, count):  # where some have fewer than their share, others have more
        for number, case in enumerate(order):
            if sum(map(len, waiting.values())) >= count:
                break
            waiting[number] = list(questions(case, kinds=kind, seed=seed, count=most))
    left = count
    while left and any(waiting.values()):
        for mine in waiting.values():
            if mine and left:
                left -= 1
                yield mine.pop(0)


def _why_none(cases: list[Case], kind: str) -> str:
    if len(cases) == 1:
        return none_asked(cases[0], kind)
    return f"none of the {len(cases)} cases has such a question; leave --kind out"


def _print(found: list[Question], answers: bool) -> None:
    """Print questions; their answers only where they are asked for."""
    shown: Case | None = None
    for number, question in enumerate(found, 1):
        shown = _heading(question, shown, f"Question {number} of {len(found)}")
        if answers:
            print()
            for letter, option in zip(LETTERS, question.options, strict=False):
                _reason(f"{letter} is {'right' if option.right else 'wrong'}", option)
            _run_of(question, question.options[question.right])
        print()


def _ask(found: list[Question]) -> None:
    """Ask questions one after another; answer each with its reason."""
    shown: Case | None = None
    right = answered = 0
    for number, question in enumerate(found, 1):
        shown = _heading(question, shown, f"Question {number} of {len(found)}")
        print()
        letters = LETTERS[: len(question.options)]
        chosen = None
        while chosen is None:
            try:
                typed = input(f"Your answer ({', '.join(letters)}; Enter skips it): ")
            except EOFError:
                print()
                _score(right, answered)
                return
            if not typed.strip():
                break
            chosen = question.option(typed)
            if chosen is None:
                print(f"Type one of {', '.join(letters)}.")
        answered += chosen is not None
        right += chosen is not None and chosen.right
        if chosen is not None:
            _reason("Right" if chosen.right else "No", chosen)
            _run_of(question, chosen)
        if chosen is None or not chosen.right:
            option = question.options[question.right]
            _reason(f"Right is {question.letter}", option)
            _run_of(question, option)
        print()
    _score(right, answered)


def _score(right: int, answered: int) -> None:
    if answered:
        print(f"{right} of {answered} right.")


def _reason(head: str, option: Option) -> None:
    print(_wrapped(f"{head}: {option.reason}", "   "))


def _run_of(question: Question, option: Option) -> None:
    """Print the line that replays the run of an option, where it has one that can be replayed."""
    case = option.case or question.case
    if option.schedule is not None and case.expression:
        print(f"   {replay_line(case, option.schedule)}")


def _heading(question: Question, shown: Case | None, number: str) -> Case:
    """Print a question, and before the first one of a case what the case is."""
    case = question.case
    if case is not shown:
        name = f"{case.scenario}, " if case.scenario else ""
        print(_wrapped(f"{name}{case.headline}"))
        if case.promise:
            print(_wrapped(f"Promise: {' '.join(case.promise.split())}"))
        print()
        for text in played(case):
            print(textwrap.indent(text, "    "))
            print()
    print(f"{number}")
    print()
    run = replay(case, question.schedule)
    for line in steps_so_far(run):
        print(_wrapped(line, "          "))
    if run.tip.index:
        print()
    if question.given:
        for line in question.given:
            print(_wrapped(line, "      "))
        if now := memory_now(question, run):
            print(_wrapped(now, "  "))
        print()
    print(_wrapped(question.text))
    for letter, each in zip(LETTERS, question.options, strict=False):
        print(_wrapped(f"  {letter}  {each.text}", "     "))
    return case


def _wrapped(text: str, further: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )
