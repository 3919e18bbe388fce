"""The house stands as ARCHITECTURE.md says: imports look down, one place each, no circles."""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from mmviz.engine import Race
from mmviz.scenarios import SHARED, load, names

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mmviz"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted(path for kind in ("*.py", "*.js", "*.css") for path in PACKAGE.rglob(kind))

MAY_IMPORT = {
    "engine": set(),
    "kernel": {"engine"},
    "scenarios": {"engine", "kernel"},
    "survey": {"engine", "kernel", "scenarios"},
    "lessons": {"engine", "kernel", "scenarios", "survey"},
    "scene": {"engine", "kernel", "reading"},
    "reading": {"engine", "kernel", "scenarios"},
    "widgets": {
        "engine",
        "kernel",
        "scenarios",
        "survey",
        "scene",
        "reading",
        "writing",
        "lessons",
    },
    "writing": {"engine", "kernel", "scenarios", "scene", "survey", "browser", "reading"},
    "cli": {"engine", "kernel", "scenarios", "survey", "scene", "reading", "writing", "lessons"},
    # mmviz/__init__.py, __main__.py
    "": {"engine", "scenarios", "survey", "reading", "lessons", "widgets", "cli"},
}
FRONT_END = {"IPython", "ipywidgets", "bqplot", "anywidget", "traitlets"}
SITE = {"mistune", "nbclient", "nbformat", "pdoc"}  # of `mmviz[site]`
DRAWING = {"graphviz", "pygraphviz", "segno"}
PICTURES = {"PIL", "typst"}  # of `mmviz[pictures]`
IMPORTED_AS = {"pillow": "pil"}
STANDARD = sys.stdlib_module_names | {"annotationlib"}  # new in Python 3.14
MOST_CODE_LINES = 400  # without docstrings, comments and blank lines
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|rgba|hsl|hsla|oklch)\(")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc"}


def short(path):
    return path.relative_to(ROOT).as_posix()


