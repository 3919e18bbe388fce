"""The 64 bits of a page-table entry: parsed, decoded, encoded, in any layout."""

import re
from dataclasses import asdict
from itertools import groupby
from typing import Any, SupportsIndex

from mmviz.engine import MmvizError, UnknownName
from mmviz.engine.text import index, quoted
from mmviz.kernel.arm64.layout import arm_layout
from mmviz.kernel.entries.kinds import SWAP_KINDS, Entry, EntryError, Kind, PteMarker
from mmviz.kernel.entries.layout import LEVELS, SPACES, Layout
from mmviz.kernel.x86.layout import layout as x86_layout

PAYLOAD = ("marks_uffd_wp", "poisoned", "guard")
ARCHES = {"x86-64": x86_layout, "arm64": arm_layout}
ALSO = {"x86_64": "x86-64", "amd64": "x86-64", "x86": "x86-64", "aarch64": "arm64"}
NARROW = re.compile(
    r"\bpae\b|-686\b|i[3-6]86|x86[-_]32|ia-?32|32[- ]?bit|(?<![a-z])arm(v7|32)?$", re.IGNORECASE
)
PAE = (
    "a page-table entry of a 32-bit kernel (PAE) has another layout: 5 bits of type and its offset "
    "in the upper half, and frames of 36 or 44 bits; read as an x86-64 entry it would mean "
    "something else, so mmviz refuses it"
)


def architecture(arch: object) -> str:
    """Return the usual name of an architecture.

    Raises:
        UnknownName: its entries are not known; 32-bit ones are refused with the reason.
    """
    name = arch.strip().lower() if isinstance(arch, str) and len(arch) < 40 else None
    name = ALSO.get(name or "", name)
    if name in ARCHES:
        return name
    if name is not None and NARROW.search(name):
        raise UnknownName(f"arch {quoted(arch)}: {PAE}")
    known = " and ".join(ARCHES)
    raise UnknownName(f"the entries of {quoted(arch)} are not known; known are {known}")


def chosen(
    kernel: str = "",
    *,
    level: object = "pte",
    space: object = "user",
    arch: str = "x86-64",
    paging: SupportsIndex = 4,
    pte_marker: bool = False,
    **more: Any,
) -> Layout:
    """Return the layout in force in a release of an architecture.

    Raises:
        UnknownName: an argument is nothing known; the message says what is.
    """
    for name, value, known in (("level", level, LEVELS), ("space", space, SPACES)):
        if not isinstance(value, str) or value not in known:
            if isinstance(value, str) and NARROW.search(value[:200]):
                raise UnknownName(f"{name} {quoted(value)}: {PAE}")
            raise UnknownName(f"{name} is one of {', '.join(known)}, not {quoted(value)}")
    make = ARCHES[architecture(arch)]
    return make(kernel, paging, pte_marker, level=level, space=space, **more)


def parse(value: SupportsIndex | str) -> int:
    """Return 64 raw bits, from an integer (one of numpy, too) or from "0xf7ff_ffff_fdb9_7400".

    Raises:
        EntryError: the value is neither; the message says what is wrong.
    """
    if isinstance(value, str):
        written = re.fullmatch(r"0[xX][0-9a-fA-F]+(_[0-9a-fA-F]+)*", value)
        if not written or len(value.replace("_", "")) > len("0x") + 16:
            raise EntryError(
                f"{quoted(value)} is not a raw entry: write 0x and up to 16 hexadecimal digits, "
                "with single underscores between digits if you like, '0xf7ff_ffff_fdb9_7400'"
            )
        return parse(int(value, 16))
    try:
        raw = index(value, "a raw entry")
    except MmvizError:
        raise EntryError(
            f"a raw entry is an integer or text such as '0xf7fffffffdb97400', not {quoted(value)}"
        ) from None
    if not 0 <= raw < 1 << 64:
        number = f"{raw:#x}" if raw.bit_length() <= 128 else f"one of {raw.bit_length()} bits"
        raise EntryError(f"a raw entry has 64 bits and no sign; {number} does not fit")
    return raw


def decode(value: SupportsIndex | str, kernel: str = "", **options: Any) -> Entry:
    """Return what 64 raw bits mean to a kernel.

    Args:
        value: the raw entry, as `parse()` takes it.
        kernel: "6.15" or "v6.15"; the newest known if left out.
        options: as `chosen()` takes them: level, space, arch, paging, pte_marker.

    Raises:
        EntryError: some bits cannot occur on that kernel; the message names them.
        UnknownName: the kernel or an option is not known.
    """
    return decode_at(parse(value), chosen(kernel, **options))


