"""The rules that the pictures of every case are held to, over the frames of its runs.

Each rule returns one sentence for each breach.  What makes a single scene legible is in check.py.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from xml.etree import ElementTree

from mmviz.engine import Case, Frame, Run
from mmviz.scene.cards import cards
from mmviz.scene.check import problems
from mmviz.scene.keyed import marks_of, subject, with_keys
from mmviz.scene.layout import ROOM, plan
from mmviz.scene.listing import Listing
from mmviz.scene.marks import Line, Mark, Scene
from mmviz.scene.searched import SearchedCase
from mmviz.scene.source import lit
from mmviz.scene.svg import svg
from mmviz.scene.theme import WITNESS
from mmviz.scene.timeline import columns
from mmviz.scene.tips import step_tip, tips
from mmviz.scene.views import FIRST, STILL, VIEWS, every
from mmviz.scene.words import caption, goal, promises

MOST_STEPS, SEEN = 40, 4  # of a random run; of another run's frames
MOST_SVG = 300_000  # bytes
PAGED = {"timeline"}  # pages have different numbers of rows, on a sheet of one size
WITH_ROWS = {"memory", "objects", "pagetable", "iommu", "entry"}  # a field has a box of its own
GROWS = {"lifetime", "causes"}  # the sizes of their bars and boxes change
MOVES = {"memory"}  # marks with unique keys, which move


class Played:
    """The first run of a case, drawn once in each view, and more runs to look at.

    Args:
        case: the case.
        seen: how many frames of each other run are drawn; 0 for all.

    Attributes:
        case, searched, run: the case and its first run.
        views: every view of the case, by name.
        scenes, texts: the scenes and texts of each view, frame by frame.
    """

    def __init__(self, case: Case, seen: int = SEEN) -> None:
        self.case, self.searched, self.seen = case, SearchedCase(case), seen
        self.run = self.searched.run(next(iter(self.searched.runs().values())))
        self.views = every(self.searched)
        steps = range(len(self.run.frames))
        self.scenes: dict[str, list[Scene]] = {}
        self.texts: dict[str, list[str]] = {}
        for name, view in self.views.items():
            self.scenes[name] = [view.scene(self.run, k) for k in steps]
            self.texts[name] = [view.text(self.run, k) for k in steps]

    def frames(self, name: str) -> list[tuple[Frame, Scene, str]]:
        """Return (frame, scene, text) for each frame in a view; none if the case lacks the view."""
        assert name in VIEWS
        if name not in self.views:
            return []
        return list(zip(self.run.frames, self.scenes[name], self.texts[name], strict=True))

    def others(self) -> Iterator[tuple[Run, Iterable[int]]]:
        """Yield more runs with the frames to check: the others on offer, and a random one."""
        for schedule in [*self.searched.runs().values()][1:]:
            run = self.searched.run(schedule)
            steps = range(len(run.frames))
            apart = max(len(steps) // self.seen, 1) if self.seen else 1
            yield run, sorted({*steps[::apart], steps[-1]})
        dice = random.Random(self.case.name)
        run = self.searched.run()
        while run.enabled() and len(run.schedule) < MOST_STEPS:
            run.step(dice.choice(run.enabled()))
        yield run, range(0, len(run.frames), 7 if self.seen else 1)


def _shape(name: str, scene: Scene) -> tuple[object, ...]:
    """Return what every frame shares: the size of the sheet, and the places of the marks."""
    sheet = (scene.width, scene.height)
    if name in PAGED | MOVES:
        return sheet
    texts = [(text.x, text.y, text.live) for text in scene.texts]
    if name in GROWS:
        return sheet, texts, len(scene.boxes), len(scene.lines)
    words = [text.text for text in scene.texts if not text.live]
    return sheet, texts, words, [box[:4] for box in scene.boxes], [line[0] for line in scene.lines]


def _doubled(scene: Scene) -> bool:
    """Tell whether two marks of a picture have one key in the browser."""
    keys = [key for _, key in with_keys(marks_of(scene))]
    return len(keys) > len(set(keys))


def legible(played: Played) -> list[str]:
    """Each picture is legible, its marks stay in place, and it has a text and an SVG file."""
    wrong: set[str] = set()
    ready: set[Scene] = set()
    for name, view in played.views.items():
        scenes = played.scenes[name]
        wrong |= {f"{name}: {each}" for scene in set(scenes) for each in problems(scene)}
        ready |= set(scenes)
        if any(_shape(name, scene) != _shape(name, scenes[0]) for scene in scenes):
            wrong.add(f"{name}: marks move while a run is played")
        if any(_doubled(scene) for scene in set(scenes)):
            wrong.add(f"{name}: two marks have one key")
        if any(not text.strip() for text in played.texts[name]):
            wrong.add(f"{name}: it has no text")
        drawn = svg(scenes[-1], title=view.title)
        ElementTree.fromstring(drawn)
        if len(drawn.encode()) >= MOST_SVG:
            wrong.add(f"{name}: an SVG of {len(drawn.encode()):,} bytes")
    for run, frames in played.others():
        for name, view in played.views.items():
            if name == "code":
                continue  # its text is the same in every run
            drawn_now = {view.scene(run, k) for k in frames}
            if len({(scene.width, scene.height) for scene in drawn_now}) > 1:
                wrong.add(f"{name}: the sheet changes its size within a run")
            wrong |= {f"{name}: {each}" for scene in drawn_now - ready for each in problems(scene)}
            ready |= drawn_now
    return sorted(wrong)


def blind(played: Played) -> list[str]:
    """A picture depends on later frames only in a view that declares it."""
    k = len(played.run.schedule) // 2
    part = played.run.fork(k)
    return [
        f"{name}: frame {k} looks or reads differently when later frames are not there"
        for name, view in played.views.items()
        if not view.looks_ahead
        and (view.scene(part, k), view.text(part, k))
        != (played.scenes[name][k], played.texts[name][k])
    ]


def narrow(played: Played) -> list[str]:
    """Each picture fits across a notebook."""
    wide = {name: scenes[0].width for name, scenes in played.scenes.items()}
    wide |= {"the plan of objects": plan(played.searched.reach).width}
    wide = {name: width for name, width in wide.items() if width > ROOM + 2}
    across = columns(played.searched.reach).width
    wide |= {"the timeline's columns": across} if across > ROOM else {}
    return [f"{name}: {width:g} characters across, {ROOM} fit" for name, width in wide.items()]


def chosen(played: Played) -> list[str]:
    """A stage opens with memory, which shows fields, and a still picture has the timeline, too."""
    lacking = [name for name in (*STILL, "code") if name not in played.views]
    if lacking:
        return [f"the case lacks {', '.join(lacking)}"]
    scene = played.scenes[FIRST][0]
    shown = {text.field for text in scene.texts} | {box.field for box in scene.boxes}
    return [] if shown - {""} else ["memory shows no field"]


def told(played: Played) -> list[str]:
    """Each actor that can step has a lit line, each step a caption, and the case a goal."""
    wrong: dict[str, None] = {}
    code = played.views["code"]
    assert isinstance(code, Listing)
    for run in (played.run, *(run for run, _ in played.others())):
        for frame in run.frames:
            for each in code.codes:
                light = lit(each, frame)
                if light.role == "ready" and light.line < 0:
                    wrong[f"{each.actor} can step, and no line of its code is lit"] = None
            if not caption(frame, len(run.frames)).startswith("step"):
                wrong[f"step {frame.index} has no caption"] = None
        if not promises(played.case, run.frames):
            wrong["no promise is shown"] = None
    if not goal(played.case):
        wrong["the case has no goal"] = None
    return list(wrong)


def pointed_at(played: Played) -> list[str]:
    """Everything that a reader can point at has a tip: a sentence on one line."""
    reach, case = played.searched.reach, played.case
    found = tips(reach, case, played.views.values())
    wanted = {f"field:{row.path}" for card in cards(reach) for row in card.rows}
    wanted |= {f"actor:{actor}" for actor in case.actors}
    for name, scenes in played.scenes.items():
        for scene in scenes:
            keys = {subject(box) for box in scene.boxes} | {subject(line) for line in scene.lines}
            wanted |= {key for key in keys if name not in MOVES or key.startswith("field:")}
    wanted -= {"", "field:"}  # marks without a target
    lacking = {key for key in wanted if not key.startswith("step:")} - found.keys()
    sentences = [*found.values(), *map(step_tip, played.run.frames[1:])]
    return [
        *(f"{key} has no tip" for key in sorted(lacking)),
        *(
            f"the tip {each!r} is not a sentence on one line"
            for each in sentences
            if not each.endswith((".", "!", "?", ")")) or len(each.split()) < 3 or "\n" in each
        ),
    ]


def lightable(played: Played) -> list[str]:
    """In memory each field that some step changes has a mark, and each arrow is a field's."""
    model, reach = played.searched.model, played.searched.reach
    marks = {mark for scene in played.scenes[FIRST] for mark in marks_of(scene)}
    shown = {field for mark in marks if (field := getattr(mark, "field", ""))}
    told = {model.ledger.paths[slot] for slot in model.told()}
    asked = {f"{actor}.asked" for actor in model.actors}  # what an actor leaves to be decided
    moving = {path for path in told - asked if reach.varies(path)}
    return [
        *(f"a step changes {path}, which memory does not show" for path in sorted(moving - shown)),
        *(
            f"memory shows {path}, which is no field"
            for path in sorted(shown - reach.values.keys())
        ),
        *(
            f"the arrow {mark.key} belongs to no field"
            for mark in marks
            if isinstance(mark, Line) and mark.arrow and not mark.field
        ),
    ]


