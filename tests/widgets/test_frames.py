from hypothesis import given
from hypothesis import strategies as st

from mmviz.widgets.frames import FrameStore, applied, changes

values = st.one_of(st.text(max_size=3), st.lists(st.integers(0, 3), max_size=8))
frames_of_traits = st.lists(
    st.fixed_dictionaries({"a": st.fixed_dictionaries({"x": values, "y": values})}), min_size=1
)


@given(frames_of_traits)
def test_a_store_gives_back_each_frame_in_whatever_order_they_are_made(frames):
    store = FrameStore(frames.__getitem__, looks_ahead=False)

    assert [store.drawn(k) for k in reversed(range(len(frames)))] == frames[::-1]


def test_what_does_not_change_costs_nothing_and_one_change_costs_one():
    base = {"fill": {"colors": ["a"] * 9, "x": [0] * 9}}
    drawn = {"fill": {"colors": ["a"] * 4 + ["b"] + ["a"] * 4, "x": [0] * 9}}

    assert changes(base, drawn) == {"fill": {"colors": [4, "b"]}}
    assert changes(base, base) == {}
    assert applied(base, changes(base, drawn)) == drawn


def counted(made, looks_ahead):
    """Return a store that notes in `made` which frames it makes."""

    def draw(k):
        made.append(k)
        return {"a": {"x": [k]}}

    return FrameStore(draw, looks_ahead)


def test_a_frame_is_made_once_and_sent_whenever_it_is_wanted():
    made = []
    store = counted(made, looks_ahead=False)

    assert list(store.piece([2, 3])["frames"]) == ["2", "3"]
    assert list(store.piece([3])["frames"]) == ["3"]
    assert made == [2, 3]


def test_another_run_keeps_the_frames_it_shares_unless_the_view_looks_ahead():
    made = []
    store = counted(made, looks_ahead=False)
    store.piece(range(4))
    store.cut(kept=2)
    assert list(store.data["frames"]) == ["0", "1"]
    assert "base" not in store.piece([2])

    ahead = counted(made, looks_ahead=True)
    ahead.piece(range(4))
    ahead.cut(kept=2)
    assert ahead.data == {"base": None, "frames": {}}
    assert "base" in ahead.piece([2])
