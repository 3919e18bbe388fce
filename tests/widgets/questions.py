"""A question of the tests' own, whose reasons are words that occur nowhere else."""

import mmviz
from mmviz.lessons.question import Option, Question

RACE, CASE = "iommu_group/release_order", "DelistThenRelease"
UPTO = ("CPU0",) * 3
SECRETS = ("becauseone", "becausetwo", "becausethree")
TEXTS = ("only CPU0", "only CPU1", "both of them")


def question(right=(2,), extra="", case=None, **more):
    """Return a question after three steps of CPU0.

    Args:
        right: the numbers of the options that are right.
        extra: what stands in each text as well.
        case: by default one of the catalogue.
        more: other attributes of the question.
    """
    runs = ((*UPTO, "CPU0"), (*UPTO, "CPU1"), None)
    options = tuple(
        Option(words + extra, number in right, secret + extra, run)
        for number, (words, secret, run) in enumerate(zip(TEXTS, SECRETS, runs, strict=True))
    )
    asked = {
        "kind": "next",
        "case": case or mmviz.find(RACE, CASE),
        "schedule": UPTO,
        "text": f"Which actor can go?{extra}",
        "options": options,
        "given": (f"CPU0 was at mutex_unlock{extra}",),
    }
    return Question(**(asked | more))
