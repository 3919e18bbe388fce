import itertools
import shutil
import sys

import pytest

from mmviz.engine import Map, World, atomic, field
from mmviz.scene import layout
from mmviz.scene.cards import cards
from mmviz.scene.layout import NoGraphviz, plan, source
from mmviz.scene.searched import SearchedCase
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


def test_without_pygraphviz_dot_on_path_is_used(searched, monkeypatch, tmp_path):
    real = layout.dot(source([], []))
    program = tmp_path / "dot"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/asked\ncat <<'X'\n{real}\nX\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))

    assert layout.dot("digraph {}").strip() == real.strip()
    assert (tmp_path / "asked").read_text("utf-8") == "digraph {}"


def test_without_graphviz_the_error_names_what_to_install(searched, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(NoGraphviz, match="pip install pygraphviz"):
        plan(searched.reach)


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
