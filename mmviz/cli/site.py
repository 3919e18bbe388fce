"""`mmviz export --site`: the races, the debates, the course and the reference as a static site."""

import sys
import time
from argparse import Namespace

from mmviz.cli.lab import CHECKOUT, SHIPPED
from mmviz.cli.listing import select
from mmviz.engine import MmvizError
from mmviz.engine.text import quoted
from mmviz.scenarios import names

ONLY_ONE = ("output", "form", "set", "sample", "step", "views", "theme", "tabs")
ACROSS = 78  # columns of the line that shows how far it is


def site(options: Namespace) -> int:
    """Write a site, show on stderr how far it is and what was written, and return the exit status.

    Args:
        options: as the command line has them: `site` is the folder; the words name threads, races
            and files of the reader; none means all races, with the course and the reference.

    Raises:
        MmvizError: a name is unknown, a file cannot be read, a package is missing, the folder
            has something else, or an option does not go with a site.
    """
    for name in ONLY_ONE:
        if getattr(options, name):
            raise MmvizError(f"--{name} does not go with --site; leave it out")
    folder, words = options.site, [options.scenario, options.case, *options.schedule]
    words = [word for word in words if word is not None]
    whole = [word for word in words if ":" in word]
    if whole:
        raise MmvizError(f"{quoted(whole[0])}: a site has whole races; leave the case out")
    races = list(dict.fromkeys(case.scenario for case in select(words))) if words else [*names()]
    try:
        from mmviz.writing.site import write_site
    except ImportError as error:
        raise MmvizError(f"a site needs a package that is missing: {error}") from None
    place = SHIPPED if SHIPPED.is_dir() else CHECKOUT
    course = () if words else sorted(place.glob("*.ipynb"))
    began = time.perf_counter()
    sizes = write_site(folder, races, course, _far if sys.stderr.isatty() else None)
    if sys.stderr.isatty():
        print("\r" + " " * ACROSS + "\r", end="", file=sys.stderr)
    pages = sum(name.endswith(".html") for name in sizes)
    print(
        f"Written: {folder}, {pages:,} pages, {sum(sizes.values()) / 1e6:.1f} MB, in "
        f"{time.perf_counter() - began:.0f} s. Open {folder}/index.html",
        file=sys.stderr,
    )
    return 0


def _far(done: int, count: int, what: str) -> None:
    line = f"{done} of {count}: {what}"[:ACROSS]
    print(f"\r{line:{ACROSS}}", end="", file=sys.stderr, flush=True)
