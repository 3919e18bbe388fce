"""Tracked state: what a step reads and writes is recorded by the fields themselves.

A scenario's world is a tree of `Struct` objects with annotated fields.  Each field is
one *slot*.  While a step runs, the `Ledger` that owns the world notes every slot the
step reads or writes; no footprint is declared.  Between two steps an actor may look
only at fields no step ever writes (the tree itself, constants); the ledger holds it to that.
"""

import inspect
import re
import sys
from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from enum import Enum
from functools import cached_property
from threading import get_ident
from typing import (
    Any,
    ClassVar,
    Generic,
    NoReturn,
    Protocol,
    TypeVar,
    dataclass_transform,
    get_origin,
)

from mmviz.engine.errors import ModelError, Oops, UnknownField
from mmviz.engine.piece import NOW, WORLD

K = TypeVar("K")
V = TypeVar("V")
_MISSING: Any = object()
_OWN = frozenset(("name", "_values", "_ledger", "_at", "_inside"))  # what is no field


class Slots(Protocol):
    """The part of the ledger that a Struct needs: mmviz/engine/ledger.py.

    Attributes:
        stepping: a step is running, or a bad state is being judged.
        judging: a bad state is being judged.
        looking: a guard or a bad state is being evaluated, which may not write; "" otherwise.
        opens, in_two: steps that are a load and a store, and what makes them so.
    """

    stepping: bool
    judging: bool
    looking: str
    opens: frozenset[str]
    in_two: Any

    def read(self, slot: int) -> Any:
        """Return a slot's value and record the read."""

    def write(self, slot: int, value: Any) -> None:
        """Set a slot's value and record the write."""


class _Default:
    """A field's default: a value, or a factory called once per object."""

    def __init__(
        self, value: Any, factory: Callable[[], Any] | None, embedded: bool | None = None
    ) -> None:
        self.value, self.factory, self.embedded = value, factory, embedded

    @property
    def embeds(self) -> bool:
        """Whether the field holds a part of its object, and not a reference to another one."""
        if self.embedded is None:
            made = self.factory if isinstance(self.factory, type) else None
            if made is None and self.factory is not None:
                made = type(self.factory())
            self.embedded = made is not None and (issubclass(made, Struct) or made is tuple)
        return self.embedded


