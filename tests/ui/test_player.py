"""A reader winds through a run in a real JupyterLab."""

import pytest

pytestmark = pytest.mark.ui

PLAYER = """
from mmviz.widgets.player import Player
from tests.scene.toys import STORY, TOY
player = Player(TOY, STORY)
player
"""
LAST = 7


@pytest.fixture
def player(notebook):
    notebook.run("player", PLAYER)
    return notebook.stage()


def status(root):
    return root.locator(".mm-status").inner_text()


def k(root):
    return int(root.get_attribute("data-k"))


def test_buttons_step_jump_and_play_without_a_word_to_the_kernel(notebook, player):
    said = notebook.listen()
    player.locator(".mm-next").click()
    assert status(player) == "step 1 of 7: GPU read(0x1000): returns page 7"
    player.locator(".mm-next").click()
    player.locator(".mm-back").click()
    assert k(player) == 1
    player.locator(".mm-last").click()
    assert k(player) == LAST
    assert player.locator(".mm-next").is_disabled()
    player.locator(".mm-first").click()
    assert (k(player), player.locator(".mm-back").is_disabled()) == (0, True)
    player.locator(".mm-play").click()
    notebook.page.wait_for_function("document.querySelector('.mm-root').dataset.k >= 2")
    player.locator(".mm-play").click()
    player.locator(".mm-slider").fill("5")

    assert k(player) == 5
    assert [str(message)[:1500] for message in said] == []


