import pytest

from mmviz.scene.check import problems
from mmviz.scene.marks import Box, Text
from mmviz.scene.reach import label
from mmviz.scene.timeline import MOST_ROWS, call, columns, timeline
from tests.scene.played import shown
from tests.scene.toys import STORY


@pytest.fixture
def draw(searched, story):
    return lambda cursor: timeline(story, cursor, columns(searched.reach))


def boxes(scene, prefix):
    return {box.key: box for box in scene.boxes if box.key.startswith(prefix)}


def words(scene):
    return [text.text for text in scene.texts]


def test_each_step_is_in_the_column_of_its_actor_below_the_step_before(draw):
    scene = draw(0)
    steps = [boxes(scene, "step:")[f"step:{k}"] for k in range(1, len(STORY))]

    left = {"CPU0": 5.5, "GPU": steps[0].x}
    assert [box.x for box in steps] == [left[actor] for actor in STORY[:-1]]
    assert [box.y for box in steps] == sorted({box.y for box in steps})


def test_the_first_step_has_its_box_number_and_label(draw):
    scene = draw(1)
    number = next(text for text in scene.texts if text.text == "1")
    label = next(text for text in scene.texts if text.text == "read(0x1000)")

    assert boxes(scene, "step:")["step:1"] == Box(37.0, 3.9, 27, 1.3, "now", "step:1")
    assert label == Text(38.0, pytest.approx(4.05), label.text, "now", bold=True)
    assert number == Text(pytest.approx(2.3), pytest.approx(4.05), "1", "plain", bold=True)


def test_the_cursors_row_is_highlighted_rows_above_are_past_and_rows_below_are_pale(draw):
    roles = {key: box.role for key, box in boxes(draw(3), "step:").items()}

    assert [roles[f"step:{k}"] for k in (1, 2, 3, 4, 5)] == [
        "past",
        "past",
        "now",
        "future",
        "future",
    ]


def test_a_bad_state_is_shown_with_a_sign_once_it_is_reached(draw):
    line = "✗ gpu maps a free page"

    def role(cursor):
        return next(text.role for text in draw(cursor).texts if text.text == line)

    assert (role(6), role(7)) == ("clear", "bad")


def test_a_future_step_hides_its_return_value(draw):
    def role(cursor):
        return next(text.role for text in draw(cursor).texts if text.text == "= page 7")

    assert (role(0), role(1), role(2)) == ("clear", "now", "past")


def test_a_column_names_the_function_of_its_actor(draw):
    assert any(word.endswith("()") for word in words(draw(0)))


def test_a_column_names_the_locks_of_its_actor_and_what_blocks_it(searched):
    frames = searched.run(("GPU", "CPU0")).frames
    scene = timeline(frames, 2, columns(searched.reach))

    assert "holds group.mutex" in words(scene)
    assert "blocked by CPU0 (step 2)" in words(scene)


def test_a_column_shows_whether_its_actor_has_finished(draw, story):
    assert words(draw(len(story) - 1)).count("✓ finished") == 0
    assert "can step" in words(draw(0))


def test_a_change_of_actor_crosses_from_column_to_column(draw):
    crossing = [line for line in draw(7).lines if len({x for x, _ in line.points}) > 2]

    assert len(crossing) == 2  # GPU to CPU0 and back


def test_a_long_run_comes_in_pages_of_the_same_size(searched):
    frames = searched.run(STORY).frames
    many = [frames[0], *(frames[1:6] * 8)]
    many = [_numbered(frame, index) for index, frame in enumerate(many)]
    scenes = [timeline(many, k, columns(searched.reach)) for k in range(len(many))]

    assert len({(scene.width, scene.height) for scene in scenes}) == 1
    assert [problem for scene in scenes for problem in problems(scene)] == []
    for k, scene in enumerate(scenes[1:], 1):
        shown = boxes(scene, "step:")
        assert shown[f"step:{k}"].role == "now"
        assert len(shown) <= MOST_ROWS
    assert f"… {40 - MOST_ROWS} later steps" in words(scenes[1])


def _numbered(frame, index):
    import copy

    twin = copy.copy(frame)
    twin.index = index
    return twin


def test_a_long_call_loses_its_arguments_first_then_its_return_value_then_its_name():
    text = "kvm_mmu_invalidate_begin(notifier) = 0"

    assert call(text, 40) == text
    assert call(text, 34) == "kvm_mmu_invalidate_begin(…) = 0"
    assert call(text, 28) == "kvm_mmu_invalidate_begin(…)"
    assert call(text, 24) == "kvm_mmu_invalidate_begin"
    assert call(text, 16) == "kvm_mmu_in…begin"


def test_a_cursor_outside_the_run_is_an_error(draw):
    with pytest.raises(IndexError):
        draw(99)


def test_a_call_is_whole_where_the_columns_beside_it_leave_room():
    view, run = shown("timeline", "exclusive/late_read_begin", "BeginLate")
    assert len(view.columns.x) == 4
    whole = in_lines = 0
    for k in range(1, len(run.frames)):
        scene, frame = view.scene(run, k), run.frames[k]
        assert problems(scene) == []
        words = label(frame.label, frame.answer)
        x = view.columns.x[frame.actor]
        if len(words) + 2 <= view.columns.width - 0.5 - x:
            whole += len(words) + 2 > view.columns.w[frame.actor]
            assert frame.label in {text.text for text in scene.texts}
        else:
            in_lines += 1
    assert whole > 3
    assert in_lines < whole


def test_words_that_find_no_room_beside_each_other_stand_below_each_other():
    view, run = shown("timeline", "swap/skip_swapcache", "SkipSwapcache")
    step = next(frame for frame in run.frames if frame.label == "shrink_folio_list(si)")
    assert len("shrink_folio_list(si) = yes") > view.columns.w[step.actor] - 2
    ends = set()
    for k in (0, step.index, len(run.frames) - 1):
        scene = view.whole(run, k)
        assert problems(scene) == []
        assert not [text.text for text in scene.texts if "…" in text.text]
        (box,) = [box for box in scene.boxes if box.key == f"step:{step.index}"]
        (call_,) = [text for text in scene.texts if text.text == step.label]
        answers = [text for text in scene.texts if text.text == "= yes" and text.x == call_.x]
        assert [answer.role == "clear" for answer in answers] == [k < step.index]
        assert box.y < call_.y < answers[0].y < box.y + box.h - 1
        ends.add((box.y, box.h))
    assert len(ends) == 1


def test_a_step_wider_than_its_room_stays_on_the_sheet_and_is_whole():
    view, run = shown("timeline", "mremap/flush_before_unlock", "SendThenUnlock")
    rooms = {
        frame.label: view.columns.width - 0.5 - view.columns.x[frame.actor] - 2 - len(frame.label)
        for frame in run.frames[1:]
    }
    wide = {step for step, room in rooms.items() if room < -0.5}
    assert wide
    said = "".join(text.text for text in view.scene(run, 0).texts)
    assert all(step in said for step in wide)
    assert [
        problem for k in range(len(run.frames)) for problem in problems(view.scene(run, k))
    ] == []
