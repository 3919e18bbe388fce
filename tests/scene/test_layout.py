import itertools
import json
import shutil
import sys

import pytest

from mmviz.engine import Map, World, atomic, field
from mmviz.kernel.x86.layout import layout as x86
from mmviz.kernel.x86.transitions import KNOWN as RELEASES
from mmviz.scene import dot
from mmviz.scene.cards import cards
from mmviz.scene.check import problems
from mmviz.scene.dot import NoGraphviz
from mmviz.scene.layout import plan, source
from mmviz.scene.searched import SearchedCase
from mmviz.scene.transitions import diagram
from mmviz.scene.unplaced import Unplaced
from mmviz.scene.views import VIEWS, every
from tests.scene.played import of_each_case, searched_case
from tests.scene.toys import case_of


def overlap(one, other):
    (x, y, w, h), (x2, y2, w2, h2) = one, other
    return x < x2 + w2 and x2 < x + w and y < y2 + h2 and y2 < y + h


def rectangles(places):
    return [(*places.at[card.name], card.width, card.height) for card in places.cards]


def test_cards_do_not_overlap_and_stay_on_the_sheet(searched):
    places = plan(searched.reach)
    found = rectangles(places)

    assert not any(overlap(one, other) for one, other in itertools.combinations(found, 2))
    assert all(x >= 0 and y >= 0 for x, y, _, _ in found)
    assert all(x + w <= places.width and y + h <= places.height for x, y, w, h in found)


def test_every_possible_reference_has_a_route(searched):
    routes = {(way.path, way.target) for way in plan(searched.reach).routes}

    assert ("cpu.pte[0x1000]", "page 7") in routes
    assert ("gpu.pte[0x1000]", "page 7") in routes  # the GPU maps it later
    assert ("group.domain", "domain V") in routes


def test_the_source_is_dot_with_a_port_for_every_row(searched):
    drawn = cards(searched.reach)
    text = source(drawn, [])

    assert text.startswith("digraph")
    assert all(f'PORT="r{n}"' in text for n in range(max(len(card.rows) for card in drawn)))


def test_names_never_reach_the_layout_engine(searched):
    text = source(cards(searched.reach), list(plan(searched.reach).routes))

    assert "domain" not in text
    assert "0x1000" not in text


def test_without_pygraphviz_dot_on_path_is_used(monkeypatch, tmp_path):
    real = dot._drawn("digraph {a}")
    program = tmp_path / "dot"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/asked\ncat <<'X'\n{real}\nX\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))

    assert dot._drawn("digraph {a}").strip() == real.strip()
    assert (tmp_path / "asked").read_text("utf-8") == "digraph {a}"


def without_graphviz(monkeypatch, program=None):
    """Let only the layouts be known that the package carries."""
    carried = json.loads(dot.CARRIED.read_text("utf-8"))
    monkeypatch.setattr(dot, "layouts", lambda: carried)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setattr(shutil, "which", lambda name: program)


def test_without_graphviz_the_error_names_what_to_install(searched, monkeypatch):
    without_graphviz(monkeypatch)

    with pytest.raises(NoGraphviz, match="pip install pygraphviz"):
        plan(searched.reach)


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/dot"])
def test_a_dot_that_does_not_work_is_named(searched, monkeypatch, program):
    without_graphviz(monkeypatch, program)

    with pytest.raises(NoGraphviz, match=f"{program} does not work .*: pip install pygraphviz"):
        plan(searched.reach)


def test_without_graphviz_only_views_that_need_it_say_so(searched, story, monkeypatch):
    without_graphviz(monkeypatch)
    there = every(searched)
    run = searched.run([frame.actor for frame in story[1:]])

    lacking = {name for name, view in there.items() if isinstance(view, Unplaced)}
    assert "objects" in lacking
    assert not lacking & {"memory", "timeline", "code", "pagetable", "lifetime", "causes"}
    for name in lacking:
        assert "pip install pygraphviz" in there[name].text(run, 1)
        scene = there[name].scene(run, 1)
        assert problems(scene) == []
        assert "pip install pygraphviz" in " ".join(text.text for text in scene.texts)


@of_each_case
def test_the_package_carries_the_layouts_of_the_catalogue(played):
    with pytest.MonkeyPatch.context() as patch:
        without_graphviz(patch)
        drawn = [VIEWS[name](played.searched) for name in ("objects", "iommu", "locks")]
    assert drawn[0].plan.cards  # else NoGraphviz: `make documents` lays it out


def test_the_package_carries_the_diagrams_of_every_release(monkeypatch):
    without_graphviz(monkeypatch)
    for (major, minor), levels, marker in itertools.product(RELEASES, (4, 5), (False, True)):
        assert diagram.__wrapped__(x86(f"{major}.{minor}", levels, marker)).lines


def test_graphviz_gives_what_the_package_carries(monkeypatch):
    """Places may differ from one Graphviz to another; names may not, and sizes not by much."""
    reach = searched_case("iommu_group/release_order").reach
    carried = plan(reach)
    monkeypatch.setattr(dot, "layouts", dict)
    made = plan(reach)

    assert made.at.keys() == carried.at.keys()
    assert made.routes.keys() == carried.routes.keys()
    assert made.width == pytest.approx(carried.width, rel=0.2)
    assert made.height == pytest.approx(carried.height, rel=0.2)


def test_a_layout_of_something_else_is_never_used(monkeypatch):
    known = {}
    monkeypatch.setattr(dot, "layouts", lambda: known)
    _, one = dot.best(["digraph {a}"], lambda placed: placed.width)
    _, two = dot.best(["digraph {a; b}"], lambda placed: placed.width)

    assert (one.nodes.keys(), two.nodes.keys()) == ({"a"}, {"a", "b"})
    assert len(known) == 2


def test_the_layout_that_costs_least_is_kept_with_its_number(monkeypatch):
    known = {}
    monkeypatch.setattr(dot, "layouts", lambda: known)
    texts = ["digraph {a; b; c}", "digraph {a}", "digraph {a; b}"]
    found = dot.best(texts, lambda placed: placed.width)
    monkeypatch.setattr(dot, "_drawn", None)  # it is known by now

    assert found[0] == 1
    assert dot.best(texts, lambda placed: placed.width) == found


def test_layouts_are_written_as_they_are_read(monkeypatch):
    known = dict(dot.layouts())
    monkeypatch.setattr(dot, "layouts", lambda: known)

    assert json.loads(dot.written()) == known
    assert dot.CARRIED.stat().st_size < 300_000


def test_the_order_in_which_a_search_finds_values_changes_no_layout(monkeypatch):
    reach = searched_case("iommu_group/release_order").reach
    turned = reach._replace(values={path: seen[::-1] for path, seen in reach.values.items()})
    without_graphviz(monkeypatch)

    assert plan(turned) == plan(reach)


class Ring(World):
    """Fifty descriptors, one of which is filled, and fifty more fields that never change."""

    full: Map = field(default_factory=lambda: Map(dict.fromkeys(range(50), False)))

    @atomic("driver")
    def fill(self, index):
        """Fill a descriptor."""
        self.full[index] = True

    length: Map = field(default_factory=lambda: Map(dict.fromkeys(range(50), 4096)))


async def fills_one(k):
    await k.fill(7)


def test_unchanged_rows_of_a_large_card_are_named_in_a_line():
    made = plan(SearchedCase(case_of(Ring, CPU0=fills_one)).reach)

    assert [row.label for card in made.cards for row in card.rows] == ["[7]"]
    assert made.notes[0] == "… 50 more rows of length, which no step changes: [0], [1], [2],"
    assert made.notes[-1].endswith("[49]")
