"""The x86-64 entry that corresponds to an entry of a model, and the release that stores it.

An entry of a model holds the page and whether it is writable. The other bits of a real entry
(accessed, dirty and so on) stay unknown.
"""

from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.kernel.entries.kinds import (
    DeviceExclusive,
    DevicePrivate,
    Entry,
    EntryError,
    Kind,
    PteNone,
    PtePresent,
)
from mmviz.kernel.entries.layout import Layout
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import Origin, Provenance
from mmviz.kernel.releases import release
from mmviz.kernel.x86.layout import X86Layout
from mmviz.kernel.x86.transitions import KNOWN
from mmviz.scene.entry_bits import word

STRAY = ("stray_accessed", "stray_dirty")  # what the kernel writes as zero


class Stored(NamedTuple):
    """A model's entry as a kernel's; not `exact` if the release stores less than the model."""

    entry: Entry
    known: tuple[str, ...]
    exact: bool = True


@singledispatch
def stored(value: Any, where: Layout) -> Stored | None:
    """Return the kernel's entry for the value of a field; None if the value is not an entry."""
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


def chosen(source: Provenance, values: list[Any]) -> tuple[Layout, str]:
    """Return the release whose entries are shown, and the reason for it.

    It is the first release with the behaviour of the case, if mmviz knows its entries and they
    include all kinds of the case; else the newest release that stores everything the model does.
    """
    first = release(source.first)[:2] if source.kind == Origin.SHIPPED else (0, 0)
    for known in KNOWN:
        if known == first and _fit(values, X86Layout(known)) != "no":
            return X86Layout(known), "the first release with this behaviour"
    exact = [each for each in KNOWN if _fit(values, X86Layout(each)) == "exact"]
    where = X86Layout(max(exact))
    if first in KNOWN:
        return where, f"v{first[0]}.{first[1]} has this behaviour, but no such entries"
    why = "the newest release that stores everything the model does"
    return where, why if where.release != KNOWN[-1] else "the newest release that mmviz knows"


def _fit(values: list[Any], where: Layout) -> str:
    """Return whether a release can store such entries: "exact", "less" or "no"."""
    try:
        found = [stored(value, where) for value in values]
        for each in found:
            if each is not None:
                word(each.entry, where, each.known)
    except EntryError:
        return "no"
    return "exact" if all(each is None or each.exact for each in found) else "less"
