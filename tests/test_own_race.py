"""A reader's own race is a full citizen: in a notebook, in a file, on the command line."""

import html
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

import mmviz
from mmviz import scenarios
from mmviz.cli import new as new_module
from mmviz.cli import verify as verify_module
from mmviz.engine import Graph, conflict, explore, happens_before, races
from mmviz.engine.mutation import goes_wrong
from mmviz.scenarios import broken, cases_of, every_case, load, names, one_case
from mmviz.scene.views import VIEWS
from mmviz.survey.catalogue import MOST_SOUGHT
from mmviz.widgets.catalogue import Index
from tests.commands import run
from tests.scenarios.test_parts import WHOLE
from tests.test_docs import blocks

ROOT = Path(__file__).parents[1]
(SMALLEST,) = (block for block in blocks("python") if "Race(" in block)
RACE = SMALLEST.partition("\n\nfor each in")[0]
MORE = """

@mine.case("clear, then notify the driver", name="TellAfter")
async def tell_after(k):
    await k.clear_pte()
    await k.gpu_unmap()
    await k.page.free_page()


@mine.case("leave it", name="Leave")
async def leave(k):
    await k.clear_pte()
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file with a race, in the folder where the reader works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_race.py").write_text(RACE + MORE)
    return tmp_path / "my_race.py"


@pytest.fixture
def mine(path):
    """A race of a plain file that the reader imports."""
    sys.path.insert(0, str(path.parent))
    try:
        importlib.invalidate_caches()
        yield importlib.import_module("my_race").mine
    finally:
        sys.path.remove(str(path.parent))
        sys.modules.pop("my_race", None)


# -- everything that takes a case of the catalogue ------------------------------------------------


def test_each_door_takes_a_case_a_race_or_a_file(mine):
    for what in (mine["TellFirst"], mine, "my_race.py"):
        name = "" if what is mine["TellFirst"] else "TellFirst"
        assert mmviz.explore(what, name).states == 15
        assert mmviz.Player(what, "GPU CPU0", case=name).the_run.schedule == ("GPU", "CPU0")
        assert mmviz.Driver(what, case=name).schedule == ()
        assert mmviz.mutations(what, name and "Leave").case.name if name else True
    with pytest.raises(mmviz.UnknownName, match="3 cases; name one of them: TellFirst, TellAfter"):
        mmviz.explore(mine)
    with pytest.raises(mmviz.UnknownName, match="did you mean TellFirst"):
        mmviz.explore("my_race.py", "TellFrst")


def test_a_race_of_one_case_needs_no_name(mine):
    only = mmviz.Race(world=mine.world, actors=mine.actors, bad=mine.bad)
    with pytest.raises(mmviz.UnknownName, match="no cases yet"):
        mmviz.explore(only)
    only.case("leave it", of=mine["Leave"].actors["CPU0"].variant, name="Leave")

    assert mmviz.explore(only).safe
    assert mmviz.replay(only, "CPU0").schedule == ("CPU0",)


def test_every_view_that_has_something_to_show_shows_it(mine):
    player = mmviz.Player(mine, case="TellFirst", views=list(VIEWS))

    assert player.on_screen == ["memory", "timeline", "code", "objects", "lifetime", "causes"]
    assert "await k.gpu_unmap()" in str(player.svg(views=["code"]))
    head = json.loads(player.get_state()["film"])["head"]
    assert (head["title"], head["limits"]) == ("TellFirst", "The case does not say.")
    assert repr(player).startswith("Player(my_race.mine['TellFirst'], 'GPU CPU0*3 GPU')")


def test_its_scenario_says_what_is_promised_and_left_out(mine):
    promise = "The GPU never reaches a freed page"
    own = mmviz.Scenario("A page", promise, mine, simplified="One page.")
    head = json.loads(mmviz.Driver(own).get_state()["film"])["head"]

    assert (head["title"], head["limits"]) == ("A page", "One page.")
    assert head["promise"] == own.promise


def test_its_mutants_are_explained_by_its_own_failing_cases(mine):
    found = mmviz.mutations(mine["Leave"])

    assert {entry.text for entry in found} == {
        "await k.clear_pte()",
        "if await k.look_up():",
        "await k.gpu_map()",
    }
    assert found.headline.startswith("Leave: 3 mutants")
    assert {entry.why for entry in found if entry.why} <= {"TellFirst", "TellAfter"}
    with pytest.raises(mmviz.MmvizError, match=r"TellFirst goes wrong as it is .*: Leave"):
        mmviz.mutations(mine, "TellFirst")


def test_a_case_built_by_hand_needs_a_name_a_world_actors_and_bad_states(mine):
    of_race = mine["Leave"]
    case = mmviz.Case(name="Bare", world=mine.world, actors=of_race.actors, bad=mine.bad)

    assert mmviz.explore(case).safe
    assert mmviz.Player(case, views=list(VIEWS)).on_screen[:2] == ["memory", "timeline"]
    assert mmviz.Driver(case).schedule == ()
    assert {entry.standing for entry in mmviz.mutations(case)} <= {"killed", "unexplained"}
    assert [row.case for row in mmviz.debate(case)] == [case]
    assert list(mmviz.catalogue([case])) == [case]
    assert "Bare" in str(mmviz.Debate([case]))
    assert repr(mmviz.replay(case, "CPU0")) == "mmviz.replay(case, 'CPU0')  # case: Bare"
    assert str(case).startswith("Bare")


def test_a_changed_copy_of_a_case_of_the_catalogue_is_taken_as_it_is():
    from dataclasses import replace

    safe = mmviz.find("iommu_group/release_order", "ReleaseUnderMutex")
    bug = mmviz.find("iommu_group/release_order", "DelistThenRelease")
    copy = replace(safe, actors=bug.actors)

    assert goes_wrong(copy)
    with pytest.raises(mmviz.MmvizError, match="goes wrong as it is"):
        mmviz.mutations(copy)
    assert "mmviz.replay(case, " in str(mmviz.debate([copy]))


def test_its_debate_and_its_catalogue_are_tables_like_the_others(mine):
    told = mmviz.debate(mine)
    assert [row.case for row in told] == mine.cases
    assert "not as declared: gpu_maps_freed_page is Sometimes, declared Never" in str(told)
    assert "declared Never" in told.markdown()
    assert "declared Never" in told._repr_html_()
    assert str(told).count("not as declared") == 1
    for line in re.findall(r"^mmviz\.replay\(.*\)$", str(told), flags=re.MULTILINE):
        assert eval(line, {"mmviz": mmviz, "my_race": sys.modules["my_race"]}).violated

    shown = mmviz.Debate(mine)
    assert shown.play(0).the_run.violated == ("gpu_maps_freed_page",)
    assert "TellFirst" in str(shown)

    assert list(mmviz.catalogue(mine)) == mine.cases
    assert [case.name for case in mmviz.catalogue("free_page", among=mine)] == [
        "TellFirst",
        "TellAfter",
    ]
    assert len(mmviz.catalogue(mine, bad_state="gpu_maps_freed_page")) == 3
    sought = mmviz.catalogue("my_race.py", thread="iommu_group")
    assert sought.cases == ()  # words, which occur in no case
    index = Index(mmviz.catalogue(mine))
    index.find({"words": "free_page", "bad_state": "", "thread": "", "kernel": ""})
    assert index.table.shown == [0, 1]
    assert index.stage(1, "watch").case is mine["TellAfter"]


def test_its_runs_have_fates_and_causes(mine):
    run_ = mmviz.replay(mine["TellFirst"], "GPU CPU0*3 GPU")

    fates = [fate.name for fate in Graph(mine["TellFirst"]).fates_along(run_, run_.violated[0])]
    assert (fates[0], fates[-1]) == ("POSSIBLE", "UNAVOIDABLE")
    found = conflict(run_, "gpu_maps_freed_page")
    assert (found.first, found.second) == (2, 5)
    assert races(run_)
    assert happens_before(run_)
    assert mmviz.table(run_).endswith("mmviz.replay(my_race.mine['TellFirst'], 'GPU CPU0*3 GPU')")


def test_the_code_of_its_variants_can_be_read(mine):
    variant = mine["Leave"].actors["CPU0"].variant
    assert mmviz.code(variant) == "async def leave(k):\n    await k.clear_pte()"


WRONG = [
    (lambda: mmviz.catalogue(5), "5 is no case, race or scenario"),
    (lambda: mmviz.catalogue([]), r"\[\] is no case"),
    (lambda: mmviz.explore(None), "None is no case"),
    (lambda: mmviz.explore([3]), "is no case"),
    (lambda: mmviz.explore("iommu_group/release_order", 5), "5 is no name"),
    (lambda: mmviz.Player(42), "42 is no case"),
    (lambda: mmviz.Driver(3.5), "3.5 is no case"),
    (lambda: mmviz.mutations("x"), "no scenario 'x'; did you mean"),
    (lambda: mmviz.mutations(5), "5 is no case"),
    (lambda: mmviz.debate(7), "7 is no case"),
    (lambda: mmviz.debate("hm"), "no thread 'hm'; did you mean hmm"),
    (lambda: mmviz.Debate(7), "7 is no case"),
    (lambda: mmviz.replay(3, "A"), "3 is no case"),
    (lambda: mmviz.load(3), "3 is no name"),
    (lambda: mmviz.load("a" * 100_000), "100,000 characters"),
    (lambda: mmviz.load("no_such_file.py"), "no file 'no_such_file.py'"),
    (lambda: mmviz.load("a\0b.py"), "no file"),
    (lambda: mmviz.catalogue("word " * 50_000), f"at most {MOST_SOUGHT} characters"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_what_is_no_case_is_answered_with_a_sentence(number):
    call, says = WRONG[number]
    with pytest.raises(mmviz.MmvizError, match=says) as told:
        call()
    assert len(str(told.value)) < 400


# -- in a notebook ---------------------------------------------------------------------------------


CELLS = [
    "import mmviz",
    RACE,
    MORE,
    MORE,  # a cell that is run again, without a change
    MORE.replace("clear, then notify the driver", "the other order"),  # and with one
    "print(repr(mmviz.replay(mine['TellFirst'], 'GPU CPU0*3 GPU')))",
    "print(mmviz.explore(mine, 'TellAfter'))",
    "mmviz.Player(mine, case='TellAfter')",
    "print(mmviz.mutations(mine['Leave']).headline)",
    "print(mmviz.code(leave), len(mine))",
    "mmviz.Debate(mine)",
    "mmviz.catalogue(mine)",
]


def test_a_race_in_the_cells_of_a_notebook(tmp_path):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3", resources=where).execute()

    said = "".join(out.get("text", "") for cell in book.cells for out in cell.outputs)
    assert "mmviz.replay(mine['TellFirst'], 'GPU CPU0*3 GPU')" in said
    assert "TellAfter: the other order" in said
    assert "not as declared: gpu_maps_freed_page is Sometimes, declared Never" in said
    assert "Leave: 3 mutants" in said
    assert "async def leave(k):\n    await k.clear_pte() 3" in said
    shown = [out.data for cell in book.cells for out in cell.outputs if "data" in out]
    widget = "application/vnd.jupyter.widget-view+json"
    assert [sorted(data)[0] for data in shown] == [widget, "text/html"] * 3
    assert "mmviz.replay(mine['TellAfter']" in shown[0]["text/plain"]


# -- in a file -------------------------------------------------------------------------------------


def test_a_file_is_listed_checked_replayed_and_mutated_by_its_path(path, capsys):
    status, out, err = run(capsys, "list", "my_race.py")
    assert (status, err) == (0, "")
    assert "TellAfter" in out

    status, out, _ = run(capsys, "check", "my_race.py")
    assert status == 1  # TellAfter names nothing that goes wrong, and its race does
    assert "gpu_maps_freed_page is Sometimes, declared Never" in out
    command = next(line for line in out.splitlines() if line.startswith("mmviz replay"))
    assert command == "mmviz replay my_race.py TellAfter 'GPU CPU0*3 GPU'"
    assert run(capsys, "check", "my_race.py:TellFirst")[0] == 0

    status, out, _ = run(capsys, "replay", "my_race.py", "TellAfter", "GPU CPU0*3 GPU")
    assert status == 0
    assert "!! gpu_maps_freed_page" in out
    assert "mmviz.replay(mmviz.find('my_race.py', 'TellAfter'), 'GPU CPU0*3 GPU')" in out

    _, out, _ = run(capsys, "mutate", str(path))
    assert "await k.clear_pte()" in out
    assert "did you mean TellFirst" in run(capsys, "replay", "my_race.py", "TellFrst", "")[2]


def test_a_file_that_declares_nothing_is_held_to_nothing(path, capsys):
    path.write_text(path.read_text().replace(", sometimes=[gpu_maps_freed_page]", ""))
    status, out, _ = run(capsys, "check", "my_race.py")

    assert status == 0
    assert "declared Never" not in out
    assert "not as declared" not in str(mmviz.explore("my_race.py", "TellFirst"))


def test_a_file_that_changed_is_read_again(path):
    old = load("my_race.py")
    stage = mmviz.Player(old, views=["code"])
    assert (len(old), len(stage.the_run.frames)) == (3, 6)
    unmap = "    await k.gpu_unmap()\n"
    path.write_text(RACE.replace(unmap, 2 * unmap))
    os.utime(path, ns=(1, 1))
    new = load("my_race.py")

    assert len(new) == 1
    for shown, times in ((mmviz.Player(new, views=["code"]), 2), (stage, 1)):
        assert shown.svg().count("await k.gpu_unmap()") == times
    assert mmviz.code(new[0].actors["CPU0"].variant).count("gpu_unmap") == 2


def test_a_file_may_import_its_neighbour_and_make_its_scenario(path):
    text = (
        "from my_race import mine\nfrom mmviz import Scenario\nown = Scenario('A page', '', mine)\n"
    )
    path.with_name("story.py").write_text(text)
    try:
        found = load("story.py")
    finally:
        sys.modules.pop("my_race", None)

    assert (found.title, found.name, len(found)) == ("A page", "story.py", 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def broken(:\n", r"my_race\.py line 1: SyntaxError: "),
        ("x = 1\n\nimport no_such_module\n", r"my_race\.py line 3: ModuleNotFoundError: .*no_such"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", r"my_race\.py line 2: ZeroDivisionError"),
        ("raise SystemExit(3)\n", r"my_race\.py line 1: SystemExit: 3"),
        ("x = 1\n", r"my_race\.py.*the file has no case; write race = Race"),
        (
            RACE.replace("sometimes=[gpu_maps_freed_page]", "sometimes=['gpu_map']"),
            r"my_race\.py line 5\d: .*gpu_map",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_with_its_line(path, capsys, text, says):
    path.write_text(text)
    status, out, err = run(capsys, "check", "my_race.py")

    assert (status, out, err.count("\n")) == (1, "", 1)
    assert re.search(says, err), err


# -- a broken file among the others ----------------------------------------------------------------


DRAWN = WHOLE.lstrip().replace(", states=9", "")


@pytest.fixture
def drawer(tmp_path, monkeypatch):
    """Return what writes a file of the catalogue, in a thread of its own."""
    folder = tmp_path / "drawer"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A thread."""\n')
    (folder / "whole.py").write_text(DRAWN)
    monkeypatch.setattr(scenarios, "__path__", [*scenarios.__path__, str(tmp_path)])

    def forget():
        names.cache_clear()
        scenarios._load.cache_clear()
        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.startswith("mmviz.scenarios.drawer")]:
            del sys.modules[name]

    def write(text, name="wrong"):
        (folder / f"{name}.py").write_text(text)
        forget()

    yield write
    monkeypatch.undo()
    forget()


