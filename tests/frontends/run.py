"""Show mmviz in each front end, in an environment of its own, in a browser without a network.

Usage: python -m tests.frontends.run [NAME …]    one line a front end; status 1 when one fails
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser

from tests.frontends import exported, served
from tests.frontends.chromium import PICTURES, chromium
from tests.frontends.place import ENVIRONMENTS, ROOT

Try = Callable[[Browser, Path, Path], str]

FRONT_ENDS: dict[str, Try] = {
    "jupyterlab": served.jupyterlab,
    "notebook": served.notebook7,
    "voila": served.voila,
    "solara": served.solara,
    "marimo": served.marimo,
    "firefox": served.firefox,
    "nbconvert": exported.nbconvert,
    "slides": exported.slides,
    "book": exported.book,
    "plain": exported.plain,
}


def main(names: list[str]) -> int:
    """Try the front ends of these names, or all; return the exit status."""
    unknown = [name for name in names if name not in FRONT_ENDS]
    if unknown:
        print(f"no front end {unknown[0]!r}; there are {', '.join(FRONT_ENDS)}", file=sys.stderr)
        return 2
    PICTURES.mkdir(parents=True, exist_ok=True)
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    failed = 0
    with chromium() as browser:
        for name in names or FRONT_ENDS:
            with tempfile.TemporaryDirectory(prefix=f"mmviz-{name}-") as folder:
                try:
                    told = FRONT_ENDS[name](browser, Path(folder), PICTURES)
                    print(f"✓ {name}: {told}", flush=True)
                except Exception as error:
                    failed += 1
                    print(f"✗ {name}: {type(error).__name__}: {error}", flush=True)
    print(f"{failed} failed; pictures in {PICTURES.relative_to(ROOT)}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
