import re

import pytest

from mmviz.scene.theme import (
    CELL,
    CLEAR,
    FAINT,
    INK,
    PAPER,
    ROLES,
    SHAPES,
    THEMES,
    contrast,
    css,
    style,
)


def test_black_on_white_has_the_greatest_contrast():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


def test_both_themes_have_the_same_roles_with_the_same_dashes():
    light, dark = THEMES["light"], THEMES["dark"]

    assert set(light) == set(dark)
    assert all((light[r].dash, light[r].heavy) == (dark[r].dash, dark[r].heavy) for r in light)


@pytest.mark.parametrize("theme", THEMES)
def test_the_text_of_every_role_is_readable_in_its_own_box_and_outlines_stand_out(theme):
    for role, drawn in THEMES[theme].items():
        if role not in SHAPES:
            assert contrast(drawn.text, drawn.fill) >= 4.5, role
        if role not in FAINT:
            assert contrast(drawn.stroke, PAPER[theme]) >= 3, role


def test_the_style_sheet_defines_every_variable_that_a_style_names():
    sheet = css()
    for role in ROLES - {CLEAR, CELL}:
        for colour in style(role)[:3]:
            name = re.fullmatch(r"var\((--[a-z-]+)\)", colour).group(1)
            assert sheet.count(f"{name}:") == 3  # light, dark, and where colours are forced


def test_a_clear_mark_is_invisible_in_every_theme():
    assert set(style(CLEAR)[:3]) == {"transparent"}


def test_both_themes_have_the_same_inks_and_texts_are_readable_on_what_they_stand_on():
    assert set(INK["light"]) == set(INK["dark"])
    for theme, ink in INK.items():
        grounds = {"ink": ("pane", "card"), "dim": ("pane", "card"), "keyink": ("key",)}
        grounds |= {
            "nowink": ("now",),
            "badnow": ("now",),
            "bad": ("badfill", "pane"),
            "good": ("pane",),
        }
        for text, under in grounds.items():
            for ground in under:
                assert contrast(ink[text], ink[ground]) >= 4.5, (theme, text, ground)
            if text not in ("keyink", "nowink", "badnow"):
                assert contrast(ink[text], PAPER[theme]) >= 4.5, (theme, text)
