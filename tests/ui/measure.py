"""How fast the stage is on screen, beside the barest things that could stand there.

    python -m tests.ui.measure

prints JSON. Ratios are what counts: milliseconds depend on the machine and on what else it does.
All is measured in one run, in one JupyterLab: a Button that sets a Label through the kernel, a bare
anywidget that sets a text in the browser, the same beside an animated, empty SVG, and the stage.
A step is timed from the time stamp of the click to the end of the animation frame with its first
change. Key to presentation is the browser's own Event Timing, which has steps of 8 ms.
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

BUTTON = """
import ipywidgets
button, label = ipywidgets.Button(description="step"), ipywidgets.Label("0")
button.add_class("bare")
button.on_click(lambda _: setattr(label, "value", str(int(label.value) + 1)))
ipywidgets.VBox([button, label])
"""
WIDGET = """
import anywidget
class Bare(anywidget.AnyWidget):
    _esm = '''
    export default {{ render({{ el }}) {{
        const button = document.createElement("button");
        button.className = "bare";
        button.textContent = "0";
        const step = () => {{ button.textContent = String(Number(button.textContent) + 1); }};
        button.onclick = step;
        button.onkeydown = (event) => {{ if (event.key === "ArrowRight") step(); }};
        el.append(button);
        {animation}
    }} }};
    '''
Bare()
"""
ANIMATION = """
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
        dot.setAttribute("r", "3");
        svg.append(dot);
        el.append(svg);
        const tick = (now) => {{
            dot.setAttribute("cx", String(now / 20 % 200));
            requestAnimationFrame(tick);
        }};
        requestAnimationFrame(tick);
"""
SETUP = "import mmviz"
CASES = (
    ("iommu_group/release_order", "DelistThenRelease"),
    ("exclusive/restore_at_fork", ""),
    ("hmm/eagain_leaves_count", ""),
)
LONG = """from mmviz.widgets.player import Player
from tests.scene.toys import LOOP
Player(LOOP, "CPU0 CPU1 " * 500)"""
STAGE = ".mm-stage[data-state]"
STEPS = 40
MOTIONS = 12  # steps during which frames are counted

WATCH = """() => {
    window.first = (selector) => new Promise((done) => {
        let start = 0;
        const isDrawn = (change) => !change.target.closest?.(".mm-live");
        const observer = new MutationObserver((changes) => {
            if (!start || !changes.some(isDrawn)) return;
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
        });
        observer.observe(document.querySelector(".jp-Notebook"),
            {subtree: true, childList: true, attributes: true, characterData: true});
        document.querySelector(selector).addEventListener("click",
            (event) => { start = event.timeStamp; }, {once: true, capture: true});
    });
    window.keys = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.name === "keydown") window.keys.push(entry.duration);
        }
    }).observe({type: "event", durationThreshold: 16});
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
RUN_CELL = "window.jupyterapp.commands.execute('notebook:run-cell-and-select-next')"
LAST_CELL = """() => {
    const {content} = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = content.widgets.length - 1;
}"""
MEMORY = "print(open('/proc/self/status').read().split('VmRSS:')[1].split()[0])"


class Bench:
    """A page in which notebooks are opened, and clicks and keys are timed."""

    def __init__(self, lab: Lab, page) -> None:
        self.lab, self.page, self.messages = lab, page, 0
        page.on("websocket", self._connected)

    def _connected(self, socket) -> None:
        if "/channels" in socket.url:
            socket.on("framesent", self._count)
            socket.on("framereceived", self._count)

    def _count(self, _message) -> None:
        self.messages += 1

    def open(self, name: str, *cells: str, ready: str, later: str = "") -> float:
        """Run a notebook, its last cell once the others have run.

        Args:
            name: the notebook's.
            cells: what is run.
            ready: a selector of what the last cell shows.
            later: one more cell, which `show_later` runs.

        Returns:
            The seconds from running the last cell until it shows.
        """
        self.page.goto(self.lab.write(name, *cells, *filter(None, (later,))))
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.page.evaluate(
            """async () => {
                await window.jupyterapp.restored;
                window.jupyterapp.shell.collapseLeft();
                const context = window.jupyterapp.shell.currentWidget.sessionContext;
                await context.ready;
                await context.session.kernel.info;
            }"""
        )
        for _ in cells[:-1]:
            self.page.evaluate(RUN_CELL)
        shown = self.show_later(ready, 0)
        self.page.evaluate(WATCH)
        self.page.wait_for_timeout(800)
        return shown

    def show_later(self, ready: str, number: int) -> float:
        """Run the cell after those that ran; return the seconds until `ready` shows there."""
        if number:
            self.page.evaluate(LAST_CELL)
        start = time.perf_counter()
        self.page.evaluate(f"() => {{ {RUN_CELL} }}")
        self.page.locator(ready).nth(number).wait_for()
        return time.perf_counter() - start

    def python(self, code: str) -> str:
        """Run a line in the kernel; return what it prints."""
        return self.page.evaluate(
            """async (code) => {
                const {session} = window.jupyterapp.shell.currentWidget.sessionContext;
                const future = session.kernel.requestExecute({code});
                let said = "";
                future.onIOPub = ({content}) => { said += content.text || ""; };
                await future.done;
                return said.trim();
            }""",
            code,
        )

    def clicks(self, choose) -> tuple[list[float], float]:
        """Click `STEPS` times; return the milliseconds each took and the messages a click."""
        for _ in range(4):
            self.once(choose())
        before = self.messages
        taken = [self.once(choose()) for _ in range(STEPS)]
        return taken, (self.messages - before) / STEPS

    def once(self, selector: str) -> float:
        """Click once; return the milliseconds until its first change was on the screen."""
        waiting = self.page.evaluate_handle("(s) => ({done: window.first(s)})", selector)
        self.page.click(selector)
        taken = float(waiting.evaluate("(w) => w.done"))
        self.page.wait_for_timeout(60)
        return taken

    def presses(self, selector: str, keys) -> list[float]:
        """Press keys one at a time; return the milliseconds from each to its presentation."""
        self.page.focus(selector)
        self.page.evaluate("() => { window.keys.length = 0; }")
        for _ in range(STEPS):
            self.page.keyboard.press(next(keys))
            self.page.wait_for_timeout(90)
        slow = self.page.evaluate("() => window.keys")
        return slow + [8.0] * (STEPS - len(slow))  # what took less than 16 ms is not told

    def motion(self, keys) -> dict[str, float]:
        """Step, each time until it has come to rest; return the frames in a second."""
        self.page.focus(".mm-stage")
        self.page.evaluate(FRAMES)
        gaps = []
        for _ in range(MOTIONS):
            self.page.keyboard.press(next(keys))
            self.page.evaluate("() => { window.gaps.length = 0; }")
            self.page.wait_for_timeout(400)
            gaps += self.page.evaluate("() => window.gaps")
        return {"fps": round(1000 / statistics.mean(gaps), 1), "longest_ms": round(max(gaps), 1)}

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
        reached = int(self.page.locator(".mm-stage").get_attribute("data-k"))
        return {"reached": reached, "longest_ms": round(gaps[-1], 1)}

    def tabs(self) -> float:
        """Open each view; return the longest time until its picture was there, in ms."""
        longest = 0.0
        for tab in self.page.locator(".mm-toggle:visible").all():
            name = tab.get_attribute("data-view")
            taken = self.page.evaluate(
                """(name) => new Promise((done) => {
                    const start = performance.now();
                    document.querySelector(`.mm-toggle[data-view="${name}"]`).click();
                    const pane = `.mm-pane[data-view="${name}"] .mm-still > *`;
                    const look = () => {
                        const now = performance.now();
                        if (document.querySelector(pane) || now > start + 5000) done(now - start);
                        else requestAnimationFrame(look);
                    };
                    look();
                })""",
                name,
            )
            longest = max(longest, taken)
        return round(longest, 1)


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


