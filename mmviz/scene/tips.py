"""One sentence for each thing that a reader can point at, taken from docstrings.

A field is explained where it is declared: under "Attributes:" of its class, or of the class that
holds it. So an author writes the sentence once, for the pictures of all cases.
"""

import inspect
import re
from collections.abc import Iterable
from functools import cache

from mmviz.engine import Case, Frame, Line, Map, Struct, World
from mmviz.scene.cards import walk
from mmviz.scene.reach import Reach, structs_in
from mmviz.scene.source import function_of
from mmviz.scene.views import View

ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")


def tips(reach: Reach, case: Case, views: Iterable[View] = ()) -> dict[str, str]:
    """Return a sentence for every field, object and actor of a case, by the key of its marks.

    Args:
        reach: the values and steps of the case.
        case: the case.
        views: views with sentences for keys of their own.
    """
    found = {key: _closed(words) for view in views for key, words in view.tips.items()}
    owners: dict[str, tuple[Struct, str]] = {}
    for struct in walk(reach.world):
        name = _name(struct)
        if isinstance(struct, Map) and struct.name in owners:
            found[f"object:{name}"] = _field(*owners[struct.name], owners)
        else:
            found[f"object:{name}"] = _about(struct)
        for key, value in struct.fields():
            path = struct.path(key)
            found[f"field:{path}"] = _field(struct, str(key), owners)
            for target in structs_in(value):
                owners.setdefault(target.name, (struct, str(key)))
    for actor, places in reach.lines.items():
        note = " It need not finish." if actor in case.daemons else ""
        found[f"actor:{actor}"] = _actor(actor, places) + note
    return found


def step_tip(frame: Frame) -> str:
    """Return a sentence on a step, without its effect."""
    cite = f" ({frame.cite})" if frame.cite else ""
    what = f": {_closed(frame.doc)[:-1]}" if frame.doc else ""
    return f"Step {frame.index}: {frame.actor} runs {frame.label}{what}{cite}."


def _field(struct: Struct, key: str, owners: dict[str, tuple[Struct, str]]) -> str:
    """Return a sentence on a field: from its class, or from the class that holds the map."""
    holder, label, name = struct, key, key
    if isinstance(struct, Map) and struct.name in owners:
        holder, name = owners[struct.name]
        label = f"{name}[{key}]"
    kind = type(holder)
    words = _declared(kind, name) or _plain(kind, name, dict(holder.fields()).get(name))
    return _closed(f"{label} of {_name(holder)}: {words}") + _source(kind)


def _about(struct: Struct) -> str:
    """Return a sentence on an object."""
    kind = type(struct)
    return f"{_name(struct)}, {kind.__name__}: {_first(kind)}{_source(kind)}"


def _actor(actor: str, places: tuple[tuple[Line, ...], ...]) -> str:
    """Return a sentence on the code of an actor."""
    for lines in places:
        for line in lines[:1]:
            function, doc = function_of(line)
            return f"{actor} runs {function}()" + (f": {_closed(doc)}" if doc else ".")
    return f"{actor} runs no step in this case."


def _name(struct: Struct) -> str:
    return "world" if isinstance(struct, World) else struct.name


def _declared(kind: type, name: str) -> str:
    """Return the description of an attribute in a class or its bases, "" for none."""
    for each in kind.__mro__:
        if words := _entries(each).get(name):
            return words
    return ""


@cache
def _entries(kind: type) -> dict[str, str]:
    """Return the entries under "Attributes:" of a class's own docstring."""
    found: dict[str, str] = {}
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
                found |= dict.fromkeys(names, entry[2])
            else:
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def _plain(kind: type, name: str, value: object) -> str:
    """Return a sentence on a field without a description, from its value or its owner."""
    if isinstance(value, Struct):
        return _first(type(value))
    where = "this case" if issubclass(kind, World) else f"this {kind.__name__}"
    return f"the {name.replace('_', ' ')} of {where}"


def _first(kind: type) -> str:
    """Return the first sentence on a class, from its docstring or its nearest base's."""
    for each in kind.__mro__:
        if each.__doc__ and each not in (Struct, object):
            head = inspect.cleandoc(each.__doc__).split("\n\n")[0]
            return _closed(" ".join(head.split()))
    return "Part of this case."


def _source(kind: type) -> str:
    """Return the first source of a class in brackets, "" for none."""
    for each in kind.__mro__:
        text = " ".join(inspect.cleandoc(each.__doc__ or "").split())
        found = re.search(r"Source: (.*?)(?:;|\.(?: |$)|$)", text)
        if found and each is not object:
            return f" ({found[1]})"
    return ""


def _closed(text: str) -> str:
    """Return a text with a full stop at its end."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", ".)")) else f"{text}."
