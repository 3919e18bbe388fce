"""What a raw value says: read with the layout that its kernel has, or what it was instead."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, SupportsIndex

from mmviz.engine import UnknownName
from mmviz.engine.text import quoted
from mmviz.kernel.entries.coding import NARROW, PAE, chosen, decode_at, parse
from mmviz.kernel.entries.kinds import SWAP_KINDS, Entry, EntryError, Kind, Present
from mmviz.kernel.entries.layout import SPACES, WIDEST, Layout
from mmviz.kernel.entries.numbering import OPTIONS, Config, meanings, options
from mmviz.kernel.entries.patterns import Look
from mmviz.kernel.entries.release import Kernel, named
from mmviz.kernel.entries.summary import label
from mmviz.kernel.entries.was import (
    COMMON_FRAMES,
    NOTHING,
    Context,
    fault_erratum,
    guesses,
    in_disguise,
    is_ordinary,
    why_faulted,
)
from mmviz.kernel.x86.layout import INVERTED, INVERTED_FROM, X86Layout

PRESENT_KINDS = (Kind.PRESENT, Kind.PROT_NONE, Kind.NUMA, Kind.INVALID, Kind.TABLE)
ENCRYPTED, C_BITS = (4, 14), (51, 47)  # of a frame's address, sme_me_mask
L1TF = "the L1TF form (v4.19, and stable and distribution kernels from August 2018)"


@dataclass(frozen=True)
class Reading:
    """What 64 raw bits are to a kernel.

    Attributes:
        value: the raw entry.
        kernel: the kernel, as it was named.
        where: the layout that it was read with.
        kind: what the bits make of it, possible or not.
        entry: the decoded entry; None if it cannot occur.
        fault: why it cannot occur, "" if it can.
        notes: what had to be assumed.
        was: guesses at what it was, with evidence.
    """

    value: int
    kernel: Kernel
    where: Layout
    kind: Kind
    entry: Entry | None
    fault: str
    notes: tuple[str, ...] = ()
    was: tuple[Look, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether the kernel can have written it."""
        return self.entry is not None

    @property
    def present(self) -> bool:
        """What pte_present() (pmd_present(), …) says; PROT_NONE entries are present, too."""
        return self.kind in PRESENT_KINDS

    @property
    def pfn(self) -> int | None:
        """The page frame that it names, None if it names none or cannot occur."""
        found: int | None = getattr(self.entry, "pfn", None)
        if found is not None and self.where.encryption_bit:
            found &= ~(1 << self.where.encryption_bit - 12)
        return found

    @property
    def flags(self) -> list[str]:
        """The names of the flags that are set, from the lowest bit up."""
        found = []
        for field in reversed(self.where.fields(self.kind)):
            if field.width == 1 and field.get(self.value) and field.name not in ("none", "unused"):
                found.append(field.name)
        return found

    @property
    def swap(self) -> dict[str, Any] | None:
        """Type, offset and meaning, if the entry has a swap type."""
        if self.kind not in SWAP_KINDS:
            return None
        at = self.where.place
        number = at.number(self.value)
        return {"type": number, "offset": at.offset(self.value), "meaning": self.meaning(number)}

    def meaning(self, number: int) -> str:
        """Return what a type number means, and each condition on which it means it."""
        found = meanings(number, self.where.release)
        if self.where.level != "pte":
            allowed = {*self.where.put(config=Config(), pte_marker=True).at_level()}
            allowed |= {kind for kind, _ in found if kind.startswith(("migration", "hwpoison"))}
            found = tuple(each for each in found if each[0] in allowed) or found
        return "; ".join(f"{kind} ({when})" if when else str(kind) for kind, when in found)

    def data(self) -> dict[str, Any]:
        """Return the answer as JSON has it."""
        return {
            "value": f"{self.value:#x}",
            "kernel": self.kernel.name,
            "level": self.where.level,
            "kind": label(self.entry) if self.entry is not None else self.kind.value,
            "present": self.present,
            "possible": self.possible,
            "pfn": self.pfn,
            "swap": self.swap,
            "flags": self.flags,
            "was": [{"guess": look.guess, "evidence": look.evidence} for look in self.was],
        }


