"""Names that hold code, formulas, colours and marks of direction, in everything that is printed."""

import json
import re
from xml.etree import ElementTree

import pytest

import mmviz
from mmviz.cli import main
from mmviz.engine import atomic
from mmviz.engine.closure import Closure
from mmviz.engine.promela import promela
from mmviz.engine.struct import World
from mmviz.survey.markdown import coded, marked

MARKUP = "<script>alert(1)</script> `x` ``y`` |a| $x$ */"
EVIL = f"{MARKUP} \x1b[31mred\x1b[0m \u202ereversed\u2066 \x00\uffff"
BAD = "lost_`<b>`|$x$"


class Machine(World):
    note: str = ""

    @atomic("toy")
    def write(self):
        """Write what a model should not hold."""
        self.note = EVIL


async def writes(k):
    await k.write()


def is_written(k):
    return bool(k.note)


is_written.__doc__ = MARKUP
is_written.__name__ = BAD

race = mmviz.Race(
    world=Machine,
    actors={"<i>`C`$x$": writes},
    bad=[is_written],
    memory=EVIL,
)
case = race.case(EVIL, name="<b>`n`|$x$", of=1, always=[is_written], promise=EVIL, note=EVIL)
scenario = mmviz.Scenario(EVIL, EVIL, race, story=EVIL, simplified=EVIL)
found = scenario[0]
run = mmviz.replay(found, [*found.actors])
report = mmviz.explore(found)
debate = mmviz.debate(scenario)
player = mmviz.Player(found, run.schedule)

TERMINAL = {
    "table": lambda: mmviz.table(run),
    "run": lambda: str(run),
    "report": lambda: str(report),
    "case": lambda: str(found),
    "race": lambda: str(race),
    "scenario": lambda: str(scenario),
    "debate": lambda: str(debate),
    "catalogue": lambda: str(mmviz.catalogue(among=scenario)),
    "possible": lambda: str(mmviz.possible(found, "note != none")),
    "player": lambda: str(player),
    "promela": lambda: promela(Closure(found)),
}
HTML = {
    "run": lambda: run._repr_html_(),
    "report": lambda: report._repr_html_(),
    "case": lambda: found._repr_html_(),
    "race": lambda: race._repr_html_(),
    "scenario": lambda: scenario._repr_html_(),
    "debate": lambda: debate._repr_html_(),
    "catalogue": lambda: mmviz.catalogue(among=scenario)._repr_html_(),
}


def has_nothing_to_obey(text):
    """Tell whether a text has no control character and no mark of direction."""
    return text.replace("\n", "").replace("\t", "").isprintable()


@pytest.mark.parametrize("name", TERMINAL)
def test_a_terminal_is_given_nothing_to_obey(name):
    text = TERMINAL[name]()
    assert has_nothing_to_obey(text)
    assert r"\x1b" in text or EVIL not in text


@pytest.mark.parametrize("name", HTML)
def test_a_page_is_given_no_element_and_no_mark_of_direction(name):
    text = HTML[name]()
    assert has_nothing_to_obey(text)
    assert not re.search(r"<(script|b|i)>", text)


def test_a_comment_of_promela_ends_where_it_should():
    text = TERMINAL["promela"]()
    outside = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert "alert" not in outside
    assert "*/" not in outside


@pytest.mark.parametrize("drawn", [player.svg, lambda: player.svg(0)])
def test_a_picture_is_valid_xml_and_shows_what_it_cannot_hold(drawn):
    text = drawn()
    assert has_nothing_to_obey(text)
    root = ElementTree.fromstring(text)
    assert {node.tag.rpartition("}")[2] for node in root.iter()}.isdisjoint({"script", "b", "i"})


def test_markdown_shows_every_sign_as_it_is():
    text = debate.markdown()
    assert has_nothing_to_obey(text)
    outside = re.sub(r"(?<![\\`])(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    plain = re.sub(r"\\.", "", outside.replace("<br>", "").replace(r"<span>\$</span>", ""))
    assert not set("<>`$") & set(plain)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}


@pytest.mark.parametrize("sign", [*"\\`*_[]<>|#~&"])
def test_each_sign_of_markdown_is_escaped(sign):
    assert marked(f"a{sign}b") == f"a\\{sign}b"


def test_code_is_longer_fenced_than_the_backticks_in_it():
    assert coded("a") == "`a`"
    assert coded("a `b` ``c``") == "``` a `b` ``c`` ```"
    assert coded("a|b\nc\x1b") == r"`a\|b c\x1b`"


def test_json_and_the_terminal_of_the_command_line(tmp_path, capsys):
    path = tmp_path / "evil.py"
    path.write_text("from tests.test_text_out import race\nraces = [race]\n", "utf-8")
    for words in (["list"], ["list", "--json"], ["check"], ["check", "--json"]):
        main([words[0], str(path), *words[1:]])
        out, err = capsys.readouterr()
        assert has_nothing_to_obey(out)
        assert has_nothing_to_obey(err)
        if "--json" in words:
            assert json.loads(out)[0]["title"] == EVIL
