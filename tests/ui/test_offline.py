"""Where no widget runs, and where a dark page is not JupyterLab's: pages opened offline."""

from types import SimpleNamespace

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

import mmviz
from mmviz.widgets import still
from tests.frontends.chromium import JUDGE, Seen
from tests.frontends.exported import dark_page

pytestmark = pytest.mark.ui
VIEWS = "application/vnd.jupyter.widget-state+json"


@pytest.fixture
def seen(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    yield Seen(context.new_page())
    context.close()


@pytest.fixture(scope="module")
def outputs():
    """Return what a cell of a notebook gets that shows a stage, as the kernel sends it."""
    sent = []
    player = mmviz.Player("iommu_group/release_order", case="DelistThenRelease")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(still, "get_ipython", lambda: SimpleNamespace(kernel=object()))
        patched.setattr(still, "display", lambda forms, **_: sent.append(forms))
        player._ipython_display_()
    return player.model_id, [new_output("display_data", data=forms) for forms in sent]


def exported(outputs, *, stored, theme):
    """Return a notebook as nbconvert writes it, with the state of its widgets stored or not."""
    model, sent = outputs
    book = new_notebook(cells=[new_code_cell("player", outputs=sent)])
    if stored:
        state = {model: {"model_name": "AnyModel", "model_module": "anywidget", "state": {}}}
        book.metadata["widgets"] = {VIEWS: {"state": state}}
    nbformat.validate(book)
    return HTMLExporter(theme=theme).from_notebook_node(book)[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("stored", [True, False])
def test_an_exported_page_shows_one_still_picture_offline(seen, outputs, tmp_path, stored, theme):
    page = tmp_path / "page.html"
    page.write_text(exported(outputs, stored=stored, theme=theme), "utf-8")
    seen.page.goto(page.as_uri(), wait_until="domcontentloaded")

    heights = seen.page.locator("img.mm-image").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().height)"
    )
    assert [height > 200 for height in heights if height] == [True]
    scheme = "each => getComputedStyle(each).colorScheme"
    assert seen.page.locator("img.mm-image").first.evaluate(scheme) == theme
    assert seen.page.evaluate(JUDGE) == []


@pytest.mark.parametrize("attribute", ["", ' data-theme="dark"'])
def test_all_is_legible_on_a_dark_page_that_is_not_jupyterlabs(seen, tmp_path, attribute):
    page = tmp_path / "page.html"
    page.write_text(dark_page(attribute), "utf-8")
    seen.page.goto(page.as_uri())
    seen.stage()

    assert seen.page.evaluate(JUDGE) == []
    assert seen.asked == []