BROKEN = [
    ("def broken(:\n", r"wrong\.py line 1: SyntaxError"),
    ("import no_such_module\n", r"wrong\.py line 1: ModuleNotFoundError"),
    (DRAWN.replace("Promise:", "Promises:"), r"drawer\.wrong: .* lacks 'Promise:'"),
    (
        DRAWN.replace("[lost_update]", "['lost_updat']"),
        r"wrong\.py line \d+: .*lost_updat",
    ),
    ("raise SystemExit(1)\n", r"wrong\.py line 1: SystemExit"),
]


@pytest.mark.parametrize(("text", "says"), BROKEN)
def test_a_broken_file_is_listed_with_its_error_and_hides_no_other(drawer, capsys, text, says):
    drawer(text)

    assert list(broken()) == ["drawer/wrong"]
    assert "drawer/whole" in {case.scenario for case in every_case()}
    shown = mmviz.catalogue(thread="drawer")
    assert [case.name for case in shown] == ["Toy"]
    assert re.search(rf"Not read: drawer/wrong: .*{says}", str(shown))
    assert re.search(says, html.unescape(shown._repr_html_()))
    assert re.search(
        rf"Not searched: drawer/wrong.*{says}", " ".join(str(mmviz.debate("drawer")).split())
    )

    status, out, err = run(capsys, "list", "drawer")
    assert status == 1
    assert "Toy" in out
    assert re.search(rf"^drawer/wrong cannot be read: .*{says}", err)
    status, out, err = run(capsys, "check", "drawer")
    assert status == 1
    assert "As declared: the case" in out
    assert re.search(rf"^drawer/wrong cannot be read: .*{says}", err)
    assert run(capsys, "check", "drawer/whole")[::2] == (0, "")
    status, out, err = run(capsys, "check", "drawer/wrong")
    assert (status, out) == (1, "")
    assert re.search(says, err)


