"""The picture of memory: of every case, and of worlds that no class has a form for."""

import pytest

from mmviz.engine import Allocated, Case, Struct, World, atomic
from mmviz.scenarios import find, load, names
from mmviz.scene import pictures
from mmviz.scene.check import problems
from mmviz.scene.film import Film
from mmviz.scene.keyed import of_scene, plain, size
from mmviz.scene.lit import lit
from mmviz.scene.marks import Box, Line, Text, sheet
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase

MOST_STATES = 300  # of a case whose every state is drawn; of others, the states of its runs


class Buffer(Allocated):
    """A buffer."""

    length: int = 0

    @atomic("test")
    def kfree(self):
        """Free it."""
        self.free()


class Queue(Struct):
    """A queue that points at the buffer it works on."""

    head: Buffer | None = None
    tail: Buffer | None = None

    @atomic("test")
    def swing(self, to):
        """Point at another buffer."""
        self.head = to

    @atomic("test")
    def swing_tail(self, to):
        """Point the tail at another buffer."""
        self.tail = to


class Home(World):
    """Two buffers, and a queue that points at one of them."""

    one: Buffer
    two: Buffer
    queue: Queue


def home():
    one, two = Buffer(name="one"), Buffer(name="two")
    return Home(one=one, two=two, queue=Queue(name="queue", head=one))


async def mover(k):
    await k.queue.swing(k.two)
    await k.one.kfree()
    await k.queue.swing(k.one)


def drawn(picture, run, k):
    return {mark.key: mark for mark in picture.marks(run.frames[k].state)}


@pytest.fixture(scope="module")
def moved():
    case = Case(name="Home", world=home, actors={"CPU0": mover}, bad=())
    searched = SearchedCase(case)
    return memory(searched), searched.run(["CPU0"] * 3)


def test_an_object_without_a_form_is_a_card_and_its_pointer_an_arrow_that_swings(moved):
    picture, run = moved
    before, after = (drawn(picture, run, k)["arrow:queue.head"] for k in (0, 1))

    assert len(before.points) == len(after.points)
    assert before.points[0] == after.points[0]
    cards = drawn(picture, run, 0)
    for arrow, target in ((before, "one"), (after, "two")):
        card = cards[f"object:{target}"]
        x, y = arrow.points[-1]
        assert x in (card.x, card.x + card.w)
        assert card.y <= y <= card.y + card.h


def test_a_freed_object_crumbles_and_a_pointer_to_it_dangles(moved):
    picture, run = moved
    alive, freed, dangling = (drawn(picture, run, k) for k in (1, 2, 3))

    tiles = [key for key in alive if key.startswith("tile:one:")]
    assert len(tiles) == 6
    assert all(alive[key].turn == 0 for key in tiles)
    assert all(freed[key].turn != 0 and freed[key][:2] != alive[key][:2] for key in tiles)
    assert (alive["object:one"].role, freed["object:one"].role) == ("card", "ghost")
    assert dangling["arrow:queue.head"].role == "dangling"
    assert freed["arrow:queue.head"].role == "arrow"


def test_what_a_step_did_is_lit_where_the_field_is_shown(moved):
    picture, run = moved
    written = {
        mark.key: mark for mark in lit(picture.marks(run.frames[1].state), ["queue.head"], [], [])
    }
    wrong = {
        mark.key: mark for mark in lit(picture.marks(run.frames[1].state), [], [], ["queue.head"])
    }

    assert written["cell:queue.head"].role == "now"
    assert written["field:queue.head"].role == "now"
    assert wrong["cell:queue.head"].role == "witness"
    assert wrong["arrow:queue.head"].role == "witness"
    scene = picture.scene(run, 1)
    assert [box.field for box in scene.boxes if box.role == "now"] == ["queue.head"]


