"""A long search in a real JupyterLab: it shows how far it is, and Stop ends it at once."""

import pytest

pytestmark = pytest.mark.ui

LONG = """
import mmviz
from mmviz.scenarios.invalidate_page.faults_and_invalidators import family
report = mmviz.explore(family(6, 6, 2), max_states=10**9)
report
"""


def test_stop_shows_what_was_found_until_then(notebook):
    notebook.run("progress", LONG)
    page = notebook.page
    stop = page.locator(".jp-OutputArea-output button", has_text="Stop")
    stop.wait_for()
    page.locator(".jp-OutputArea-output", has_text="transitions/s").first.wait_for()

    stop.click()

    page.locator(".mm-report", has_text="not decided: the search was stopped by hand").wait_for()
    stop.wait_for(state="detached")
    assert page.locator(".jp-OutputArea-output", has_text=" states in ").count() >= 1
    assert notebook.python("report.cut, report.states > 1000") == "stopped by hand True"


def test_interrupting_the_kernel_shows_it_too(notebook):
    notebook.run("progress_interrupted", LONG)
    page = notebook.page
    page.locator(".jp-OutputArea-output", has_text="transitions/s").first.wait_for()

    page.evaluate("window.jupyterapp.commands.execute('notebook:interrupt-kernel')")

    page.locator(".mm-report", has_text="not decided: the search was interrupted").wait_for()
    assert page.locator(".jp-OutputArea-output", has_text="Traceback").count() == 0
    assert notebook.python("report.cut") == "interrupted"