def test_the_words_of_a_case_whose_model_is_broken_hide_no_other(drawer):
    drawer(DRAWN.replace("of=racy", 'of=racy, actors={"A": lambda k: k.load()}'))

    assert "Toy" in str(mmviz.catalogue("load", thread="drawer"))
    told = mmviz.debate("drawer")
    assert [row.case.scenario for row in told] == ["drawer/whole"]
    assert "Not searched: Toy:" in told.small_print


# -- new, and verify -------------------------------------------------------------------------------


@pytest.fixture
def no_tools(monkeypatch):
    """Leave out ruff and mypy, which take seconds: they start Python anew and read the package."""
    monkeypatch.setattr(verify_module, "TOOLS", {})


def failing(out):
    return [line for line in out.splitlines() if line.startswith("✗")]


def test_a_new_file_passes_every_check_and_is_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(capsys, "new", "mine.py")
    assert status == 0
    assert "mmviz verify mine.py" in out
    status, out, err = run(capsys, "verify", "mine.py")
    assert (status, failing(out), err) == (0, [], "")
    assert re.search(r"mine\.py: all \d\d checks ok", out)
    for check in verify_module.TOOLS:
        assert f"✓ {check}: ok" in out
    assert [each.name for each in tmp_path.iterdir()] == ["mine.py"]  # no cache of a tool
    assert run(capsys, "check", "mine.py")[0] == 0

    written = (tmp_path / "mine.py").read_text()
    status, out, err = run(capsys, "new", "mine.py")
    assert (status, out) == (2, "")
    assert "mine.py exists" in err
    assert (tmp_path / "mine.py").read_text() == written


