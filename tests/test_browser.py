"""The browser's code: its own tests, its types, its form, and how it becomes one file."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmviz import browser
from mmviz.scenarios import find, load
from mmviz.scene.film import Film, film_json
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "browser"
INSTALLED = ROOT / ".venv" / "browser" / "node_modules"
FILMED = (
    ("iommu_group/release_order", "DelistThenRelease"),
    ("exclusive/fork_in_window", "CheckOutsideMmapLock"),
    ("exclusive/copy_at_fork", ""),
    ("sva/pasid_reused", ""),
    ("swap/skip_swapcache", ""),
)
BIOME = ("ci", "--colors=off", "--max-diagnostics=200")
MODULES = sorted(browser.HERE.glob("*.js"))


def run(*command, folder=TESTS, **more):
    """Run a command with the Node.js that pip has installed, or else the system's."""
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path} | more,
        capture_output=True,
        text=True,
    )


def tool(name, *words):
    """Run one of the tools of tests/browser/package.json."""
    script = INSTALLED / ".bin" / name
    assert script.exists(), "the tools are not there; run `.ci/prepare node`"
    return run("node", str(script), *words)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Write the films of a few cases, and return their folder."""
    folder = tmp_path_factory.mktemp("films")
    for race, name in FILMED:
        searched = SearchedCase(find(race, name) if name else load(race).cases[0])
        film = Film(searched, memory(searched))
        if not film.whole():
            for schedule in searched.runs().values():
                film.along(schedule)
        (folder / f"{race.replace('/', '-')}.json").write_text(film_json(film), "utf-8")
    return folder


def test_the_code_passes_its_own_tests(films):
    files = sorted(path.name for path in TESTS.glob("*.test.js"))
    done = run("node", "--test", "--test-reporter=tap", *files, MMVIZ_FILMS=str(films))
    counts = {name: int(n) for name, n in re.findall(r"^# (\w+) (\d+)$", done.stdout, re.M)}

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert counts["pass"] == counts["tests"] > 30
    assert all(f"{path.name}: " in done.stdout for path in films.iterdir())


def test_the_types_of_the_code_are_right():
    done = tool("tsc", "-p", "tsconfig.json", "--listFiles")
    checked = {Path(line).name for line in done.stdout.splitlines()}

    assert done.returncode == 0, "\n".join(re.findall(r".*error TS.*", done.stdout))
    assert {path.name for path in MODULES} <= checked


def test_the_code_is_formatted_and_linted():
    done = tool("biome", *BIOME, "--error-on-warnings", ".", str(browser.HERE))
    said = done.stdout + done.stderr

    assert done.returncode == 0, said[-8000:]
    found = re.search(r"Checked (\d+) files", said)
    assert found
    assert int(found[1]) >= len(MODULES) + len(list(TESTS.glob("*.js")))


@pytest.mark.parametrize(
    ("slip", "program", "words", "said"),
    [
        ("lerp(1, 2);\n", "tsc", ("-p", "tests/browser"), "TS2554"),
        ("if (lerp) lerp == 1;\n", "biome", (*BIOME, "."), "noDoubleEquals"),
        ("export  const a = 1;\n", "biome", (*BIOME, "."), "format"),
    ],
)
def test_the_checks_see_a_slip(tmp_path, slip, program, words, said):
    shutil.copytree(TESTS, tmp_path / "tests" / "browser")
    shutil.copytree(browser.HERE, tmp_path / "mmviz" / "browser")
    with (tmp_path / "mmviz" / "browser" / "pose.js").open("a", encoding="utf-8") as file:
        file.write(slip)
    shutil.copy(TESTS / "biome.json", tmp_path)
    (tmp_path / "tests" / "browser" / "biome.json").unlink()
    done = run("node", str(INSTALLED / ".bin" / program), *words, folder=tmp_path)

    assert done.returncode != 0
    assert re.search(rf"pose\.js.*{said}", done.stdout + done.stderr)


def test_versions_of_the_tools_are_exact_and_nothing_else_is_stored():
    text = (TESTS / "package.json").read_text("utf-8")

    assert re.findall(r'": "([^"]+)"\n? *[,}]', text.partition("devDependencies")[2])
    assert not re.search(r'": "[\^~><*]', text)
    assert not [
        path for path in TESTS.rglob("*") if path.name in ("package-lock.json", "node_modules")
    ]


# -- one file -------------------------------------------------------------------------------


def test_the_stage_is_one_module(tmp_path):
    (tmp_path / "stage.mjs").write_text(browser.esm(), "utf-8")
    code = 'import("./stage.mjs").then((it) => console.log(Object.keys(it).sort().join(" ")))'
    done = run("node", "-e", code, folder=tmp_path)

    assert done.stdout.split() == ["default", "mount"], done.stderr
    assert not re.search(r"^import\b", browser.esm(), re.MULTILINE)
    assert ".mm-stage" in browser.css()


def written(folder, **modules):
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, "utf-8")
    return browser._joined(folder, "stage.js")


def test_modules_are_joined_after_what_they_import(tmp_path):
    joined = written(
        tmp_path,
        stage='import { b } from "./b.js";\nimport { a } from "./a.js";\nexport const c = a + b;\n',
        b='import { a } from "./a.js";\n\nexport function b() {\n  return a;\n}\n',
        a="export const a = 1;\n",
    )

    assert joined == ("const a = 1;\n\nfunction b() {\n  return a;\n}\n\nexport const c = a + b;\n")


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        (
            {
                "a": "const near = 1;\nexport const a = near;\n",
                "stage": "async function near() {}\n",
            },
            "a.js and stage.js both have the top-level name 'near'",
        ),
        ({"a": "export const { a, near: far } = {};\n", "stage": "class far {}\n"}, "name 'far'"),
        ({"a": "export let [a, b] = [];\n", "stage": "var b;\n"}, "name 'b'"),
        (
            {"a": 'import {\n  b,\n} from "./b.js";\nexport const a = 1;\n'},
            "a.js, line 1: write an",
        ),
        ({"a": 'import { b as c } from "./b.js";\nexport const a = 1;\n'}, "without new names"),
        ({"a": 'import * as b from "./b.js";\nexport const a = 1;\n'}, "a.js, line 1: write an"),
        ({"a": "const a = 1;\nexport { a };\n"}, "a.js, line 2: write `export` before"),
        ({"a": "export default 1;\n"}, "only the entry has a default export"),
        (
            {"a": 'import { s } from "./stage.js";\nexport const a = 1;\n'},
            "modules import each other: stage.js -> a.js -> stage.js",
        ),
    ],
)
def test_what_cannot_be_joined_is_said(tmp_path, modules, said):
    stage = 'import { a } from "./a.js";\n' + modules.pop("stage", "")
    with pytest.raises(ValueError, match=re.escape(said)):
        written(tmp_path, **modules, stage=stage, b="export const b = 1;\n")


def test_no_part_is_a_section_which_slides_take_for_a_slide_of_their_own():
    folder = Path(browser.__file__).parent
    texts = [path.read_text("utf-8") for path in folder.glob("*.js")]
    assert len(texts) > 30
    assert not [text for text in texts if 'element("section"' in text]
