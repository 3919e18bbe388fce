"""A diagram that is pasted into a notebook: a stage that one steps through, and nothing claimed."""

import json

UNKNOWN = '''
import mmviz
mmviz.diagram("""
CPU0                     CPU1
----                     ----
frob_open(f)
                         frob_close(f)   // <img src=x onerror=alert(1)>
                           kfree(f)
f->ops->read(f)
""")
'''


def state(stage):
    return json.loads(stage.get_attribute("data-state"))


def test_an_unmatched_diagram_is_a_stage_that_claims_nothing(notebook):
    lab = notebook.run("diagram", UNKNOWN)
    stage = lab.stage()
    stage.focus()

    for _ in range(2):
        lab.page.keyboard.press("ArrowRight")
    assert state(stage)["schedule"] == ["CPU0", "CPU1", "CPU1", "CPU0"]
    lab.page.wait_for_function(
        "() => JSON.parse(document.querySelector('.mm-stage').dataset.state).cursor === 2"
    )
    said = stage.locator('[data-pane="caption"]').inner_text()
    assert "frob_close(f)" in said
    assert "<img src=x onerror=alert(1)>" in said
    promise = stage.locator('[data-pane="promise"]').inner_text()
    assert promise.startswith("Nothing is claimed")
    assert "holds" not in promise
    assert lab.page.locator(".mm-stage img, .jp-OutputArea-output td img").count() == 0
    assert "frob_open(f)" in lab.page.locator(".jp-OutputArea-output table").inner_text()
