"""Every picture of every case is fit to be seen: arithmetic, no browser."""

import random

import pytest

from mmviz.scenarios import every_case
from mmviz.scene.check import problems
from mmviz.scene.layout import ROOM, plan
from mmviz.scene.objects import objects
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.source import codes, lit
from mmviz.scene.timeline import columns, timeline
from mmviz.scene.words import caption, goal, promises

CASES = list(every_case())
WALKS, MOST_STEPS = 2, 40


def runs(rehearsal):
    """Yield the runs that a stage offers, and a few that a reader might choose."""
    for schedule in rehearsal.runs().values():
        yield rehearsal.run(schedule)
    dice = random.Random(rehearsal.case.name)
    for _ in range(WALKS):
        run = rehearsal.run()
        while run.enabled() and len(run.schedule) < MOST_STEPS:
            run.step(dice.choice(run.enabled()))
        yield run


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario}:{case.name}")
def test_no_text_touches_another_leaves_its_box_or_fades_into_it(case):
    rehearsal = Rehearsal(case)
    places, lanes = plan(rehearsal.reach), columns(rehearsal.reach)
    listings, actors = codes(rehearsal.reach), tuple(case.actors)
    wrong = set()

    for run in runs(rehearsal):
        frames = run.frames
        for k, frame in enumerate(frames):
            wrong |= {f"timeline: {problem}" for problem in problems(timeline(frames, k, lanes))}
            wrong |= {f"objects: {problem}" for problem in problems(objects(frame, places, actors))}
            for code in listings:
                light = lit(code, frame)
                if light.role == "ready" and light.line < 0:
                    wrong.add(f"code: {code.actor} can go, and no line of it is lit")
            assert caption(frame, len(frames)).startswith("step")
        assert promises(case, frames)

    assert wrong == set()
    assert places.width <= ROOM + 2, "the objects do not fit across a notebook"
    assert lanes.width <= ROOM, "the columns do not fit across a notebook"
    assert goal(case)
