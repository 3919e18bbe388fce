"""The whole site, opened from disk in Chromium and Firefox without a network, and measured.

Usage: python -m tests.frontends.site FOLDER [PAGE …]    status 1 when a page has a fault
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.frontends.chromium import JUDGE, PICTURES, WAIT, chromium
from tests.frontends.firefox import Firefox

SHOWN = (  # pages whose pictures are taken
    "index.html",
    "race/iommu_group/release_order.html#DelistThenRelease/use_after_free",
    "thread/hmm.html",
    "course/00_start.html",
    "mutants.html",
    "reference/mmviz.html",
)
OPENS = 1.0  # seconds within which the first page can be searched
READY = (
    "!document.querySelector('section.stage') || document.querySelector('.mm-stage[data-state]')"
)
STEPS = """() => {
    const stage = document.querySelector(".mm-stage");
    const at = () => JSON.parse(stage.dataset.state).cursor;
    const before = at();
    stage.querySelector(".mm-next").click();
    return at() - before;
}"""


@contextmanager
def page(browser: Browser, scheme: str = "light", width: int = 1280) -> Iterator[Page]:
    """Give a page without a network; what goes wrong in it is its attribute `wrong`."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        offline=True,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT)
    made = context.new_page()
    wrong: list[str] = []
    made.wrong = wrong
    made.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    made.on("request", lambda each: each.url.startswith("http") and wrong.append(each.url))
    try:
        yield made
    finally:
        context.close()


def sizes(folder: Path) -> str:
    """Return the size of the site, of its largest pages and of its parts, in words."""
    files = {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*")}
    files = {path: size for path, size in files.items() if (folder / path).is_file()}
    pages = {path: size for path, size in files.items() if path.suffix == ".html"}
    parts: dict[str, int] = {}
    for path, size in files.items():
        parts[path.parts[0]] = parts.get(path.parts[0], 0) + size
    largest = sorted(parts.items(), key=lambda each: -each[1])[:6]
    under = sum(size < 500_000 for size in pages.values())
    return (
        f"{sum(files.values()) / 1e6:.1f} MB in {len(files):,} files; {len(pages)} pages, {under} "
        f"of them under 500 KB, median {sorted(pages.values())[len(pages) // 2] / 1e3:.0f} KB; "
        + ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in largest)
    )


def opening(browser: Browser, folder: Path) -> float:
    """Return the seconds until the first page, opened from disk, has answered a search."""
    with page(browser) as seen:
        began = time.perf_counter()
        seen.goto(f"{folder.as_uri()}/index.html#q=mmu_notifier_put")
        seen.locator("#found li").first.wait_for()
        return time.perf_counter() - began


def in_chromium(browser: Browser, folder: Path, where: str) -> list[str]:
    """Return what is wrong with a page, in light and dark and where it is narrow."""
    found = []
    for scheme, width in (("light", 1280), ("dark", 320)):
        with page(browser, scheme, width) as seen:
            seen.goto(f"{folder.as_uri()}/{where}")
            if seen.locator("section.stage").count():
                seen.locator("section.stage").first.scroll_into_view_if_needed()
                seen.wait_for_function(READY)
                if seen.evaluate(STEPS) != 1:
                    found.append("a stage does not step")
            if where in SHOWN:
                name = f"site_{where.partition('#')[0].replace('/', '_')}_{scheme}.png"
                seen.screenshot(path=PICTURES / name, animations="disabled")
            if not where.startswith("reference/"):
                found += [json.dumps(each) for each in seen.evaluate(JUDGE)]
                if seen.evaluate("document.documentElement.scrollWidth") > width:
                    found.append(f"wider than {width} px")
            found += seen.wrong
    return found


def in_firefox(folder: Path) -> list[str]:
    """Return what is wrong with the pages that are shown, in Firefox."""
    found: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        seen = Firefox(Path(home))
        try:
            for where in SHOWN:
                seen.open(f"{folder.as_uri()}/{where}")
                if seen.evaluate("!!document.querySelector('section.stage')"):
                    seen.evaluate("document.querySelector('section.stage').scrollIntoView()")
                    seen.until(READY)
                    if seen.evaluate(f"({STEPS})()") != 1:
                        found.append(f"{where}: a stage does not step")
                name = f"site_{where.partition('#')[0].replace('/', '_')}_firefox.png"
                seen.picture(PICTURES / name)
            seen.open(f"{folder.as_uri()}/index.html#q=mmu_notifier_put")
            if not seen.evaluate("document.querySelectorAll('#found li').length"):
                found.append("the search finds nothing")
            found += seen.asked + seen.said
        finally:
            seen.close()
    return found


def main(words: list[str]) -> int:
    """Look at the site in a folder; return the exit status."""
    folder = Path(words[0]).resolve()
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    wanted = words[1:] or [*pages, *(each for each in SHOWN if "#" in each)]
    PICTURES.mkdir(parents=True, exist_ok=True)
    failed = 0
    print(sizes(folder), flush=True)
    with chromium() as browser:
        times = sorted(opening(browser, folder) for _ in range(5))
        print(f"the first page answers a search after {times[2]:.2f} s ({times[0]:.2f} at best)")
        failed += times[2] > OPENS
        for where in wanted:
            found = in_chromium(browser, folder, where)
            failed += bool(found)
            if found:
                print(f"✗ {where}: {len(found)} faults: {found[:3]}", flush=True)
    print(f"{len(wanted)} pages in Chromium, light at 1280 px and dark at 320 px")
    found = in_firefox(folder)
    failed += bool(found)
    print(f"{'✗' if found else '✓'} {len(SHOWN)} pages in Firefox {found[:3]}")
    print(f"{failed} failed; pictures in {PICTURES}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
