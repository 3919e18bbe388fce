import re

import pytest

from mmviz.scene.theme import CLEAR, PAPER, ROLES, THEMES, contrast, css, style


def test_black_on_white_has_the_greatest_contrast():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


def test_both_themes_have_the_same_roles_with_the_same_dashes():
    light, dark = THEMES["light"], THEMES["dark"]

    assert set(light) == set(dark)
    assert all((light[r].dash, light[r].heavy) == (dark[r].dash, dark[r].heavy) for r in light)


@pytest.mark.parametrize("theme", THEMES)
def test_the_text_of_every_role_is_readable_in_its_own_box_and_outlines_stand_out(theme):
    lines_only = {"link", "hatch", "rail"}
    for role, drawn in THEMES[theme].items():
        if role not in lines_only:
            assert contrast(drawn.text, drawn.fill) >= 4.5, role
    unmarked = {
        "plain",
        "head",
        "quiet",
        "past",
        "future",
        "hatch",
        "rail",
    }  # their outline carries no information
    for role in THEMES[theme].keys() - unmarked:
        assert contrast(THEMES[theme][role].stroke, PAPER[theme]) >= 3, role


def test_the_style_sheet_defines_every_variable_that_a_style_names():
    sheet = css()
    for role in ROLES - {CLEAR}:
        for colour in style(role)[:3]:
            name = re.fullmatch(r"var\((--[a-z-]+)\)", colour).group(1)
            assert sheet.count(f"{name}:") == 2  # once for each theme


def test_a_clear_mark_is_invisible_in_every_theme():
    assert set(style(CLEAR)[:3]) == {"transparent"}
