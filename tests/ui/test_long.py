"""Long sessions: cells run again, notebooks saved, kernels lost and found."""

import json

import pytest

from tests.ui.conftest import bounded

pytestmark = pytest.mark.ui

MADE = """
import mmviz
from tests.scene.toys import STORY, TOY
players = []
"""
AGAIN = "players.append(mmviz.Player(TOY, STORY)); players[-1]"
DRIVER = """
import mmviz
from tests.scene.toys import TOY
driver = mmviz.Driver(TOY)
driver
"""
RUN = """async (number) => {
    const {commands, shell} = window.jupyterapp;
    shell.currentWidget.content.activeCellIndex = number;
    await within(commands.execute("notebook:run-cell"), "a cell");
}"""
SAVE = """async () => {
    const {commands, shell} = window.jupyterapp;
    await commands.execute("@jupyter-widgets/jupyterlab-manager:saveWidgetState");
    await within(shell.currentWidget.context.save(), "saving");
    await commands.execute("@jupyter-widgets/jupyterlab-manager:saveWidgetState"); // a switch
}"""
RESTART = """async () => {
    const {sessionContext} = window.jupyterapp.shell.currentWidget;
    await within(sessionContext.session.kernel.restart(), "a restart");
    await within(sessionContext.session.kernel.info, "the kernel");
}"""
STYLES = "() => document.querySelectorAll('style.mm-look').length"
FORGOTTEN = 600  # ms after which the page has let go of a stage that it shows no more


def run_cell(notebook, number):
    """Run a cell of the open notebook, once more."""
    notebook.page.evaluate(bounded(RUN), number)


def saved(notebook):
    """Save the notebook with its widgets; return the state of each stage."""
    notebook.page.evaluate(bounded(SAVE))
    stored = json.loads((notebook.lab.folder / notebook.file).read_text("utf-8"))
    (found,) = stored["metadata"]["widgets"].values()
    return [each["state"] for each in found["state"].values() if "film" in each["state"]]


def state(root):
    return json.loads(root.get_attribute("data-state"))


def test_a_cell_that_is_run_again_leaves_nothing_in_page_and_file(notebook):
    notebook.run("again", MADE, AGAIN, "kept = mmviz.Player(TOY, STORY); kept", "kept")
    root = notebook.stage()
    for _ in range(3):
        run_cell(notebook, 1)
    root.press("End")
    run_cell(notebook, 2)  # the stage that it showed is shown by the next cell, too
    notebook.page.wait_for_timeout(FORGOTTEN)
    assert [bool(each["film"]) for each in saved(notebook)] == [True] * 3
    assert notebook.python("[each.comm is None for each in players]") == "[True, True, True, False]"
    assert notebook.page.evaluate(STYLES) == 1

    notebook.page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets[1]
            .model.sharedModel.setSource("players[0]")"""
    )
    run_cell(notebook, 1)
    root = notebook.stage()
    root.press("End")
    assert state(root)["cursor"] == 7
    assert "mm-error" not in root.inner_text()


def test_the_runs_tried_survive_a_restart_and_the_cell_run_again(notebook):
    notebook.run("restart", DRIVER)
    driver = notebook.stage()
    driver.focus()
    for key in ("2", "1", "ArrowLeft", "2", "ArrowLeft"):
        notebook.page.keyboard.press(key)
    notebook.page.evaluate(bounded(RESTART))
    for key in ("1", "1"):
        driver.press(key)
    assert state(driver)["schedule"] == ["GPU", "CPU0", "CPU0"]
    driver.locator('[data-view="objects"].mm-toggle').click()
    driver.locator(".mm-error", has_text="run the cell again").wait_for(timeout=3_000)

    run_cell(notebook, 0)
    notebook.page.wait_for_function(
        "JSON.parse(document.querySelector('.mm-stage').dataset.state).schedule.length === 0"
    )
    runs = notebook.stage().locator(".mm-runs")
    runs.locator("option", has_text="before: GPU*2").wait_for(state="attached")
    assert "before: GPU CPU0*2" in runs.locator("option").all_inner_texts()
    runs.select_option(label="before: GPU*2")
    assert state(notebook.stage())["schedule"] == ["GPU", "GPU"]
    notebook.wrong[:] = [each for each in notebook.wrong if "uncaught" in each]


def test_two_tabs_with_one_kernel_each_go_on(notebook):
    notebook.run("tabs", DRIVER)
    first = notebook.stage()
    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
    other = notebook.page.context.new_page()
    other.goto(f"{notebook.lab.url}/doc/tree/{notebook.file}?token={notebook.lab.token}")
    second = other.locator(".mm-stage[data-state]").first
    second.wait_for(timeout=60_000)
    for key in ("2", "1"):
        first.press(key)
    second.press("1")
    assert state(first)["schedule"] == ["GPU", "CPU0"]
    assert state(second)["schedule"] == ["CPU0"]
    second.locator('[data-view="objects"].mm-toggle').click()
    second.locator('.mm-pane[data-view="objects"] [data-key]').first.wait_for()
    notebook.page.wait_for_timeout(2_500)  # at rest, each has written back what it tried
    assert notebook.python("driver.branches") in ("(('CPU0',),)", "(('GPU', 'CPU0'),)")
    assert state(first)["schedule"] == ["GPU", "CPU0"]
    other.close()
