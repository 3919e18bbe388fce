"""The Save menu: in a page without Python, and in a notebook."""

import json
from pathlib import Path

import pytest

import mmviz
from mmviz.scene.qr import code
from tests.browser.page import page as page_of
from tests.browser.page import source
from tests.ui.conftest import bounded
from tests.ui.test_access import RELEASE, focused, opened, press
from tests.ui.test_long import RESTART

pytestmark = pytest.mark.ui
__all__ = ["opened"]  # the fixture

PLAYER = """
import mmviz
player = mmviz.Player("iommu_group/release_order", case="DelistThenRelease")
player
"""


def test_a_page_without_python_saves_what_it_can_by_key_alone(opened):
    page = opened(page_of(source(*RELEASE)))
    page.locator(".mm-stage").focus()
    press(page, "End", "s")
    forms = [words.split()[0] for words in page.locator(".mm-form").all_inner_texts()]
    assert forms == ["link", "svg", "png", "text"]
    assert page.locator(".mm-save .mm-bound").inner_text().count(".") == 1  # one sentence
    saved = {}
    for _form in forms[1:]:
        press(page, "ArrowRight")
        with page.expect_download() as download:
            press(page, "Enter")
        saved[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    names = [f"release_order-DelistThenRelease-step7{end}" for end in (".svg", ".png", "-text.txt")]
    assert list(saved) == names
    svg, png, txt = saved.values()
    assert png.startswith(b"\x89PNG")
    assert len(png) > 10_000
    assert "▸ 7  CPU1: iommu_domain_free(domain V)" in txt.decode()
    alone = opened(
        f"<!doctype html><div class='mm-stage'>as a file</div>{svg.decode()}"
    )  # no style sheet
    colours = alone.evaluate(
        """() => [...document.querySelectorAll("svg text, svg rect")]
            .map((each) => getComputedStyle(each).fill).filter((fill) => fill !== "none")"""
    )
    assert len(set(colours)) > 5
    assert "class=" not in svg.decode()
    assert "Step 7 of 7: CPU1: iommu_domain_free" in alone.locator("svg > text").text_content()

    page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }"
    )
    press(page, "Home", "Enter")
    page.locator(".mm-saved", has_text="copy the text from the field").wait_for()
    assert "mm-link" in focused(page)
    link = page.locator(".mm-link").input_value()
    assert page.evaluate("getSelection().toString()") == link
    assert link == mmviz.link(mmviz.find(*RELEASE), "CPU0*3 CPU1*4", 7)
    press(page, "Escape")
    assert focused(page).startswith("mm-stage")
    press(page, "q")
    assert not page.locator(".mm-qr").is_visible()
    press(page, "Home", "q")
    assert page.locator(".mm-qr svg").get_attribute("aria-label").endswith("step 0 of 7")
    press(page, "ArrowRight")
    page.locator(".mm-moment", has_text="Save (s) has the link of it").wait_for()
    assert not page.locator(".mm-qr").is_visible()
    press(page, "Home", "q")
    assert page.locator(".mm-qr svg").is_visible()
    press(page, "Escape")
    assert not page.locator(".mm-qr").is_visible()
    press(page, "End")
    parts = page.locator("svg.mm-chips").evaluate(
        "(chips) => [...chips.children].map((each) => each.dataset.part.split(':')[0])"
    )
    assert "arc" not in parts[parts.index("chip") :]  # a number lies over them
    assert "arc" in parts
    assert page.evaluate("leaked") == []


def test_a_notebook_saves_by_python_and_says_when_it_is_gone(notebook):
    notebook.run("save", PLAYER)
    stage, page = notebook.stage(), notebook.page
    stage.press("End")
    stage.press("ArrowLeft")
    stage.press("s")
    page.locator(".mm-form", has_text="pml").wait_for()
    said = notebook.listen()
    files = {}
    for form in ("svg", "txt", "html"):
        with page.expect_download() as download:
            page.locator(f".mm-form:has-text('{form} ')").first.click()
        files[form] = Path(download.value.path()).read_text("utf-8")
        assert download.value.suggested_filename.endswith(f".{form}")
    assert len(said) > 5
    case = mmviz.find(*RELEASE)
    run = ["CPU0"] * 3 + ["CPU1"] * 4
    assert files["svg"].startswith("<svg ")
    assert "step 6 of 7" in files["svg"].lower()
    assert mmviz.diagram(files["txt"], RELEASE[0]).match.case.name == case.name
    assert '"k":6' in files["html"]
    assert files["html"].startswith("<!doctype html>")
    stage.press("q")
    page.locator(".mm-qr svg[aria-label$='step 6 of 7']").wait_for()
    for key, label in (("ArrowRight", "step 7 of 7"), ("ArrowLeft", "step 6 of 7")):
        stage.press(key)
        page.locator(f".mm-qr svg[aria-label$='{label}']").wait_for()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "1"):  # a run of the reader's own
        stage.press(key)
    page.locator(".mm-qr svg[aria-label$='step 4 of 4']").wait_for()
    shown = page.locator(".mm-qr path").get_attribute("d")
    assert shown == code(mmviz.link(case, "CPU0*4", 4)).path
    stage.press("Backspace")
    page.locator(".mm-qr svg[aria-label$='step 3 of 7']").wait_for()
    assert json.loads(stage.get_attribute("data-state"))["schedule"] == run

    page.evaluate(bounded(RESTART))
    stage.press("Escape")
    stage.press("s")
    page.locator(".mm-save", has_text="The kernel is gone").wait_for()
    forms = [words.split()[0] for words in page.locator(".mm-form").all_inner_texts()]
    assert forms == ["link", "svg", "png", "text"]
    notebook.wrong[:] = [each for each in notebook.wrong if "uncaught" in each]
