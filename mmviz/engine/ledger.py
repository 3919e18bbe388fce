"""The slots of a world: their values, and what the running step reads and writes."""

from collections.abc import Iterator, Mapping
from threading import RLock, get_ident
from typing import Any

from mmviz.engine.errors import ModelError
from mmviz.engine.piece import BAD_STATE, NOW, WORLD
from mmviz.engine.struct import Struct, immutable


class Ledger:
    """The slots of one world: their values now, and what the running step touched.

    Attributes:
        paths: the name of every slot, "cpu.pte[0x1000]".
        initial: the value of every slot at the start.
        cells: the value of every slot now.
        reads, writes: what the running step touched; slot -> new value for writes.
        stepping: a step is running.
        judging: a bad state is being judged; nothing may be written, anything may be read.
        looking: a guard or a bad state is being evaluated, which may not write; "" otherwise.
        lock: held while something is learned, so that two threads can use one model.
        whole: False while something is learned, and for good after an interrupt in between.
        opens: the names of the steps that are a load and a store (mmviz/engine/opened.py).
        in_two: what makes them so.
    """

    opens: frozenset[str] = frozenset()
    in_two: Any = None

    def __init__(self, roots: list[tuple[str, Struct]]) -> None:
        self.structs: list[Struct] = []
        self.owner: list[tuple[Struct, Any]] = []
        self.paths: list[str] = []
        self.initial: list[Any] = []
        queue: list[tuple[str, Struct]] = list(roots)
        seen: set[int] = set()
        for path, struct in queue:
            if id(struct) in seen:
                continue
            seen.add(id(struct))
            if struct._ledger is not None:
                raise ModelError(
                    f"{struct.name or path} is part of two worlds. world() must make every "
                    "object anew each time it is called; one made outside of it, or in a "
                    "default that is no default_factory, is shared."
                )
            struct.name = struct.name or path
            self.structs.append(struct)
            for key, value in struct._values.items():
                struct._at[key] = len(self.paths)
                self.owner.append((struct, key))
                self.paths.append(struct.path(key))
                self.initial.append(value)
                queue.extend(_below(struct.path(key), value))
        self.cells = list(self.initial)
        self.reads: set[int] = set()
        self.writes: dict[int, Any] = {}
        self.frozen: dict[int, str] = {}
        self.written: set[int] = set()
        self.stepping = self.judging = False
        self.looking = self.reader = ""
        self.lock, self.whole = RLock(), True
        self._check_names(roots)
        self._check_sets(seen)
        for struct in self.structs:
            struct._ledger = self

    def _check_names(self, roots: list[tuple[str, Struct]]) -> None:
        """Refuse two objects of the world with one name: messages could not tell them apart."""
        beside = {id(struct) for _, struct in roots[1:]}  # the engine's own
        names: dict[str, Struct] = {}
        for struct in self.structs:
            other = names.setdefault(struct.name, struct)
            if other is not struct and id(struct) not in beside:
                raise ModelError(
                    f"two objects are called {struct.name!r}: a {type(other).__name__} and a "
                    f"{type(struct).__name__}. Give each a name of its own, or leave the name out; "
                    "then it is the path from the world, cpu.pte"
                )

    def _check_sets(self, seen: set[int]) -> None:
        """Refuse an object that is reachable only through a frozenset, which has no order."""
        for path, value in zip(self.paths, self.initial, strict=True):
            for part in objects_in(value):
                if id(part) not in seen:
                    raise ModelError(
                        f"{path} holds an object of class {type(part).__name__} in a frozenset, "
                        "and no field or tuple of the world holds it. Put it into a field or a "
                        "tuple as well: the search follows fields, tuples and Maps"
                    )

    def read(self, slot: int) -> Any:
        """Return a slot's value and record the read."""
        if not self.stepping:
            piece = NOW.get(get_ident())
            if piece is not None and piece.ledger is not self and piece.kind != WORLD:
                raise self._other_world(slot)
            if slot in self.written:
                raise self._between_steps(slot, self.reader)
            self.frozen[slot] = self.reader
            return self.initial[slot]
        self.reads.add(slot)
        return self.writes[slot] if slot in self.writes else self.cells[slot]

    def write(self, slot: int, value: Any) -> None:
        """Set a slot's value and record the write."""
        path = self.paths[slot]
        if self.looking:
            raise ModelError(
                f"{self.looking} wrote {path}; {self.looking} only looks. Write it in the step"
            )
        if not self.stepping:
            piece = NOW.get(get_ident())
            if piece is not None and piece.ledger is not self and piece.kind != WORLD:
                raise self._other_world(slot)
            raise ModelError(
                f"{self.reader} wrote {path} between two steps. Only a step changes the world: "
                "put the write into an @atomic method and await it."
            )
        immutable(value, path)
        if isinstance(value, Struct | tuple | frozenset):
            for part in objects_in(value):
                if part._ledger is not self:
                    raise ModelError(
                        f"{path} = {value!r}: {part!r} ({type(part).__name__}) belongs to no "
                        "world. Every object exists from the start: make it in world(), as a field"
                    )
        if slot in self.frozen:
            raise self._between_steps(slot, self.frozen[slot])
        self.written.add(slot)
        self.writes[slot] = value

    def begin(self, cells: list[Any], judging: bool = False) -> None:
        """Start a step, or the judging of a bad state, in the state `cells`."""
        self.cells, self.reads, self.writes = cells, set(), {}
        self.stepping, self.judging = True, judging
        self.looking = BAD_STATE if judging else ""

    def end(self) -> None:
        """End the step; between steps only constants may be read."""
        self.stepping = self.judging = False
        self.looking = ""

    def _other_world(self, slot: int) -> ModelError:
        return ModelError(
            f"{self.paths[slot]} is used, and the object belongs to another world, one that was "
            "made before. Reach every object from the world that the actor is given, k.cpu.pte, "
            "and never through a global variable"
        )

    def _between_steps(self, slot: int, reader: str) -> ModelError:
        path = self.paths[slot]
        return ModelError(
            f"{reader or 'an actor'} reads {path} between two steps, and some step writes it. "
            "What is read between steps would not be part of any schedule: read it in an "
            "@atomic method and await the answer."
        )


