"""The box to type an entry into: what is typed stays, what is wrong is told."""

import pytest

import mmviz
from mmviz.kernel.x86.layout import RELEASES

SAME, PRESENT = "0xf7fffffffdb97400", "0x8000000012345867"


def test_it_shows_the_picture_that_the_function_shows():
    widget = mmviz.Entry(SAME)
    told = mmviz.entry(SAME)
    assert widget._shown.value.endswith(told._repr_html_())
    assert str(widget) == str(told)
    bundle = widget._repr_mimebundle_()
    assert bundle["text/plain"] == str(told)
    assert bundle["text/html"] == told._repr_html_()
    assert {"mm-entry", "mm-theme"} <= set(widget._dom_classes)


def test_typing_another_value_draws_another_picture():
    widget = mmviz.Entry(SAME)
    widget._bits.value = f"  {PRESENT} "  # as it is pasted
    assert widget.value == f"  {PRESENT} "
    assert widget.error == ""
    assert widget._shown.value.endswith(mmviz.entry(PRESENT)._repr_html_())
    widget._then.value = SAME
    assert widget._shown.value.endswith(mmviz.entry(PRESENT, after=SAME)._repr_html_())


def test_another_kernel_means_another_thing_by_the_same_bits():
    widget = mmviz.Entry(SAME, kernel="5.14")
    assert widget._release.value == "v5.14"
    assert "device-exclusive write" in widget._shown.value
    widget._release.value = "v5.13"
    assert (widget.kernel, widget.error) == ("v5.13", "")
    assert "device-private write" in str(widget)
    assert set(widget._release.options) == {f"v{major}.{minor}" for major, minor in RELEASES}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("f7ff", "entry: 'f7ff' is not a raw entry: write 0x"),
        ("", "entry: '' is not a raw entry"),
        ("<img src=x>", "entry: '<img src=x>' is not a raw entry"),
    ],
)
def test_a_wrong_value_stays_with_a_sentence_and_the_last_picture(typed, says):
    widget = mmviz.Entry(SAME)
    shown = widget._shown.value
    widget._bits.value = typed
    assert widget.value == widget._bits.value == typed
    assert says in widget.error
    assert 'role="alert"' in widget._wrong.value
    assert "<img" not in widget._wrong.value
    assert f"The picture below is still of {SAME} on v7.1" in widget._wrong.value
    assert widget._shown.value == shown
    widget._bits.value = SAME
    assert (widget.error, widget._wrong.value) == ("", "")


def test_each_wrong_box_is_told_by_its_name():
    widget = mmviz.Entry("zz", after="yy")
    first, second = widget.error.splitlines()
    assert first.startswith("entry: 'zz'")
    assert second.startswith("then: 'yy'")
    assert widget.picture is None
    assert "still of" not in widget._wrong.value
    assert "text/html" not in widget._repr_mimebundle_()
    assert str(widget) == widget.error


def test_bits_that_are_fine_for_one_kernel_can_be_wrong_for_another():
    widget = mmviz.Entry("0x07fffffffdb97408", kernel="6.15")
    assert (widget.error, widget.picture.possible) == ("", True)
    widget._release.value = "v5.18"
    assert (widget.error, widget.picture.possible) == ("", False)
    assert "no swap entry has bit 3 (PWT) set" in widget._shown.value
    assert widget.value == "0x07fffffffdb97408"


def test_bits_that_cannot_occur_are_shown_with_what_they_were():
    widget = mmviz.Entry("0x676b700029736c6f", kernel="4.4")
    assert widget.error == ""
    assert "What was it?" in str(widget)
    assert "ols)" in widget._shown.value


def test_level_and_architecture_are_chosen():
    widget = mmviz.Entry("0x2e0396009e2", kernel="4.4")
    assert "huge" not in widget._shown.value
    widget._level.value = "pmd"
    assert widget.level == "pmd"
    assert "present, PROT_NONE, huge, pfn 0x2e039600" in widget._shown.value
    widget._level.value, widget._bits.value = "pte", "0x0060000040000fc3"
    widget._arch.value = "arm64"
    assert "present, pfn 0x40000" in widget._shown.value
    with pytest.raises(mmviz.UnknownName, match="level is one of pte, pmd"):
        mmviz.Entry(SAME, level="page")


def test_a_line_of_a_log_is_read():
    widget = mmviz.Entry("BUG: Bad page map in process a  pte:ffff8801a700ff00 pmd:1a700f067")
    assert widget.picture.value == 0xFFFF8801A700FF00
    assert "points into the very page of this table" in " ".join(str(widget).split())


def test_a_number_is_written_as_people_write_it():
    assert mmviz.Entry(0xF7FFFFFFFDB97400).value == SAME
    assert mmviz.Entry(-1).error.startswith("entry: '-1' is not a raw entry")


def test_a_newer_kernel_is_read_as_the_newest_known():
    assert mmviz.Entry(SAME, kernel="7.9").kernel == "v7.1"
    with pytest.raises(mmviz.UnknownName, match=r"no kernel '6\.20'"):
        mmviz.Entry(SAME, kernel="6.20")


def test_its_repr_makes_it_again():
    widget = mmviz.Entry(PRESENT, kernel="5.14", after=SAME)
    assert repr(widget) == f"Entry({PRESENT!r}, kernel='v5.14', after={SAME!r})"
    assert eval(repr(widget), {"Entry": mmviz.Entry}).error == ""
