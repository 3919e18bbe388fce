"""Tracked state: what a step reads and writes is recorded by the fields themselves.

A scenario's world is a tree of `Struct` objects with annotated fields.  Each field is
one *slot*.  While a step runs, the `Ledger` that owns the world notes every slot the
step reads or writes; no footprint is declared.  Between two steps an actor may look
only at fields no step ever writes (the tree itself, constants); the ledger holds it to that.
"""

import inspect
import sys
from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from enum import Enum
from typing import Any, ClassVar, Generic, Protocol, TypeVar, dataclass_transform

from mmviz.engine.errors import ModelError, Oops

K = TypeVar("K")
V = TypeVar("V")
_MISSING: Any = object()


class Slots(Protocol):
    """The part of the ledger that a Struct needs: mmviz/engine/ledger.py.

    Attributes:
        stepping: a step is running, or a bad state is being judged.
        judging: a bad state is being judged.
    """

    stepping: bool
    judging: bool

    def read(self, slot: int) -> Any:
        """Return a slot's value and record the read."""

    def write(self, slot: int, value: Any) -> None:
        """Set a slot's value and record the write."""


class _Default:
    """A field's default: a value, or a factory called once per object."""

    def __init__(self, value: Any, factory: Callable[[], Any] | None) -> None:
        self.value, self.factory = value, factory


def field(*, default: Any = _MISSING, default_factory: Any = None, kw_only: bool = False) -> Any:
    """Give a field of a `Struct` a default value, or a factory for one.

    Args:
        default: the value itself; it must be immutable.
        default_factory: called without arguments for each new object.
        kw_only: only for the type checker; `Struct` takes every field by keyword as well.
    """
    del kw_only
    return _Default(default, default_factory)


class _Slot:
    """One field of one class: looks the value up where the object's state lives."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        return self if obj is None else obj._read(self.key)

    def __set__(self, obj: Any, value: Any) -> None:
        obj._write(self.key, value)


def _own_annotations(cls: type) -> dict[str, Any]:
    """Return what a class annotates itself, its bases left out."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(cls)


@dataclass_transform(field_specifiers=(field,))
class Declared:
    """Tells type checkers that subclasses declare their fields as a dataclass does."""


