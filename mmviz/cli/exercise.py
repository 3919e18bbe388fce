"""`mmviz exercise`: the exercises, or the code of one to edit."""

import json
from typing import Any

from mmviz.engine import Case
from mmviz.lessons.exercise import CODE, KINDS, Exercise, exercises, sentence
from mmviz.lessons.exercise import exercise as chosen
from mmviz.lessons.played import played


def exercise(name: str | None, seed: int, as_json: bool) -> int:
    """Print every exercise with its title; or the task of one and its code to edit.

    Args:
        name: the exercise; None for a list. The name of a thread lists its exercises.
        seed: which variant of it.
        as_json: print JSON.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
    """
    known = exercises()
    thread = [each for each in known.values() if name is None or each.name.startswith(f"{name}/")]
    found = thread or [chosen(name or "", seed)]
    if as_json:
        print(json.dumps([as_data(each) for each in found], ensure_ascii=False, indent=1))
    elif thread:
        width = max(len(each.name) for each in found)
        for each in found:
            print(f"{each.name:{width}}  {each.title}")
    else:
        print(to_edit(found[0]))
    return 0


def to_edit(asked: Exercise) -> str:
    """Return the task as comments, and below it the code to edit."""
    head = "\n".join(f"# {line}".rstrip() for line in str(asked).splitlines())
    if asked.asks != CODE:
        seed = f" --seed {asked.seed}" if asked.seed else ""
        typed = f"# or, with the answer in a file: mmviz judge FILE --exercise {asked.name}{seed}"
        plays = "\n\n".join(played(asked.failing))
        return f"{head}\n\n{plays}\n\n# {KINDS[asked.asks]}:\n# {asked.code}\n{typed}"
    return f"{head}\n\n{asked.code}".rstrip()


def as_data(asked: Exercise) -> dict[str, Any]:
    """Return an exercise as `--json` prints it, without hints and answers."""
    race = asked.race
    return {
        "name": asked.name,
        "seed": asked.seed,
        "title": asked.title,
        "task": asked.task.strip(),
        "race": race if isinstance(race, str) else race.name if isinstance(race, Case) else "",
        "asks": asked.asks,
        "writes": list(asked.writes),
        "jobs": [sentence(each) for each in asked.jobs],
        "outcomes": [sentence(each) for each in asked.outcomes],
        "minutes": asked.minutes,
        "variants": len(asked.variants) + 1,
        "code": asked.code,
    }
