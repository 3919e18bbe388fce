"""The stage in a real JupyterLab: one screen, its keys, its kernel, and what is kept."""

import json

import pytest

pytestmark = pytest.mark.ui

PANES = ("promise", "controls", "code", "memory", "strip", "caption")
CASES = {  # few and many actors, small and large pictures
    "two CPUs": ("iommu_group/release_order", "DelistThenRelease"),
    "an exclusive entry": ("exclusive/restore_at_fork", ""),
    "three actors": ("hmm/eagain_leaves_count", ""),
    "a long run": ("invalidate_page/range_start_only", ""),
}
PLAYER = """
import mmviz
from tests.scene.toys import STORY, TOY
player = mmviz.Player(TOY, STORY)
player
"""
DRIVER = """
import mmviz
from tests.scene.toys import TOY
driver = mmviz.Driver(TOY)
driver
"""
STORY = "2111122"
RESTS = 2_600  # ms after which the stage has written back where it is


@pytest.fixture
def player(notebook):
    notebook.run("player", PLAYER)
    return notebook.stage()


@pytest.fixture
def driver(notebook):
    notebook.run("driver", DRIVER)
    return notebook.stage()


def state(root):
    """Return what the stage says of itself: race, case, schedule, cursor."""
    return json.loads(root.get_attribute("data-state"))


def cursor(root):
    return state(root)["cursor"]


def moves(messages):
    """Return the widget messages among those between browser and kernel."""
    return [text for text in map(str, messages) if "comm_msg" in text]


LAYOUT = """root => {
    const parts = "[data-pane], button:not(.mm-choose), input, select, .mm-acts, svg";
    const seen = [...root.querySelectorAll(parts)];
    return seen.map((part) => {
        const {left, top, width, height} = part.getBoundingClientRect();
        return [part.classList[0], left, top, width, height].join(" ");
    });
}"""
OUTSIDE = """root => {
    const notebook = root.closest(".jp-WindowedPanel-outer").getBoundingClientRect();
    return [...root.querySelectorAll("[data-pane]")].flatMap((pane) => {
        const box = pane.getBoundingClientRect();
        const isIn = box.top >= notebook.top - 1 && box.bottom <= notebook.bottom + 1
            && box.left >= notebook.left - 1 && box.right <= notebook.right + 1;
        return isIn && box.width > 40 && box.height > 15 ? [] : [pane.dataset.pane];
    });
}"""


def test_everything_is_on_one_screen_and_nothing_moves_but_marks(notebook):
    """At 1280x720, without scrolling: promise, controls, code, memory, strip and caption."""
    cells = [f"mmviz.Player({race!r}, case={case!r})" for race, case in CASES.values()]
    notebook.run("one_screen", "import mmviz", *cells)
    notebook.stage(len(cells) - 1)
    notebook.widen()
    for number, name in enumerate(CASES):
        root = notebook.stage(number)
        root.focus()
        root.evaluate("root => root.scrollIntoView({block: 'end'})")
        assert root.bounding_box()["height"] == 560, name
        shown = {pane.get_attribute("data-pane") for pane in root.locator("[data-pane]").all()}
        assert shown == set(PANES), name
        assert root.evaluate(OUTSIDE) == [], name
        before = root.evaluate(LAYOUT)
        assert len(before) > 20
        last = len(state(root)["schedule"])
        for k in range(1, last + 1):
            notebook.page.keyboard.press("ArrowRight")
            assert cursor(root) == k
            assert root.evaluate(LAYOUT) == before, (name, k)


def test_with_the_file_browser_open_nothing_is_cut_off(notebook, player):
    """JupyterLab opens so; where three columns do not fit, the code is a tab."""
    assert player.bounding_box()["width"] < 900
    player.evaluate("root => root.scrollIntoView({block: 'end'})")
    hidden = player.evaluate(OUTSIDE)
    assert set(hidden) <= {"code", "memory"}
    if "code" in hidden:
        player.get_by_role("tab", name="Columns").click()
        assert "code" not in player.evaluate(OUTSIDE)


def test_buttons_step_jump_and_play_without_a_word_to_the_kernel(notebook, player):
    said = notebook.listen()
    player.locator(".mm-next").click()
    assert "GPU: read(0x1000)" in player.locator('[data-pane="caption"]').inner_text()
    player.locator(".mm-next").click()
    player.locator(".mm-back").click()
    assert cursor(player) == 1
    player.locator(".mm-last").click()
    assert (cursor(player), player.locator(".mm-next").is_disabled()) == (7, True)
    player.locator(".mm-first").click()
    assert (cursor(player), player.locator(".mm-back").is_disabled()) == (0, True)
    player.locator(".mm-play").click()
    notebook.page.wait_for_function("document.querySelector('.mm-stage').dataset.k >= 2")
    player.locator(".mm-play").click()
    player.locator(".mm-slider").fill("5")

    assert cursor(player) == 5
    assert moves(said) == []


