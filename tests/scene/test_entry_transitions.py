"""The diagram of entry kinds: exactly the transitions of a release."""

import pytest

from mmviz.kernel.x86.layout import X86Layout as Layout
from mmviz.kernel.x86.layout import layout
from mmviz.kernel.x86.transitions import KNOWN as RELEASES
from mmviz.kernel.x86.transitions import Place, places, transitions
from mmviz.scene.check import problems
from mmviz.scene.layout import ROOM
from mmviz.scene.marks import Box, Line, Text, sheet
from mmviz.scene.transitions import Way, diagram, draw, ways

LAYOUTS = [Layout(each, levels) for each in RELEASES for levels in (4, 5)]


@pytest.mark.parametrize("where", LAYOUTS, ids=lambda where: f"{where.name}-{where.paging}")
def test_the_diagram_has_exactly_the_transitions_of_its_release(where):
    plan = diagram(where)
    marks = list(draw(plan, dict.fromkeys(places(where), ("here",)), None, (0, 0)))
    scene = sheet(plan.width, plan.height, marks)
    assert problems(scene) == []
    assert plan.width <= ROOM
    assert set(plan.at) == set(places(where))
    found = {
        (source, way.target, function)
        for way in ways(where)
        for source in way.sources
        for function in way.functions
    }
    assert found == {(one.source, one.target, one.function) for one in transitions(where)}
    assert set(plan.lines) == set(plan.names) == set(ways(where))
    drawn = "".join(text.text.replace(" ", "") for text in scene.texts)
    assert all(each.function in drawn for each in transitions(where))


def test_a_way_begins_at_its_sources_and_ends_at_its_target():
    plan = diagram(layout("6.15"))

    def near(point, place):
        x, y = plan.at[place]
        return x - 1 <= point[0] <= x + 20 and y - 1 <= point[1] <= y + 4

    for way, lines in plan.lines.items():
        assert near(lines[0][-1], way.target), way
        if len(way.sources) == 1:
            assert near(lines[0][0], way.sources[0]), way
        for source, points in zip(way.sources, lines[1:], strict=False):
            assert near(points[0], source), way


def test_a_joined_way_is_highlighted_from_the_source_that_was_taken():
    plan = diagram(layout("6.15"))
    taken = (Place.EXCLUSIVE, Place.NONE)
    marks = list(draw(plan, {Place.NONE: ("a",)}, taken, (0, 0)))
    lit = [m for m in marks if isinstance(m, Line) and m.role == "written"]
    zap = next(way for way in plan.lines if isinstance(way, Way) and len(way.sources) > 1)
    assert len(lit) == 2  # to the name they meet at, and on to "none"
    assert {line.points for line in lit} == {
        plan.lines[zap][0],
        plan.lines[zap][1 + zap.sources.index(Place.EXCLUSIVE)],
    }
    names_lit = [m.text for m in marks if isinstance(m, Text) and m.role == "written"]
    assert names_lit[:1] == ["zap_pte_range()"]
    assert [m.key for m in marks if isinstance(m, Box) and m.role == "written"] == [
        "way:" + "+".join(zap.sources) + ">none",
        "place:none",
    ]
