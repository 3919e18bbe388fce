"""Measure each form in which a run can be saved, over all cases: how large, and how long it takes.

    make forms          or    python -m tests.bench.forms [--forms html,gif] [--every N]

The times do not hold the search of a case, which all its forms share. A page that is too large
fails: at most 1.5 MB for nine cases of ten, 3 MB for every case.
"""

import argparse
import sys
import time

from mmviz.scenarios import every_case
from mmviz.scene.searched import SearchedCase
from mmviz.writing.saved import FORMS, saved

MEGABYTE = 1_000_000
MOST, MOST_OF_NINE = 3.0, 1.5  # megabytes of a page


def part(values: list[float], share: float) -> float:
    """Return the value below which a share of all values is."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> int:
    """Measure; return 1 where pages are too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--every", type=int, default=1, help="only each Nth case")
    options = parser.parse_args()
    wanted = options.forms.split(",")
    sizes: dict[str, list[float]] = {form: [] for form in wanted}
    seconds: dict[str, list[float]] = {form: [] for form in wanted}
    largest: dict[str, tuple[int, str]] = dict.fromkeys(wanted, (0, ""))
    cases = list(every_case())[:: options.every]
    for case in cases:
        searched = SearchedCase(case)
        for form in wanted:
            start = time.perf_counter()
            size = len(saved(searched, "", form))
            seconds[form].append(time.perf_counter() - start)
            sizes[form].append(size)
            largest[form] = max(largest[form], (size, f"{case.scenario}:{case.name}"))
    print(f"{len(cases)} cases; KB and seconds: median, nine of ten, largest")
    for form in wanted:
        kb = [each / 1_000 for each in sizes[form]]
        print(
            f"  {form:5} {part(kb, 0.5):9,.1f} {part(kb, 0.9):9,.1f} {max(kb):9,.1f} KB "
            f"{part(seconds[form], 0.5):7.3f} {part(seconds[form], 0.9):7.3f} "
            f"{max(seconds[form]):7.3f} s   {largest[form][1]}",
            flush=True,
        )
    pages = [each / MEGABYTE for each in sizes.get("html", [0.0])]
    return part(pages, 0.9) > MOST_OF_NINE or max(pages) > MOST


if __name__ == "__main__":
    sys.exit(main())
