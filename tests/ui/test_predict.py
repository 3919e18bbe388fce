"""A prediction in a real JupyterLab, by keyboard; and its card on a page of its own."""

import json

import pytest

from mmviz.widgets.predict import Predict
from tests.ui.test_access import TABLE, faults, in_both_themes, opened
from tests.widgets.questions import SECRETS, question

__all__ = ["opened"]  # a fixture

pytestmark = pytest.mark.ui

TRAITS = ("state", "text", "given", "options", "several", "picked", "result", "shows", "status")
SETUP = """
import os
os.environ["MMVIZ_PROGRESS"] = "off"
from mmviz.widgets.predict import Predict
from tests.widgets.questions import question
p = Predict(question=question())
"""
SAVE = """async () => {
    const {commands, serviceManager, shell} = window.jupyterapp;
    await within(commands.execute("docmanager:save"), "saving");
    const {path} = shell.currentWidget.context;
    const {content} = await within(serviceManager.contents.get(path), "the file");
    return JSON.stringify(content);
}"""


def test_an_answer_by_keyboard_opens_what_was_sealed(notebook):
    from tests.ui.conftest import bounded  # beside the fixtures

    notebook.run("predict", SETUP, "p", "p", "q = Predict(question=question(), after=p); q")
    page = notebook.page
    page.set_viewport_size({"width": 1280, "height": 800})
    card, again, later = (page.locator(".mm-predict").nth(number) for number in range(3))
    notebook.stage()
    for text in (page.evaluate("document.documentElement.outerHTML"), page.evaluate(bounded(SAVE))):
        assert not any(secret in text for secret in SECRETS)
    assert "opens when the one before it" in later.inner_text()
    card.scroll_into_view_if_needed()
    card.evaluate("node => node.scrollIntoView()")
    low = page.locator(".mm-stage").first.evaluate("node => node.getBoundingClientRect().bottom")
    assert low <= 775  # question, options and the state: above the status bar

    card.locator("input").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    card.locator(".mm-judged").first.wait_for()
    page.wait_for_function("document.activeElement.matches('.mm-result')")
    assert card.locator(".mm-result").inner_text() == "✗ Wrong You answered B."
    assert again.locator(".mm-result").inner_text() == "✗ Wrong You answered B."  # its other view
    assert card.locator(".mm-live").inner_text() == "Wrong. becausetwo Right is C."
    assert card.locator(".mm-judged").nth(2).inner_text().startswith("C\nboth of them ✓ right")
    assert later.locator("input").count() == 3
    assert notebook.python("p.first, p.right, p.answered, q.card.state") == "B False True asked"

    shows = card.locator(".mm-do-show").nth(1)
    shows.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        """() => JSON.parse(document.querySelector(".mm-stage").dataset.state).cursor === 4"""
    )
    assert shows.evaluate("node => node === document.activeElement")
    card.locator(".mm-do-again").click()
    card.locator("input").nth(2).check()
    card.locator(".mm-do-answer").click()
    card.locator(".mm-mark.mm-right").first.wait_for()
    assert "Your first answer was B" in card.locator(".mm-result").inner_text()
    later.locator(".mm-do-skip").click()
    later.locator(".mm-skipped").wait_for()


def test_a_sealed_stage_does_not_go_beyond_the_question(notebook):
    notebook.run("sealed", SETUP, "p")
    page, stage = notebook.page, notebook.stage()
    stage.focus()
    for key in ("1", "2", "x", "w", "g", "p", "s", "q", "ArrowRight", "End"):
        page.keyboard.press(key)
    assert json.loads(stage.get_attribute("data-state"))["cursor"] == 3
    assert "sealed" in page.locator(".mm-moment").inner_text()
    assert page.locator(".mm-panel:visible, .mm-blocked, .mm-choose.mm-can").count() == 0
    page.keyboard.press("t")
    assert "sealed until the question is answered" in page.locator(".mm-twin").inner_text()

    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    page.wait_for_timeout(1_000)
    page.locator(".mm-predict input").first.check()
    page.locator(".mm-do-answer").dispatch_event("click")
    page.locator(".mm-complaint", has_text="run the cell in a notebook").wait_for()


def page_of(widget):
    """Return a page with the card alone, without a kernel."""
    card = widget.card
    traits = {name: getattr(card, name) for name in TRAITS}
    traits["layout"] = {"comm_live": False}
    data = json.dumps({"esm": card._esm, "traits": traits}).replace("</", "<\\/")
    page = TABLE.format(css=card._css, data=data).replace("mm-cases ", "")
    return page.replace("<title>cases", "<title>question")


@pytest.mark.parametrize(("width", "states"), [(400, "answered"), (1280, "asked skipped")])
def test_axe_finds_nothing_serious_in_any_state(opened, width, states):
    made = Predict(question=question(right=(0, 2)))
    made._record = lambda: None
    for state in states.split():
        if state != "asked":
            made.answer("B") if state == "answered" else made.skip()
        assert made.card.state == state
        page = opened(page_of(made), width=width)
        assert in_both_themes(page) == []
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        shapes = page.locator(".mm-judged .mm-mark").all_inner_texts()
        assert shapes in ([], ["✓ right", "✗ wrong", "✓ right"])
    made.close()
    other = opened(page_of_sealed(), width=width, forced_colors="active")
    assert faults(other) == []


def page_of_sealed():
    made = Predict(question=question())
    text = page_of(made)
    made.close()
    return text


def test_a_page_without_a_kernel_says_so_and_has_no_answer(opened):
    page = opened(page_of_sealed())
    assert "run the cell in a notebook" in page.locator(".mm-complaint").inner_text()
    assert page.locator(".mm-do-answer").get_attribute("aria-disabled") == "true"
    assert not any(secret in page.content() for secret in SECRETS)


def test_text_of_a_question_is_shown_and_never_run(opened):
    made = Predict(question=question(extra="<img src=x onerror=document.title='broken'>"))
    made._record = lambda: None
    made.answer("A")
    page = opened(page_of(made))
    made.close()
    assert page.locator("img").count() == 0
    assert page.title() == "question"
    assert page.locator(".mm-reason").first.inner_text().startswith("becauseone<img")
