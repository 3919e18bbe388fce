"""Every picture of every case is fit to be seen: arithmetic, no browser."""

import random
from xml.etree import ElementTree

import pytest

from mmviz.scenarios import every_case
from mmviz.scene.cards import cards
from mmviz.scene.check import problems
from mmviz.scene.layout import ROOM, plan
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.source import lit
from mmviz.scene.timeline import columns
from mmviz.scene.tips import step_tip, tips
from mmviz.scene.views import VIEWS, every, picture, usual
from mmviz.scene.words import caption, goal, promises

CASES = list(every_case())
MOST_STEPS, SEEN = 40, 4  # of a random run; of another run's frames
MOST_SVG = 300_000  # bytes


def sampled(rehearsal):
    """Yield runs with the frames to look at: all of the first that a stage offers, then fewer."""
    for number, schedule in enumerate(rehearsal.runs().values()):
        run = rehearsal.run(schedule)
        steps = range(len(run.frames))
        yield (
            run,
            steps if not number else sorted({*steps[:: max(len(steps) // SEEN, 1)], steps[-1]}),
        )
    dice = random.Random(rehearsal.case.name)
    run = rehearsal.run()
    while run.enabled() and len(run.schedule) < MOST_STEPS:
        run.step(dice.choice(run.enabled()))
    yield run, range(0, len(run.frames), 7)


def wrong_with(view, run, frames, ready):
    """Yield what is wrong with a view of a run; what is in `ready` is known to be good."""
    sizes = set()
    for k in frames:
        scene = view.scene(run, k)
        sizes.add((scene.width, scene.height))
        if scene not in ready:
            ready.add(scene)
            yield from problems(scene)
    if len(sizes) > 1:
        yield f"the sheet changes its size within a run: {sizes}"
    text = view.scene(run, frames[-1]).svg(title=view.title)
    ElementTree.fromstring(text)
    if len(text.encode()) >= MOST_SVG:
        yield f"an SVG of {len(text.encode()):,} bytes"
    if not view.text(run, frames[-1]).strip():
        yield "it says nothing in words"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario}:{case.name}")
def test_no_text_touches_another_leaves_its_box_or_fades_into_it(case):
    rehearsal = Rehearsal(case)
    there = every(rehearsal)
    listings, ready, wrong = there["code"].codes, set(), set()

    for number, (run, frames) in enumerate(sampled(rehearsal)):
        frames = list(frames)
        for name, view in there.items():
            if name != "code" or not number:  # its words are the same in every run
                wrong |= {f"{name}: {each}" for each in wrong_with(view, run, frames, ready)}
        for frame in run.frames:
            for code in listings:
                light = lit(code, frame)
                if light.role == "ready" and light.line < 0:
                    wrong.add(f"code: {code.actor} can go, and no line of it is lit")
            assert caption(frame, len(run.frames)).startswith("step")
        assert promises(case, run.frames)

    assert wrong == set()
    assert plan(rehearsal.reach).width <= ROOM + 2, "the objects do not fit across a notebook"
    assert columns(rehearsal.reach).width <= ROOM, "the columns do not fit across a notebook"
    assert goal(case)
    begins = usual(rehearsal, there)
    assert set(begins) <= set(there) <= set(VIEWS)
    assert begins[:2] == ["timeline", "code"]
    assert len(begins) > 2, "nothing shows the machine"
    told(rehearsal, there, run)


def told(rehearsal, there, run):
    """Check that whatever a reader may point at is explained in a sentence."""
    said = tips(rehearsal.reach, rehearsal.case, there.values())
    wanted = {f"field:{row.path}" for card in cards(rehearsal.reach) for row in card.rows}
    wanted |= {f"actor:{actor}" for actor in rehearsal.case.actors}
    for view in there.values():
        wanted |= {box.key for box in view.scene(run, 0).boxes}
    wanted -= {"", "field:"}  # what stands for nothing
    missing = {key for key in wanted if not key.startswith("step:")} - said.keys()
    assert missing == set()
    sentences = [*said.values(), *map(step_tip, run.frames[1:])]
    assert [each for each in sentences if not each.endswith((".", "!", "?", ")"))] == []
    assert [each for each in sentences if len(each.split()) < 3 or "\n" in each] == []


def test_a_picture_of_several_views_holds_each_of_them(rehearsal, story):
    there = every(rehearsal)
    run = rehearsal.run([frame.actor for frame in story[1:]])
    whole = picture(there.values(), run, 3)

    assert problems(whole) == []
    words = [text.text for text in whole.texts]
    for view in there.values():
        assert view.title in words
        assert all(text.text in words for text in view.scene(run, 3).texts)
