"""Write one plain page that shows a case on the stage, without Jupyter.

Usage: python -m tests.browser.page RACE CASE OUT.html [--driver] [--run NAME] [--at K]
    [--theme dark] [--width PX]
"""

import argparse
from pathlib import Path
from typing import Any

import mmviz
from mmviz.writing import page as written
from mmviz.writing.page import source as of_case

__all__ = ["of_case", "page", "source"]


def source(race: str, case: str, **more: Any) -> dict[str, Any]:
    """Return what `mount` takes for a case of the catalogue."""
    return of_case(mmviz.find(race, case), **more)


def page(what: dict[str, Any], *, light: bool = True, width: int = 1100) -> str:
    """Return the page of a source."""
    return written.page(what, look="light" if light else "dark", width=width)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("race")
    parser.add_argument("case")
    parser.add_argument("out", type=Path)
    parser.add_argument("--driver", action="store_true")
    parser.add_argument("--run", default="")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--theme", default="light")
    parser.add_argument("--width", type=int, default=1100)
    given = parser.parse_args()
    made = source(given.race, given.case, driver=given.driver, run=given.run, at=given.at)
    given.out.write_text(page(made, light=given.theme == "light", width=given.width), "utf-8")
