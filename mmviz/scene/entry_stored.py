"""Which entry of x86-64 stands for an entry of a model, and in which release.

A model's entry says which page it means and whether it may be written. What else a real one has
(accessed, dirty and so on) is not known, and is not made up.
"""

from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine.releases import release
from mmviz.kernel.entry import Pte
from mmviz.kernel.page import Page
from mmviz.kernel.x86_kinds import (
    DeviceExclusive,
    DevicePrivate,
    Entry,
    EntryError,
    Kind,
    PteNone,
    PtePresent,
)
from mmviz.kernel.x86_layout import RELEASES, Layout
from mmviz.scene.entry_bits import word

STRAY = ("stray_accessed", "stray_dirty")  # what the kernel writes as zero


class Stored(NamedTuple):
    """A model's entry as a kernel's: `exact` unless the release stores less than the model has."""

    entry: Entry
    known: tuple[str, ...]
    exact: bool = True


@singledispatch
def stored(value: Any, where: Layout) -> Stored | None:
    """Return what a kernel's entry says that a field's value stands for; None if it is no entry."""
    return None


@stored.register
def _(value: None, where: Layout) -> Stored:
    return Stored(PteNone(), STRAY)


@stored.register
def _(value: Page, where: Layout) -> Stored:
    return Stored(PtePresent(pfn=value.pfn), ("pfn",))


@stored.register
def _(value: Pte, where: Layout) -> Stored:
    pfn, known = value.page.pfn, ("pfn", *STRAY)
    if value.private:
        return Stored(DevicePrivate(pfn=pfn, write=value.write), known)
    if not value.exclusive:
        return Stored(PtePresent(pfn=pfn, write=value.write), (*known, "write"))
    flavoured = Kind.DEVICE_EXCLUSIVE not in where.types
    write = value.write if flavoured else None
    return Stored(DeviceExclusive(pfn=pfn, write=write), known, flavoured)


def chosen(shipped: tuple[str, str] | None, values: list[Any]) -> tuple[Layout, str]:
    """Return the release whose entries are shown, and why it is that one.

    It is the first that behaved like the case, if its entries are known and there are all the
    kinds that the case has; else the newest that stores everything the model knows.
    """
    first = release(shipped[0])[:2] if shipped is not None else (0, 0)
    for known in RELEASES:
        if known == first and _fit(values, Layout(known)) != "no":
            return Layout(known), "the first release that does as this case does"
    exact = [each for each in RELEASES if _fit(values, Layout(each)) == "exact"]
    where = Layout(max(exact))
    if first in RELEASES:
        return where, f"v{first[0]}.{first[1]} does as this case does, but has no such entries"
    why = "the newest release that stores all the model knows of them"
    return where, why if where.release != RELEASES[-1] else "the newest release known here"


def _fit(values: list[Any], where: Layout) -> str:
    """Return whether a release can store such entries: "exact", "less" or "no"."""
    try:
        said = [stored(value, where) for value in values]
        for each in said:
            if each is not None:
                word(each.entry, where, each.known)
    except EntryError:
        return "no"
    return "exact" if all(each is None or each.exact for each in said) else "less"
