"""Page-table entries in a log: values, levels, kernel, space, and what the log says of them.

Understood are the lines of print_bad_pte() and print_bad_page_map() ("BUG: Bad page map in
process …", mm/memory.c), dump_pagetable() and show_pte() ("PGD … PTE …", arch/x86/mm/fault.c;
"[address] pgd=…, pte=…", arch/arm64/mm/fault.c), pmd_ERROR() ("bad pmd …"), the swap code
("swap_info_get: Bad swap file entry …", mm/swapfile.c), and plain lists of values; wrapped and
quoted by mailers, with the prefixes of dmesg and syslog.  Likewise what `vtop` of crash(8) prints
("PTE: … => …").
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from mmviz.engine import MmvizError
from mmviz.engine.text import MOST_WRITTEN, printable, quoted
from mmviz.kernel.entries.coding import PAE, chosen
from mmviz.kernel.entries.kinds import EntryError
from mmviz.kernel.entries.layout import LEVELS
from mmviz.kernel.entries.reading import Reading, read
from mmviz.kernel.entries.was import Context

MOST_VALUES = 200
HEX = r"(?:0x)?[0-9a-f]{1,16}"
MARGIN = re.compile(
    r"^(?:[>|]\s?)*"  # a mail's quoting
    r"(?:<\d{1,2}>)?"  # a loglevel
    r"(?:\w{3}\s+\d{1,2}\s[\d:]{8}\s\S+\skernel:\s*|[-\dT:.+]{19,32}Z?\s+\S*\s*kernel:\s*)?"
    r"(?:[-\dT:.]{19,32}\s+kern\s+:\s*\w+\s*:\s*)?"  # dmesg -x, LAVA
    r"(?:<\d{1,2}>)?(?:\[\s*\d+\.\d+\]\s*)?(?:\[\s*[TC]\d+\]\s*)?",
    re.MULTILINE,
)
SOFT = re.compile(r"=\r?\n")
RELEASE = re.compile(
    r"(?:not tainted|tainted:[A-Z\s,=\[\]_]{1,200}?)\s+(v?\d{1,2}\.\d{1,2}[^\s#]{0,80})",
    re.IGNORECASE,
)
VERSION = re.compile(r"\bLinux version (\d{1,2}\.\d{1,2}[^\s]{0,80})")
DUMP = re.compile(rf"\b(pgd|p4d|pud|pmd|pte)\b\s*[:=\s]\s*({HEX})\b(?!\()", re.IGNORECASE)
ERROR = re.compile(
    rf"\bbad (pte|pmd|pud|p4d|pgd)\s+(?:[0-9a-fx]{{6,18}}\s*\(({HEX})\)|({HEX})(?![0-9a-f(]))",
    re.IGNORECASE,
)
VTOP = re.compile(
    rf"\b(pgd|p4d|pud|pmd|pte):?\s+(?:0x)?[0-9a-f]{{5,16}}\s*=>\s*({HEX})\b", re.IGNORECASE
)
SWAP = re.compile(
    r"\b(\w{3,40}):\s+(Bad|Unused) swap (file|offset) entry\s+([0-9a-f]{1,16})\b", re.IGNORECASE
)
CODE = re.compile(r"(?:Bad pagetable:|error_code\(|Oops:)\s*(?:0x)?([0-9a-f]{4})\b", re.IGNORECASE)
ADDRESS = re.compile(
    rf"(?:address:?|addr:|paging request at)\s*(?:virtual address\s*)?({HEX})\b|\[({HEX})\] pgd=",
    re.IGNORECASE,
)
PFN = re.compile(r"\bpfn:\s*(0x[0-9a-f]{1,13})\b", re.IGNORECASE)
ALONE = re.compile(r"^\s*(?:(pte|pmd|pud|p4d|pgd)\s+)?(0x[0-9a-f_]{1,24})[\s,;]*$", re.I)
ARM64 = re.compile(
    r"\bpstate\s*:|\bx2\d\s*:|Internal error:|Mem abort info|\bpgtable:\s*\d+k|\barm64\b|aarch64"
    r"|\bpgd=[0-9a-f]{16}|el0t?_|\(DT\)|Hardware name:.*(?:Raspberry|ThunderX|Kunpeng|TaiShan)",
    re.IGNORECASE,
)
X86 = re.compile(r"\bR[IS]P:|\bRAX:|\bCR2:|entry_SYSCALL_64|x86[-_]64|\bPGD [0-9a-f]")
OTHER = re.compile(r"riscv|powerpc|\bppc64|s390|loongarch|\bmips|sparc64", re.IGNORECASE)
NARROW = re.compile(
    r"anon_vma:[0-9a-f]{8}\b|\baddr:[0-9a-f]{8}\s+vm_flags"
    r"|\*pdpt? =|\*pde =|\bEIP:|\bEAX:|bad pte [0-9a-f]{8}\(|sysenter_past_esp|unwind_backtrace"
    r"|Internal error:.*\bARM\b|\bARMv7|BCM2709|BCM2708",
)
GRANULE = re.compile(r"pgtable:\s*(16|64)k", re.IGNORECASE)
REFUSED = {
    "file": "the log says that no swap device of this type is in use",
    "offset": "the log says that the swap device has no such slot, or that it is not in use",
}
STORY = (
    "; the bits are a possible swap entry, so the value itself does not say more than that this "
    "machine did not write it"
)


@dataclass(frozen=True)
class Found:
    """A value in a log.

    Attributes:
        value: the raw bits.
        level: of the tables.
        line: the line of the text, from 1.
        place: where it is in the text.
        swapped: the swap entry as the swap code prints it, of which the raw bits are made.
    """

    value: int
    level: str
    line: int
    place: int
    swapped: bool = False


class Log:
    """The entries of a text, and what else it says."""

    def __init__(self, text: str, kernel: str = "", arch: str = "") -> None:
        self.text = MARGIN.sub("", SOFT.sub("", text))
        self.rows = [0, *(each.end() for each in re.finditer("\n", self.text))]
        named = RELEASE.search(self.text) or VERSION.search(self.text)
        self.kernel = kernel or (named[1].rstrip(",;.") if named else "")
        self.arch = arch or self._arch()
        self.context = self._context()
        at = ADDRESS.search(self.text)
        self.address = int(at[1] or at[2], 16) if at else -1
        self.space = self._space()
        self.found = self._in_order()

    def _arch(self) -> str:
        """Return the architecture that the text shows.

        Raises:
            EntryError: it is one whose entries are not known.
        """
        text = self.text
        granule = GRANULE.search(text)
        if granule:
            raise EntryError(
                f"the log is of an arm64 kernel with {granule[1]} KiB pages; mmviz knows the "
                "entries of 4 KiB pages"
            )
        if X86.search(text):
            return "x86-64"
        narrow = NARROW.search(text)
        if narrow:
            raise EntryError(f"the log is of a 32-bit kernel ({quoted(narrow[0])}): {PAE}")
        other = OTHER.search(text)
        if other:
            raise EntryError(
                f"the log is of another architecture ({quoted(other[0])}); mmviz knows the "
                "entries of x86-64 and arm64"
            )
        return "arm64" if ARM64.search(text) else "x86-64"

    def _context(self) -> Context:
        """Return what the text says besides the values."""
        code, dumped = CODE.search(self.text), PFN.search(self.text)
        return Context(
            error=int(code[1], 16) if code and self.arch == "x86-64" else -1,
            dumped=int(dumped[1], 16) if dumped else -1,
        )

    def _space(self) -> str:
        """Return whose address the text is about, "" if it does not say."""
        if self.address < 0:
            return ""
        return "kernel" if self.address >> 63 else "user"

    def _in_order(self) -> list[Found]:
        """Return the values in the order of the text."""
        found: dict[tuple[int, str], Found] = {}
        taken = []
        for match in ERROR.finditer(self.text):
            self._keep(found, match[2] or match[3], match[1], match.start())
            taken.append(match.span())
        for match in VTOP.finditer(self.text):
            self._keep(found, match[2], match[1], match.start())
            taken.append(match.span())
        for match in DUMP.finditer(self.text):
            inside = any(start <= match.start() < end for start, end in taken)
            if not inside and self._is_value(match):
                self._keep(found, match[2], match[1], match.start())
        if not found:
            start = 0
            for line in self.text.split("\n"):
                alone = ALONE.match(line)
                if alone is not None:
                    value = alone[2].replace("_", "")
                    self._keep(found, value, alone[1] or "", start)
                start += len(line) + 1
        for match in SWAP.finditer(self.text):
            raw = self._unswapped(int(match[4], 16))
            if (raw, "pte") not in found and not any(not f.swapped for f in found.values()):
                at = match.start()
                found[raw, "pte"] = Found(raw, "pte", self._line(at), at, True)
        return sorted(found.values(), key=lambda each: each.place)[:MOST_VALUES]

    def _is_value(self, match: re.Match[str]) -> bool:
        """Tell whether a word and a number are a level and a value: "PTE 800…" or "pte:8"."""
        if ":" in match[0] or "=" in match[0]:
            return len(match[2]) >= 3 or match[2] in "0"
        return match[1].isupper() and (len(match[2]) >= 3 or match[2] == "0")

    def _keep(self, found: dict[Any, Found], digits: str, level: str, at: int) -> None:
        value, level = int(digits, 16), level.lower()
        found.setdefault((value, level), Found(value, level, self._line(at), at))

    def _line(self, at: int) -> int:
        return bisect_right(self.rows, at)

    def _unswapped(self, entry: int) -> int:
        """Return the raw bits of a swap entry as the swap code prints it.

        The type is above bit 58 from v4.20, before above bit 57 (SWP_TYPE_SHIFT, swapops.h:
        BITS_PER_XA_VALUE - 5 in v7.0, 64 - 5 - 2 before 3159f943aafd, "xarray: Replace exceptional
        entries"; from memory, not re-read: that this came with v4.20).
        """
        where = chosen(self.kernel, arch=self.arch)
        shift = 58 if where.release >= (4, 20) else 57
        return where.place.raw(entry >> shift & 31, entry & (1 << shift) - 1)

    def refusal(self, value: Found) -> str:
        """Return what the swap code says of a value, "" if nothing."""
        if value.level not in ("", "pte"):
            return ""
        for match in SWAP.finditer(self.text):
            if value.swapped or self._near(match.start(), value.place):
                kind = match[3].lower() if match[2].lower() == "bad" else "offset"
                return REFUSED[kind] + STORY
        return ""

    def _near(self, one: int, other: int) -> bool:
        """Tell whether two places of the text are of one report."""
        return abs(self._line(one) - self._line(other)) <= 4

    def readings(self, level: str = "", space: str = "", **more: Any) -> list[Reading]:
        """Return what each value is.

        Raises:
            EntryError: the text has no value.
            UnknownName: the kernel is not known.
        """
        if not self.found:
            raise EntryError(
                f"there is no page-table entry in {quoted(printable(self.text[:200]))}: give a "
                "value, 0xf7fffffffdb97400, or the lines of a log, 'BUG: Bad page map in process "
                "… pte:… pmd:…', 'PGD … PTE …', 'bad pmd …', 'Bad swap file entry …'"
            )
        if self.arch == "x86-64" and 0xFF00 <= self.address >> 48 < 0xFFFE:
            more.setdefault("paging", 5)  # only five levels have such addresses
        return [self._reading(each, level, space, more) for each in self.found]

    def _reading(self, each: Found, level: str, space: str, more: dict[str, Any]) -> Reading:
        at = each.level or level or "pte"
        whose = space or (self.space if at in ("pte", "pmd", "pud") else "user")
        table = self._table(each, at)
        same = tuple(f.value for f in self.found if f.level == each.level and f is not each)
        last = each.level == self._lowest()
        context = self.context._replace(
            neighbours=same,
            table=table,
            refused=self.refusal(each),
            error=self.context.error if last else -1,
        )
        return read(
            each.value,
            self.kernel,
            level=at,
            space=whose if whose == "kernel" else "user" if whose else "",
            arch=self.arch,
            context=context,
            **more,
        )

    def _lowest(self) -> str:
        """Return the lowest level that the text has a value of."""
        levels = [level for level in LEVELS if any(f.level == level for f in self.found)]
        return levels[0] if levels else ""

    def _table(self, each: Found, level: str) -> int:
        """Return the frame of the table that a value lies in: what the entry above it says."""
        above = LEVELS[LEVELS.index(level) + 1 :]
        for upper in above:
            near = [f for f in self.found if f.level == upper and self._near(f.place, each.place)]
            if near:
                value = near[0].value
                return (value & ((1 << 52) - 1)) >> 12 if value & 1 else -1
        return -1


def entries(
    text: str,
    kernel: str = "",
    *,
    level: str = "",
    space: str = "",
    arch: str = "",
    **more: Any,
) -> list[Reading]:
    """Return what each page-table entry of a log is, in the order of the text.

    Args:
        text: the lines of a log, or values, one a line.
        kernel: of which kernel; found in the text if left out.
        level: of values that stand alone, "pte" if left out.
        space: "user" or "kernel"; found in the text if left out.
        arch: "x86-64" or "arm64"; found in the text if left out.
        more: as `read()` takes it.

    Raises:
        MmvizError: the text is too long, has no value, or is of another architecture.
    """
    if not isinstance(text, str):
        raise EntryError(f"a log is text, not {quoted(text)}")
    if len(text) > MOST_WRITTEN:
        raise MmvizError(f"the text has more than {MOST_WRITTEN:,} characters; give the lines only")
    return Log(text, kernel, arch).readings(level, space, **more)
