import pytest

from mmviz.scene.check import problems
from mmviz.scene.marks import Box, Text
from mmviz.scene.timeline import MOST_ROWS, call, columns, timeline
from tests.scene.toys import STORY


@pytest.fixture
def draw(rehearsal, story):
    return lambda cursor: timeline(story, cursor, columns(rehearsal.reach))


def boxes(scene, prefix):
    return {box.key: box for box in scene.boxes if box.key.startswith(prefix)}


def words(scene):
    return [text.text for text in scene.texts]


def test_each_step_stands_in_the_column_of_its_actor_below_the_one_before(draw):
    scene = draw(0)
    steps = [boxes(scene, "step:")[f"step:{k}"] for k in range(1, len(STORY))]

    left = {"CPU0": 5.5, "GPU": steps[0].x}
    assert [box.x for box in steps] == [left[actor] for actor in STORY[:-1]]
    assert [box.y for box in steps] == sorted({box.y for box in steps})


def test_the_first_step_is_drawn_like_this(draw):
    scene = draw(1)
    number = next(text for text in scene.texts if text.text == "1")
    label = next(text for text in scene.texts if text.text == "read(0x1000)")

    assert boxes(scene, "step:")["step:1"] == Box(37.0, 3.9, 27, 1.3, "now", "step:1")
    assert label == Text(38.0, pytest.approx(4.05), label.text, "now", bold=True)
    assert number == Text(pytest.approx(2.3), pytest.approx(4.05), "1", "plain", bold=True)


def test_the_cursors_row_is_lit_rows_above_are_past_and_rows_below_are_pale(draw):
    roles = {key: box.role for key, box in boxes(draw(3), "step:").items()}

    assert [roles[f"step:{k}"] for k in (1, 2, 3, 4, 5)] == [
        "past",
        "past",
        "now",
        "future",
        "future",
    ]


def test_what_broke_is_said_with_a_sign_and_a_word_and_only_once_it_happened(draw):
    line = "✗ gpu maps a free page"

    def role(cursor):
        return next(text.role for text in draw(cursor).texts if text.text == line)

    assert (role(6), role(7)) == ("clear", "bad")


def test_what_a_step_will_find_is_not_told_before_it_has(draw):
    def role(cursor):
        return next(text.role for text in draw(cursor).texts if text.text == "= page 7")

    assert (role(0), role(1), role(2)) == ("clear", "now", "past")


def test_a_column_says_which_function_its_actor_runs(draw):
    assert any(word.endswith("()") for word in words(draw(0)))


def test_a_column_says_what_its_actor_holds_and_for_whom_it_waits(rehearsal):
    frames = rehearsal.run(("GPU", "CPU0")).frames
    scene = timeline(frames, 2, columns(rehearsal.reach))

    assert "holds group.mutex" in words(scene)
    assert "waits for CPU0 (step 2)" in words(scene)


def test_a_column_says_that_its_actor_has_finished(draw, story):
    assert words(draw(len(story) - 1)).count("✓ has finished") == 0
    assert "can go" in words(draw(0))


def test_a_switch_crosses_from_column_to_column(draw):
    crossing = [line for line in draw(7).lines if len({x for x, _ in line.points}) > 2]

    assert len(crossing) == 2  # GPU to CPU0 and back


def test_a_long_run_comes_in_pages_of_the_same_size(rehearsal):
    frames = rehearsal.run(STORY).frames
    many = [frames[0], *(frames[1:6] * 8)]
    many = [_numbered(frame, index) for index, frame in enumerate(many)]
    scenes = [timeline(many, k, columns(rehearsal.reach)) for k in range(len(many))]

    assert len({(scene.width, scene.height) for scene in scenes}) == 1
    assert [problem for scene in scenes for problem in problems(scene)] == []
    for k, scene in enumerate(scenes[1:], 1):
        shown = boxes(scene, "step:")
        assert shown[f"step:{k}"].role == "now"
        assert len(shown) <= MOST_ROWS
    assert f"⋮ {40 - MOST_ROWS} later steps" in words(scenes[1])


def _numbered(frame, index):
    import copy

    twin = copy.copy(frame)
    twin.index = index
    return twin


def test_a_long_call_loses_its_arguments_first_then_its_answer_and_its_name_last():
    text = "kvm_mmu_invalidate_begin(notifier) = 0"

    assert call(text, 40) == text
    assert call(text, 34) == "kvm_mmu_invalidate_begin(…) = 0"
    assert call(text, 28) == "kvm_mmu_invalidate_begin(…)"
    assert call(text, 24) == "kvm_mmu_invalidate_begin"
    assert call(text, 16) == "kvm_mmu_in…begin"


def test_a_cursor_outside_the_run_is_an_error(draw):
    with pytest.raises(IndexError):
        draw(99)