def _below(path: str, value: Any) -> list[tuple[str, Struct]]:
    """Return the structs that a field's value refers to, with their paths."""
    if isinstance(value, Struct):
        return [(path, value)]
    if isinstance(value, tuple):
        return [pair for i, part in enumerate(value) for pair in _below(f"{path}[{i}]", part)]
    return []


def objects_in(value: Any) -> Iterator[Struct]:
    """Yield the objects that a field's value refers to, those in a frozenset included."""
    if isinstance(value, Struct):
        yield value
    elif isinstance(value, tuple | frozenset):
        for part in value:
            yield from objects_in(part)


def copy_roots(roots: list[tuple[str, Struct]], cells: list[Any], of: Ledger) -> None:
    """Fill fresh, independent trees with the values `cells` of another ledger.

    Args:
        roots: trees built in the same way as those of `of`; changed in place.
        cells: one value a slot; references point into `of`'s trees.
        of: the ledger the cells belong to.
    """
    twin = Ledger(roots)
    place = {id(struct): fresh for struct, fresh in zip(of.structs, twin.structs, strict=True)}

    for struct in twin.structs:
        struct._ledger = None
        for key in struct._values:
            struct._values[key] = moved(cells[struct._at[key]], place)


def moved(value: Any, place: Mapping[int, Struct]) -> Any:
    """Return a value with each object in it replaced by its twin in another tree.

    Args:
        value: a field's value, or a step's answer.
        place: the id of an object -> its twin.
    """
    if isinstance(value, Struct):
        return place[id(value)]
    if isinstance(value, tuple | frozenset):
        make = getattr(value, "_make", type(value))  # a NamedTuple has its own
        return make(moved(part, place) for part in value)
    return value
