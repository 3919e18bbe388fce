from mmviz.scene.marks import Box, Line, Text, sheet
from mmviz.widgets.traits import MARKS, marks

SCENE = sheet(
    20,
    4,
    [
        Box(0, 0, 10, 2, "plain", "object:a"),
        Box(0, 1, 10, 1, "written", "field:b"),
        Line(((10, 1), (14, 1), (18, 3)), "dangling", arrow=True),
        Text(1, 0, "page 7", "plain", bold=True),
        Text(1, 1, "refs", "written"),
    ],
)


def test_a_scene_becomes_the_same_few_marks_whatever_is_on_it():
    assert tuple(marks(SCENE)) == MARKS
    assert tuple(marks(sheet(1, 1, []))) == MARKS


def test_all_fills_are_one_mark_and_say_what_a_click_on_them_means():
    fill = marks(SCENE)["fill"]

    assert fill["x"][:2] == [[0, 10, 10, 0], [0, 10, 10, 0]]
    assert fill["y"][:2] == [[0, 0, 2, 2], [1, 1, 2, 2]]
    assert fill["fill_colors"][:2] == ["var(--mm-plain-fill)", "var(--mm-written-fill)"]
    assert fill["labels"][:2] == ["object:a", "field:b"]


def test_a_heavy_outline_lies_in_its_place_for_every_box_and_has_colour_where_it_is_seen():
    drawn = marks(SCENE)

    assert drawn["outline"]["x"] == drawn["outline_heavy"]["x"]
    assert drawn["outline"]["x"][0] == [0, 10, 10, 0, 0]
    assert drawn["outline"]["colors"][:2] == ["var(--mm-plain-stroke)", "var(--mm-written-stroke)"]
    assert drawn["outline_heavy"]["colors"][:2] == ["transparent", "var(--mm-written-stroke)"]


def test_what_is_dashed_is_drawn_over_a_line_without_colour():
    drawn = marks(SCENE)

    assert drawn["stroke"]["colors"][0] == "transparent"
    assert drawn["stroke_dash_heavy"]["x"][0] == [10, 14, 18]


def test_lines_of_one_mark_are_all_as_long_as_the_longest():
    scene = sheet(9, 9, [Line(((0, 0), (1, 1)), "link"), Line(((0, 0), (1, 1), (2, 2)), "link")])

    assert marks(scene)["stroke"]["x"][:2] == [[0, 1, 1], [0, 1, 2]]


def test_a_mark_is_never_empty_and_never_a_single_line():
    drawn = marks(sheet(1, 1, []))

    assert all(len(drawn[name]["x"]) == 2 for name in MARKS if not name.startswith("text"))
    assert drawn["text"]["text"] == [""]


def test_an_arrow_head_ends_where_its_line_ends():
    head = marks(SCENE)["head"]

    assert (head["x"][0][0], head["y"][0][0]) == (18, 3)
    assert all(x <= 18 for x in head["x"][0])


def test_texts_stand_in_the_middle_of_their_line_and_bold_ones_are_drawn_once():
    drawn = marks(SCENE)

    assert drawn["text_bold"]["text"] == ["page 7", ""]
    assert (drawn["text"]["x"][1], drawn["text"]["y"][1]) == (1, 1.5)
    assert drawn["text"]["colors"][:2] == ["transparent", "var(--mm-written-text)"]


def test_texts_that_say_something_new_are_a_mark_apart():
    drawn = marks(sheet(9, 2, [Text(0, 0, "refs", "plain"), Text(0, 1, "1", "plain", live=True)]))

    assert (drawn["text"]["text"], drawn["text_live"]["text"]) == (["refs", ""], ["1", ""])
