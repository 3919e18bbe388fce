"""Every picture of every case is legible: arithmetic, without a browser."""

from pathlib import Path

from mmviz.scene import pictures
from mmviz.scene.check import problems
from mmviz.scene.views import every, picture


def breaches(rule, played):
    """Return what breaks a rule, by the name of the case."""
    found = {each.case.name: rule(each) for each in played}
    return {name: wrong for name, wrong in found.items() if wrong}


def test_every_picture_is_legible_and_its_marks_stay_in_place(played):
    assert breaches(pictures.legible, played) == {}


def test_only_a_view_that_declares_it_looks_ahead(played):
    assert breaches(pictures.blind, played) == {}


def test_every_picture_fits_across_a_notebook(played):
    assert breaches(pictures.narrow, played) == {}


def test_a_stage_shows_the_timeline_the_code_and_the_machine(played):
    assert breaches(pictures.chosen, played) == {}


def test_an_enabled_actor_has_a_highlighted_line_and_each_step_a_caption(played):
    assert breaches(pictures.told, played) == {}


def test_everything_that_a_reader_can_point_at_has_a_tip(played):
    assert breaches(pictures.pointed_at, played) == {}


def test_every_field_that_a_step_changes_can_be_lit_in_memory(played):
    assert breaches(pictures.lightable, played) == {}


def test_a_violation_marks_the_fields_that_it_is_in_every_view_that_shows_them(played):
    assert breaches(pictures.blamed, played) == {}


def test_every_rule_is_held_by_a_test():
    written = Path(__file__).read_text("utf-8")
    assert all(f"pictures.{rule.__name__}," in written for rule in pictures.RULES.values())


def test_a_picture_of_several_views_contains_each_of_them(searched, story):
    there = every(searched)
    run = searched.run([frame.actor for frame in story[1:]])
    whole = picture(there.values(), run, 3)

    assert problems(whole) == []
    words = [text.text for text in whole.texts]
    for view in there.values():
        assert view.title in words
        assert all(text.text in words for text in view.scene(run, 3).texts)