def read(
    value: SupportsIndex | str,
    kernel: str = "",
    *,
    level: str = "pte",
    space: str = "",
    arch: str = "x86-64",
    context: Context = NOTHING,
    **more: Any,
) -> Reading:
    """Read a raw entry, and say what it was if it cannot be one.

    Args:
        value: as `parse()` takes it.
        kernel: as `named()` takes it; "" is the newest known.
        level: "pte", "pmd", "pud", "p4d" or "pgd".
        space: "user", "kernel", or "" for whichever fits, user mode first.
        arch: "x86-64" or "arm64".
        context: what else a log says.
        more: paging, pte_marker, physical_bits, encryption_bit.

    Raises:
        EntryError: the value does not have 64 bits.
        UnknownName: the kernel or an option is not known.
    """
    raw = parse(value)
    if space not in ("", *SPACES):
        raise UnknownName(
            f"space is one of {', '.join(SPACES)}, or '' for either, not {quoted(space)}"
        )
    for name in ("physical_bits", "encryption_bit"):
        _bits(name, more.get(name, 0))
    first = chosen("", level=level, space=space or "user", arch=arch, **more)
    whose = named(kernel, first.RELEASES)
    if NARROW.search(kernel):
        raise UnknownName(f"kernel {quoted(kernel)}: {PAE}")
    where = first.put(release=whose.release)
    fault, note = "", ""
    picked: Layout | None = None
    far: tuple[Layout, str] | None = None
    for candidate, why in _candidates(where, whose, auto=not space):
        picked = picked or candidate
        try:
            entry: Entry | None = decode_at(raw, candidate)
            doubts = candidate.doubts(entry) if entry is not None else []
            said = f"{raw:#018x} cannot occur on {candidate.name}: {doubts[0]}" if doubts else ""
        except EntryError as error:
            entry, said = None, str(error)
        fits = entry is not None and not said
        if fits and candidate.space != where.space:
            fits = is_ordinary(entry, candidate) or _of_kernel(entry)
        if fits and getattr(entry, "pfn", 0) < COMMON_FRAMES:
            picked, fault, note = candidate, "", why
            break
        if fits and far is None:
            far = (candidate, why)
        fault = fault or said
    else:
        if far is not None:  # a frame beyond 4 TiB, where no other reading has a nearer one
            (picked, note), fault = far, ""
    assert picked is not None
    notes = [note] if note else []
    kind = picked.kind(raw)
    entry = None if fault else decode_at(raw, picked)
    if entry is not None and (reason := why_faulted(entry, picked, context.error)):
        notes.append(reason)
    strange = fault_erratum(raw, context)
    was: tuple[Look, ...] = (strange,) if strange else ()
    if note.startswith(f"read with {L1TF}") and whose.distribution:
        was += (Look("release", f"it fits only {L1TF}; not {whose.name} without those patches"),)
    if fault:
        was += guesses(raw, picked, _others(picked, whose), context)
    elif entry is not None and (telling := in_disguise(raw, entry, picked, context)):
        was += telling
    elif context.refused:
        was += (Look("none", context.refused),)
    elif context.error >= 0 and context.error & 8 and raw & 1:
        was += (_beyond(entry),)
        fault = f"{raw:#018x} cannot occur on this machine: the CPU found a reserved bit in it"
        entry = None
    return Reading(raw, whose, picked, kind, entry, fault, tuple(notes), was)


def _of_kernel(entry: Entry | None) -> bool:
    """Tell whether an entry is one that only the kernel's part of the tables has."""
    return (
        isinstance(entry, Present)
        and entry.kind is Kind.PRESENT
        and not getattr(entry, "user", True)
        and bool(getattr(entry, "accessed", False))
        and entry.pfn < COMMON_FRAMES
    )


