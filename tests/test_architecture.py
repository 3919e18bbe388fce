"""The house stands as ARCHITECTURE.md says: imports look down, files stay small, one place each."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mmviz"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted(path for kind in ("*.py", "*.js", "*.css") for path in PACKAGE.rglob(kind))

MAY_IMPORT = {
    "engine": set(),
    "kernel": {"engine"},
    "scenarios": {"engine", "kernel"},
    "scene": {"engine", "kernel"},
    "widgets": {"engine", "kernel", "scenarios", "scene"},
    "cli": {"engine", "kernel", "scenarios"},
    "": {"engine", "scenarios", "widgets", "cli"},  # mmviz/__init__.py and __main__.py
}
FRONT_END = {"ipywidgets", "bqplot", "anywidget", "traitlets", "numpy"}
DRAWING = {"graphviz", "pygraphviz"}
STANDARD = sys.stdlib_module_names | {"annotationlib"}  # new in Python 3.14
USUAL_LINES, MOST_LINES = 300, 400
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|rgba|hsl|hsla|oklch)\(")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc"}


def short(path):
    return path.relative_to(ROOT).as_posix()


def layer(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def imports(path):
    """Yield every module that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}: write imports from mmviz in full"
            yield node.module
            if node.module == "mmviz":
                yield from (f"mmviz.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_imports_look_down(path):
    mine = layer(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top != "mmviz":
            allowed = {"widgets": FRONT_END | DRAWING, "scene": DRAWING}.get(mine, set())
            assert top in STANDARD | allowed, f"{mine or 'mmviz'} imports {name}"
        elif rest:
            other = rest.partition(".")[0]
            assert other == mine or other in MAY_IMPORT[mine], f"{mine or 'mmviz'} imports {name}"


def test_a_cli_command_starts_without_numpy_or_widgets():
    heavy = "numpy", "pandas", "ipywidgets", "bqplot", "anywidget", "IPython"
    code = f"import sys, mmviz.cli.check; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_only_the_theme_holds_a_colour(path):
    if path == PACKAGE / "scene" / "theme.py":
        return
    text = path.read_text("utf-8")
    if path.suffix == ".py":  # a cited commit or a docstring is no colour: look at strings only
        found = [word for word in strings(path) if COLOUR.search(word)]
    else:
        found = COLOUR.findall(text)
    assert found == []


def strings(path):
    """Yield the string constants of a file, docstrings left out."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_what_is_imported_is_declared():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.match(r"[\w-]+", line)[0].lower() for line in declared["dependencies"]}
    used = {name.partition(".")[0].lower() for path in MODULES for name in imports(path)}
    assert used - {name.lower() for name in STANDARD} - {"mmviz"} <= names


def lines(path):
    return len(path.read_text("utf-8").splitlines())


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_a_file_is_one_idea_long(path):
    assert lines(path) <= MOST_LINES


def test_contributing_names_each_file_that_is_longer_than_usual():
    """Above the usual length a file is asking to be two; CONTRIBUTING.md says which do."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    long = {short(path) for path in SOURCES if lines(path) > USUAL_LINES}
    assert {name for name in map(short, SOURCES) if f"`{name}` is longer" in text} == long


def names_in(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_no_name_is_a_drawer_for_everything(path):
    for name in (*path.relative_to(ROOT).with_suffix("").parts, *names_in(path)):
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
        assert not FORBIDDEN_NAMES & {word.lower() for word in words}, name


INSIDES = {"_values", "_ledger", "_write"}


@pytest.mark.parametrize(
    "path", [p for p in MODULES if layer(p) not in ("engine", "kernel", "scenarios")], ids=short
)
def test_only_the_engine_acts(path):
    """Above the engine a step's effect is never called, and a world's insides never touched."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr != "do", f"line {node.lineno} performs a step"
        if isinstance(node, ast.Attribute) and node.attr in INSIDES:
            pytest.fail(f"line {node.lineno} reaches into a world")
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                assert not writes_a_world(target), f"line {node.lineno} writes to a world"


def writes_a_world(target):
    """Return whether an assignment goes to `….world.…` or `frame.….`."""
    if not isinstance(target, ast.Attribute | ast.Subscript):
        return False
    below = target.value
    while isinstance(below, ast.Attribute | ast.Subscript):
        if isinstance(below, ast.Attribute) and below.attr == "world":
            return True
        below = below.value
    return isinstance(below, ast.Name) and below.id in {"world", "frame"}


@pytest.mark.parametrize(
    "path", [p for p in MODULES if layer(p) == "scenarios" and p.name != "__init__.py"], ids=short
)
def test_an_actor_writes_nothing_itself(path):
    """Between two awaits an actor touches its own locals only: no `k.x = …` in a coroutine."""
    for actor in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(actor, ast.AsyncFunctionDef):
            continue
        for node in ast.walk(actor):
            if isinstance(node, ast.Assign | ast.AugAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    assert isinstance(target, ast.Name | ast.Tuple), (
                        f"{actor.name}, line {node.lineno}: only an atomic step may write"
                    )


def test_the_check_of_colours_sees_one(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text('"""Fixed in #123abc."""\nINK = "#123abc"\n')
    assert [word for word in strings(path) if COLOUR.search(word)] == ["#123abc"]


@pytest.mark.parametrize("line", ["run.frames[0].world.pte = 1", "frame.label = ''"])
def test_the_check_of_writes_sees_one(line):
    (assign,) = ast.parse(line).body
    assert writes_a_world(assign.targets[0])


@pytest.mark.parametrize("line", ["self.cursor = 1", "world = frame.world"])
def test_the_check_of_writes_lets_honest_ones_pass(line):
    (assign,) = ast.parse(line).body
    assert not writes_a_world(assign.targets[0])