def field(
    *,
    default: Any = _MISSING,
    default_factory: Any = None,
    embedded: bool | None = None,
    kw_only: bool = False,
) -> Any:
    """Give a field of a `Struct` a default value, or a factory for one.

    Args:
        default: the value itself; it must be immutable.
        default_factory: called without arguments for each new object.
        embedded: the object in the field is a part of this one, as `struct timer_list timer` is,
            and not a reference, as `struct page *page` is; what is part of an `Allocated` is freed
            with it.  By default a field is a part if its default_factory makes a Struct.
        kw_only: only for the type checker; `Struct` takes every field by keyword as well.
    """
    del kw_only
    return _Default(default, default_factory, embedded)


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
        for key, annotation in _own_annotations(cls).items():
            if key.startswith("_") or key == "name" or get_origin(annotation) is ClassVar:
                continue
            given = cls.__dict__.get(key, _MISSING)
            if not isinstance(given, _Default):
                given = _Default(given, None)
            cls._fields[key] = given
            setattr(cls, key, _Slot(key))
        for key, value in cls.__dict__.items():
            if isinstance(value, cached_property):
                raise ModelError(
                    f"{cls.__name__}.{key} is a cached_property, which keeps its first value when "
                    "the fields change. Write @property"
                )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        piece = NOW.get(get_ident())
        if piece is not None and piece.kind != WORLD:
            raise ModelError(
                f"{type(self).__name__}() makes an object in {piece.kind}. Every object of a "
                "model exists from the start: make it in world(), as a field of the world, and "
                "let a step change its fields"
            )
        self._values: dict[Any, Any]
        self._ledger: Slots | None
        self._at: dict[Any, int]
        self._inside: Struct | None
        self.__dict__.update(
            name=kwargs.pop("name", ""), _values={}, _ledger=None, _at={}, _inside=None
        )
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
            if default.embeds:
                self._embed(value)
        if given:
            key = sorted(given)[0]
            raise TypeError(
                f"{type(self).__name__} has no field {key!r}{_meant(key, list(self._fields))}"
            )
        self.__post_init__()

    def __post_init__(self) -> None:
        """Finish building; a subclass may connect its objects here."""

    def _embed(self, value: Any) -> None:
        """Make a Struct, or those of a plain tuple, parts of this object.

        What has a lifetime of its own is no part, and what is given to two objects is part of none.
        """
        for part in value if type(value) is tuple else (value,):
            if isinstance(part, Struct) and not isinstance(part, Allocated):
                part._inside = self if part._inside is None else _SHARED

    def _container(self) -> "Allocated | None":
        """Return the object with a lifetime that this one is a part of."""
        outer = self._inside
        while outer is not None and not isinstance(outer, Allocated):
            outer = outer._inside
        return outer

    def __setattr__(self, key: str, value: Any) -> None:
        if key in self._fields:
            self._write(key, value)
        elif key in _OWN and (key != "name" or self.__dict__.get("_ledger") is None):
            self.__dict__[key] = value
        elif hasattr(getattr(type(self), key, None), "__set__"):
            object.__setattr__(self, key, value)
        else:
            self._refuse_field(key, value)

    def _refuse_field(self, key: str, value: Any) -> NoReturn:
        """Raise the error for an attribute that is set and is no field."""
        what, kind = f"{type(self).__name__}.{key}", type(value).__name__
        if key == "name":
            raise ModelError(
                f"{what} = {value!r}: an object keeps the name that world() gives it. Give it when "
                f"the object is made, {type(self).__name__}(name={value!r})"
            )
        if key.startswith("_"):
            raise UnknownField(
                f"{what} = {value!r}: a name with an underscore is no field, so the search would "
                f"not see it. Declare a field in class {type(self).__name__}: "
                f"{key.strip('_') or 'value'}: {kind} = …"
            )
        if hasattr(type(self), key):
            raise UnknownField(
                f"{what} = {value!r}: {key} is declared without a type, so it is no field and the "
                f"search would not see it. Write in class {type(self).__name__}: {key}: {kind} = …"
            )
        raise UnknownField(
            f"{what} = {value!r}: {type(self).__name__} has no field {key}"
            f"{_meant(key, list(self._fields))} A new field is declared in class "
            f"{type(self).__name__}: {key}: {kind} = …"
        )

    def __getattr__(self, key: str) -> Any:
        # only for what was not found; a property that raised AttributeError comes here, too
        found = inspect.getattr_static(type(self), key, None)
        if found is not None and hasattr(found, "__get__"):
            return found.__get__(self, type(self))
        if key in _OWN:
            raise ModelError(
                f"{type(self).__name__} has an __init__ of its own, so it has no fields. Delete "
                "it, or call it __post_init__(self) and set the fields there"
            )
        if key.startswith("_"):
            plain = re.sub(r"^_[^_]\w*?(?=__\w)", "", key)
            if plain != key:
                raise UnknownField(
                    f"{type(self).__name__} has no {key}: inside a class Python turns {plain} into "
                    "that. Give it a name without two underscores in front"
                )
            raise AttributeError(f"{type(self).__name__} has no attribute {key}")
        known = [name for name in dir(type(self)) if not name.startswith("_")]
        raise UnknownField(
            f"{type(self).__name__} has no field, step or property {key}{_meant(key, known)}"
        )

    def _refuse_stray(self, key: Any) -> NoReturn:
        """Raise the error for the use of an object that belongs to no world."""
        raise ModelError(
            f"{self.name or type(self).__name__}.{key} is used, and the object belongs to no "
            "world, so the search would neither see nor restore it. Make it in world(), as a "
            "field of the world or of one of its objects; in a tuple or a Map, if there are more"
        )

    def _read(self, key: Any) -> Any:
        if self._ledger is None:
            piece = NOW.get(get_ident())
            if piece is not None and piece.kind != WORLD:
                self._refuse_stray(key)
            return self._values[key]
        if self._inside is not None and (container := self._container()) is not None:
            container._touch_part(self.path(key))
        return self._ledger.read(self._at[key])

    def _write(self, key: Any, value: Any) -> None:
        if self._ledger is not None:
            if self._inside is not None and (container := self._container()) is not None:
                container._touch_part(self.path(key))
            self._ledger.write(self._at[key], value)
            return
        piece = NOW.get(get_ident())
        if piece is not None and piece.kind != WORLD:
            self._refuse_stray(key)
        self._values[key] = immutable(value, f"{type(self).__name__}.{key}")

    def unfinished(self) -> str:
        """Say what is still under way in this object, and what to write; "" if nothing is.

        A subclass may override it: what waits at the end of a run makes judging it an error.
        """
        return ""

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

    So does touching a part of it: a timer, a work or a lock that lies in its memory.  A field is
    a part if it has a `default_factory` that makes a Struct, or says `embedded=True`; any other
    field is a reference, and so is one to another `Allocated`, which has a lifetime of its own.

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

    def _touch_part(self, path: str) -> None:
        """Check a use of a part, which is called `path`."""
        ledger = self._ledger
        if ledger is None or not ledger.stepping or ledger.judging:
            return
        if ledger.read(self._at["freed"]):
            raise Oops("use_after_free", f"uses {path}, but {self.name} was freed")


_SHARED = Struct(name="two objects")
"""Stands for what a Struct is inside of when it was given to two objects: neither."""


def _meant(key: str, known: list[str]) -> str:
    """Return the nearest of the names that are known, as the end of a message."""
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f". It has {', '.join(known[:8])}." if known else "."


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
