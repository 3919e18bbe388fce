from mmviz.scene.marks import Box, Line, Text, moved, sheet, shorten


def test_a_sheet_sorts_marks_by_kind_and_keeps_their_order():
    box, other = Box(0, 0, 4, 2, "plain"), Box(1, 1, 2, 1, "now")
    line, text = Line(((0, 0), (4, 0)), "link"), Text(1, 1, "hi", "now")

    scene = sheet(4, 2, [box, text, other, line])

    assert scene.boxes == (box, other)
    assert (scene.lines, scene.texts) == ((line,), (text,))


def test_moving_a_scene_moves_every_mark_and_enlarges_the_sheet():
    scene = sheet(4, 2, [Box(0, 0, 4, 2, "plain"), Line(((0, 0), (4, 0)), "link")])

    there = moved(scene, 1, 2)

    assert (there.width, there.height) == (5, 4)
    assert there.boxes[0][:2] == (1, 2)
    assert there.lines[0].points == ((1, 2), (5, 2))


def test_a_short_text_is_unchanged():
    assert shorten("put_page()", 10) == "put_page()"


def test_a_cut_text_keeps_its_end_and_has_an_ellipsis():
    cut = shorten("mmu_notifier_invalidate_range_start(0x1000)", 24)

    assert cut == "mmu_notifier_in…(0x1000)"
    assert len(cut) == 24
