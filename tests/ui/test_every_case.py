"""Every frame of a run of every case fits one screen, and nothing moves but what is written.

One plain page, without Jupyter: the stage's own code and each case's film. What is checked at each
frame is in still.js.
"""

from pathlib import Path

import pytest

from mmviz.scenarios import load, names
from tests.browser.page import page as page_of
from tests.browser.page import source

CHECK = (Path(__file__).parent / "still.js").read_text("utf-8")
MOST = 150  # states of a case whose whole graph is shown; of the others, the runs


@pytest.fixture(scope="module")
def plain(browser, tmp_path_factory):
    """A page with the stage's code, on which films are shown one after the other."""
    made = page_of(source("iommu_group/release_order", "DelistThenRelease"))
    made = made.replace("window.stage = mount(", "window.mountOf = mount; window.stage = mount(")
    path = tmp_path_factory.mktemp("plain") / "page.html"
    path.write_text(made, "utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path.as_uri())
    page.evaluate("document.getElementById('stage').replaceChildren()")
    yield page
    context.close()
    assert wrong == []


@pytest.mark.parametrize("name", names())
def test_every_frame_fits_and_nothing_moves_but_what_is_written(plain, name):
    sources = {each.name: source(name, each.name, most=MOST) for each in load(name).cases}

    assert plain.evaluate(CHECK, sources) == {}
