from mmviz.scene.check import problems
from mmviz.scene.marks import Box, Line, Text, sheet


def test_a_tidy_scene_has_no_problems():
    scene = sheet(20, 3, [Box(0, 0, 20, 3, "plain"), Text(1, 1, "put_page()", "plain")])

    assert problems(scene) == []


def test_texts_that_touch_are_named():
    scene = sheet(20, 2, [Text(0, 0, "lock", "plain"), Text(4, 0.5, "unlock", "plain")])

    assert problems(scene) == ["text 'lock' touches 'unlock'"]


def test_texts_one_above_the_other_do_not_touch():
    assert problems(sheet(9, 2, [Text(0, 0, "a", "plain"), Text(0, 1, "b", "plain")])) == []


def test_marks_that_leave_the_sheet_are_named():
    scene = sheet(
        5,
        1,
        [Box(4, 0, 2, 1, "now"), Text(3, 0, "far", "plain"), Line(((0, 0), (0, 2)), "link")],
    )

    assert [line.split(" at ")[0] for line in problems(scene)][:3] == [
        "box 'now'",
        "text 'far'",
        "line 'link' leaves the sheet",
    ]


def test_a_text_wider_than_its_box_is_named():
    scene = sheet(20, 1, [Box(0, 0, 4, 1, "plain"), Text(1, 0, "mutex", "plain")])

    assert problems(scene) == ["text 'mutex' is wider than its box"]


def test_an_unknown_role_is_named():
    assert problems(sheet(1, 1, [Box(0, 0, 1, 1, "pink")])) == ["role 'pink' is not in the theme"]


def test_a_text_of_the_wrong_role_on_a_dark_box_is_unreadable():
    scene = sheet(9, 1, [Box(0, 0, 9, 1, "broken"), Text(1, 0, "oops", "plain")])

    assert any("contrast" in problem for problem in problems(scene))


def test_a_line_through_a_text_is_named_unless_it_strikes_it_out():
    text = Text(2, 0, "freed", "ghost")
    through = ((0.0, 0.5), (9.0, 0.5))

    assert problems(sheet(9, 1, [text, Line(through, "link")])) == [
        "a line runs through text 'freed'"
    ]
    assert problems(sheet(9, 1, [text, Line(through, "ghost")])) == []
