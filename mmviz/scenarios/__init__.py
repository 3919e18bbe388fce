"""The races, one file each, one folder a mail thread.  Nothing is listed by hand.

A module in a folder here is a race, called "folder/file"; it has a `Race` called `race`.  Only
`worlds` is none: it holds what several races of a thread share.

A reader's own race is loaded from a file by its path, `load("my_race.py")`, or is made in a
notebook; `one_case` and `cases_of` take it wherever they take a name.
"""

import importlib
import pkgutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

from mmviz.engine import Case, MmvizError, ModelError, Race, Scenario, UnknownName, nearest
from mmviz.engine.text import left_out, members, quoted

SHARED = "worlds"
LONGEST_NAME = 300  # characters
HERE = Path(__file__).parent
OURS = {Path(__file__), Path(importlib.__file__)}  # what runs the files, and is not where they fail
ENGINE = HERE.parent / "engine"

Named = str | Scenario | Race  # what has cases: a race of the catalogue by name, or a reader's own


@cache
def names() -> tuple[str, ...]:
    """Return the name of every scenario, "thread/race", sorted; files are found, and not read."""
    return tuple(
        sorted(
            f"{folder.name}/{race.name}"
            for folder in pkgutil.iter_modules(__path__)
            if folder.ispkg
            for race in pkgutil.iter_modules([str(Path(where) / folder.name) for where in __path__])
            if race.name != SHARED
        )
    )


@cache
def _load(name: str) -> Scenario:
    module = f"{__name__}.{name.replace('/', '.')}"
    try:
        return Scenario.of(name, importlib.import_module(module))
    except (Exception, SystemExit) as error:  # the file may do anything
        raise ModelError(_what_is_wrong(error, f"{module}.py")) from None


def load(name: str) -> Scenario:
    """Return a scenario.

    Args:
        name: "thread/race"; or the path of a file, "my_race.py", which is run as Python runs it
            (again when it has changed). Each `Race` in it is taken, and its docstring may have
            the sections of a race of the catalogue.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
        ModelError: its file lacks a part, or cannot be run; the message says where.
    """
    name = _name(name)
    if name.endswith(".py"):
        return _load_file(name)
    return _load(nearest({known: known for known in names()}, name, "scenario"))


def find(scenario: str, case: str) -> Case:
    """Return a case by its scenario's name, or the path of its file, and its own name or id.

    Raises:
        UnknownName: one of them is unknown; the nearest is suggested.
        ModelError: the file lacks a part, or cannot be run; the message says where.
    """
    return load(scenario).case(case)


def broken() -> dict[str, ModelError]:
    """Return what is wrong with each file of the catalogue that cannot be read, by its name."""
    wrong = {}
    for name in names():
        try:
            load(name)
        except ModelError as error:
            wrong[name] = error
    return wrong


def every_case() -> Iterator[Case]:
    """Yield each case of each scenario that can be read; `broken` has the others."""
    lost = broken()
    for name in names():
        if name not in lost:
            yield from load(name).cases


def cases_of(what: Named | Case | Iterable[Case]) -> Sequence[Case]:
    """Return the cases of what a reader gives: a name, a link, a scenario, a race, a case, a list.

    Raises:
        UnknownName: there is none of that name, or a race has no cases yet.
        MmvizError: it is nothing of this.
    """
    if isinstance(what, str):
        if (linked := _linked(what)) is not None:
            return (linked,)
        name, colon, case = what.rpartition(":")
        if colon and case.isidentifier():  # "thread/race:Case", as the command line has it
            one = load(name)[_name(case)]
            assert isinstance(one, Case)
            return (one,)
        what = load(what)
    if isinstance(what, Case):
        return (what,)
    if isinstance(what, Race) and not what.cases:
        raise UnknownName("this race has no cases yet; declare one with @race.case('what differs')")
    given: object = what
    found = members(given, "what to choose from", EXPECTED) if _is_list(given) else [given]
    cases = [each for each in found if isinstance(each, Case)]
    if not cases or len(cases) < len(found):
        wrong = next((each for each in found if not isinstance(each, Case)), found)
        raise MmvizError(f"{quoted(wrong)} is no case, {EXPECTED}")
    return cases


def _linked(text: str) -> Case | None:
    """Return the case that a link names; None where a text is no link."""
    if "mmviz:" not in text.lower():
        return None
    from mmviz.scenarios.link import is_link, linked_case  # few names are links

    return linked_case(text) if is_link(text) else None


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | Mapping)


EXPECTED = "race or scenario; give one of these, or a name such as 'iommu_group/release_order'"


