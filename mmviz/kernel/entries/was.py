"""What was it?  Guesses at a value that cannot occur, each with its evidence.

A guess says no more than its evidence: what the value looks like, not who wrote it.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from mmviz.kernel.arm64 import addresses as arm64
from mmviz.kernel.entries.coding import decode_at, wrong_bits
from mmviz.kernel.entries.kinds import (
    SWAP_KINDS,
    Entry,
    EntryError,
    Kind,
    Migration,
    Present,
    Swap,
    Table,
)
from mmviz.kernel.entries.layout import ORDER, Layout
from mmviz.kernel.entries.patterns import (
    ALL,
    HALF,
    SMALL,
    Look,
    halves,
    number,
    poison,
    text,
    user_pointer,
)
from mmviz.kernel.entries.summary import summary
from mmviz.kernel.x86 import addresses as x86

MOST_SHOWN = 6
ADDRESSES = {
    "x86-64": (x86.region, x86.in_direct_map, x86.same_page),
    "arm64": (arm64.linear_region, arm64.in_linear_map, arm64.same_linear_page),
}
COMMON_FRAMES, COMMON_SLOTS = 1 << 30, 1 << 28  # 4 TiB of memory, 1 TiB of swap
NEAR = 1 << 18  # frames: within 1 GiB of a neighbour's
MOST_NEIGHBOURS = 16
TURNING = (0, 1, 7, 8, 11, 58)  # P, table or huge, PROT_NONE: what an entry is
FAR = range(40, 59)  # where a frame is too far, or a bit reserved
STRAY = 0x60
RSVD = 8


class Context(NamedTuple):
    """What a log says besides the value.

    Attributes:
        neighbours: raw entries of the same table.
        table: the frame of the table that the entry lies in, -1 if not known.
        error: the error code of a page fault, -1 if there was none.
        refused: what the swap code said of the entry, "" if nothing.
        dumped: the frame that a page dump names, -1 if none.
    """

    neighbours: tuple[int, ...] = ()
    table: int = -1
    error: int = -1
    refused: str = ""
    dumped: int = -1


NOTHING = Context()


def entry_at(raw: int, where: Layout) -> Entry | None:
    """Return the entry that raw bits are, None if they cannot occur."""
    try:
        found = decode_at(raw, where)
    except EntryError:
        return None
    return None if where.doubts(found) else found


def is_ordinary(what: Entry | None, where: Layout) -> bool:
    """Tell whether an entry is one of those that fill most page tables."""
    if isinstance(what, Table):
        return 0 < what.pfn < COMMON_FRAMES and getattr(what, "accessed", True)
    if isinstance(what, Swap):
        return what.device < 4 and 0 < what.offset < COMMON_SLOTS and not what.stray_accessed
    if isinstance(what, Migration):
        return 0 < what.pfn < COMMON_FRAMES and not what.stray_accessed
    if not isinstance(what, Present) or not 0 < what.pfn < COMMON_FRAMES:
        return False
    plain = ("pwt", "pcd", "pat", "special", "devmap", "softw2", "softw3", "pkey", "uffd_wp")
    if any(getattr(what, name, 0) for name in (*plain, "non_secure", "contiguous")):
        return False
    if not getattr(what, "accessed", True) or getattr(what, "global_", False):
        return where.space == "kernel" and bool(getattr(what, "accessed", True))
    user = bool(getattr(what, "user", True))
    if what.kind is Kind.PRESENT:
        return user == (where.space == "user")
    if what.kind is Kind.UNMAPPED:
        return bool(getattr(what, "dirty", True))
    return not user


def guesses(
    raw: int, where: Layout, others: Sequence[tuple[str, Layout]], context: Context
) -> tuple[Look, ...]:
    """Return what a value that cannot occur may have been, the best supported first.

    Args:
        raw: the value.
        where: the layout that it cannot occur in.
        others: (how to say it, layout) of other releases.
        context: what else a log says.
    """
    found: dict[str, Look] = {}
    looks: list[Look | None] = [text(raw), poison(raw), *_pointers(raw, where, context)]
    looks += [*_erratum(raw, where)]
    if raw.bit_count() != 2:
        looks += [*_flips(raw, where, context)]
    looks += [*_elsewhere(raw, where, others)]
    looks += [number(raw), user_pointer(raw), *_partly(raw, where), halves(raw)]
    if raw.bit_count() == 2 and raw & ~STRAY:
        looks += [*_flips(raw, where, context)]
    for look in looks:
        if look is not None:
            key = look.guess
            if key in found and look.evidence not in found[key].evidence:
                look = Look(key, f"{found[key].evidence}; {look.evidence}")
            found[key] = look
    if not found:
        found["overwrite"] = Look(
            "overwrite",
            "no known pattern, and more than two bits away from an ordinary entry: the whole word "
            "was written by something else; by what, the value does not say",
        )
    return tuple(found.values())[:MOST_SHOWN]


def in_disguise(raw: int, what: Entry, where: Layout, context: Context) -> tuple[Look, ...]:
    """Return what a value may have been although it could occur: its bits are too telling.

    An ordinary entry is taken for what it is.
    """
    if what.kind is Kind.SWAP and 0 < raw.bit_count() <= 2:
        names = " and ".join(str(bit) for bit in range(64) if raw >> bit & 1)
        stray = "one stray bit" if raw.bit_count() == 1 else "two stray bits"
        said = f"{stray} ({names}) in an empty entry looks the same as this swap entry"
        return (Look("flip", f"{said}: does the machine have such a slot?"),)
    if where.encryption_bit and not context.error >= 0:
        bit = where.encryption_bit
        return (Look("flip", f"bit {bit} is AMD's C bit (encrypted memory) or, without, flipped"),)
    if what.kind is Kind.NONE or isinstance(what, Table) or is_ordinary(what, where):
        return ()
    if what.kind in SWAP_KINDS or getattr(what, "huge", False):
        return ()
    looks = [text(raw), poison(raw), *_pointers(raw, where, context)]
    plain = number(raw)
    if plain is not None and "BIOS" in plain.evidence:
        looks.append(plain)
    return tuple(look for look in looks if look is not None)


def _pointers(raw: int, where: Layout, context: Context) -> Iterator[Look]:
    """Yield the kernel addresses that a value may be."""
    region, in_direct_map, same_page = ADDRESSES[where.arch]
    what = region(raw, where.release, where.paging)
    if what:
        said = f"an address in {what}"
        if raw & 1 and raw & 0xFFF in (0x25, 0x27, 0x61, 0x63, 0x65, 0x67, 0x163, 0x1E3):
            said = (
                f"the low bits are an entry's flags ({raw & 0xFFF:#05x}), and what stands in the "
                f"frame's place, {raw & ~0xFFF:#x}, is {said}"
            )
        if in_direct_map(raw, where.release, where.paging):
            if context.table >= 0 and same_page(raw, context.table, where.release):
                said += (
                    f"; it points into the very page of this table, frame {context.table:#x}, as "
                    "an empty list head or a saved stack does"
                )
            elif context.table >= 0:
                said += f"; it does not point into this table, frame {context.table:#x}"
        yield Look("pointer", said)
        return
    for shift in (8, 16):
        moved = raw << shift & ALL
        if moved >> 47 == 0x1FFFF and raw >> 64 - shift == 0 and moved != ALL << shift & ALL:
            part = region(moved, where.release, where.paging)
            if part:
                yield Look(
                    "pointer",
                    f"{8 - shift // 8} of the bytes are the upper ones of an address in {part}, "
                    f"{shift // 8} byte{'s' if shift > 8 else ''} off alignment",
                )


def _flips(raw: int, where: Layout, context: Context) -> Iterator[Look]:
    """Yield ordinary entries one or two bits away."""
    if not raw & ~STRAY and where.arch == "x86-64" and where.kind(raw) is not Kind.NONE:
        return  # the erratum says it
    if 0 < raw.bit_count() <= 2:
        names = [str(bit) for bit in range(64) if raw >> bit & 1]
        many = "one stray bit" if len(names) == 1 else "two stray bits"
        yield Look("flip", f"{many} ({' and '.join(names)}) in an empty entry")
        return
    near = [entry_at(each, where) for each in context.neighbours[:MOST_NEIGHBOURS]]
    frames = [each.pfn for each in near if isinstance(each, Present | Table)]
    for count in (1, 2):
        found: list[tuple[bool, int, tuple[int, ...], int, Entry]] = []
        for bits in _ways(raw, where, count):
            other = raw ^ sum(1 << bit for bit in bits)
            what = entry_at(other, where)
            if what is None or not is_ordinary(what, where):
                continue
            if what.kind is Kind.SWAP and count == 2:
                continue
            pfn = getattr(what, "pfn", -1)
            close = any(abs(pfn - frame) < NEAR for frame in frames)
            if close or not frames or pfn < 0:
                found.append((close, -abs(bits[0] - 56), bits, other, what))
        if found:
            close, _, bits, other, what = max(found, key=lambda each: each[:2])
            named = " and ".join(map(str, bits))
            said = f"bit{'s' if count > 1 else ''} {named} flipped, it is {other:#x}: "
            said += summary(what)
            if close:
                said += ", near the frames of its neighbours"
            elif len(found) > 1:
                said += f" ({len(found)} ways to flip {count}; without neighbours none is better)"
            yield Look("flip", said)
            return


def _ways(raw: int, where: Layout, count: int) -> Iterator[tuple[int, ...]]:
    """Yield the bits whose flip can make an entry of a value, `count` at a time.

    Some change what the entry is; the others must put right every bit that is wrong in it.
    """
    seen = set()
    for turned in ((), *((bit,) for bit in TURNING)):
        left = count - len(turned)
        base = raw ^ sum(1 << bit for bit in turned)
        wrong = wrong_bits(base, where, where.kind(base))
        must = tuple(bit for bit in range(64) if wrong >> bit & 1)
        free = left - len(must)
        if free < 0:
            continue
        rest = range(64) if free < 2 else FAR
        for more in combinations(rest, free):
            bits = tuple(sorted({*turned, *must, *more}))
            if len(bits) == count and bits not in seen:
                seen.add(bits)
                yield bits


def _erratum(raw: int, where: Layout) -> Iterator[Look]:
    """Yield what is known of processors that leave such a value or such a fault."""
    if where.arch != "x86-64" or raw & 1:
        return
    if raw & STRAY:
        clean = entry_at(raw & ~STRAY, where)
        if clean is not None and (clean.kind is Kind.NONE or is_ordinary(clean, where)):
            yield Look(
                "erratum",
                f"without A and D it is {summary(clean)}; Xeon Phi (Knights Landing) may set them "
                "in an entry that is not present (worked around in v4.8: 00839ee3b299)",
            )


def fault_erratum(raw: int, context: Context) -> Look | None:
    """Return the erratum that a fault's error code shows, whatever the entry is."""
    if context.error >= 0 and context.error & RSVD and not context.error & 1 and not raw & 1:
        return Look(
            "erratum",
            f"error code {context.error:#06x} says reserved bits (RSVD) and not present (P=0) at "
            "once: on some Intel processors a fault on a healthy entry that is not present may "
            'report RSVD (erratum "Not-Present Page Faults May Set the RSVD Flag"); the table '
            "need not be corrupted",
        )
    return None


