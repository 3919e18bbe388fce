"""What pip installs is enough: the commands and the course work with no checkout in sight."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ADDRESS = re.compile(r"(http://\S+?)/lab/tree/(\S+)\?token=(\w+)")
COURSE = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("mmviz-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return the Python of a fresh environment that has mmviz, and nothing mmviz needs."""
    home = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    return python


@pytest.fixture
def mmviz(installed, tmp_path):
    """Run the installed command in an empty folder, with nothing of ours on the path."""

    def run(*words):
        return subprocess.run(
            [installed.parent / "mmviz", *words],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    return run


def test_the_wheel_carries_every_file_that_runs_and_the_course(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    kinds = "*.py", "*.js", "*.css", "*.json", "py.typed"
    ours = {p.relative_to(ROOT).as_posix() for k in kinds for p in (ROOT / "mmviz").rglob(k)}
    assert ours <= packed
    assert {f"mmviz/course/{name}" for name in COURSE} <= packed
    assert not [name for name in packed if "tests/" in name or "__pycache__" in name]


def test_list_and_check_need_the_standard_library_only(mmviz, installed):
    rows = json.loads(mmviz("list", "--json"))
    assert len(rows) > 20
    found = json.loads(mmviz("check", "iommu_group", "--json"))
    assert all(row["verdict"] == row["expect"] for row in found)
    where = "import mmviz; print(mmviz.__file__)"
    done = subprocess.run([installed, "-I", "-c", where], capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_relative_to(installed.parents[1])


def test_each_command_needs_the_standard_library_only(mmviz, tmp_path):
    race = "iommu_group/release_order"
    assert "violated" in mmviz("replay", race, "DelistThenRelease", "CPU0*3 CPU1*4", "--json")
    assert "0 unexplained" in mmviz("mutate", f"{race}:ReleaseUnderMutex")
    assert "proctype" in mmviz("export", race, "ReleaseUnderMutex")
    mmviz("new", "my_race.py")
    assert "checks ok" in mmviz("verify", "my_race.py")
    assert "As declared" in mmviz("check", "my_race.py")


def python(installed, tmp_path, *lines):
    """Return what lines of Python print in the fresh environment."""
    words = [installed, "-c", "\n".join(lines)]
    return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "name", ["Player", "Driver", "Debate", "Entry", "entry", "counters", "state_map"]
)
def test_what_draws_says_in_a_sentence_what_to_install(installed, tmp_path, name):
    said = python(
        *(installed, tmp_path, "import mmviz"),
        *("try:", f"    mmviz.{name}", "except mmviz.MmvizError as error:", "    print(error)"),
        *("try:", f"    from mmviz import {name}", "except ImportError as error:"),
        "    print(error)",
    )
    first, second = said.splitlines()
    assert first == second
    assert re.fullmatch(rf"mmviz\.{name} needs the package \w+, which is not .*", first)
    names = first.partition(": pip install ")[2].split()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.match(r"\w+", line)[0] for line in declared["dependencies"]}
    assert set(names) == wanted - {"ipython", "traitlets"}  # ipywidgets brings these


def test_what_prints_needs_the_standard_library_only(installed, tmp_path):
    said = python(
        *(installed, tmp_path, "import mmviz", "found = mmviz.catalogue('kref_get')"),
        "print(found._repr_mimebundle_(), '<table' in found._repr_html_())",
        "print(mmviz.explore('iommu_group/release_order', 'ReleaseUnderMutex').safe)",
    )
    assert said == "{} True\nTrue\n"


def test_a_long_search_in_a_notebook_needs_no_widgets(installed, tmp_path):
    said = python(
        *(installed, tmp_path, "import sys, types, mmviz"),
        "shell = types.SimpleNamespace(kernel=None)",
        "sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: shell)",
        "mmviz.SHOWN_AFTER = 0",
        "print(mmviz.explore('iommu_group/release_order', 'ReleaseUnderMutex').safe)",
    )
    assert said == "True\n"


def test_the_course_is_copied_from_the_package(mmviz, tmp_path):
    said = mmviz("lab", "--copy-only")
    assert "mmviz-course" in said
    copied = tmp_path / "mmviz-course"
    assert sorted(path.name for path in copied.glob("*.ipynb")) == COURSE
    (copied / COURSE[0]).write_text("my notes")
    assert f"Kept as you changed it: {COURSE[0]}" in mmviz("lab", "--copy-only")
    assert (copied / COURSE[0]).read_text() == "my notes"


def test_lab_says_which_packages_are_missing(installed, tmp_path):
    command = [installed.parent / "mmviz", "lab", tmp_path / "course", "--no-browser"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install anywidget bqplot graphviz ipywidgets jupyterlab" in done.stderr
    assert done.stderr.count("\n") == 1


def test_lab_opens_the_first_notebook_and_asks_nothing_of_a_network(wheel, tmp_path):
    """The installed package, beside the JupyterLab of the environment the tests run in."""
    place = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(place), str(wheel)], check=True)
    own = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = os.environ | {"PYTHONPATH": str(place)}
    environment |= {name: str(tmp_path / name.lower()) for name in own}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "mmviz", "lab", "mine", "--no-browser"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            lines = iter(server.stderr.readline, "")  # ends when JupyterLab does
            url, notebook, token = next(filter(None, map(ADDRESS.search, lines))).groups()
            assert notebook == "00_start.ipynb"
            assert read(f"{url}/api/contents/{notebook}?token={token}")["type"] == "notebook"
            news = read(f"{url}/lab/api/news?token={token}")
            assert news == {"news": []}
            update = read(f"{url}/lab/api/update?token={token}")
            assert update == {"notification": None}
        finally:
            server.terminate()
    assert (tmp_path / "mine" / "00_start.ipynb").exists()


def read(url):
    """Return what the server answers; it tells its address a moment before it listens."""
    patience = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError) or time.monotonic() > patience:
                raise
            time.sleep(0.1)
