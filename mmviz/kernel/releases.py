"""Kernel releases: their spelling, their order and their dates."""

import re

from mmviz.engine.errors import MmvizError
from mmviz.engine.text import quoted

WRITTEN = re.compile(r"v?([0-9]{1,2})\.([0-9]{1,2})(?:\.([0-9]{1,3}))?(?:\.[0-9]{1,3})?")
# The last release of each finished series; 2.6 ended with 2.6.39.
LAST = {3: 19, 4: 20, 5: 19, 6: 19}
LAST_OF_2_6 = 39
DAYS = {
    "v2.6.38": "2011-03-14",
    "v3.6": "2012-09-30",
    "v3.10": "2013-06-30",
    "v3.12": "2013-11-03",
    "v3.15": "2014-06-08",
    "v3.16": "2014-08-03",
    "v3.17": "2014-10-05",
    "v3.18": "2014-12-07",
    "v4.0": "2015-04-12",
    "v4.2": "2015-08-30",
    "v4.3": "2015-11-01",
    "v4.4": "2016-01-10",
    "v4.5": "2016-03-13",
    "v4.6": "2016-05-15",
    "v4.7": "2016-07-24",
    "v4.8": "2016-10-02",
    "v4.9": "2016-12-11",
    "v4.10": "2017-02-19",
    "v4.12": "2017-07-02",
    "v4.13": "2017-09-03",
    "v4.14": "2017-11-12",
    "v4.15": "2018-01-28",
    "v4.16": "2018-04-01",
    "v4.17": "2018-06-03",
    "v4.18": "2018-08-12",
    "v4.19": "2018-10-22",
    "v4.20": "2018-12-23",
    "v5.0": "2019-03-03",
    "v5.1": "2019-05-05",
    "v5.2": "2019-07-07",
    "v5.3": "2019-09-15",
    "v5.4": "2019-11-24",
    "v5.5": "2020-01-26",
    "v5.6": "2020-03-29",
    "v5.7": "2020-05-31",
    "v5.8": "2020-08-02",
    "v5.9": "2020-10-11",
    "v5.10": "2020-12-13",
    "v5.11": "2021-02-14",
    "v5.12": "2021-04-25",
    "v5.13": "2021-06-27",
    "v5.14": "2021-08-29",
    "v5.15": "2021-10-31",
    "v5.16": "2022-01-09",
    "v5.17": "2022-03-20",
    "v5.18": "2022-05-22",
    "v5.19": "2022-07-31",
    "v6.0": "2022-10-02",
    "v6.1": "2022-12-11",
    "v6.2": "2023-02-19",
    "v6.3": "2023-04-23",
    "v6.4": "2023-06-25",
    "v6.5": "2023-08-27",
    "v6.6": "2023-10-29",
    "v6.7": "2024-01-07",
    "v6.8": "2024-03-10",
    "v6.9": "2024-05-12",
    "v6.10": "2024-07-14",
    "v6.11": "2024-09-15",
    "v6.12": "2024-11-17",
    "v6.13": "2025-01-19",
    "v6.14": "2025-03-24",
    "v6.15": "2025-05-25",
    "v6.16": "2025-07-27",
    "v6.17": "2025-09-28",
    "v6.18": "2025-11-30",
    "v6.19": "2026-02-08",
    "v7.0": "2026-04-12",
    "v7.1": "2026-06-14",
    "v7.2": "2026-08-16",
}
"""The day each release came out, in the time zone of its tag.

Compared with the days of endoflife-date/release-data (releases/linux-kernel.json of August 2026),
which are in UTC and so a day later for v4.3, v4.5, v5.1, v5.4, v5.5 and v6.6; v2.6.38 is from a
request to pull on the kernel's list.
"""


def release(text: str) -> tuple[int, ...]:
    """Return a kernel release as numbers that compare, (5, 3) for "5.3", "v5.3" and "5.3.18".

    A stable update counts as the release it updates; backports to it, or to the kernel of a
    distribution, are not known here.

    Raises:
        MmvizError: the text is not the number of a release, or no kernel has that number.
    """
    if not isinstance(text, str):
        raise MmvizError(
            f"{quoted(text)} is not in quotes: write a kernel release as '5.3'; "
            "without quotes 5.10 is the same number as 5.1"
        )
    found = WRITTEN.fullmatch(text.strip())
    if found is None or (found[1] == "2" and found[3] is None):
        raise MmvizError(
            f"{quoted(text)} is not a kernel release: write its first numbers, "
            "5.3 or v5.3 or 2.6.27"
        )
    major, minor = int(found[1]), int(found[2])
    if major < 3:
        if (major, minor) != (2, 6) or int(found[3]) > LAST_OF_2_6:
            raise MmvizError(
                f"{quoted(text)} is not a known kernel release: before 3.0 they are 2.6.0 to 2.6.39"
            )
        return (2, 6, int(found[3]))
    if minor > LAST.get(major, minor):
        raise MmvizError(
            f"there is no kernel {quoted(text)}: after {major}.{LAST[major]} came {major + 1}.0"
        )
    return (major, minor)


def spelled(numbers: tuple[int, ...]) -> str:
    """Return a release as the kernel's own tags spell it, "v5.3"."""
    return "v" + ".".join(map(str, numbers))
