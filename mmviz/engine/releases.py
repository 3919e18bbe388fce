"""Kernel releases: which is before which, and which cases say what one of them does."""

import re

from mmviz.engine.case import Case
from mmviz.engine.errors import MmvizError

WRITTEN = re.compile(r"v?([0-9]{1,2})\.([0-9]{1,2})(?:\.([0-9]{1,3}))?(?:\.[0-9]{1,3})?")
LAST = {3: 19, 4: 20, 5: 19}  # the last release of a series that is over; 2.6 ended with 2.6.39
LAST_OF_2_6 = 39


def release(text: str) -> tuple[int, ...]:
    """Return a kernel release as numbers that compare, (5, 3) for "5.3", "v5.3" and "5.3.18".

    A stable update counts as the release it updates: what was carried back to it, or to the
    kernel of a distribution, is not known here.

    Raises:
        MmvizError: it is not the number of a release, or no kernel ever had that number.
    """
    found = WRITTEN.fullmatch(text.strip())
    if found is None or (found[1] == "2" and found[3] is None):
        raise MmvizError(
            f"{text!r} is not a kernel release: write its first numbers, 5.3 or v5.3 or 2.6.27"
        )
    major, minor = int(found[1]), int(found[2])
    if major < 3:
        if (major, minor) != (2, 6) or int(found[3]) > LAST_OF_2_6:
            raise MmvizError(f"{text!r} is not a kernel that is told of here: 2.6.0 is the first")
        return (2, 6, int(found[3]))
    if minor > LAST.get(major, minor):
        raise MmvizError(
            f"there is no kernel {text!r}: after {major}.{LAST[major]} came {major + 1}.0"
        )
    return (major, minor)


def spelled(numbers: tuple[int, ...]) -> str:
    """Return a release as the kernel's own tags spell it, "v5.3"."""
    return "v" + ".".join(map(str, numbers))


def behaved_in(case: Case, kernel: str) -> bool:
    """Tell whether a kernel release is known to behave like the case.

    Raises:
        MmvizError: `kernel` is not a release.
    """
    asked = release(kernel)
    if case.shipped is None:
        return False
    first, last = case.shipped
    return release(first) <= asked and (not last or asked <= release(last))


def era(case: Case) -> str:
    """Return when kernels behaved like the case, "shipped v5.2 to v5.4"; else who thought of it."""
    if case.shipped is None:
        return "proposed" if case.proposed else "thought up here"
    first, last = case.shipped
    if not last:
        return f"shipped since {first}"
    return f"shipped {first}" if first == last else f"shipped {first} to {last}"
