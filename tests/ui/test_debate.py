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
    "cells": ["<img src=x onerror=document.title='broken'>", "<b>n</b>", "i", "e", "k", "", "1"],
    "findings": [{"text": "<b>bold</b>", "bad": True}], "name": "<b>n</b>", "fails": True,
}]
display(debate)
"""


def test_a_failing_case_is_opened_and_stepped_by_keyboard(notebook):
    notebook.run("debate", NOTEBOOK)
    page = notebook.page
    page.locator(".mm-debate button.mm-open").first.wait_for()
    opens = page.get_by_role("button", name="show run of")
    failing = int(notebook.python("sum(bool(row.failing) for row in debate.debate)"))
    assert opens.count() == failing > 2
    assert page.get_by_role("rowheader", name="ReleaseUnderMutex", exact=True).count() == 1
    assert page.get_by_role("region", name="thread iommu_group").count() == 1

    for presses, row in ((1, 1), (1, 0)):  # the second press goes back up: to another run
        opens.nth(0 if row else 1).focus()
        for _ in range(presses):
            page.keyboard.press("ArrowDown" if row else "ArrowUp")
        assert opens.nth(row).evaluate("button => button === document.activeElement")
        page.keyboard.press("Enter")
        stage = notebook.stage()
        opened = notebook.python(f"[n for n, r in enumerate(debate.debate) if r.failing][{row}]")
        page.wait_for_function(
            "row => document.activeElement.matches(`.mm-debate .mm-row-${row} .mm-root`)",
            arg=opened,
        )
        name = notebook.python(f"debate.debate.rows[{opened}].case.name")
        assert page.locator(".mm-debate-status").inner_text() == f"Below: a run of {name}."
        assert page.locator(".mm-debate tr.mm-opened th").inner_text() == name
        assert page.locator(".mm-debate .mm-root").count() == 1

        page.keyboard.press("End")
        stage.locator(".mm-promise.mm-broken:not(.mm-away)").first.wait_for()


def test_text_in_the_table_is_shown_and_never_run(notebook):
    notebook.run("hostile_debate", "import mmviz; debate = mmviz.Debate('iommu_group')", HOSTILE)
    table = notebook.page.locator(".mm-debate-root table")
    table.wait_for()

    assert "<img src=x" in table.locator("th.mm-scenario").inner_text()
    assert table.locator("img, b").count() == 0
    assert "broken" not in notebook.page.title()
