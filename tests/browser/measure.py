"""Frames a second while a step moves, over ten cases in a plain page, beside an empty animation.

    python -m tests.browser.measure

prints JSON. The empty animation is what the browser can do on this machine at best.
"""

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from mmviz.scenarios import find
from tests.browser.page import of_case
from tests.browser.page import page as page_of

CASES = (
    "iommu_group/release_order:DelistThenRelease",
    "exclusive/fork_in_window:CheckOutsideMmapLock",
    "invalidate_page/sequence_and_counter:CheckOutsideLock",
    "swap/skip_swapcache:SleepForATick",
    "hmm/create_meets_dying:RegisterFailsThenNothing",
    "hmm/put_is_no_fence:NoSynchronize",
    "sva/pasid_reused:RefuseTakenSlot",
    "mremap/flush_before_unlock:FlushAtTheEnd",
    "exclusive/fork_meets_check:CheckInOneHold",
    "invalidate_page/one_number_alone:OddWhileBusyTwoInvalidators",
)
STEPS, MOTION = 10, 340  # steps of a case; ms of a step's motion
EMPTY = """<style>@keyframes turn { to { transform: rotate(1turn) } }
circle { animation: turn 1s infinite }</style>
<svg width=600 height=400><circle cx=300 cy=200 r=40 /></svg>"""
GAPS = """async (ms) => { const gaps = []; let last = performance.now(), end = last + ms;
    while (last < end) { await new Promise(requestAnimationFrame);
        const now = performance.now(); gaps.push(now - last); last = now; }
    return gaps.slice(1); }"""


def rate(gaps: list[float]) -> float:
    """Return frames a second."""
    return round(1000 / statistics.mean(gaps), 1)


def measure() -> dict[str, object]:
    """Return frames a second of the empty animation, and of each case."""
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_content(EMPTY)
        empty = rate(page.evaluate(GAPS, STEPS * MOTION))
        moving = {}
        for name in CASES:
            file = Path(folder) / "page.html"
            file.write_text(page_of(of_case(find(*name.split(":")))), "utf-8")
            page.goto(file.as_uri())
            page.wait_for_timeout(300)
            page.locator(".mm-stage").focus()
            gaps = []
            for _ in range(STEPS):
                page.keyboard.press("ArrowRight")
                gaps += page.evaluate(GAPS, MOTION)
            moving[name] = rate(gaps)
        browser.close()
    return {"empty": empty, "cases": moving}


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=1)
    print()
