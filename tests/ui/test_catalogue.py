"""The index of cases in a real JupyterLab."""

import pytest

pytestmark = pytest.mark.ui

NOTEBOOK = """
import mmviz
mmviz.catalogue(thread="iommu_group")
"""


def test_a_case_is_found_and_opened(notebook):
    notebook.run("catalogue", NOTEBOOK)
    page = notebook.page
    notebook.widen()
    rows = page.locator(".mm-cases tbody tr:has(.mm-name):not([hidden])")
    rows.first.wait_for()
    everything = rows.count()
    over = "e => e.scrollWidth - e.clientWidth"
    assert page.locator(".mm-cases-scroll").evaluate(over) <= 0, "the last column is on screen"
    index, status = page.locator(".mm-cases"), page.locator(".mm-cases-status")

    index.get_by_label("Words", exact=True).fill("alias")
    page.wait_for_function(
        "() => / of /.test(document.querySelector('.mm-cases-status').textContent)"
    )
    assert 0 < rows.count() < everything
    assert status.inner_text() == f"{rows.count()} of {everything} cases"
    assert page.locator(".mm-cases tbody:not([hidden])").count() < 10

    index.get_by_label("Bad state", exact=True).select_option("use_after_free")
    index.get_by_label("Kernel", exact=True).fill("5.x")
    page.locator(".mm-cases .mm-error:not([hidden])").wait_for()
    index.get_by_label("Kernel", exact=True).fill("")
    page.locator(".mm-cases .mm-error[hidden]").wait_for(state="attached")

    name = rows.first.locator(".mm-name").inner_text()
    for what in ("watch", "drive"):
        rows.first.get_by_role("button", name=what).click()
        page.wait_for_function(
            "what => document.querySelector('.mm-cases-status').textContent.endsWith(what + '.')",
            arg=what,
        )
        notebook.stage()
        page.wait_for_function("() => document.activeElement.matches('.mm-cases .mm-root')")
        assert status.inner_text() == f"Below: {name}, {what}."
        assert page.locator(".mm-cases .mm-root").count() == 1