def layer(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


@cache
def tree(path):
    return ast.parse(path.read_text("utf-8"))


def imports(path):
    """Yield every module that a file imports, wherever the import stands."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}: write imports from mmviz in full"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_imports_look_down():
    wrong = set()
    for path in MODULES:
        mine = layer(path)
        for name in imports(path):
            top, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if top != "mmviz":
                allowed = {
                    "widgets": FRONT_END | DRAWING,
                    "scene": DRAWING,
                    "writing": SITE | PICTURES,
                    "cli": {"argcomplete"},
                }.get(mine, set())
                if top not in STANDARD | allowed:
                    wrong.add((short(path), name))
            elif other in MAY_IMPORT and other != mine and other not in MAY_IMPORT[mine]:
                wrong.add((short(path), name))

    assert wrong == set()


def test_no_imports_go_round_in_a_circle():
    known = {module_name(path): path for path in MODULES}
    graph = {
        name: {other for other in imports(path) if other in known and other != name}
        - {name.rpartition(".")[0]}
        for name, path in known.items()
        if path.name != "__init__.py"  # a package hands on what its modules have
    }

    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def defined(path):
    """Yield the names that a module defines at its top."""
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (leaf.id for target in node.targets for leaf in leaves(target))


def leaves(target):
    return [node for node in ast.walk(target) if isinstance(node, ast.Name)]


def test_no_name_of_the_kernel_is_defined_twice():
    found = defaultdict(list)
    for path in MODULES:
        if layer(path) == "kernel":
            for name in defined(path):
                if not name.startswith("_"):
                    found[name].append(short(path))

    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_the_engine_says_no_word_of_the_kernel():
    """Kernel words belong to models; those that stay are named in ARCHITECTURE.md, with why."""
    words = re.compile(r"\b(spin_?lock|mutex_|mmap_|iommu|notifier|rcu|folio|kernel release)", re.I)
    said = {
        (short(path), word)
        for path in MODULES
        if layer(path) == "engine"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Name | ast.FunctionDef | ast.ClassDef)
        for word in words.findall(getattr(node, "id", getattr(node, "name", "")))
    }

    assert said == set()


def test_a_cli_command_starts_without_numpy_or_widgets():
    heavy = "numpy", "pandas", "ipywidgets", "bqplot", "anywidget", "IPython"
    code = f"import sys, mmviz.cli.check; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_only_the_theme_holds_a_colour():
    found = set()
    for path in SOURCES:
        if path == PACKAGE / "scene" / "theme.py":
            continue
        if path.suffix == ".py":  # a cited commit or a docstring is no colour: strings only
            words = [word for word in strings(tree(path)) if COLOUR.search(word)]
        else:
            words = COLOUR.findall(path.read_text("utf-8"))
        found |= {(short(path), word) for word in words}

    assert found == set()


def strings(parsed):
    """Yield the string constants of a file, docstrings left out."""
    docs = {
        id(node.value)
        for node in ast.walk(parsed)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(parsed):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_what_is_imported_is_declared():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    more = declared["optional-dependencies"]
    extras = ("lab", "site", "pictures", "completion")
    lines = [*declared["dependencies"], *(line for extra in extras for line in more[extra])]
    names = {re.match(r"[\w-]+", line)[0].lower() for line in lines}
    declared_names = {IMPORTED_AS.get(name, name) for name in names}
    used = {name.partition(".")[0].lower() for path in MODULES for name in imports(path)}
    assert used - {name.lower() for name in STANDARD} - {"mmviz"} <= declared_names


def code_lines(path):
    """Count the lines of code; a docstring, a comment or a blank line costs nothing."""
    text = path.read_text("utf-8").splitlines()
    if path.suffix != ".py":
        return sum(bool(line.strip()) for line in text)
    counted = {
        number
        for number, line in enumerate(text, 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            counted -= set(range(node.lineno, node.end_lineno + 1))
    return len(counted)


def test_a_file_is_one_idea_long():
    long = {short(path): count for path in SOURCES if (count := code_lines(path)) > MOST_CODE_LINES}

    assert long == {}


def test_a_docstring_costs_a_file_nothing(tmp_path):
    path = tmp_path / "one.py"
    path.write_text('"""Says a lot.\n\nOver lines.\n"""\n\n# and more\nx = 1\n')

    assert code_lines(path) == 1


def test_no_name_is_a_drawer_for_everything():
    found = set()
    for path in MODULES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        for name in (*parts, *names_in(tree(path))):
            words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
            if FORBIDDEN_NAMES & words:
                found.add((short(path), name))

    assert found == set()


def names_in(parsed):
    for node in ast.walk(parsed):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


INSIDES = {"_values", "_ledger", "_write"}


def test_only_the_engine_acts():
    """Above the engine a step's effect is never called, and a world's insides never touched."""
    found = set()
    for path in MODULES:
        if layer(path) in ("engine", "kernel", "scenarios") or "lessons/worlds" in short(path):
            continue
        for node in ast.walk(tree(path)):
            calls = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if calls and node.func.attr == "do":
                found.add((short(path), node.lineno, "performs a step"))
            if isinstance(node, ast.Attribute) and node.attr in INSIDES:
                found.add((short(path), node.lineno, "reaches into a world"))
            if any(map(writes_a_world, targets(node))):
                found.add((short(path), node.lineno, "writes to a world"))

    assert found == set()


def test_a_view_asks_the_model_and_reads_no_packed_deltas():
    found = {
        (short(path), node.lineno)
        for path in MODULES
        if layer(path) not in ("engine", "kernel", "scenarios", "reading")  # whose rows are text
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("row", "mask", "location_bits")
    }

    assert found == set()


def targets(node):
    """Return what a statement assigns to."""
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AugAssign) else []


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


def test_an_actor_writes_nothing_itself():
    """Between two awaits an actor touches its own locals only: no `k.x = …` in a coroutine."""
    found = {
        (short(path), node.lineno)
        for path in MODULES
        if layer(path) == "scenarios"
        for actor in ast.walk(tree(path))
        if isinstance(actor, ast.AsyncFunctionDef)
        for node in ast.walk(actor)
        for target in targets(node)
        if not isinstance(target, ast.Name | ast.Tuple)
    }

    assert found == set()


def race_files():
    return {name: Path(load(name).module.__file__) for name in names()}


def test_a_race_declares_its_cases_in_the_one_form():
    """Each module has one Race called `race`, and nothing of the forms that came before it."""
    for name, path in race_files().items():
        module = load(name).module
        assert isinstance(module.race, Race), name
        assert load(name).cases, name
        assert not {"CASES", "SPARE", "case"} & set(defined(path)), name


def test_races_share_worlds_through_their_thread_s_own_module():
    """From another race only variants are imported: classes and functions that its cases are of."""
    races = {f"mmviz.scenarios.{name.replace('/', '.')}": name for name in names()}
    found = set()
    for name, path in race_files().items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module in races:
                variants = variants_of(races[node.module])
                found |= {(name, alias.name) for alias in node.names if alias.name not in variants}

    assert found == set()
    assert all(SHARED not in name for name in names())


def variants_of(name):
    """Return the names of what a race's cases are declared on."""
    return {
        node.name
        for node in tree(race_files()[name]).body
        if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute)
        if mark.func.attr == "case"
    }


def test_the_check_of_colours_sees_one():
    parsed = ast.parse('"""Fixed in #123abc."""\nINK = "#123abc"\n')
    assert [word for word in strings(parsed) if COLOUR.search(word)] == ["#123abc"]


@pytest.mark.parametrize("line", ["run.frames[0].world.pte = 1", "frame.label = ''"])
def test_the_check_of_writes_sees_one(line):
    (assign,) = ast.parse(line).body
    assert writes_a_world(assign.targets[0])


@pytest.mark.parametrize("line", ["self.cursor = 1", "world = frame.world"])
def test_the_check_of_writes_lets_honest_ones_pass(line):
    (assign,) = ast.parse(line).body
    assert not writes_a_world(assign.targets[0])
