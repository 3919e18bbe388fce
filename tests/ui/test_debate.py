"""A debate in a real JupyterLab, by keyboard alone."""

import pytest

pytestmark = pytest.mark.ui

NOTEBOOK = """
import mmviz
debate = mmviz.Debate("iommu_group")
debate
"""
HOSTILE = """
debate.table.rows = [{
    "group": "<img src=x onerror=document.title='broken'>", "name": "<b>n</b>",
    "cells": [[{"text": "<b>bold</b>", "look": "mm-bad", "opens": "<i>x</i>"}]],
}]
display(debate)
"""


def test_a_failing_cell_is_opened_and_stepped_by_keyboard(notebook):
    notebook.run("debate", NOTEBOOK)
    page = notebook.page
    opens = page.locator(".mm-cases button")
    opens.first.wait_for()
    failing = int(notebook.python("sum(len(row.failing) for row in debate.debate)"))
    assert opens.count() == failing > 2
    assert page.get_by_text("ReleaseUnderMutex", exact=True).count() == 1
    assert page.get_by_role("grid", name="thread iommu_group").count() == 1

    keys = ((0, "ArrowDown", 1), (1, "ArrowUp", 0))  # first the second run, then the first
    for number, (start, key, goal) in enumerate(keys, 1):
        opens.nth(start).focus()
        page.keyboard.press(key)
        assert opens.nth(goal).evaluate("button => button === document.activeElement")
        page.keyboard.press("Enter")
        notebook.stage()
        page.wait_for_function(
            "number => document.activeElement.matches(`.mm-cases .mm-opened-${number} .mm-root`)",
            arg=number,
        )
        row, what = "debate.table.opened", "debate.table.opens"
        assert page.locator(".mm-cases tr.mm-opened .mm-name").inner_text() == notebook.python(
            f"debate.debate.rows[{row}].case.name"
        )
        assert opens.nth(goal).get_attribute("aria-pressed") == "true"
        assert notebook.python(what) in opens.nth(goal).inner_text()
        assert page.locator(".mm-cases .mm-root").count() == 1

        page.keyboard.press("End")
        page.locator(".mm-cases .mm-promise.mm-broken").first.wait_for()


def test_text_in_the_table_is_shown_and_never_run(notebook):
    notebook.run("hostile_debate", "import mmviz; debate = mmviz.Debate('iommu_group')", HOSTILE)
    table = notebook.page.locator(".mm-cases-root table")
    table.wait_for()

    assert "<img src=x" in table.locator("th.mm-group").inner_text()
    assert table.locator("img, b, i").count() == 0
    assert "broken" not in notebook.page.title()


TWINS = """
import dataclasses, mmviz
from mmviz.widgets import debate as module
found = mmviz.debate("iommu_group")
row = next(row for row in found if row.failing)
module.debate = lambda *_, **__: dataclasses.replace(found, rows=(row, row))
module.Debate("iommu_group")
"""


def test_of_two_rows_with_one_name_and_one_finding_the_opened_one_is_lit(notebook):
    """Nothing else in what the table shows differs between the two."""
    notebook.run("twins", TWINS)
    page = notebook.page
    rows = page.locator(".mm-cases tbody tr:has(button)")
    rows.nth(1).wait_for()
    for number, row in enumerate((0, 1, 0), 1):
        rows.nth(row).locator("button").first.click()
        page.wait_for_function(
            "number => document.querySelector(`.mm-cases .mm-opened-${number} .mm-root`)",
            arg=number,
        )
        page.wait_for_function(
            """row => {
                const lines = [...document.querySelectorAll(".mm-cases tbody tr:has(button)")];
                return lines.every((line, k) => line.matches(".mm-opened") === (k === row));
            }""",
            arg=row,
        )