def test_a_new_race_of_the_catalogue_passes_every_check(tmp_path):
    """In a copy of the checkout, as a user would; nothing but its files is left in the package."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns(".*_cache")
    shutil.copytree(ROOT / "mmviz", tmp_path / "mmviz", ignore=ignored)  # with what is compiled
    before = set(tmp_path.rglob("*"))
    for name in ("drawer/first_of_a_thread", "hmm/one_more"):
        for command in ("new", "verify"):
            done = subprocess.run(
                [sys.executable, "-m", "mmviz", command, name],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                env=os.environ | {"PYTHONPATH": ""},
            )
            assert (done.returncode, done.stderr) == (0, ""), done.stdout

    new = {path for path in set(tmp_path.rglob("*")) - before if "__pycache__" not in path.parts}
    folder = tmp_path / "mmviz/scenarios"
    assert {path.relative_to(folder).as_posix() for path in new} == {
        "drawer",
        "drawer/__init__.py",
        "drawer/first_of_a_thread.py",
        "hmm/one_more.py",
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Mine", "thread/race"),
        ("hmm/one-more", "thread/race"),
        ("hmm/worlds", "cannot be a race"),
        ("hmm/class", "cannot be a race"),
        ("../mine", "thread/race"),
        ("no-name.py", "cannot be a race"),
        ("nowhere/mine.py", "no folder 'nowhere'"),
        ("iommu_group/release_order", "exists"),
    ],
)
def test_a_name_that_cannot_be_a_race_is_refused(tmp_path, monkeypatch, capsys, name, says):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "new", name)

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert list(tmp_path.iterdir()) == []


SLIPS = [
    ("Promise: Replace", "Promised: Replace", "form", "lacks the section 'Promise:'"),
    (
        "    sometimes=[gpu_maps_freed_page],\n",
        "",
        "verdicts and counts",
        "Sometimes, declared Never",
    ),
    ("    states=9,", "    states=70,", "verdicts and counts", "70"),
    (
        '    source=constructed("no fault can find the entry any more"),\n',
        "",
        "provenance",
        "source=",
    ),
    ('"""Clear the CPU\'s entry."""', "pass", "steps", "Machine.clear_pte needs a docstring"),
    (
        "await k.gpu_unmap()\n",
        "await k.gpu_unmap()\n    await k.gpu_unmap()\n",
        "mutants",
        "redundant",
    ),
    (
        "    await k.clear_pte()\n    await k.gpu_unmap()",
        "    await k.clear_pte()  # redundant: it is not\n    await k.gpu_unmap()",
        "reasons of redundant lines",
        "explains nothing",
    ),
    ("from typing import Any\n", "from typing import Any, Final\n", "lint", "Final"),
    ("self.freed = True", "self.freed=True", "format", "ruff format"),
    (
        "return k.page.mapped_by_gpu and k.page.freed",
        "return 1 * (k.page.mapped_by_gpu and k.page.freed)",
        "types",
        "int",
    ),
    (
        'source=constructed("no fault',
        'schedules={"mine": "CPU0*9"}, source=constructed("no fault',
        "stored schedules",
        "step",
    ),
]


