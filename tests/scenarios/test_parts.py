"""A scenario file that lacks a part is refused, with the file and the part."""

import re
import sys
import textwrap

import pytest

from mmviz import scenarios
from mmviz.engine import ModelError, Scenario
from mmviz.engine.scenario import SECTIONS
from mmviz.scenarios import load, names

WHOLE = '''
"""A title.

A story.

Promise: Nothing breaks.

Memory model: sequentially consistent.

Simplified:
    Everything.

Sources:
    mm/memory.c
"""

from mmviz.engine import Case, Verdict
from tests.engine.toys import Counter, lost_update, racy

CASES = (
    Case(
        name="Toy", id="T/1", title="a toy", world=Counter, actors={"A": racy, "B": racy},
        bad=(lost_update,), expect={"lost_update": Verdict.SOMETIMES}, states=9,
    ),
)
'''


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """Return what loads a scenario from the text of its file, among the real ones."""

    def made(text):
        folder = tmp_path / "drawer"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text('"""A thread."""\n')
        (folder / "race.py").write_text(textwrap.dedent(text).lstrip())
        monkeypatch.setattr(scenarios, "__path__", [*scenarios.__path__, str(tmp_path)])
        monkeypatch.setattr(scenarios, "names", lambda: (*names(), "drawer/race"))
        for name in [name for name in sys.modules if name.startswith("mmviz.scenarios.drawer")]:
            monkeypatch.delitem(sys.modules, name)
        scenarios._load.cache_clear()
        return load("drawer/race")

    yield made
    for name in [name for name in sys.modules if name.startswith("mmviz.scenarios.drawer")]:
        del sys.modules[name]
    scenarios._load.cache_clear()


def test_a_whole_file_is_a_scenario(scenario):
    found = scenario(WHOLE)

    assert isinstance(found, Scenario)
    assert [case.name for case in found.cases] == ["Toy"]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("how", ["left out", "empty"])
def test_a_missing_section_is_named_with_the_file(scenario, section, how):
    body = rf"^{section}:.*\n(    .*\n)*"
    text = re.sub(body, f"{section}:\n" if how == "empty" else "", WHOLE, flags=re.MULTILINE)
    assert text != WHOLE

    with pytest.raises(ModelError, match=rf"drawer[./]race.*'{section}:'"):
        scenario(text)


def test_a_file_without_cases_is_named(scenario):
    with pytest.raises(ModelError, match=r"drawer[./]race.*CASES"):
        scenario(WHOLE.partition("CASES")[0] + "CASES = ()\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('expect={"lost_update": Verdict.SOMETIMES}', "expect={}", "lost_update"),
        ("bad=(lost_update,)", 'bad=(lost_update, "use_after_free")', "use_after_free"),
        ('"lost_update": V', '"lost_udpate": V', "lost_udpate"),
        ("states=9", 'states=9, kind="rase"', "rase"),
        ("states=9", 'states=9, daemons=("DEV",)', "DEV"),
        ("states=9", 'states=9, proposed=("March", "<a@b>")', "March"),
    ],
)
def test_a_verdict_that_is_not_declared_is_named_with_the_file(scenario, old, new, said):
    assert old in WHOLE
    with pytest.raises(ModelError, match=rf"drawer[./]race.*{said}"):
        scenario(WHOLE.replace(old, new))
