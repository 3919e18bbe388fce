"""Every picture of every case is legible: arithmetic, without a browser."""

import random
from xml.etree import ElementTree

from mmviz.scene.cards import cards
from mmviz.scene.check import problems
from mmviz.scene.layout import ROOM, plan
from mmviz.scene.source import lit
from mmviz.scene.svg import svg
from mmviz.scene.timeline import columns
from mmviz.scene.tips import step_tip, tips
from mmviz.scene.views import VIEWS, every, picture, usual
from mmviz.scene.words import caption, goal, promises
from tests.scene.played import of_each_case

MOST_STEPS, SEEN = 40, 4  # of a random run; of another run's frames
MOST_SVG = 300_000  # bytes
PAGED = {"timeline"}  # pages have different numbers of rows, on a sheet of one size
GROWS = {"lifetime", "causes"}  # the sizes of their bars and boxes change


def shape(name, scene):
    """Return what every frame shares: the size of the sheet, and the places of the marks."""
    sheet = (scene.width, scene.height)
    if name in PAGED:
        return sheet
    texts = [(text.x, text.y, text.live) for text in scene.texts]
    if name in GROWS:
        return sheet, texts, len(scene.boxes), len(scene.lines)
    words = [text.text for text in scene.texts if not text.live]
    return sheet, texts, words, [box[:4] for box in scene.boxes], [line[0] for line in scene.lines]


def others(played):
    """Yield more runs with the frames to check: the others on offer, and a random one."""
    searched = played.searched
    for schedule in [*searched.runs().values()][1:]:
        run = searched.run(schedule)
        steps = range(len(run.frames))
        yield run, sorted({*steps[:: max(len(steps) // SEEN, 1)], steps[-1]})
    dice = random.Random(played.case.name)
    run = searched.run()
    while run.enabled() and len(run.schedule) < MOST_STEPS:
        run.step(dice.choice(run.enabled()))
    yield run, range(0, len(run.frames), 7)


@of_each_case
def test_every_picture_is_legible_and_its_marks_stay_in_place(played):
    wrong, ready = set(), set()
    for name, view in played.views.items():
        scenes = played.scenes[name]
        wrong |= {f"{name}: {each}" for scene in set(scenes) for each in problems(scene)}
        ready |= set(scenes)
        if any(shape(name, scene) != shape(name, scenes[0]) for scene in scenes):
            wrong.add(f"{name}: marks move while a run is played")
        if any(not text.strip() for text in played.texts[name]):
            wrong.add(f"{name}: it has no text")
        drawn = svg(scenes[-1], title=view.title)
        ElementTree.fromstring(drawn)
        if len(drawn.encode()) >= MOST_SVG:
            wrong.add(f"{name}: an SVG of {len(drawn.encode()):,} bytes")
    for run, frames in others(played):
        for name, view in played.views.items():
            if name == "code":
                continue  # its text is the same in every run
            scenes = {view.scene(run, k) for k in frames}
            if len({(scene.width, scene.height) for scene in scenes}) > 1:
                wrong.add(f"{name}: the sheet changes its size within a run")
            wrong |= {f"{name}: {each}" for scene in scenes - ready for each in problems(scene)}
            ready |= scenes

    assert wrong == set()


@of_each_case
def test_only_a_view_that_declares_it_looks_ahead(played):
    k = len(played.run.schedule) // 2
    part = played.run.fork(k)
    for name, view in played.views.items():
        if not view.looks_ahead:
            assert view.scene(part, k) == played.scenes[name][k], name
            assert view.text(part, k) == played.texts[name][k], name


@of_each_case
def test_every_picture_fits_across_a_notebook(played):
    reach = played.searched.reach

    wide = {name: scenes[0].width for name, scenes in played.scenes.items()}
    assert {name: width for name, width in wide.items() if width > ROOM + 2} == {}
    assert plan(reach).width <= ROOM + 2
    assert columns(reach).width <= ROOM


@of_each_case
def test_a_stage_shows_the_timeline_the_code_and_the_machine(played):
    begins = usual(played.searched, played.views)

    assert set(begins) <= set(played.views) <= set(VIEWS)
    assert begins[:2] == ["timeline", "code"]
    assert len(begins) > 2, "no view shows the machine"


@of_each_case
def test_an_enabled_actor_has_a_highlighted_line_and_each_step_a_caption(played):
    for run in (played.run, *(run for run, _ in others(played))):
        for frame in run.frames:
            for code in played.views["code"].codes:
                light = lit(code, frame)
                assert light.role != "ready" or light.line >= 0, code.actor
            assert caption(frame, len(run.frames)).startswith("step")
        assert promises(played.case, run.frames)
    assert goal(played.case)


@of_each_case
def test_everything_that_a_reader_can_point_at_has_a_tip(played):
    reach, case = played.searched.reach, played.case
    found = tips(reach, case, played.views.values())
    wanted = {f"field:{row.path}" for card in cards(reach) for row in card.rows}
    wanted |= {f"actor:{actor}" for actor in case.actors}
    for scenes in played.scenes.values():
        wanted |= {mark.key for scene in scenes for mark in (*scene.boxes, *scene.lines)}
    wanted -= {"", "field:"}  # marks without a target

    assert {key for key in wanted if not key.startswith("step:")} - found.keys() == set()
    sentences = [*found.values(), *map(step_tip, played.run.frames[1:])]
    assert [each for each in sentences if not each.endswith((".", "!", "?", ")"))] == []
    assert [each for each in sentences if len(each.split()) < 3 or "\n" in each] == []


def test_a_picture_of_several_views_contains_each_of_them(searched, story):
    there = every(searched)
    run = searched.run([frame.actor for frame in story[1:]])
    whole = picture(there.values(), run, 3)

    assert problems(whole) == []
    words = [text.text for text in whole.texts]
    for view in there.values():
        assert view.title in words
        assert all(text.text in words for text in view.scene(run, 3).texts)