def test_keys_step_and_none_leaks_to_jupyterlab_and_tab_leaves(notebook, player):
    page = notebook.page
    sources = "[...document.querySelectorAll('.jp-Cell')].map((cell) => cell.textContent)"
    player.focus()
    cells = page.locator(".jp-Cell").count()
    before = page.evaluate(sources)[0][:200]
    for key, where in (
        *(("ArrowRight", 1), ("ArrowDown", 2), ("PageDown", 3), ("ArrowLeft", 2)),
        *(("PageUp", 1), ("End", 7), ("ArrowUp", 6), ("Home", 0)),
    ):
        page.keyboard.press(key)
        assert cursor(player) == where, key
    for key in ("a", "d", "d", "m", "z", "j", "k", "Enter", "0", "0", "b", "b", "Escape"):
        page.keyboard.press(key)  # JupyterLab's own: insert, delete, change a cell, restart

    assert page.locator(".jp-Cell").count() == cells
    assert page.locator(".jp-Dialog").count() == 0
    assert page.evaluate(sources)[0][:200] == before
    assert page.evaluate("document.activeElement.matches('.mm-stage')")

    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("!!document.activeElement.closest('.mm-stage')"))
    assert seen[0] is True
    out = seen.index(False)
    assert not any(seen[out : out + 5])  # out, and not back in before the page's end


def test_every_button_has_a_name_and_the_step_is_spoken(player):
    names = player.locator("button, input, select").evaluate_all(
        "all => all.map((b) => b.getAttribute('aria-label') || b.textContent.trim())"
    )
    assert all(names)
    assert len(names) > 15
    status = player.locator(".mm-status")
    assert status.get_attribute("aria-live") == "polite"
    player.press("ArrowRight")
    assert "read(0x1000)" in status.text_content()


def test_choosing_asks_no_kernel_and_python_hears_of_it_at_rest(notebook, driver):
    said = notebook.listen()
    driver.focus()
    notebook.page.keyboard.type(STORY)  # as fast as they are pressed, and none is lost
    schedule = ["GPU", *["CPU0"] * 4, "GPU", "GPU"]
    assert (state(driver)["schedule"], cursor(driver)) == (schedule, 7)
    assert moves(said) == []
    assert "broke it in 7 steps" in driver.locator('[data-pane="promise"]').inner_text()
    assert driver.locator("[data-witness]").count() > 0

    notebook.page.wait_for_timeout(RESTS)
    sent = [text for text in moves(said) if '"method":"update"' in text or '"at"' in text]
    assert len(sent) >= 1
    assert sum('"by":"browser"' in text and "echo" not in text for text in moves(said)) == 1
    assert notebook.python("' '.join(driver.schedule), driver.cursor, driver.won") == (
        f"{' '.join(schedule)} 7 7"
    )


def test_stepping_back_and_choosing_something_else_keeps_the_first_run(notebook, driver):
    driver.focus()
    for key in ("2", "1", "ArrowLeft", "1", "ArrowLeft", "2"):
        notebook.page.keyboard.press(key)
    runs = driver.locator(".mm-runs option").all_inner_texts()
    assert runs == ["run 1: GPU CPU0", "run 2: GPU*2"]  # none that gives the answer away
    driver.locator(".mm-runs").select_option(label=runs[0])
    assert state(driver)["schedule"] == ["GPU", "CPU0"]
    notebook.page.wait_for_timeout(RESTS)
    assert notebook.python("driver.branches") == "(('GPU', 'CPU0'), ('GPU', 'GPU'))"


def test_python_moves_the_stage(notebook, player):
    notebook.python("setattr(player, 'cursor', 3)")
    notebook.page.wait_for_function("document.querySelector('.mm-stage').dataset.k == 3")
    notebook.python("player.visit('GPU CPU0')")
    notebook.page.wait_for_function("document.querySelector('.mm-stage').dataset.k == 2")
    assert state(player)["schedule"] == ["GPU", "CPU0"]
    assert player.locator(".mm-runs option").count() >= 3