def one_case(what: Named | Case, case: str = "", first: bool = False) -> Case:
    """Return the one case that a reader means.

    Args:
        what: a case; or a scenario or a race, or a scenario's name, or a link.
        case: of a scenario or a race, the case's name or id. Not needed where it has only one.
        first: without a name, take the first of several.

    Raises:
        UnknownName: there is none of that name, or a scenario has several cases and none is named.
        MmvizError: `what` is nothing of this.
    """
    if isinstance(what, Case):
        return what
    if not isinstance(what, str | Scenario | Race):
        raise MmvizError(f"{quoted(what)} is no case, {EXPECTED}")
    cases = cases_of(what)
    if not left_out(case):
        if isinstance(what, str) and _linked(what):
            raise MmvizError(f"the link names its case; leave {quoted(case)} out")
        group = load(what) if isinstance(what, str) else what
        found = group[_name(case)]
        assert isinstance(found, Case)
        return found
    if first or len(cases) == 1:
        return cases[0]
    known = ", ".join(each.name for each in cases)
    raise UnknownName(f"there are {len(cases)} cases; name one of them: {known}")


def _name(name: object) -> str:
    """Return a name as it can be looked for.

    Raises:
        MmvizError: it is too long, or nothing that a name may be written as.
    """
    text = name.__name__ if isinstance(name, type | FunctionType) else name  # a variant
    if not isinstance(text, str):
        raise MmvizError(f"{quoted(name)} is no name; names are text, 'DelistThenRelease'")
    if len(text) > LONGEST_NAME:
        raise MmvizError(f"{quoted(text)} has {len(text):,} characters; no name has so many")
    return text


_files: dict[Path, tuple[int, Scenario]] = {}
_times_read: Counter[Path] = Counter()


def _load_file(name: str) -> Scenario:
    """Return the scenario of a file outside the catalogue.

    Raises:
        UnknownName: there is no such file.
        ModelError: it cannot be run, or has no case.
    """
    path = Path(name.replace("\0", "")).absolute()
    if not path.is_file():
        near = ", ".join(sorted(each.name for each in path.parent.glob("*.py"))[:8])
        there = f"; in that folder there is {near}" if near else ""
        raise UnknownName(f"there is no file {quoted(name)}{there}")
    written = path.stat().st_mtime_ns
    if path not in _files or _files[path][0] != written or _files[path][1].name != name:
        _files[path] = written, _read(path, name)
    return _files[path][1]


def _read(path: Path, name: str) -> Scenario:
    """Run a file, as Python does: its folder is where it imports from first.

    Raises:
        ModelError: it cannot be run, or has no case.
    """
    import zlib

    # A file that has changed goes by another spelling of its path, so that what is remembered of
    # its lines (by linecache, and by the views) stays with the cases of the old text.
    file = f"{path.parent}/{'./' * _times_read[path]}{path.name}"
    _times_read[path] += 1
    module = ModuleType(f"mmviz_race_{path.stem}_{zlib.crc32(file.encode()):x}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # where inspect looks for the source of a class
    before = list(sys.path)
    sys.path.insert(0, str(path.parent))
    try:
        exec(compile(path.read_bytes(), file, "exec", dont_inherit=True), vars(module))
        return _told(name, module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the file may do anything
        raise ModelError(_what_is_wrong(error, path.name)) from None
    finally:
        sys.path[:] = before


def _told(name: str, module: ModuleType) -> Scenario:
    """Return the scenario of a file: the one it makes, or its docstring with all its cases.

    Raises:
        ModelError: it has no case, or two of one name.
    """
    values = [value for key, value in vars(module).items() if not key.startswith("_")]
    for value in values:
        if isinstance(value, Scenario):
            return replace(value, name=name, module=module)
    races = {id(value): value for value in values if isinstance(value, Race)}
    cases = [case for race in races.values() for case in race]
    cases += [
        value
        for value in values
        if isinstance(value, Case) and not any(value is each for each in cases)
    ]
    if not cases:
        raise ModelError("the file has no case; write race = Race(…) and @race.case('…')")
    return Scenario.told(name, module, cases)


def _what_is_wrong(error: BaseException, where: str) -> str:
    """Return what stopped a file from being read, with the file and the line.

    Args:
        error: what was raised while it was run.
        where: the file, as the reader knows it.
    """
    import traceback  # only a mistake needs it

    told = str(error) if isinstance(error, MmvizError) else f"{type(error).__name__}: {error}"
    if isinstance(error, MmvizError) and where.removesuffix(".py") in told:
        return told
    if isinstance(error, SyntaxError):
        told = f"{type(error).__name__}: {error.msg}"
        file, line = error.filename or "", error.lineno or 0
    else:
        frames = [
            (frame.filename, frame.lineno or 0)
            for frame in traceback.extract_tb(error.__traceback__)
            if not frame.filename.startswith("<frozen") and Path(frame.filename) not in OURS
        ]
        written = [each for each in frames if not Path(each[0]).is_relative_to(ENGINE)]
        file, line = written[-1] if written else ("", 0)
    inner = Path(file)
    shown = inner.relative_to(HERE.parent) if inner.is_relative_to(HERE.parent) else inner.name
    place = f"{shown} line {line}" if line else ""
    if inner.name and inner.stem == Path(where).stem:
        return f"{place}: {told}"
    return f"{where}{place and f', at {place}'}: {told}"
