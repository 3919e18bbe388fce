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

from mmviz.engine import Race
from tests.engine.toys import Counter, lost_update, racy

race = Race("T", world=Counter, actors={"A": racy, "B": racy}, bad=(lost_update,))
race.case("1", "a toy", name="Toy", of=racy, sometimes=[lost_update], states=9)
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


@pytest.mark.parametrize("cut", ["race = ", "race.case"])
def test_a_file_without_a_race_or_without_cases_is_named(scenario, cut):
    with pytest.raises(ModelError, match=r"drawer[./]race.*a Race called `race` with a case"):
        scenario(WHOLE.partition(cut)[0])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sometimes=[lost_update]", 'sometimes=["lost_udpate"]', "lost_udpate"),
        ("states=9", 'states=9, kind="rase"', "rase"),
        ("states=9", 'states=9, daemons=("DEV",)', "DEV"),
    ],
)
def test_a_verdict_that_is_not_declared_is_named_with_the_file(scenario, old, new, said):
    assert old in WHOLE
    with pytest.raises(ModelError, match=rf"drawer[./]race.*{said}"):
        scenario(WHOLE.replace(old, new))