def test_another_view_comes_from_the_kernel_even_while_a_cell_runs(notebook, player):
    page = notebook.page
    page.evaluate(
        """() => {
            const panel = window.jupyterapp.shell.currentWidget;
            window.busy = panel.sessionContext.session.kernel.requestExecute(
                {code: "import time; time.sleep(20)"});
        }"""
    )
    player.locator('[data-view="objects"].mm-toggle').click()
    card = player.locator('[data-view="objects"] [data-key]').first
    card.wait_for(timeout=8_000)
    player.locator('[data-view="timeline"].mm-toggle').click()
    player.locator('[data-view="timeline"] [data-key^="step:7"]').first.wait_for(timeout=8_000)
    page.evaluate("window.jupyterapp.commands.execute('notebook:interrupt-kernel')")


def test_two_views_of_one_stage_show_one_run(notebook):
    notebook.run("two_views", PLAYER, "player")
    first, second = notebook.stage(0), notebook.stage(1)
    first.press("End")
    assert (cursor(first), cursor(second)) == (7, 7)
    second.press("ArrowLeft")
    assert (cursor(first), cursor(second)) == (6, 6)


def test_without_its_kernel_the_stage_goes_on_and_says_so(notebook, driver):
    page = notebook.page
    page.evaluate(
        """async () => {
            const {session} = window.jupyterapp.shell.currentWidget.sessionContext;
            await session.kernel.shutdown();
        }"""
    )
    driver.focus()
    page.keyboard.type(STORY)
    assert cursor(driver) == 7
    page.keyboard.press("Home")
    assert cursor(driver) == 0
    driver.locator('[data-view="objects"].mm-toggle').click()
    error = driver.locator(".mm-error", has_text="kernel")
    error.wait_for(timeout=15_000)
    assert "does not answer" in error.inner_text()
    page.keyboard.press("End")
    assert cursor(driver) == 7
    notebook.wrong[:] = [w for w in notebook.wrong if "uncaught" in w]  # JupyterLab's own words


def test_a_saved_notebook_shows_its_stage_without_a_kernel(notebook, driver):
    page = notebook.page
    driver.focus()
    page.keyboard.type("2111")
    page.keyboard.press("ArrowLeft")
    where = state(driver)
    page.wait_for_timeout(RESTS)
    page.evaluate(
        """async () => {
            const {commands, shell, serviceManager} = window.jupyterapp;
            await commands.execute("@jupyter-widgets/jupyterlab-manager:saveWidgetState");
            await shell.currentWidget.context.save();
            await serviceManager.sessions.shutdownAll();
        }"""
    )
    stored = json.loads((notebook.lab.folder / notebook.file).read_text("utf-8"))
    assert "widgets" in stored["metadata"]
    page.reload()
    again = notebook.stage()
    assert state(again) == where
    assert len(where["schedule"]) == 4
    again.press("End")
    assert cursor(again) == 4
    notebook.wrong[:] = [w for w in notebook.wrong if "uncaught" in w]


def test_plots_follow_the_stage_without_a_word_to_the_kernel(notebook):
    notebook.run("plots", PLAYER, "display(mmviz.counters(player), mmviz.state_map(player))")
    root = notebook.stage()
    notebook.page.locator(".mm-plot .bqplot").nth(1).wait_for()
    drawn = """() => [...document.querySelectorAll(".mm-plot")].map((plot) =>
        [...plot.querySelectorAll("path")].map((path) =>
            path.getAttribute("d") + (path.closest("[transform]") || path)
                .getAttribute("transform")).join())"""
    start = notebook.page.evaluate(drawn)
    said = notebook.listen()
    root.press("ArrowRight")
    root.press("ArrowRight")
    notebook.page.wait_for_timeout(300)
    after = notebook.page.evaluate(drawn)
    assert moves(said) == []
    assert all(one != other for one, other in zip(start, after, strict=True))

    walk = notebook.page.locator(".mm-walk")  # the map's way for the keyboard
    walk.focus()
    for key in ("ArrowRight", "ArrowRight", "d", "d"):
        walk.press(key)
    notebook.page.wait_for_function(
        "document.querySelector('.mm-walk').ariaValueText.startsWith('2 steps from the start: ')"
    )
    walk.press("Enter")
    notebook.page.wait_for_function(
        "JSON.parse(document.querySelector('.mm-stage').dataset.state).cursor === 2"
    )
    walk.press("Home")
    walk.press("Enter")
    notebook.page.wait_for_function(
        "JSON.parse(document.querySelector('.mm-stage').dataset.state).cursor === 0"
    )
    assert notebook.page.locator(".jp-CodeCell").count() == 2  # D twice deletes a cell
