"""A page-table entry in a real JupyterLab: typed, redrawn, compared, by keyboard alone."""

import pytest

pytestmark = pytest.mark.ui

SAME, PRESENT = "0xf7fffffffdb97400", "0x8000000012345867"
WIDGET = f"""
import mmviz
shown = mmviz.Entry("{SAME}")
shown
"""
PLAIN = f"""
import mmviz
mmviz.entry({PRESENT}, kernel="5.14", after="0xf7fffffffdb97402")
"""


def test_what_is_typed_is_drawn_and_what_is_wrong_is_told(notebook):
    notebook.run("entry", WIDGET)
    page = notebook.page
    root = page.locator(".mm-entry").first
    drawn = root.locator("svg")
    drawn.wait_for()
    assert drawn.locator("text", has_text="device-exclusive, pfn 0x12345").count() == 1
    assert "device-exclusive, pfn 0x12345" in drawn.locator("title").text_content()

    bits = page.get_by_label("entry", exact=True)
    bits.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("f7ff")
    page.keyboard.press("Enter")
    alert = root.get_by_role("alert")
    alert.wait_for()
    assert "'f7ff' is not a raw entry" in alert.inner_text()
    assert bits.input_value() == "f7ff"
    assert drawn.locator("text", has_text="device-exclusive, pfn 0x12345").count() == 1

    page.keyboard.press("Control+a")
    page.keyboard.type("0x676b700029736c6f")
    page.keyboard.press("Enter")
    alert.wait_for(state="detached")
    drawn.locator("text", has_text="text: all bytes are text").wait_for()

    page.keyboard.press("Control+a")
    page.keyboard.type(PRESENT)
    page.keyboard.press("Tab")
    alert.wait_for(state="detached")
    drawn.locator("text", has_text="present, pfn 0x12345, write").first.wait_for()

    page.keyboard.type("0xf7fffffffdb97402")  # Tab went to the second value
    page.keyboard.press("Tab")
    drawn.locator("text", has_text="young (comes back old)").wait_for()
    assert page.get_by_label("kernel", exact=True).evaluate("e => e === document.activeElement")
    page.get_by_label("kernel", exact=True).select_option("v5.14")
    drawn.locator("text", has_text="device-exclusive write").first.wait_for()
    assert notebook.python("shown.kernel, shown.after, shown.error") == ("v5.14 0xf7fffffffdb97402")

    page.evaluate("window.jupyterapp.commands.execute('notebook:enter-command-mode')")
    page.get_by_label("kernel", exact=True).focus()
    for key in ("a", "b", "d", "d", "m"):  # which would add, delete and change cells
        page.keyboard.press(key)
    cells = "[...window.jupyterapp.shell.currentWidget.content.model.cells]"
    types = page.evaluate(f"{cells}.map(cell => cell.type)")
    assert types == ["code"]


def test_the_picture_needs_no_widget_and_follows_the_theme(notebook):
    notebook.run("entry_plain", PLAIN)
    page = notebook.page
    drawn = page.locator(".jp-OutputArea-output svg[role=img]")
    drawn.wait_for()
    assert drawn.count() == 1
    assert drawn.locator("text", has_text="device-exclusive write").count() == 1
    paper = "svg => getComputedStyle(svg.querySelector('rect')).fill"
    light = drawn.evaluate(paper)
    notebook.dark()
    assert (light, drawn.evaluate(paper)) == ("rgb(255, 255, 255)", "rgb(17, 17, 17)")
    assert page.locator(".jp-OutputArea-output table").count() == 4