def decode_at(raw: int, where: Layout) -> Entry:
    """Return what raw bits mean in a layout.

    Raises:
        EntryError: some bits cannot occur there; the message names them.
    """
    kind = where.kind(raw)
    if kind not in where.kinds:
        what = "none is ever written" if kind is Kind.SWAP else "there is no such entry"
        raise EntryError(
            f"{raw:#018x} cannot occur on {where.name}: it would be a {kind} entry, and at the "
            f"{where.level} level {what}"
        )
    faults = _faults(raw, where, kind)
    if faults:
        raise EntryError(f"{raw:#018x} cannot occur on {where.name}: no {kind} entry has {faults}")
    made = made_at(raw, where, kind)
    if isinstance(made, PteMarker) and not (made.marks_uffd_wp or made.poisoned or made.guard):
        payload = [each.low for each in where.fields(kind) if each.attribute in PAYLOAD]
        stored, state = (", stored inverted", "clear") if where.is_inverted else ("", "set")
        bits = ", ".join(str(bit) for bit in sorted(payload))
        raise EntryError(
            f"{raw:#018x} cannot occur on {where.name}: a marker has a payload{stored}, "
            f"so one of the bits {bits} is {state}"
        )
    return made


def made_at(raw: int, where: Layout, kind: Kind) -> Entry:
    """Return the entry of a kind that the fields of raw bits make, possible or not."""
    values: dict[str, int] = {}
    for field in where.fields(kind):
        if field.attribute:
            found = field.get(raw)
            values[field.attribute] = bool(found) if field.width == 1 else found
    return where.made(kind)(**values)


def wrong_bits(raw: int, where: Layout, kind: Kind) -> int:
    """Return, as a mask, the bits outside any field and those that differ from a fixed one."""
    allowed = wrong = 0
    for field in where.fields(kind):
        allowed |= field.most << field.low
        if field.fixed is not None:
            wrong |= (field.get(raw) ^ field.fixed) << field.low
    return wrong | raw & ~allowed


def _faults(raw: int, where: Layout, kind: Kind) -> str:
    """Return the bits that no such entry has, in words."""
    wrong = wrong_bits(raw, where, kind)
    names = {f.low: f.name for f in where.fields(kind) if f.width == 1}
    bits = [bit for bit in range(64) if wrong >> bit & 1]
    found = []
    for (place, is_set), group in groupby(
        bits, lambda bit: (_place(bit, kind, where, names), raw >> bit & 1)
    ):
        same = [str(bit) for bit in group]
        plural = "s" if len(same) > 1 else ""
        found.append(f"bit{plural} {', '.join(same)} ({place}) {'set' if is_set else 'clear'}")
    return "; ".join(found)


def _place(bit: int, kind: Kind, where: Layout, names: dict[int, str]) -> str:
    """Return the usual name of a bit of such an entry."""
    hardware = where.hardware()
    if bit in hardware:
        return hardware[bit]
    if bit in names and names[bit] != "unused":
        return names[bit]
    if kind not in SWAP_KINDS:
        return "reserved"
    at = where.place
    if at.offset_low <= bit < at.offset_low + at.offset_bits:
        return "of the offset, stored inverted" if at.inverted else "of the offset"
    return "reserved"


def encode(what: Entry, kernel: str = "", **options: Any) -> int:
    """Return the 64 bits of an entry, the inverse of `decode()`.

    Raises:
        EntryError: that kernel has no such entry, or a value does not fit.
        UnknownName: the kernel or an option is not known.
    """
    return encode_at(what, chosen(kernel, **options))


def encode_at(what: Entry, where: Layout) -> int:
    """Return the 64 bits of an entry in a layout.

    Raises:
        EntryError: that layout has no such entry, or a value does not fit.
    """
    kind, raw = what.kind, 0
    if kind not in where.kinds:
        known = ", ".join(where.kinds)
        raise EntryError(f"{where.name} has no {kind} entry; it has {known}")
    for field in where.fields(kind):
        value = getattr(what, field.attribute, None) if field.attribute else field.fixed or 0
        if value is None:
            raise EntryError(f"a {kind} entry of {where.arch} has a field {field.attribute}")
        if not field.holds(value):
            raise EntryError(f"{field.attribute} has {field.width} bits, {value:#x} does not fit")
        raw |= field.put(value)
    back = decode_at(raw, where)
    if back.kind is not kind:
        raise EntryError(f"on {where.name} the bits of {what} would read as {back.kind}")
    values = asdict(back)
    lost = [name for name, value in asdict(what).items() if value != values.get(name)]
    if lost:
        raise EntryError(f"a {kind} entry of {where.name} has no place for {', '.join(lost)}")
    return raw
