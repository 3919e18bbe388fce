"""`mmviz judge`: the card of an answer to an exercise that stands in a file."""

import json
import sys
from pathlib import Path
from typing import Any

from mmviz.engine import MmvizError
from mmviz.engine.text import quoted
from mmviz.lessons.answers import classes_in
from mmviz.lessons.card import Answer, Card, not_judged
from mmviz.lessons.exercise import CODE, STEP, Exercise, exercise, exercise_of
from mmviz.lessons.judge import judge as judged

NOT_RIGHT = 1
MOST_BYTES = 200_000  # of a file with an answer
WRITE = 'class Mine(mmviz.exercise("thread/name").given)'


def judge(file: str, name: str | None, seed: int, as_json: bool) -> int:
    """Print the card of each answer in a file, and return the exit status.

    Args:
        file: its path; "-" for stdin. Code is run, in this process.
        name: the exercise; not needed for code, whose class says which it answers.
        seed: which variant of it.
        as_json: print JSON.

    Returns:
        1 when an answer is not right, or cannot be judged.

    Raises:
        MmvizError: there is no such file, or no answer in it.
    """
    text = _text_of(file)
    asked = None if name is None else exercise(name, seed)
    if asked is not None and asked.asks != CODE:
        cards = [judged(_found(text, asked), asked)]
    else:
        cards = _cards(text, file, asked, as_json)
    if as_json:
        print(json.dumps([as_data(each) for each in cards], ensure_ascii=False, indent=1))
    else:
        print("\n\n".join(each.story for each in cards))
    return 0 if all(each.right for each in cards) else NOT_RIGHT


def _text_of(file: str) -> str:
    """Return the text of a file.

    Raises:
        MmvizError: there is no such file, it is too large, or it is no text.
    """
    if file == "-":
        data = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        path = Path(file.replace("\0", ""))
        if not path.is_file():
            raise MmvizError(f"there is no file {quoted(file)}")
        with path.open("rb") as source:
            data = source.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise MmvizError(f"{quoted(file)} has more than {MOST_BYTES:,} bytes; no answer is so long")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MmvizError(f"{quoted(file)} is not UTF-8 text (byte {error.start + 1})") from None


def _found(text: str, asked: Exercise) -> Any:
    """Return the schedule, or the number of a step, that a text gives."""
    words = text.strip()
    if asked.asks == STEP and words.isascii() and words.isdigit() and len(words) < 10:
        return int(words)
    return words


def _cards(text: str, file: str, asked: Exercise | None, as_json: bool) -> list[Card]:
    """Return the card of each class in a text that answers an exercise; of code, the last.

    Raises:
        MmvizError: there is none; or the code cannot be run, and no card is asked for.
    """
    name = "stdin.py" if file == "-" else file
    try:
        found = classes_in(text, name)
    except MmvizError as error:
        if asked is None and not as_json:
            raise
        return [not_judged(asked.name if asked is not None else name, str(error))]
    answers = {known.words: each for each in found if (known := exercise_of(each)) is not None}
    if asked is not None:
        answers = {words: each for words, each in answers.items() if exercise_of(each) is asked}
    if not answers:
        wanted = f"class Mine({asked.words}.given)" if asked is not None else WRITE
        raise MmvizError(f"{quoted(file)} has no answer to an exercise; write {wanted}")
    return [judged(each) for each in answers.values()]


def as_data(card: Card) -> dict[str, Any]:
    """Return a card as `--json` prints it."""
    return {
        "exercise": card.title,
        "right": card.right,
        "headline": card.headline,
        "error": card.error,
        "points": dict(card.points or {}),
        "answers": {name: _row(each) for name, each in card.answers.items()},
    }


def _row(answer: Answer) -> dict[str, Any]:
    run = answer.schedule if answer.verdict == "no" else None
    return {
        "verdict": answer.verdict,
        "sentence": answer.sentence,
        "place": answer.place,
        "schedule": None if run is None else list(run),
    }
