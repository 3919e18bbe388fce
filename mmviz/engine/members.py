"""Groups of interchangeable actors, each with its objects: who is who in a value."""

import re
from collections.abc import Iterable
from typing import Any

from mmviz.engine.bits import token
from mmviz.engine.errors import ModelError
from mmviz.engine.learn import Model
from mmviz.engine.struct import Struct

# member i takes the place of member p[i] of the group
Permutation = tuple[int, ...]


class Group:
    """Actors, each with its objects, that may change places.

    Args:
        model: the case.
        members: for each member, the words of its declaration: an actor, and paths of objects.

    Attributes:
        actors: for each member, the numbers of its actors.
        structs: for each member, its objects, in the same order.
        names: for each member, the names of its actors.
    """

    def __init__(self, model: Model, members: Iterable[str]) -> None:
        self.model = model
        self.words = [member.split() for member in members]
        self.actors: list[list[int]] = []
        self.structs: list[list[Struct]] = [[] for _ in self.words]
        self.names: list[list[str]] = []
        roots: list[list[Struct]] = []
        for words in self.words:
            actors = [model.index[word] for word in words if word in model.index]
            self.actors.append(actors)
            self.names.append([model.actors[p] for p in actors])
            paths = [word for word in words if word not in model.index]
            roots.append([model.tasks[p] for p in actors] + [self._struct(path) for path in paths])
        for i, own in enumerate(roots):
            if len(own) != len(roots[0]) or len(self.actors[i]) != len(self.actors[0]):
                raise ModelError(
                    f"interchangeable: {' '.join(self.words[i])!r} and "
                    f"{' '.join(self.words[0])!r} differ in length; name one actor for one actor "
                    "and one object for one object, in the same order"
                )
        for trees in zip(*roots, strict=True):
            self._pair(trees)
        self.member = {id(each): i for i, own in enumerate(self.structs) for each in own}
        self.number = {id(each): k for own in self.structs for k, each in enumerate(own)}
        self.named = {
            name: (i, k) for i, own in enumerate(self.names) for k, name in enumerate(own)
        }

    def _struct(self, path: str) -> Struct:
        """Return the object at a path from the world, such as `cpu.pages[0]`."""
        here: Any = self.model.world
        for word in re.findall(r"[^.\[\]]+", path):
            if isinstance(here, tuple):
                here = here[int(word)] if word.isdigit() and int(word) < len(here) else None
            elif isinstance(here, Struct):
                known = {str(key): key for key in here._at}
                here = self.model.ledger.initial[here._at[known[word]]] if word in known else None
        if isinstance(here, Struct) and here is not self.model.world:
            return here
        actors = ", ".join(self.model.actors)
        raise ModelError(
            f"interchangeable: {path!r} is neither an actor ({actors}) nor the path of an object, "
            "such as pages[0]"
        )

    def _pair(self, trees: tuple[Any, ...]) -> None:
        """Add objects that take each other's place, and the objects inside them."""
        first = trees[0]
        if any(type(each) is not type(first) for each in trees):
            kinds = ", ".join(f"{each.name} is a {type(each).__name__}" for each in trees)
            raise ModelError(f"interchangeable: objects of different classes: {kinds}")
        if len({id(each) for each in trees}) < len(trees) or first in self.structs[0]:
            return  # an object that all of them refer to, or one that was met before
        for own, each in zip(self.structs, trees, strict=True):
            own.append(each)
        initial = self.model.ledger.initial
        for key in first._values:
            if all(key in each._values for each in trees):
                self._inside([initial[each._at[key]] for each in trees])

    def _inside(self, values: list[Any]) -> None:
        if all(isinstance(value, Struct) for value in values):
            self._pair(tuple(values))
        elif all(isinstance(value, tuple) for value in values):
            for parts in zip(*values, strict=False):
                self._inside(list(parts))

    def moved(self, value: Any, places: Permutation) -> Any:
        """Return a value with each reference to a member replaced by one to the member's place."""
        if isinstance(value, Struct):
            i = self.member.get(id(value))
            return value if i is None else self.structs[places[i]][self.number[id(value)]]
        if isinstance(value, str):
            found = self.named.get(value)
            return value if found is None else self.names[places[found[0]]][found[1]]
        if isinstance(value, tuple | frozenset):
            make = getattr(value, "_make", type(value))
            return make(self.moved(part, places) for part in value)
        return value

    def refers(self, value: Any) -> bool:
        """Return whether a value refers to a member."""
        if isinstance(value, Struct):
            return id(value) in self.member
        if isinstance(value, str):
            return value in self.named
        return isinstance(value, tuple | frozenset) and any(map(self.refers, value))

    def seen_by(self, value: Any, i: int) -> Any:
        """Return a value as member `i` sees it: what is its own, what is another member's."""
        if isinstance(value, Struct):
            owner = self.member.get(id(value))
            return (value,) if owner is None else (owner == i, self.number[id(value)])
        if isinstance(value, str):
            found = self.named.get(value)
            return (str, value) if found is None else (found[0] == i, str, found[1])
        if isinstance(value, tuple):
            return (type(value), *(self.seen_by(part, i) for part in value))
        if isinstance(value, frozenset):
            return (type(value), frozenset(self.seen_by(part, i) for part in value))
        return token(value)
