"""What the documents say is so: tables are current, examples run, paths exist."""

import inspect
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

import mmviz
from mmviz import engine
from mmviz.cli import main
from mmviz.cli.documents import documents
from mmviz.lessons.exercise import exercise
from mmviz.lessons.grading_forms import assignment
from tests.test_notebooks import HEADINGS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(ROOT.glob("*.md"))
README = (ROOT / "README.md").read_text("utf-8")
LINKS = ("notebooks/00_start.ipynb", "assets/races.md", "#write-your-own-race")
PICTURES = (".png", ".webp")
LARGEST = {".webp": 500_000}  # bytes of an animation
LARGEST_PICTURE = 200_000  # bytes of anything else
MOST_LINES = 500  # of a document in assets

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


ONE_SEARCH = pytest.mark.xdist_group("mutants")  # where the mutants are searched already


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=ONE_SEARCH if "mutations" in name else ()) for name in documents()],
)
def test_a_document_written_by_a_search_is_what_it_finds_now(name):
    text = (ROOT / "assets" / name).read_text("utf-8")
    assert documents()[name]() == text, "run `make documents`"
    assert len(text.splitlines()) < MOST_LINES


def test_the_examples_of_the_readme_run(capsys):
    world = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), world)
    said = capsys.readouterr().out
    assert "iommu_domain_free(domain V)" in said
    assert re.search(r"TellFirst: .*\n +gpu_maps_freed_page +Sometimes", said)


def test_the_smallest_race_of_the_readme_fits_on_a_page():
    (race,) = (block for block in blocks("python") if "Race(" in block)
    assert 40 <= sum(bool(line.strip()) for line in race.splitlines()) <= 60


def test_the_first_screen_of_the_readme_has_what_a_visitor_wants():
    first = README.partition("\n## ")[0]
    assert all(word in first for word in ("stage.webp", "make lab", "make test", "pip install"))
    assert len(blocks("python", first)[0].strip().splitlines()) == 8  # an import, a gap, six lines
    assert all(f"]({link})" in first for link in LINKS)
    assert len(first.splitlines()) < 45


def test_the_example_of_the_package_runs(capsys):
    example = re.findall(r"^    (.*)$", mmviz.__doc__, flags=re.MULTILINE)
    exec(compile("\n".join(example), "mmviz/__init__.py", "exec"), {})
    assert "device_attached_to_freed_domain" in capsys.readouterr().out


BROUGHT = {  # what the commands read
    "mail.txt": "CPU0: iommu_release_device(a)\nCPU1: iommu_domain_free(v)\n",
    "splat.txt": "       CPU0      CPU1\n       ----      ----\n  lock(a);\n"
    "            lock(b);\n            lock(a);\n  lock(b);\n",
    **dict.fromkeys(
        ("races.ipynb", "ada.ipynb"),
        assignment(["iommu_group/break_it"], "jupyter")["races.ipynb"].decode(),
    ),
    "mine.py": exercise("iommu_group/one_critical_section").solution(),
    "SB.litmus": "X86_64 SB\n{ }\nP0 ;\nmovl $1,(x) ;\nexists (x=1)\n",
}
COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


OWN = [line for line in COMMANDS if re.match(r"mmviz \w+ my_race\.py", line)]


@pytest.mark.parametrize(
    "line", [line for line in COMMANDS if line.startswith("mmviz ") and line not in OWN]
)
def test_the_commands_of_the_readme_work(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in BROUGHT.items():
        Path(name).write_text(text)
    assert main(shlex.split(line, comments=True)[1:]) == 0
    assert any(capsys.readouterr())


def test_the_commands_for_a_race_of_ones_own_work_one_after_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert [line.split()[1] for line in OWN] == ["new", "check", "replay", "verify"]
    for line in OWN:
        assert main(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().out
        assert capsys.readouterr().out


def test_the_targets_that_the_documents_name_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = "\n".join(path.read_text("utf-8") for path in DOCUMENTS)
    named = set(re.findall(r"^make (\w+)|`make (\w+)`", text, flags=re.MULTILINE))
    assert {one or other for one, other in named} - targets == set()
    assert {"lab", "test", "bench"} <= targets


@pytest.mark.parametrize("name", mmviz.__all__)
def test_a_public_name_says_what_it_is(name):
    thing = getattr(mmviz, name)
    assert len(inspect.getdoc(thing) or "") > 20
    assert name in dir(mmviz)


@pytest.mark.parametrize("name", engine.__all__)
def test_a_public_name_of_the_engine_says_what_it_is(name):
    assert len(inspect.getdoc(getattr(engine, name)) or "") > 20


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == mmviz.__version__


@each_document
def test_links_and_paths_lead_somewhere(path):
    text = path.read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    paths = re.findall(r"`((?:mmviz|tests|notebooks|assets|\.ci)/[\w./]*)`", text)
    built = {"mmviz/course"}  # in a wheel only
    for target in (*links, *paths):
        assert target in built or (ROOT / target).exists(), target


def test_pictures_are_small():
    for picture in (ROOT / "assets").glob("*.*"):
        assert picture.stat().st_size < LARGEST.get(picture.suffix, LARGEST_PICTURE), picture


def test_contributing_and_the_notebooks_test_ask_for_the_same_headings():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert f"The headings, in order: {', '.join(HEADINGS)}." in text


def test_the_layers_of_the_map_are_the_folders_there_are():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    layers = {path.parent.name for path in (ROOT / "mmviz").glob("*/__init__.py")}
    assert layers == set(re.findall(r"^\| `mmviz/(\w+)/`", text, flags=re.MULTILINE))


# Written so that this file does not name what it looks for.
OF_ONE_MACHINE = re.compile(r"/(?:ro{2}t|w[o]rk|f[a]rm|h[o]me|Us[e]rs)/")
OF_THE_NETWORK = re.compile(r"unp[k]g|jsdel[i]vr|cdn[j]s|py[p]i\.org|npm[j]s|pythonh[o]sted")


def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_tracked_file_names_a_machine_or_a_host():
    found = []
    for path in tracked():
        if path.suffix in PICTURES or not path.exists():
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if OF_ONE_MACHINE.search(line) or OF_THE_NETWORK.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []


def test_the_check_of_paths_sees_one():
    assert OF_ONE_MACHINE.search("".join(["see ", "/", "ho", "me/me/notes"]))
    assert OF_THE_NETWORK.search("".join(["https://", "unp", "kg.com/x"]))
