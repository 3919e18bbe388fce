"""What stands on paper before a question: the steps so far, and what the memory holds."""

from mmviz.engine import Run, replay, spoken
from mmviz.lessons.question import Question
from mmviz.lessons.questions_space import fields_now

OF_VALUES = ("value", "final")  # kinds that cannot be answered without the fields


def steps_so_far(run: Run) -> list[str]:
    """Return the steps of a run, one a line, with what each wrote."""
    lines = []
    for frame in run.frames[1:]:
        wrote = ", ".join(f"{each.field} = {spoken(each.new)}" for each in frame.writes)
        line = f"{frame.index:4}  {frame.actor}  {' '.join(frame.label.split())}"
        lines.append(f"{line}{wrote and f':  {wrote}'}")
    return lines


def memory_now(question: Question, run: Run) -> str:
    """Return what the fields hold, where the question cannot be answered without them; else ""."""
    if question.given and question.kind in OF_VALUES:
        return f"Now {', '.join(fields_now(run))}."
    return ""


def on_paper(question: Question) -> str:
    """Return a question with all that must be known to answer it, beside the code."""
    run = replay(question.case, question.schedule)
    parts = ["\n".join(steps_so_far(run)), memory_now(question, run), str(question)]
    return "\n\n".join(filter(None, parts))