def test_what_is_wrong_is_lit_like_what_a_step_did():
    """A padlock, a dashed arrow and a tile keep what they look like, with red."""
    marks = [
        Box(0, 0, 1, 1, "cell", "a", "field"),
        Box(0, 0, 1, 1, "pad", "b", "field"),
        Line(((0, 0), (1, 1)), "excl", True, "c", "field"),
        Text(0, 0, "words", "value", False, True, "d", "field"),
        Text(0, 0, "words", "value", False, True, "e", "other"),
    ]
    roles = [mark.role for mark in lit(marks, [], ["field"], ["field"])]
    assert roles == ["witness", "witnessbar", "witnessdash", "witness", "value"]
    roles = [mark.role for mark in lit(marks, ["field"], [], ["field"])]
    assert roles == ["witnessnow", "witnessbar", "witnessdash", "witnessnow", "value"]
    assert [mark.bold for mark in lit(marks, [], [], ["field"]) if isinstance(mark, Text)] == [
        *(True, False)
    ]


@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        ("exclusive/fork_in_window", "CheckOutsideMmapLock"),
        ("hmm/comment_or_assertion", "CommentOnlyFirst"),
        ("hmm/range_used_late", "PoisonRace"),
        ("iommu_group/release_order", "DelistThenRelease"),
    ],
)
def test_a_still_picture_marks_what_the_browser_marks(scenario, name):
    """The film has the witnesses that the browser lights; see `Film.picture` in film.js."""
    searched = SearchedCase(find(scenario, name))
    picture = memory(searched)
    film = Film(searched, picture)
    fields = film.head()["fields"]
    marked = set()
    for example in searched.report.counterexamples.values():
        numbers, run = film.along(example.shortest), searched.run(example.shortest)
        for before, number, frame in zip([-1, *numbers], numbers, run.frames, strict=False):
            bad = set(film.tables["states"][number][5])
            for move in film.tables["moves"]:
                if move[:3] == [before, run.model.index.get(frame.actor), number]:
                    bad |= set(move[8])
            drawn = {mark.field for mark in picture.marks(frame.state) if fields_of(mark)}
            scene = picture.scene(run, frame.index)
            assert pictures.marked(scene) == {fields[field] for field in bad} & drawn
            marked |= pictures.marked(scene)
    assert marked


def fields_of(mark):
    """Return the field that a visible mark shows; a tile's is lit in no still picture."""
    return "" if mark.role in ("clear", "tile") else getattr(mark, "field", "")


def test_a_picture_depends_on_nothing_but_the_state(moved):
    picture, run = moved
    again = memory(SearchedCase(Case(name="Home", world=home, actors={"CPU0": mover}, bad=())))
    other = SearchedCase(Case(name="Home", world=home, actors={"CPU0": mover}, bad=()))
    backwards = {k: picture.marks(run.frames[k].state) for k in (3, 1, 2, 0)}

    assert picture.size == again.size
    assert [backwards[k] for k in range(4)] == [
        memory(other).marks(frame.state) for frame in other.run(["CPU0"] * 3).frames
    ]


def states(searched):
    if searched.report.states <= MOST_STATES:
        found = {searched.model.start: None}
        for state in found.copy():
            found[state] = None
        queue = list(found)
        for state in queue:
            for number in range(len(searched.model.actors)):
                after = searched.model.successor(state, number)
                if after is not None and after not in found:
                    found[after] = None
                    queue.append(after)
        return queue
    runs = [searched.run(schedule) for schedule in searched.runs().values()]
    return list(dict.fromkeys(frame.state for run in runs for frame in run.frames))


@pytest.mark.parametrize("name", names())
def test_the_picture_of_every_case_is_legible_with_a_key_for_every_mark(name):
    for case in load(name).cases:
        searched = SearchedCase(case)
        picture = memory(searched)
        for drawing in {tuple(picture.marks(state)) for state in states(searched)[::3]}:
            keys = [mark["k"] for mark in plain(drawing)]
            assert len(keys) == len(set(keys)), case.name
            assert problems(sheet(*picture.size, drawing)) == [], case.name