def why_faulted(what: Entry, where: Layout, error: int) -> str:
    """Return how a page fault's error code fits an entry, "" if nothing can be said."""
    if error < 0 or where.arch != "x86-64":
        return ""
    present, write, user, fetch = (bool(error & bit) for bit in (1, 2, 4, 16))
    if not present:
        return "" if what.kind is Kind.PRESENT else "the fault is that the entry is not present"
    if what.kind is not Kind.PRESENT:
        return ""
    if fetch and getattr(what, "nx", False):
        return "the fault is an instruction fetch, and NX is set"
    if write and not getattr(what, "write", True):
        return "the fault is a write, and RW is clear"
    if not user and getattr(what, "user", False):
        guard = "SMEP: the kernel ran" if fetch else "SMAP: the kernel followed a pointer to"
        return f"the fault is the kernel's, and US is set ({guard} user memory)"
    if user and not getattr(what, "user", True):
        return "the fault is user mode's, and US is clear"
    return ""


def _elsewhere(raw: int, where: Layout, others: Sequence[tuple[str, Layout]]) -> Iterator[Look]:
    """Yield other releases, levels and spaces in which the value is an ordinary entry."""
    for said, other in others if raw >= SMALL else ():
        what = entry_at(raw, other)
        if what is not None and is_ordinary(what, other):
            yield Look("release", f"{said} it is {summary(what)}")
            break
    for level in ORDER:
        other = where.put(level=level)
        if level != where.level:
            what = entry_at(raw, other)
            if what is not None and is_ordinary(what, other):
                yield Look("level", f"at the {level} level it is {summary(what)}")
                break
    space = "kernel" if where.space == "user" else "user"
    other = where.put(space=space)
    what = entry_at(raw, other)
    if what is not None and is_ordinary(what, other):
        yield Look("level", f"in the {space}'s part of the tables it is {summary(what)}")


def _partly(raw: int, where: Layout) -> Iterator[Look]:
    """Yield whether one half is still an entry and the other is not."""
    low, high = raw & HALF, raw >> 32
    what = entry_at(low, where)
    if low & 1 and high and what is not None and is_ordinary(what, where):
        said = "is all ones" if high in (HALF, HALF >> 1) else f"is {high:#x}"
        yield Look(
            "overwrite",
            f"the lower half alone, {low:#x}, is {summary(what)}; the upper half {said}, so 32 "
            "bits were overwritten",
        )