def _bits(name: str, value: object) -> None:
    """Check the number of a bit of an address."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not (value == 0 or 32 <= value <= WIDEST)
    ):
        raise UnknownName(f"{name} is a number from 32 to {WIDEST}, or 0, not {quoted(value)}")


def _beyond(entry: Entry | None) -> Look:
    """Return what a fault for reserved bits says of an entry without any."""
    pfn = getattr(entry, "pfn", 0)
    special = " (SPECIAL: a driver mapped it)" if getattr(entry, "special", False) else ""
    return Look(
        "none",
        f"the fault's error code says RSVD, and the only reserved bits that can be set are in the "
        f"frame: {pfn << 12:#x} is beyond this processor's physical width{special}; a bus or "
        "virtual address taken for a physical one looks so",
    )


def _candidates(where: Layout, whose: Kernel, auto: bool) -> Iterator[tuple[Layout, str]]:
    """Yield the layouts that a kernel may have, the likeliest first, and what is assumed."""
    bases = list(_bases(where, whose))
    for space in ("user", "kernel") if auto else (where.space,):
        for base, why in bases:
            yield base.put(space=space), why
    if isinstance(where, X86Layout) and where.release >= ENCRYPTED and not where.encryption_bit:
        for bit in C_BITS if not where.physical_bits else ():
            said = f"its memory is encrypted (bit {bit} is AMD's C bit); else that bit is flipped"
            for base, why in bases:
                yield base.put(encryption_bit=bit), "; ".join(filter(None, (why, said)))
    for base, why in bases:  # other configurations
        names = options(base.release)
        for on in product((True, False), repeat=len(names)):
            config = Config(**dict(zip(names, on, strict=True)))
            said = ", ".join(
                f"{OPTIONS[n]}={'y' if way else 'n'}" for n, way in zip(names, on, strict=True)
            )
            yield (
                base.put(config=config, pte_marker=config.pte_marker),
                "; ".join(filter(None, (why, f"a configuration with {said}"))),
            )


def _bases(where: Layout, whose: Kernel) -> Iterator[tuple[Layout, str]]:
    """Yield the releases and forms that a kernel may have."""
    if not whose.known and whose.distribution and whose.name == "an unknown release":
        for release in where.RELEASES:
            base = where.put(release=release)
            yield base, f"read as {base.name}, the oldest that fits"
        return
    if not isinstance(where, X86Layout) or where.release >= INVERTED:
        yield where, ""
        return
    from_point = INVERTED_FROM.get(where.release)
    if whose.patched or (from_point and whose.point >= from_point):
        yield where.put(inverted=True), "" if whose.distribution else f"read with {L1TF}"
        if whose.distribution:
            yield where.put(inverted=False), f"read without {L1TF}"
        return
    yield where.put(inverted=False), ""
    if whose.distribution:
        yield where.put(inverted=True), f"read with {L1TF}"


def _others(where: Layout, whose: Kernel) -> list[tuple[str, Layout]]:
    """Return the layouts of other releases, each form once, the nearest in time first."""
    if not isinstance(where, X86Layout):
        old = [r for r in ((4, 0), (5, 19), (6, 11)) if r != where.release]
        return [(f"on v{r[0]}.{r[1]} (another swap layout)", where.put(release=r)) for r in old]
    found: list[tuple[str, Layout]] = [(f"in {L1TF}", where.put(inverted=True))]
    found.append((f"in v3.10 with {L1TF}", where.put(release=(3, 10), inverted=True)))
    forms = {(4, 7): "until v4.7", (4, 18): "from v4.8 to v4.18", (6, 1): "from v4.19"}
    for release, when in forms.items():
        found.append((f"in the layout {when}", where.put(release=release, inverted=None)))
    newest = where.RELEASES[-1]
    if where.level != "pte":  # which device-private entries are not of, and take numbers from
        found = [(said, each.put(config=Config(device_private=False))) for said, each in found]
    found.append((f"on v{newest[0]}.{newest[1]}", where.put(release=newest, inverted=None)))
    return found