class Struct(Declared):
    """Base of everything modelled; subclasses declare fields as a dataclass does.

    Values are immutable: None, bool, int, str, Enum, tuple, frozenset, or a reference to
    another Struct.  Equality and hash are identity, as for a C struct's address.

    Attributes:
        name: the displayed name of the object; empty means its path from the world, "cpu.pte".
    """

    name: str = field(default="", kw_only=True)

    _fields: ClassVar[dict[str, _Default]] = {}  # class-level table, filled per subclass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._fields = {}
        for base in reversed(cls.__mro__[1:]):
            cls._fields |= base.__dict__.get("_fields", {})
        for key in _own_annotations(cls):
            if key.startswith("_") or key == "name":
                continue
            given = cls.__dict__.get(key, _MISSING)
            if not isinstance(given, _Default):
                given = _Default(given, None)
            cls._fields[key] = given
            setattr(cls, key, _Slot(key))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.name = kwargs.pop("name", "")
        self._values: dict[Any, Any] = {}
        self._ledger: Slots | None = None
        self._at: dict[Any, int] = {}
        keys = list(self._fields)
        if len(args) > len(keys):
            raise TypeError(f"{type(self).__name__} has {len(keys)} fields, {len(args)} given")
        given = dict(zip(keys, args, strict=False)) | kwargs
        for key, default in self._fields.items():
            if key in given:
                value = given.pop(key)
            elif default.factory is not None:
                value = default.factory()
            elif default.value is not _MISSING:
                value = default.value
            else:
                raise TypeError(f"{type(self).__name__}() needs a value for {key!r}")
            self._write(key, value)
        if given:
            raise TypeError(f"{type(self).__name__} has no field {sorted(given)[0]!r}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Finish building; a subclass may connect its objects here."""

    def _read(self, key: Any) -> Any:
        if self._ledger is None:
            return self._values[key]
        return self._ledger.read(self._at[key])

    def _write(self, key: Any, value: Any) -> None:
        if self._ledger is not None:
            self._ledger.write(self._at[key], value)
            return
        self._values[key] = immutable(value, f"{type(self).__name__}.{key}")

    def fields(self) -> Iterator[tuple[Any, Any]]:
        """Yield (field, value) in the order of declaration."""
        for key in self._values:
            yield key, self._read(key)

    def path(self, key: Any) -> str:
        """Return how a field of this object is written, "cpu.pte"."""
        return f"{self.name}.{key}" if self.name else str(key)

    def __repr__(self) -> str:
        return self.name or type(self).__name__


class Map(Struct, Generic[K, V]):
    """A table with fixed keys, each key one tracked field: `Map({"0x1000": page})`.

    Iterating, `in` and `len` look at the keys, which never change; values are tracked.

    Raises:
        ModelError: a key is used that the table was not built with.
    """

    def __init__(self, entries: dict[K, V], *, name: str = "") -> None:
        super().__init__(name=name)
        for key, value in entries.items():
            self._values[key] = immutable(value, f"{name or 'Map'}[{key}]")

    def _known(self, key: K) -> K:
        if key not in self._values:
            known = ", ".join(map(str, self._values))
            raise ModelError(
                f"{self.name or 'a Map'} has no key {key!r}. A Map's keys are fixed when it is "
                f"built (here: {known}); give the key a value, None for example, from the start."
            )
        return key

    def __getitem__(self, key: K) -> V:
        value: V = self._read(self._known(key))
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._write(self._known(key), value)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> KeysView[K]:
        """Return the keys, in the order given."""
        return self._values.keys()

    def values(self) -> ValuesView[V]:
        """Return the values; each counts as read."""
        return dict(self.items()).values()

    def items(self) -> ItemsView[K, V]:
        """Return (key, value) pairs; each value counts as read."""
        return {key: self[key] for key in self._values}.items()

    def path(self, key: Any) -> str:
        """Return how an entry is written, "cpu.pte[0x1000]"."""
        return f"{self.name}[{key}]"


class World(Struct):
    """Root of a scenario's state; actors receive it as `k`."""


class Allocated(Struct):
    """An object with a lifetime: touching it after `free()` ends the run.

    Attributes:
        freed: the memory is back with the allocator.

    Source: what CONFIG_KASAN reports as slab-use-after-free.
    Simplified: memory is never handed out again, so each use after free is detected.
    """

    freed: bool = False

    def free(self) -> None:
        """Give the memory back; to be called inside a step."""
        self.freed = True

    def _read(self, key: Any) -> Any:
        self._touch(key)
        return super()._read(key)

    def _write(self, key: Any, value: Any) -> None:
        if not (key == "freed" and value is False):
            self._touch("" if key == "freed" else key)
        super()._write(key, value)

    def _touch(self, key: Any) -> None:
        ledger = self._ledger
        if key == "freed" or ledger is None or not ledger.stepping or ledger.judging:
            return
        if ledger.read(self._at["freed"]):
            use = f"uses {self.path(key)}" if key else f"frees {self.name} again"
            raise Oops("use_after_free", f"{use}, but {self.name} was freed")


def immutable(value: Any, where: str) -> Any:
    """Return `value` when a field may hold it.

    Raises:
        ModelError: the value is mutable, so the engine could not track it.
    """
    if value is None or isinstance(value, bool | int | str | Enum | Struct):
        return value
    if isinstance(value, tuple | frozenset):
        for part in value:
            immutable(part, where)
        return value
    raise ModelError(
        f"{where} = {value!r}: a {type(value).__name__} cannot be a field's value. "
        "Fields hold immutable values (None, bool, int, str, Enum, tuple, frozenset) or other "
        "Structs; use a Map for a table, a frozenset for a set, a tuple for a list."
    )
