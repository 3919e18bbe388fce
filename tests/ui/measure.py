"""How long a step takes on screen, beside a bare Button that sets a Label.

    python -m tests.ui.measure

prints JSON. Ratios are what counts: milliseconds depend on the machine and on what else it
does. From the time stamp of a click to the end of the animation frame that shows its last
change, quiet for 150 ms after.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.ui.lab import Lab

BARE = """
import ipywidgets
button, label = ipywidgets.Button(description="step"), ipywidgets.Label("0")
button.add_class("bare")
button.on_click(lambda _: setattr(label, "value", str(int(label.value) + 1)))
ipywidgets.VBox([button, label])
"""
PLAYER = """import mmviz
mmviz.Player("iommu_group/release_order", "the thread's own run")"""
EVERY = """import mmviz
from mmviz.scene.views import VIEWS
mmviz.Player("iommu_group/release_order", "the thread's own run", views=list(VIEWS))"""
LONG = """from mmviz.widgets.player import Player
from tests.scene.toys import LOOP
Player(LOOP, "CPU0 CPU1 " * 500)"""
DRIVER = 'import mmviz\nmmviz.Driver("iommu_group/release_order")'
STEPS = 60

WATCH = """() => {
    window.settled = (selector) => new Promise((done) => {
        let start = 0, end = 0, timer = null;
        const quiet = () => { observer.disconnect(); done(end - start); };
        const rest = () => { clearTimeout(timer); timer = setTimeout(quiet, 150); };
        const observer = new MutationObserver(() => {
            requestAnimationFrame(() => setTimeout(() => { end = performance.now(); rest(); }));
        });
        observer.observe(document.querySelector(".jp-Notebook"),
            {subtree: true, childList: true, attributes: true, characterData: true});
        document.querySelector(selector).addEventListener("click",
            (event) => { start = event.timeStamp; rest(); }, {once: true, capture: true});
    });
}"""


FRAMES = """() => {
    window.gaps = [];
    let last = performance.now();
    const tick = (now) => {
        window.gaps.push(now - last);
        last = now;
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
}"""


class Bench:
    """A page in which notebooks are opened and clicks timed."""

    def __init__(self, lab: Lab, page) -> None:
        self.lab, self.page, self.messages = lab, page, 0
        page.on("websocket", self._connected)

    def _connected(self, socket) -> None:
        if "/channels" in socket.url:
            socket.on("framesent", self._count)
            socket.on("framereceived", self._count)

    def _count(self, _message) -> None:
        self.messages += 1

    def open(self, name: str, cell: str, ready: str) -> float:
        """Run a notebook of one cell; return the seconds until it shows."""
        self.page.goto(self.lab.write(name, "1 + 1", cell))
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.page.evaluate(
            """async () => {
                await window.jupyterapp.restored;
                const context = window.jupyterapp.shell.currentWidget.sessionContext;
                await context.ready;
                await context.session.kernel.info;
            }"""
        )
        start = time.perf_counter()
        self.page.evaluate(
            "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
        )
        self.page.wait_for_selector(ready)
        shown = time.perf_counter() - start
        self.page.wait_for_function("document.querySelectorAll('.jp-mod-executing').length == 0")
        self.page.evaluate(WATCH)
        return shown

    def clicks(self, choose) -> tuple[list[float], float]:
        """Click `STEPS` times; return the milliseconds each took and the messages a click."""
        for _ in range(4):
            self.once(choose())
        before = self.messages
        taken = [self.once(choose()) for _ in range(STEPS)]
        return taken, (self.messages - before) / STEPS

    def rest(self, most: float = 90) -> None:
        """Wait until browser and kernel have said all they have to say."""
        before, end = -1, time.perf_counter() + most
        while before != self.messages and time.perf_counter() < end:
            before = self.messages
            self.page.wait_for_timeout(1500)

    def scrub(self, moves: int = 120) -> dict[str, float]:
        """Drag the slider over the whole run; return the gaps between animation frames in ms."""
        box = self.page.locator(".mm-slider").bounding_box()
        middle = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + 8, middle)
        self.page.mouse.down()
        self.page.evaluate(FRAMES)
        for move in range(moves):
            self.page.mouse.move(box["x"] + 8 + (box["width"] - 16) * move / moves, middle)
            self.page.wait_for_timeout(16)
        gaps = sorted(self.page.evaluate("window.gaps"))
        self.page.mouse.up()
        steps = int(self.page.locator(".mm-root").get_attribute("data-k"))
        return {
            "reached": steps,
            "longest_ms": round(gaps[-1], 1),
            "p95_ms": round(gaps[len(gaps) * 95 // 100], 1),
            "late": sum(gap > 100 for gap in gaps),
        }

    def once(self, selector: str) -> float:
        """Click once; return the milliseconds until the screen was settled."""
        waiting = self.page.evaluate_handle("(s) => ({done: window.settled(s)})", selector)
        self.page.click(selector)
        return float(waiting.evaluate("(w) => w.done"))


def figures(taken: list[float], bare: list[float]) -> dict[str, float]:
    """Return median and 95th percentile, and both against the bare step."""
    p50, p95 = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
    base50, base95 = statistics.median(bare), statistics.quantiles(bare, n=20)[-1]
    return {
        "p50_ms": round(p50, 1),
        "p95_ms": round(p95, 1),
        "p50_ratio": round(p50 / base50, 2),
        "p95_ratio": round(p95 / base95, 2),
    }


def measure() -> dict[str, object]:
    """Return the figures of one session."""
    browser_path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        try:
            browser = playwright.chromium.launch(
                executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(
                viewport={"width": 1440, "height": 1500}, reduced_motion="reduce"
            )
            bench = Bench(lab, page)
            bench.open("bare", BARE, ".bare")
            bare, bare_messages = bench.clicks(lambda: ".bare")
            shown = bench.open("player", PLAYER, ".mm-next:enabled")
            ways = _there_and_back(page)
            played, played_messages = bench.clicks(lambda: next(ways))
            every_shown = bench.open("every", EVERY, ".mm-next:enabled")
            page.wait_for_timeout(1000)
            ways = _there_and_back(page)
            opened, opened_messages = bench.clicks(lambda: next(ways))
            long_shown = bench.open("long", LONG, ".mm-next:enabled")
            scrubbed = bench.scrub()
            bench.rest()
            scrubbed_again = bench.scrub()
            driver_shown = bench.open("driver", DRIVER, ".mm-choose:enabled")
            chosen, chosen_messages = bench.clicks(lambda: _choice(page))
            browser.close()
        finally:
            lab.close()
    return {
        "bare": figures(bare, bare) | {"messages": bare_messages},
        "player": figures(played, bare) | {"messages": played_messages, "shown_s": round(shown, 2)},
        "all_views": figures(opened, bare)
        | {"messages": opened_messages, "shown_s": round(every_shown, 2)},
        "long": scrubbed | {"shown_s": round(long_shown, 2)},
        "long_all_there": scrubbed_again,
        "driver": figures(chosen, bare)
        | {"messages": chosen_messages, "shown_s": round(driver_shown, 2)},
    }


def _there_and_back(page):
    """Yield the button to press to step a run up and down without end."""
    while True:
        while page.locator(".mm-next:enabled").count():
            yield ".mm-next"
        while page.locator(".mm-back:enabled").count():
            yield ".mm-back"


def _choice(page) -> str:
    """Return an enabled actor; at the end of a run go back to its start first."""
    page.wait_for_selector(".mm-root:not([aria-busy])")
    if not page.locator(".mm-choose:enabled").count():
        page.click(".mm-first")
        page.wait_for_selector(".mm-choose:enabled")
    return ".mm-choose:enabled"


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=1)
    print()