def test_plain_marks_are_pixels_and_an_arrow_is_its_glow_its_body_and_its_head():
    scene = sheet(
        10,
        2,
        [
            Box(1, 0, 2, 1, "card", "object:a", round=0.25, turn=5),
            Line(((0, 0), (1, 0), (2, 1), (3, 1)), "arrow", True, "arrow:f", "f", True),
            Text(1, 0, "hello", "value", True, key="field:f", field="f"),
            Text(5, 0, "there", "clear"),
        ],
    )
    marks = of_scene(scene)

    assert size(scene) == (79.3, 39.0)
    assert [mark["k"] for mark in marks] == [
        *("object:a", "arrow:f:glow", "arrow:f", "arrow:f:tip", "field:f", "text:text0")
    ]
    assert marks[0] == {
        "k": "object:a",
        "s": "object:a",
        "c": "card",
        "t": "rect",
        "x": 7.9,
        "y": 0,
        "w": 15.9,
        "h": 19.5,
        "rx": 4.9,
        "rot": 5,
    }
    assert marks[2]["p"] == marks[1]["p"] == [0, 0, 7.9, 0, 15.9, 19.5, 23.8, 19.5]
    assert marks[4] == {
        "k": "field:f",
        "s": "field:f",
        "c": "value",
        "f": "f",
        "t": "text",
        "x": 7.9,
        "y": 14,
        "w": "hello",
        "b": 1,
    }
    assert marks[5]["o"] == 0


async def mover_of_tail(k):
    await k.queue.swing_tail(k.two)


async def frees_only(k):
    await k.one.kfree()


def test_a_pointer_that_never_changes_dangles_when_its_target_is_freed():
    case = Case(name="Toy", world=home, actors={"CPU0": mover_of_tail, "CPU1": frees_only}, bad=())
    searched = SearchedCase(case)
    picture, run = memory(searched), searched.run(["CPU0", "CPU1"])
    roles = [drawn(picture, run, k)["arrow:queue.head"].role for k in range(3)]
    assert roles == ["arrow", "arrow", "dangling"]


LEAKS = [
    ("exclusive/retry_loop", "RetryLeaksPage", "page_leaked", "page 7"),
    ("hmm/mm_without_grab", "GrabAndNeverDrop", "mm_struct_is_leaked", "mm"),
    ("teardown/reset_times_out", "", "data_is_leaked", "data"),
]


@pytest.mark.parametrize(("scenario", "name", "bad_state", "lost"), LEAKS)
def test_memory_that_is_never_freed_is_marked_at_the_end_with_a_word_and_an_outline(
    scenario, name, bad_state, lost
):
    cases = [find(scenario, name)] if name else load(scenario).cases
    leaks = 0
    for case in cases:
        searched = SearchedCase(case)
        found = searched.report.counterexamples.get(bad_state)
        if found is None:
            continue
        leaks += 1
        picture, run = memory(searched), searched.run(found.shortest)
        seen = [drawn(picture, run, k) for k in range(len(run.frames))]
        assert seen[-1][f"title:{lost}"].text == f"{lost} ✗ leak"
        assert seen[-1][f"object:{lost}"].role == "leaked"
        assert not any(each[f"title:{lost}"].text.endswith("leak") for each in seen[:-1])
        assert problems(picture.scene(run, len(run.frames) - 1)) == []
    assert leaks


def test_what_is_freed_or_kept_at_the_end_is_no_leak():
    searched = SearchedCase(find("hmm/mm_without_grab", "GrabUntilCallback"))
    picture = memory(searched)
    for schedule in searched.runs().values():
        end = searched.run(schedule).tip.state
        assert not any("leak" in getattr(mark, "text", "") for mark in picture.marks(end))


def test_a_pointer_in_freed_memory_is_only_a_trace():
    searched = SearchedCase(find("hmm/mm_without_grab", "GrabAndNeverDrop"))
    found = searched.report.counterexamples["mm_struct_is_leaked"]
    picture, run = memory(searched), searched.run(found.shortest)
    for k, frame in enumerate(run.frames):
        role = drawn(picture, run, k)["arrow:hmm.mm"].role
        assert role == ("ghost" if frame.values["hmm.freed"] else "arrow")
