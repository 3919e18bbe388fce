"""Points for an answer, from search.

    mmviz.grade(Answer1, "iommu_group/one_critical_section")
    mmviz.grade("CPU0*3 CPU1*4", "iommu_group/break_it")
    mmviz.grade("b", "iommu_group/release_order:DelistThenRelease?next")

A run that breaks the promise earns 2, one of the shortest 3. Code earns points for each row of its
card: safe, finishes, does its job, and where the exercise asks for it, costs no more than it may;
but nothing where the job is not done, and nothing for what the given code did already. The first
answer to a question earns 2, a second one 1.

An answer never makes the grader fail: a wrong type, an exception, a loop without end or nothing at
all earn 0 points, with a message. Code is judged in a process of its own (`grading_apart.py`), from
its text: methods are all that is run of it, and `lessons/submission.py` says which are refused.

Limits. A notebook's grader runs in the kernel of the notebook, as nbgrader's and otter's does, and
code of other cells can replace this module there. `mmviz grade` reads the answers out of the files
and runs nothing else of them; it is the door for answers that are not trusted. A search answers
what a learner is asked: who has mmviz can ask it for the shortest run, too.
"""

from typing import Any

from mmviz.lessons.grading_answer import CODE, given_of
from mmviz.lessons.grading_apart import graded_apart
from mmviz.lessons.grading_points import Points, item_of, points_of


def grade(answer: Any, exercise: Any) -> Points:
    """Return the points of an answer.

        mmviz.grade(Mine, "iommu_group/one_critical_section")

    Args:
        answer: a class that derives from the exercise's `given`, or its code as text; a schedule;
            the number of a step; of a question the letter of an option, its text or its number from
            1 on, or a list of them in the order in which they were given. None for nothing.
        exercise: an exercise or its name, "@3" after it for seed 3; or a question, as a `Question`
            or as "thread/race:Case?kind@seed".

    Returns:
        The points, with a reason for each; 0 where the answer is none.

    Raises:
        UnknownName: there is no such exercise or case; the nearest is suggested.
        MmvizError: `exercise` is nothing that can be graded.
    """
    item = item_of(exercise)
    given = given_of(answer, item.asks_code)
    if given.kind == CODE:
        return graded_apart(given, item)
    return points_of(given, item)
