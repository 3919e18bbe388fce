"""Answers as text: the code of a class `Mine`, run once to get the class, as a cell would."""

import linecache
from itertools import count
from types import ModuleType
from typing import Any

from mmviz.engine import ModelError
from mmviz.engine.text import quoted, written
from mmviz.lessons.exercise import Exercise, exercise_of

_NUMBERS = count(1)


def class_of(text: str, exercise: Exercise, file: str = "") -> type:
    """Return the class of an answer that is code.

    Args:
        text: the code of a cell, with `class Mine(mmviz.exercise("…").given)`. It is run: judge
            only what you would run.
        exercise: the exercise that it answers.
        file: what messages call it; by default "your answer".

    Raises:
        ModelError: it cannot be run, or defines no class that derives from the exercise's; the
            message names the line.
    """
    found = classes_in(text, file)
    mine = [each for each in found if exercise_of(each) is exercise]
    if not mine:
        others = ", ".join(sorted({each.__name__ for each in found})) or "no class at all"
        raise ModelError(
            f"no class answers {exercise.name} (there is {others}). Write class "
            f"Mine({exercise.words}.given)"
        )
    return mine[-1]


def classes_in(text: str, file: str = "") -> list[type]:
    """Run the code of answers; return the classes that it defines, in their order.

    Raises:
        ModelError: it cannot be run; the message names the line.
    """
    name = file or f"your answer {next(_NUMBERS)}.py"
    linecache.cache[name] = (len(text), None, written(text, "an answer").splitlines(True), name)
    module = ModuleType(f"mmviz_answer_{next(_NUMBERS)}")
    module.__file__ = name
    try:
        exec(compile(text, name, "exec", dont_inherit=True), vars(module))
    except KeyboardInterrupt:
        raise
    except SyntaxError as error:
        line = (name, "<module>", error.lineno or 0)
        near = (error.text or "").strip()
        raise ModelError(
            f"{error.msg}{f', in {quoted(near)}' if near else ''}. Mend that line", line=line
        ) from None
    except BaseException as error:  # the code may do anything
        raise ModelError(
            f"the code cannot be run: {type(error).__name__}: {error}", line=_line(error, name)
        ) from None
    return [each for each in vars(module).values() if _is_new(each, module)]


def variant_of(exercise: Exercise, answer: str) -> type:
    """Return the class of an answer as an exercise states it: a case of the race, or code."""
    if "\n" in answer:
        return class_of(exercise.text_of(answer), exercise)
    return exercise.variant(answer)


def _is_new(value: Any, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


def _line(error: BaseException, file: str) -> tuple[str, str, int] | None:
    trace, found = error.__traceback__, None
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == file:
            found = (file, code.co_name, trace.tb_lineno)
        trace = trace.tb_next
    return found