def test_keys_step_jump_play_and_list_themselves_and_none_leaks_to_jupyterlab(notebook, player):
    page = notebook.page
    cells = page.locator(".jp-Cell").count()
    player.focus()
    for key, where in (
        ("ArrowRight", 1),
        ("ArrowDown", 2),
        ("ArrowLeft", 1),
        ("End", LAST),
        ("ArrowUp", LAST - 1),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert k(player) == where, key
    page.keyboard.press("?")
    assert player.locator(".mm-keys").is_visible()
    page.keyboard.press("?")
    assert player.locator(".mm-keys").is_hidden()
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.mm-root').dataset.k >= 1")
    page.keyboard.press(" ")
    for key in ("b", "a", "d", "d", "m", "Enter", "0", "0"):
        page.keyboard.press(key)  # JupyterLab's own: insert, delete, change a cell, restart

    assert page.locator(".jp-Cell").count() == cells
    assert page.locator(".jp-Dialog").count() == 0
    assert page.evaluate("document.activeElement.className") == "mm-root"


def test_tab_goes_through_the_buttons_and_leaves(notebook, player):
    player.focus()
    seen = []
    for _ in range(30):
        notebook.page.keyboard.press("Tab")
        seen.append(
            notebook.page.evaluate("document.activeElement.closest('.mm-root') ? 'in' : 'out'")
        )

    assert seen[0] == "in"
    assert "out" in seen
    assert seen.index("out") == len(seen) - seen[::-1].count("out")  # out, and not back in


def test_every_button_has_a_name_and_the_status_is_spoken(player):
    buttons = player.locator("button, input, select")
    names = [
        buttons.nth(n).evaluate("b => b.getAttribute('aria-label') || b.textContent.trim()")
        for n in range(buttons.count())
    ]

    assert all(names)
    assert player.locator("[role=toolbar]").count() == 1
    assert player.locator(".mm-status").get_attribute("aria-live") == "polite"
    assert player.get_attribute("aria-label") == "Forgetful"


def test_the_promise_is_green_until_its_step_and_then_says_what_broke_it(notebook, player):
    shown = ".mm-promise:not(.mm-away)"
    assert player.locator(shown + " .mm-sign").inner_text() == "✓"
    assert player.locator(shown + " .mm-words").inner_text() == "The GPU never maps a free page."
    height = player.bounding_box()["height"]
    player.locator(".mm-last").click()
    words = player.locator(shown).inner_text()

    assert words.startswith("✗")
    assert "Broken in step 7: gpu maps a free page" in words
    assert "✗ gpu maps a free page" in notebook.texts()
    assert player.bounding_box()["height"] == height  # nothing below it moved


def test_the_next_line_of_every_actor_is_lit(notebook, player):
    lit = notebook.page.locator(".mm-lit")
    assert lit.all_inner_texts() == [
        "await k.group.mutex.mutex_lock()",
        'page = await k.cpu.read("0x1000")',
    ]
    player.locator(".mm-next").click()
    player.locator(".mm-next").click()

    assert lit.nth(0).inner_text() == 'await k.cpu.clear("0x1000")'
    assert "mm-lit-blocked" in lit.nth(1).get_attribute("class")
    titles = notebook.page.locator(".mm-listing-title").all_inner_texts()
    assert titles == ["CPU0 · next", "GPU · blocked by CPU0 since step 2"]


def test_the_run_is_there_as_text_with_the_line_that_replays_it(player):
    twin = player.locator(".mm-twin")
    assert twin.is_hidden()
    player.locator(".mm-text").click()

    assert "put_page(page 7)" in twin.inner_text()
    assert "mmviz.replay(TOY, 'GPU CPU0*4 GPU*2')" in twin.inner_text()
    titles = player.locator(".mm-toggle[aria-pressed=true]").all_inner_texts()
    headings = twin.locator("[role=heading]").all_inner_texts()
    assert sorted(headings) == sorted(titles)  # a twin for every view on screen
    assert "refs of page 7: references" in twin.locator(".mm-twin-words").inner_text()


def test_a_click_on_a_step_goes_there_and_brings_the_keys(notebook, player):
    row = notebook.page.locator(".mm-canvas text", has_text="put_page(page 7)").first
    box = row.bounding_box()
    notebook.page.mouse.click(box["x"] + 5, box["y"] + 5)
    assert k(player) == 4
    notebook.page.keyboard.press("ArrowRight")

    assert k(player) == 5


def test_the_picture_drawn_by_the_browser_is_the_one_drawn_from_python(notebook, player):
    player.locator(".mm-last").click()
    by_browser = notebook.picture()
    player.locator(".mm-first").click()
    assert notebook.picture() != by_browser

    notebook.python(f"player.show({LAST})")
    notebook.page.wait_for_function("document.querySelector('.mm-root').dataset.k == 7")

    assert notebook.picture() == by_browser


def test_views_are_shown_and_hidden_by_keyboard_and_a_new_one_is_asked_for_once(notebook, player):
    page = notebook.page
    toggle = player.get_by_role("button", name="Lifetimes")
    pane = page.locator(".mm-view-lifetime")
    for _ in range(2):
        if toggle.get_attribute("aria-pressed") == "true":
            toggle.press("Enter")
            pane.wait_for(state="hidden")
    toggle.press("Enter")
    pane.wait_for()
    assert toggle.evaluate("button => button === document.activeElement")
    player.locator(".mm-last").click()
    assert "step 7" in status(player)
    toggle.press("Enter")
    pane.wait_for(state="hidden")
    assert "lifetime" not in notebook.python("' '.join(player.on_screen)")
    disabled = player.locator(".mm-toggle:disabled")
    assert disabled.count()
    assert "nothing" in disabled.first.get_attribute("title")


def test_a_field_is_explained_beside_the_pointer_and_never_under_it(notebook, player):
    page = notebook.page
    tip = page.locator(".mm-tip")
    text = page.locator(".mm-view-objects .mm-canvas text.label", has_text="refs").first
    text.wait_for()
    box = text.bounding_box()
    x, y = box["x"] + 3, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    tip.wait_for()

    assert tip.inner_text().startswith("refs of page 7: references")
    over = tip.bounding_box()
    assert not (
        over["x"] <= x <= over["x"] + over["width"] and over["y"] <= y <= over["y"] + over["height"]
    )
    page.mouse.move(2, 2)
    tip.wait_for(state="hidden")


def test_plus_and_minus_change_the_size_of_type_and_the_picture_grows_with_it(notebook, player):
    def size():
        box = notebook.page.locator(".mm-view-timeline .mm-canvas").bounding_box()
        text = notebook.page.locator(".mm-view-timeline .mm-canvas text", has_text="CPU0").last
        text.wait_for()
        return box["width"], text.bounding_box()["width"]

    before = size()
    player.focus()
    for _ in range(4):
        notebook.page.keyboard.press("+")
    notebook.settled()
    larger = size()
    for one, other in zip(before, larger, strict=True):
        assert other / one == pytest.approx(1.75, rel=0.05)
    assert notebook.python("player.controls.zoom") == "175"
    for _ in range(4):
        notebook.page.keyboard.press("-")
    notebook.settled()
    assert size() == pytest.approx(before, rel=0.02)
