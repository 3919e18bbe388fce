"""Every picture of every case is fit to be seen: arithmetic, no browser."""

import random
from xml.etree import ElementTree

from mmviz.scene.cards import cards
from mmviz.scene.check import problems
from mmviz.scene.layout import ROOM, plan
from mmviz.scene.source import lit
from mmviz.scene.timeline import columns
from mmviz.scene.tips import step_tip, tips
from mmviz.scene.views import VIEWS, every, picture, usual
from mmviz.scene.words import caption, goal, promises

MOST_STEPS, SEEN = 40, 4  # of a random run; of another run's frames
MOST_SVG = 300_000  # bytes
PAGED = {"timeline"}  # a page may have fewer rows than the one before, on a sheet of one size
GROWS = {"lifetime", "causes"}  # their bars and boxes are as large as what they show


def shape(name, scene):
    """Return what stays from frame to frame: the sheet, and every mark's place."""
    sheet = (scene.width, scene.height)
    if name in PAGED:
        return sheet
    texts = [(text.x, text.y, text.live) for text in scene.texts]
    if name in GROWS:
        return sheet, texts, len(scene.boxes), len(scene.lines)
    said = [text.text for text in scene.texts if not text.live]
    return sheet, texts, said, [box[:4] for box in scene.boxes], [line[0] for line in scene.lines]


def others(played):
    """Yield more runs with the frames to look at: those a stage offers, and a random one."""
    rehearsal = played.rehearsal
    for schedule in [*rehearsal.runs().values()][1:]:
        run = rehearsal.run(schedule)
        steps = range(len(run.frames))
        yield run, sorted({*steps[:: max(len(steps) // SEEN, 1)], steps[-1]})
    dice = random.Random(played.case.name)
    run = rehearsal.run()
    while run.enabled() and len(run.schedule) < MOST_STEPS:
        run.step(dice.choice(run.enabled()))
    yield run, range(0, len(run.frames), 7)


def test_every_picture_is_fit_to_be_seen_and_nothing_in_it_moves(played):
    wrong, ready = set(), set()
    for name, view in played.views.items():
        scenes = played.scenes[name]
        wrong |= {f"{name}: {each}" for scene in set(scenes) for each in problems(scene)}
        ready |= set(scenes)
        if any(shape(name, scene) != shape(name, scenes[0]) for scene in scenes):
            wrong.add(f"{name}: marks move while a run is played")
        if any(not text.strip() for text in played.texts[name]):
            wrong.add(f"{name}: it says nothing in words")
        drawn = scenes[-1].svg(title=view.title)
        ElementTree.fromstring(drawn)
        if len(drawn.encode()) >= MOST_SVG:
            wrong.add(f"{name}: an SVG of {len(drawn.encode()):,} bytes")
    for run, frames in others(played):
        for name, view in played.views.items():
            if name == "code":
                continue  # its words are the same in every run
            scenes = {view.scene(run, k) for k in frames}
            if len({(scene.width, scene.height) for scene in scenes}) > 1:
                wrong.add(f"{name}: the sheet changes its size within a run")
            wrong |= {f"{name}: {each}" for scene in scenes - ready for each in problems(scene)}
            ready |= scenes

    assert wrong == set()


def test_only_a_view_that_says_so_looks_ahead(played):
    k = len(played.run.schedule) // 2
    part = played.run.fork(k)
    for name, view in played.views.items():
        if not view.looks_ahead:
            assert view.scene(part, k) == played.scenes[name][k], name
            assert view.text(part, k) == played.texts[name][k], name


def test_every_picture_fits_across_a_notebook(played):
    reach = played.rehearsal.reach

    wide = {name: scenes[0].width for name, scenes in played.scenes.items()}
    assert {name: width for name, width in wide.items() if width > ROOM + 2} == {}
    assert plan(reach).width <= ROOM + 2
    assert columns(reach).width <= ROOM


def test_a_stage_begins_with_who_did_what_the_code_and_the_machine(played):
    begins = usual(played.rehearsal, played.views)

    assert set(begins) <= set(played.views) <= set(VIEWS)
    assert begins[:2] == ["timeline", "code"]
    assert len(begins) > 2, "nothing shows the machine"


def test_whoever_can_go_has_a_line_lit_and_each_step_a_caption(played):
    for run in (played.run, *(run for run, _ in others(played))):
        for frame in run.frames:
            for code in played.views["code"].codes:
                light = lit(code, frame)
                assert light.role != "ready" or light.line >= 0, code.actor
            assert caption(frame, len(run.frames)).startswith("step")
        assert promises(played.case, run.frames)
    assert goal(played.case)


def test_whatever_a_reader_may_point_at_is_explained_in_a_sentence(played):
    reach, case = played.rehearsal.reach, played.case
    said = tips(reach, case, played.views.values())
    wanted = {f"field:{row.path}" for card in cards(reach) for row in card.rows}
    wanted |= {f"actor:{actor}" for actor in case.actors}
    for scenes in played.scenes.values():
        wanted |= {mark.key for scene in scenes for mark in (*scene.boxes, *scene.lines)}
    wanted -= {"", "field:"}  # what stands for nothing

    assert {key for key in wanted if not key.startswith("step:")} - said.keys() == set()
    sentences = [*said.values(), *map(step_tip, played.run.frames[1:])]
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
