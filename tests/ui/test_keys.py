"""What a reader types stays what was typed, and the keyboard is never lost; in a plain page."""

import json

import pytest

from tests.browser.page import page as page_of
from tests.browser.page import source


@pytest.fixture
def opened(browser, tmp_path):
    """Open a case on a plain page with the focus on its stage."""
    contexts = []

    def show(race, case, **more):
        path = tmp_path / "page.html"
        path.write_text(page_of(source(race, case, **more)), "utf-8")
        context = browser.new_context(
            viewport={"width": 1280, "height": 720}, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(path.as_uri())
        page.locator(".mm-stage").focus()
        return page

    yield show
    for context in contexts:
        context.close()


def state(page):
    return json.loads(page.locator(".mm-stage").get_attribute("data-state"))


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def test_a_note_takes_every_letter_until_it_is_closed(opened):
    page = opened("iommu_group/release_order", "DelistThenRelease", driver=True)
    press(page, "1", "1", "n")
    page.keyboard.type("here V dies, x and b", delay=40)
    assert page.locator(".mm-note-text").input_value() == "here V dies, x and b"
    press(page, "Escape")

    assert state(page)["cursor"] == 2
    assert "here V dies, x and b" in page.locator('[data-pane="caption"]').inner_text()
    press(page, "1")
    assert state(page)["cursor"] == 3


def test_a_key_that_can_do_nothing_says_why(opened):
    page = opened("iommu_group/release_order", "DelistThenRelease", driver=True)
    press(page, "1", "2")
    assert state(page)["cursor"] == 1
    assert "CPU0" in page.locator(".mm-status").inner_text()


def test_one_comes_back_from_the_shown_run_and_from_what_if(opened):
    page = opened("exclusive/fork_in_window", "CheckOutsideMmapLock")
    press(page, "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight")
    before = state(page)
    press(page, "x")
    assert state(page)["schedule"][:5] != before["schedule"][:5]
    press(page, "Backspace")
    assert state(page) == before
    press(page, "w", "Escape")
    page.wait_for_timeout(1600)  # it would have played on
    assert state(page) == before


@pytest.mark.parametrize("key", ["PageDown", "x", "Shift+Digit1", "n", "Escape", "b"])
def test_while_the_stage_is_blank_a_key_only_brings_it_back(opened, key):
    page = opened("exclusive/copy_at_fork", "EntryCopied")
    press(page, "ArrowRight", "ArrowRight")
    before = state(page)
    press(page, "b", key)

    assert state(page) == before
    assert "mm-blank" not in page.locator(".mm-stage").get_attribute("class")
    press(page, "PageDown")
    assert state(page)["cursor"] == 3


def test_the_keys_go_on_when_the_pane_that_had_the_focus_needs_no_scrolling_any_more(opened):
    """A speaker clicks into the picture, and then fills the screen: the clicker still steps."""
    page = opened("iommu_group/release_order", "DelistThenRelease", driver=True)
    page.set_viewport_size({"width": 700, "height": 420})  # here the picture scrolls
    page.locator(".mm-scroll[tabindex]").first.focus()
    press(page, "1")
    assert state(page)["cursor"] == 1
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_selector(".mm-scroll:not([tabindex])")
    press(page, "1")
    assert state(page)["cursor"] == 2
