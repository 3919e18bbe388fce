"""The text of every role is readable on its ground, with the sheet of the stage, in both themes."""

import pytest

from mmviz.browser import css
from mmviz.scene import theme

pytestmark = pytest.mark.ui

LIGHTS = ("is-now", "is-bad", "is-now is-bad", "is-read")
BARE = theme.SHAPES | {"window"}  # roles of boxes without a text
PAIRS = [  # the classes of a box, and of the text on it
    *((f"mm-{role}", f"mm-{role}") for role in theme.THEMES["light"] if role not in BARE),
    *((f"mm-{role} is-bad", f"mm-{role} is-bad") for role in sorted(theme.WITNESS)),
    *((f"mm-cell {on}", f"mm-{role} {on}") for on in LIGHTS for role in ("value", "label", "note")),
    *((f"mm-message {on}", f"mm-message {on}") for on in LIGHTS),
]
COLOURS = """() => [...document.querySelectorAll("text")].map((text) => {
    const [ground, ink] = [text.previousElementSibling, text].map((e) => getComputedStyle(e).fill);
    return [ground, ink];
})"""


@pytest.mark.parametrize("dark", [False, True])
def test_the_text_of_every_role_is_readable_whatever_is_lit(browser, dark):
    marks = "".join(
        f'<g><rect class="{box}"/><text class="{text}">w</text></g>' for box, text in PAIRS
    )
    page = browser.new_page()
    page.set_content(
        f"<style>{theme.css('.mm-stage')}{theme.rules()}{css()}</style>"
        f'<div class="{"dark" if dark else "light"}"><div class="mm-stage">'
        f'<svg class="mm-picture">{marks}</svg></div></div>'
    )
    found = page.evaluate(COLOURS)
    page.close()
    paper = theme.INK["dark" if dark else "light"]["card"]

    assert len(found) == len(PAIRS)
    weak = {
        pair: contrast
        for pair, (ground, ink) in zip(PAIRS, found, strict=True)
        if (contrast := theme.contrast(as_hex(ground) or paper, as_hex(ink))) < 4.5
    }
    assert weak == {}


def as_hex(colour):
    """Return "rgb(1, 2, 3)" as "#010203"; "" for what is transparent."""
    if colour == "none" or colour.startswith("rgba"):
        return ""
    return "#" + "".join(f"{int(part):02x}" for part in colour[4:-1].split(","))