def blamed(played: Played) -> list[str]:
    """Each violation marks in memory, and wherever else they are drawn, the fields that it is."""
    searched, wrong = played.searched, dict[str, None]()
    memory = played.views[FIRST]
    for bad_state, found in searched.report.counterexamples.items():
        run = searched.run(found.shortest)
        scene = memory.scene(run, len(run.frames) - 1)
        if not marked(scene):
            wrong[f"memory marks no field where {bad_state} is violated"] = None
    for frame in played.run.frames:
        bad = searched.witnesses.of_frame(frame)
        for name in WITH_ROWS & played.views.keys() if bad else ():
            scene = played.scenes[name][frame.index]
            drawn = {field_of(box) for box in scene.boxes} & bad
            for field in drawn - marked(scene):
                wrong[f"{name}: {field} is wrong in step {frame.index}, and not marked"] = None
    return list(wrong)


def marked(scene: Scene) -> set[str]:
    """Return the fields that a picture marks as wrong."""
    return {field_of(mark) for mark in marks_of(scene) if mark.role in WITNESS} - {""}


def field_of(mark: Mark) -> str:
    """Return the field that a mark shows, "" for none."""
    found = subject(mark)
    return found.removeprefix("field:") if found.startswith("field:") else ""


RULES: dict[str, Callable[[Played], list[str]]] = {
    "pictures": legible,
    "pictures of a part of a run": blind,
    "widths": narrow,
    "views of a stage": chosen,
    "lit lines and captions": told,
    "tips": pointed_at,
    "fields": lightable,
    "witnesses": blamed,
}
"""What is checked, by name; the docstring of each says what must hold."""
