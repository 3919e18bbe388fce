"""Attacking a fix in a real JupyterLab: the reader is told what the search covered."""

import pytest

pytestmark = pytest.mark.ui

FIX = "mmviz.Driver('iommu_group/release_order', case='ReleaseUnderMutex')"
DEFENCE = "mmviz.defend('iommu_group/release_order', 'DelistThenRelease')"


def test_who_attacks_a_fix_is_told_when_asking_and_sees_the_nearest_miss(notebook):
    notebook.run("attack", f"import mmviz\nd = {FIX}\nd", f"e = {DEFENCE}\ne")
    page, stage = notebook.page, notebook.stage()
    assert stage.locator(".mm-words").inner_text().startswith("Attack this fix: try to make")
    assert "covered all" not in stage.inner_text()
    ask = stage.locator(".mm-reveal")
    assert ask.inner_text().startswith("ask")
    ask.click()
    said = stage.locator(".mm-loss", has_text="The search covered all 53 states: no run")
    said.wait_for()
    assert "Nearest miss" in said.inner_text()
    page.wait_for_function(
        """() => JSON.parse(document.querySelector(".mm-stage").dataset.state).cursor === 15"""
    )
    defence = notebook.stage(1)
    defence.focus()
    page.keyboard.press("ArrowRight")
    defence.locator(".mm-noted", has_text="6 steps are left to device attached").wait_for()
