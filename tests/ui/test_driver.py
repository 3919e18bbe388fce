"""A reader is the scheduler in a real JupyterLab."""

import pytest

pytestmark = pytest.mark.ui

DRIVER = """
from mmviz.widgets.driver import Driver
from tests.scene.toys import TOY
driver = Driver(TOY)
driver
"""


@pytest.fixture
def driver(notebook):
    notebook.run("driver", DRIVER)
    return notebook.stage()


def choose(root, actor, k):
    root.locator(f'.mm-choose[data-actor="{actor}"]').click()
    root.page.wait_for_selector(f'.mm-root[data-k="{k}"]:not([aria-busy])')


def test_choosing_to_the_end_breaks_the_promise_and_wins(notebook, driver):
    assert driver.locator(".mm-goal").inner_text().startswith("Make this happen:")
    for k, actor in enumerate(("GPU", "CPU0", "CPU0", "CPU0", "CPU0", "GPU", "GPU"), 1):
        choose(driver, actor, k)

    assert "Goal reached in 7 steps" in driver.locator(".mm-goal").inner_text()
    assert driver.locator(".mm-promise.mm-broken:not(.mm-away)").count() == 1
    assert notebook.python("driver.schedule").count("CPU0") == 4


def test_who_cannot_go_says_by_whom_it_is_blocked_and_since_when(driver):
    choose(driver, "GPU", 1)
    choose(driver, "CPU0", 2)
    gpu = driver.locator('.mm-choose[data-actor="GPU"]')

    assert gpu.is_disabled()
    assert gpu.locator(".mm-why").inner_text() == "blocked by CPU0 since step 2"
    assert gpu.locator(".mm-does").inner_text() == "mutex_lock(group.mutex)"


def test_digits_choose_as_fast_as_they_are_pressed_and_none_is_lost(notebook, driver):
    driver.focus()
    for digit in "2111122":
        notebook.page.keyboard.press(digit)
    notebook.page.wait_for_selector('.mm-root[data-k="7"]:not([aria-busy])')

    assert notebook.python("' '.join(driver.schedule)") == "GPU CPU0 CPU0 CPU0 CPU0 GPU GPU"


def test_stepping_back_and_choosing_something_else_keeps_the_first_run(notebook, driver):
    choose(driver, "GPU", 1)
    choose(driver, "CPU0", 2)
    driver.locator(".mm-back").click()
    choose(driver, "CPU0", 2)  # the same again: no new run
    assert driver.locator(".mm-runs").is_hidden()
    driver.locator(".mm-back").click()
    choose(driver, "GPU", 2)

    assert driver.locator(".mm-runs option").all_inner_texts() == [
        "run 1: GPU CPU0",
        "run 2: GPU*2",
    ]
    driver.locator(".mm-runs").select_option("0")
    notebook.page.wait_for_function(
        "document.querySelector('.mm-status').textContent.includes('CPU0 mutex_lock')"
    )
    assert notebook.python("' '.join(driver.schedule)") == "GPU CPU0"


def test_an_error_is_shown_under_the_widget_and_choosing_goes_on(notebook, driver):
    notebook.python("setattr(driver, 'stores', None)")  # sabotage
    driver.locator('.mm-choose[data-actor="GPU"]').click()
    error = driver.locator(".mm-error")
    error.wait_for()

    assert error.inner_text().startswith("Driver: AttributeError")
