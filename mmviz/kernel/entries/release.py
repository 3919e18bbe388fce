"""Which kernel a text names, and with which known release its entries are read.

"6.15", "v6.15-rc3", "5.15.0-91-generic", "6.5.0-syzkaller-11704-g3f86ed6ec0b3", "RHEL".
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from mmviz.engine import MmvizError, UnknownName
from mmviz.engine.text import quoted
from mmviz.kernel.releases import release as checked
from mmviz.kernel.releases import spelled

LONGEST = 200
NUMBER = re.compile(
    r"(?<![0-9.])v?([0-9]{1,2})\.(0|[1-9][0-9]?)(?:\.([0-9]{1,4}))?(?![0-9])"
    r"(?:\.[0-9]{1,3})?(-?[-+~_.0-9A-Za-z]*)"
)
DISTRIBUTION = re.compile(
    r"\bel[0-9]|\.fc[0-9]|rhel|red ?hat|cent ?os|rocky|alma|oracle|uek|suse|sles|leap|-default"
    r"|ubuntu|generic|lowlatency|-aws|-azure|-gcp|-kvm|debian|-amd64|\+deb|amzn|amazon|fedora"
    r"|unknown|vendor|android|downstream|mainline|linux-next|\?"
    r"|gentoo|arch[0-9]|openvz|\bvz[0-9]|virtuozzo|xenclient|proxmox|-pve|cloud|distribution",
    re.IGNORECASE,
)
RHEL_L1TF = {"3.10": (862, 11), "2.6.32": (754, 3), "4.18": (0, 0)}
"""The build of a Red Hat kernel with the L1TF form.

3.10.0-862.11.6.el7 and 2.6.32-754.3.5.el6 (RHSA-2018:2384, RHSA-2018:2390, both for CVE-2018-3620,
of 14 August 2018; both changelogs have "l1tf: Protect swap entries against L1TF").  RHEL 8 began
with 4.18.0-80.
"""


class Kernel(NamedTuple):
    """A kernel as a person or a log names it.

    Attributes:
        release: the known release whose layout is read.
        point: of a stable series, 63 in 4.14.63.
        distribution: it is a distribution's, which may have patches of later releases.
        name: how to say it, "v6.15" or "v2.6.35 (read as v3.10, the oldest known)".
        known: whether `release` is the one that was named.
        given: whether anything was named at all.
        patched: the build number of a Red Hat kernel says that it has the L1TF form.
    """

    release: tuple[int, int]
    point: int = 0
    distribution: bool = False
    name: str = ""
    known: bool = True
    given: bool = True
    patched: bool = False


def named(kernel: object, releases: Sequence[tuple[int, int]]) -> Kernel:
    """Return the kernel that a text names; "" is the newest known.

    Raises:
        UnknownName: it is no text, names no release, or one that never was.
    """
    if not isinstance(kernel, str) or len(kernel) > LONGEST:
        raise UnknownName(
            f"kernel is a release as text, '6.15' or '5.15.0-91-generic', not {quoted(kernel)}"
        )
    return _named(kernel, tuple(releases))


@lru_cache(maxsize=256)
def _named(kernel: str, releases: tuple[tuple[int, int], ...]) -> Kernel:
    newest = releases[-1]
    text = kernel.strip()
    if not text:
        name = f"{spelled(newest)} (the newest known; no release is given)"
        return Kernel(newest, name=name, given=False)
    ours = bool(DISTRIBUTION.search(text))
    found = NUMBER.search(text)
    if found is None:
        if ours:
            return Kernel(newest, distribution=True, name="an unknown release", known=False)
        raise UnknownName(
            f"{quoted(kernel)} names no kernel release: write its first numbers, '6.15' or 'v6.15'"
        )
    numbers = ".".join(each for each in found.groups()[:3] if each is not None)
    point, suffix = int(found[3] or 0), found[4]
    ours = ours or suffix.startswith("+")  # "4.18.0+": patches on top, maybe of the next release
    if found[1] == "2" and found[3] is None:
        numbers += ".32"
    try:
        asked = checked(numbers if found[1] == "2" else f"{found[1]}.{found[2]}")
    except MmvizError as error:
        raise UnknownName(str(error)) from None
    release: tuple[int, int] = (asked[0], asked[1]) if len(asked) == 2 else (0, 0)
    said = spelled(asked) if len(asked) == 3 or not point else f"{spelled(asked)}.{point}"
    patched = _patched(numbers, found[1], suffix)
    if release in releases:
        return Kernel(release, point, ours, said, True, True, patched)
    if release < releases[0]:
        read, which = releases[0], "oldest"
    else:
        read, which = newest, "newest"
    name = f"{said} (read as {spelled(read)}, the {which} known)"
    return Kernel(read, 0, ours, name, False, True, patched)


def known(kernel: object, releases: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the known release with which a kernel's entries are read.

    Raises:
        UnknownName: as `named()`.
    """
    return named(kernel, releases).release


def _patched(numbers: str, major: str, suffix: str) -> bool:
    """Tell whether the build number of a Red Hat kernel has the L1TF form."""
    base = numbers if major == "2" else ".".join(numbers.split(".")[:2])
    build = re.match(r"-([0-9]+)(?:\.([0-9]+))?.*\.(?:el|vz)[0-9]", suffix)
    if build is None or base not in RHEL_L1TF:
        return False
    return (int(build[1]), int(build[2] or 0)) >= RHEL_L1TF[base]
