"""One sentence for whatever a reader points at, taken from the docstrings of the classes.

A field is explained where it is declared: under "Attributes:" of its class, or of the class that
holds it. So an author writes it once, and the picture of any case can say it.
"""

import inspect
import re
from collections.abc import Iterable
from functools import cache

from mmviz.engine import Case, Frame, Line, Map, Struct, World
from mmviz.scene.cards import walk
from mmviz.scene.reach import Reach, structs_in
from mmviz.scene.source import story_of
from mmviz.scene.views import View

ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")


def tips(reach: Reach, case: Case, views: Iterable[View] = ()) -> dict[str, str]:
    """Return a sentence for every field, object and actor of a case, by the key of its marks.

    Args:
        reach: all that may be seen of the case.
        case: the case.
        views: views that explain keys of their own.
    """
    told = {key: _closed(said) for view in views for key, said in view.tips.items()}
    owners: dict[str, tuple[Struct, str]] = {}
    for struct in walk(reach.world):
        name = _name(struct)
        if isinstance(struct, Map) and struct.name in owners:
            told[f"object:{name}"] = _field(*owners[struct.name], owners)
        else:
            told[f"object:{name}"] = _about(struct)
        for key, value in struct.fields():
            path = struct.path(key)
            told[f"field:{path}"] = _field(struct, str(key), owners)
            for target in structs_in(value):
                owners.setdefault(target.name, (struct, str(key)))
    for actor, places in reach.lines.items():
        role = " It may idle for ever." if actor in case.daemons else ""
        told[f"actor:{actor}"] = _actor(actor, places) + role
    return told


def step_tip(frame: Frame) -> str:
    """Say what a step of a run does, whoever looks at it and whatever comes of it."""
    cite = f" ({frame.cite})" if frame.cite else ""
    what = f": {_closed(frame.doc)[:-1]}" if frame.doc else ""
    return f"Step {frame.index}: {frame.actor} does {frame.label}{what}{cite}."


def _field(struct: Struct, key: str, owners: dict[str, tuple[Struct, str]]) -> str:
    """Say what a field is: as its class declares it, or as who holds the table declares that."""
    holder, said, name = struct, key, key
    if isinstance(struct, Map) and struct.name in owners:
        holder, name = owners[struct.name]
        said = f"{name}[{key}]"
    kind = type(holder)
    words = _declared(kind, name) or _plain(kind, name, dict(holder.fields()).get(name))
    return _closed(f"{said} of {_name(holder)}: {words}") + _source(kind)


def _about(struct: Struct) -> str:
    """Say what an object is."""
    kind = type(struct)
    return f"{_name(struct)}, {kind.__name__}: {_first(kind)}{_source(kind)}"


def _actor(actor: str, places: tuple[tuple[Line, ...], ...]) -> str:
    """Say what an actor runs."""
    for lines in places:
        for line in lines[:1]:
            function, doc = story_of(line)
            return f"{actor} runs {function}()" + (f": {_closed(doc)}" if doc else ".")
    return f"{actor} has nothing to do here."


def _name(struct: Struct) -> str:
    return "world" if isinstance(struct, World) else struct.name


def _declared(kind: type, name: str) -> str:
    """Return what the class, or one it derives from, says of an attribute; "" for nothing."""
    for each in kind.__mro__:
        if words := _entries(each).get(name):
            return words
    return ""


@cache
def _entries(kind: type) -> dict[str, str]:
    """Return the entries under "Attributes:" of a class's own docstring."""
    told: dict[str, str] = {}
    inside = False
    names: tuple[str, ...] = ()
    for line in inspect.cleandoc(kind.__doc__ or "").splitlines():
        depth = len(line) - len(line.lstrip())
        if not depth:
            inside, names = line == "Attributes:", ()
        elif inside:
            entry = ENTRY.match(line.strip()) if depth <= 4 else None
            if entry:
                names = tuple(entry[1].split(", "))
                told |= dict.fromkeys(names, entry[2])
            else:
                told |= {name: f"{told[name]} {line.strip()}" for name in names}
    return told


def _plain(kind: type, name: str, value: object) -> str:
    """Say of a field nobody describes at least what it holds, or what it belongs to."""
    if isinstance(value, Struct):
        return _first(type(value))
    where = "this case" if issubclass(kind, World) else f"this {kind.__name__}"
    return f"the {name.replace('_', ' ')} of {where}"


def _first(kind: type) -> str:
    """Return the first sentence on a class, or on the nearest it derives from that has one."""
    for each in kind.__mro__:
        if each.__doc__ and each not in (Struct, object):
            head = inspect.cleandoc(each.__doc__).split("\n\n")[0]
            return _closed(" ".join(head.split()))
    return "Part of this case."


def _source(kind: type) -> str:
    """Return where the kernel has it first of all, in brackets; "" where the class says nothing."""
    for each in kind.__mro__:
        text = " ".join(inspect.cleandoc(each.__doc__ or "").split())
        found = re.search(r"Source: (.*?)(?:;|\.(?: |$)|$)", text)
        if found and each is not object:
            return f" ({found[1]})"
    return ""


def _closed(text: str) -> str:
    """Return a text that ends as a sentence does."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", ".)")) else f"{text}."