def _there_and_back(page):
    """Yield the button to press to step a run up and down without end."""
    while True:
        while page.locator(".mm-next:not([aria-disabled])").count():
            yield ".mm-next"
        while page.locator(".mm-back:not([aria-disabled])").count():
            yield ".mm-back"


def _arrows(page):
    """Yield the keys that step a run up and down without end."""
    for button in _there_and_back(page):
        yield "ArrowRight" if button == ".mm-next" else "ArrowLeft"


def _choices(page):
    """Yield the button of an actor that can step; at the end of a run go back to its start."""
    while True:
        if not page.locator(".mm-choose:visible:not([aria-disabled])").count():
            page.click(".mm-first")
        actor = page.locator(".mm-choose:visible:not([aria-disabled])").first.get_attribute(
            "data-actor"
        )
        yield f'.mm-choose[data-actor="{actor}"]'


def right():
    """Yield the right arrow key."""
    while True:
        yield "ArrowRight"


def measure() -> dict[str, object]:
    """Return the figures of one session."""
    browser_path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        try:
            browser = playwright.chromium.launch(
                executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            bench = Bench(lab, page)
            bench.open("bare", BUTTON, ready=".bare")
            bare, messages = bench.clicks(lambda: ".bare")
            memory = int(bench.python(MEMORY))
            found["bare"] = figures(bare, bare) | {"messages": messages}
            keys = {}
            for name, animation in (("widget", ""), ("animated", ANIMATION)):
                bench.open(name, WIDGET.format(animation=animation), ready=".bare")
                taken, messages = bench.clicks(lambda: ".bare")
                keys[name] = bench.presses(".bare", right())
                found[name] = figures(taken, bare) | {"messages": messages}
                found[name] |= {"keys": figures(keys[name], keys[name])}
            for race, case in CASES:
                name = race.partition("/")[2]
                cell = f"mmviz.Player({race!r}, case={case!r})"
                shown = bench.open(name, SETUP, cell, ready=STAGE, later=cell)
                over = (int(bench.python(MEMORY)) - memory) / 1024
                ways, arrows = _there_and_back(page), _arrows(page)
                taken, messages = bench.clicks(lambda ways=ways: next(ways))
                found[name] = figures(taken, bare) | {
                    "messages": messages,
                    "keys": figures(bench.presses(".mm-stage", arrows), keys["animated"]),
                    "motion": bench.motion(arrows),
                    "shown_s": round(shown, 2),
                    "kernel_mb": round(over, 1),
                    "tabs_ms": (tabs := bench.tabs()),
                    "tabs_ratio": round(tabs / statistics.median(bare), 2),
                    "nodes": page.locator(".mm-stage").locator("*").count(),
                    "second_s": round(bench.show_later(STAGE, 1), 2),
                }
            race, case = CASES[0]
            bench.open(
                "driver",
                SETUP,
                f"mmviz.Driver({race!r}, case={case!r})",
                ready=STAGE,
            )
            choices = _choices(page)
            taken, messages = bench.clicks(lambda: next(choices))
            found["driver"] = figures(taken, bare) | {"messages": messages}
            shown = bench.open("long", SETUP, LONG, ready=STAGE)
            found["long"] = bench.scrub() | {"shown_s": round(shown, 2)}
            browser.close()
        finally:
            lab.close()
    return found


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=1)
    print()