@pytest.mark.parametrize(("old", "new", "check", "says"), SLIPS)
def test_verify_says_which_check_fails_and_what_to_do(
    tmp_path, monkeypatch, capsys, old, new, check, says
):
    monkeypatch.chdir(tmp_path)
    run(capsys, "new", "mine.py")
    text = (tmp_path / "mine.py").read_text()
    assert old in text
    (tmp_path / "mine.py").write_text(text.replace(old, new))
    tools = {name: words for name, words in verify_module.TOOLS.items() if name == check}
    monkeypatch.setattr(verify_module, "TOOLS", tools)  # each takes a second
    status, out, _ = run(capsys, "verify", "mine.py")

    assert status == 1
    assert f"✗ {check}" in failing(out)
    assert says in out.partition(f"✗ {check}\n")[2].partition("\n✓")[0]


@pytest.mark.usefixtures("no_tools")
def test_verify_of_a_broken_model_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(capsys, "new", "mine.py")
    text = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(text.replace("await k.gpu_map()", "k.gpu_map()"))
    status, out, _ = run(capsys, "verify", "mine.py")

    assert status == 1
    assert failing(out)


@pytest.mark.usefixtures("no_tools")
def test_verify_of_a_race_of_the_catalogue(capsys):
    assert run(capsys, "verify", "no/such")[0] == 2
    assert run(capsys, "verify", "iommu_group/warn_at_removal")[0] == 0


def test_the_smallest_race_of_the_readme_has_the_form_of_a_new_race():
    """The same import, and each thing in it is declared by the same words."""
    imports = r"^from mmviz\.engine import (.*)$"
    assert re.findall(imports, RACE, re.M) == re.findall(imports, new_module.RACE, re.M)
    for words in ("world=Machine", "actors={", "bad=[gpu_maps_freed_page]", "name=", "sometimes=["):
        assert words in RACE
        assert words in new_module.RACE


def test_one_case_and_cases_of_take_what_a_reader_has():
    case = mmviz.find("iommu_group/release_order", "DelistThenRelease")

    assert one_case("iommu_group/release_order", first=True) is case
    assert one_case(case) is one_case(case.race, "DelistThenRelease") is case
    assert list(cases_of([case])) == list(cases_of(case)) == [case]
    assert len(cases_of("iommu_group/release_order")) == len(case.race)
    assert explore(case).case is case
