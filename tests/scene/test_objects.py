import pytest

from mmviz.engine import World, field
from mmviz.kernel.mm.page import Page
from mmviz.scenarios import find
from mmviz.scene.cards import cards
from mmviz.scene.check import problems
from mmviz.scene.layout import plan
from mmviz.scene.objects import objects
from mmviz.scene.searched import SearchedCase
from tests.scene.toys import case_of


@pytest.fixture
def draw(searched, story):
    places = plan(searched.reach)
    return lambda k: objects(story[k], places, ("CPU0", "GPU"))


def role(scene, key):
    """Return the role of a field or an object: that of its last box, or plain."""
    found = [box.role for box in scene.boxes if box.key == key]
    return found[-1] if found else "plain"


def words(scene):
    return [text.text for text in scene.texts]


def test_a_struct_without_drawing_code_becomes_a_card_with_one_row_per_field(searched):
    by_name = {card.name: card for card in cards(searched.reach)}

    assert [row.label for row in by_name["domain V"].rows] == ["attached"]
    assert by_name["domain V"].kind == ""  # its name contains it
    assert by_name["cpu"].title == "cpu  Table"


def test_a_part_of_one_object_is_drawn_on_that_objects_card(searched):
    by_name = {card.name: card for card in cards(searched.reach)}

    assert [row.label for row in by_name["group"].rows] == ["domain", "mutex"]
    assert [row.path for row in by_name["group"].rows] == ["group.domain", "group.mutex.owner"]
    assert [row.label for row in by_name["cpu"].rows] == ["pte[0x1000]"]
    assert "group.mutex" not in by_name


def test_a_flag_that_never_changes_is_not_drawn(searched):
    labels = {row.label for card in cards(searched.reach) for row in card.rows}

    assert "constant_flag" not in labels


def test_only_fields_that_the_last_step_wrote_are_highlighted(draw):
    scene = draw(3)  # CPU0 clears the entry

    assert [box.key for box in scene.boxes if box.role == "written"] == ["field:cpu.pte[0x1000]"]
    assert "page 7 → none" in words(scene)


def test_fields_that_the_last_step_read_are_marked(draw):
    assert role(draw(1), "field:cpu.pte[0x1000]") == "read"


def test_a_lock_names_its_holder(draw):
    assert role(draw(3), "field:group.mutex.owner") == "held"
    assert "CPU0" in words(draw(3))


def test_a_page_without_references_is_a_ghost_with_the_word_free(draw):
    scene = draw(5)

    assert role(scene, "object:page 7") == "ghost"
    assert "free" in words(scene)
    assert any(line.role == "hatch" for line in scene.lines)
    assert "1 → 0" in words(draw(4))


def test_a_reference_to_a_freed_object_dangles(searched):
    run = searched.run(("GPU", "CPU0", "CPU0", "CPU0", "CPU0", "GPU", "GPU", "GPU", "CPU0"))
    scene = objects(run.frames[-1], plan(searched.reach), ("CPU0", "GPU"))

    assert role(scene, "field:gpu.pte[0x1000]") == "dangling"
    arrow = next(line for line in scene.lines if line.key == "field:gpu.pte[0x1000]")
    assert (arrow.role, arrow.arrow) == ("dangling", True)
    assert "page 7 ✗ freed" in words(scene)
    assert "domain V ✗ freed" in words(scene)


def test_an_arrow_goes_from_its_row_to_its_target(draw, searched):
    places = plan(searched.reach)
    page = next(card for card in places.cards if card.name == "page 7")
    left, top = places.at["page 7"]
    start, *_, end = next(
        line.points for line in draw(0).lines if line.key == "field:cpu.pte[0x1000]"
    )

    assert left - 0.5 <= end[0] <= left + page.width + 0.5
    assert top - 0.5 <= end[1] <= top + page.height + 0.5
    cpu = places.at["cpu"]
    assert cpu[1] < start[1] < cpu[1] + 4


def test_objects_keep_their_place_in_every_frame(draw, story):
    places = [
        {box.key: box[:4] for box in draw(k).boxes if box.key.startswith("object:")}
        for k in range(len(story))
    ]

    assert all(place == places[0] for place in places)


class Many(World):
    """Fifty pages, one of which gets a reference."""

    pages: tuple = field(default_factory=lambda: tuple(Page(pfn=n) for n in range(50)))


async def takes_one(k):
    await k.pages[3].get_page()


def test_unchanged_objects_of_fifty_are_named_in_a_line():
    crowd = SearchedCase(case_of(Many, CPU0=takes_one))
    scene = objects(crowd.run(["CPU0"]).frames[1], plan(crowd.reach))

    assert {box.key for box in scene.boxes if box.key.startswith("object:")} == {"object:page 3"}
    assert any(text.startswith("… 49 more objects, which no step changes") for text in words(scene))
    assert problems(scene) == []


def test_the_same_frame_gives_the_same_scene(draw):
    assert draw(4) == draw(4)


def test_every_frame_of_the_story_is_legible(draw, story):
    assert [problem for k in range(len(story)) for problem in problems(draw(k))] == []


def test_a_swap_entry_that_is_held_as_a_value_points_at_its_device():
    searched = SearchedCase(find("swap/skip_swapcache", "SkipSwapcache"))
    places = plan(searched.reach)
    run = searched.run(next(iter(searched.runs().values())))
    lit = {
        k: [line.role for line in objects(frame, places, searched.model.actors).lines if line.arrow]
        for k, frame in enumerate(run.frames)
    }

    assert {route.target for route in places.routes if route.path == "mm.pte"} == {
        "si",
        "page 10",
        "page 11",
    }
    assert lit[0].count("link") == 1
