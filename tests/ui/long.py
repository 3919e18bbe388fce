"""What a long session costs: cells run again, forty stages in a page, ten that play.

    python -m tests.ui.long [again forty playing]

prints JSON. Memory of the page is its JavaScript heap after a collection, of the kernel its
resident size. Times depend on the machine and on what else it does.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import mmviz
from tests.ui import lab as labs
from tests.ui.measure import MEMORY, STAGE, Bench

TRACKER = "@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
RACE = "hmm/eagain_leaves_count"
AGAIN = f"import mmviz; player = mmviz.Player({RACE!r}); player"
TIDY = f"{AGAIN.partition(';')[0]}; player.close(); player = mmviz.Player({RACE!r}); player"
WIDGETS = "import ipywidgets; print(len(ipywidgets.widgets.widget._instances))"
TIMES = 30  # runs of a cell
STAGES = 40
PLAYERS, SECONDS = 10, 60
STORE = """async () => {
    const {commands, shell} = window.jupyterapp;
    await commands.execute("@jupyter-widgets/jupyterlab-manager:saveWidgetState");
    await shell.currentWidget.context.save();
    await commands.execute("@jupyter-widgets/jupyterlab-manager:saveWidgetState"); // a switch
}"""
RUN_SECOND = """() => {
    const {commands, shell} = window.jupyterapp;
    shell.currentWidget.content.activeCellIndex = 1;
    return commands.execute("notebook:run-cell");
}"""
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
DONE = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .at(-1).outputs?.length > 0"""
SCROLL = """number => {
    const {content} = window.jupyterapp.shell.currentWidget;
    return content.scrollToItem(number, "start");
}"""


class Session:
    """A page with JupyterLab, its memory, and the messages to and from its kernel."""

    def __init__(self, lab: labs.Lab, browser: Any) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 720})
        self.page.set_default_timeout(180_000)
        self.bench = Bench(lab, self.page)
        self.lab = lab
        self.devtools = self.page.context.new_cdp_session(self.page)
        self.devtools.send("Performance.enable")

    def memory(self) -> dict[str, float]:
        """Return the megabytes of page and kernel, and what the page holds."""
        self.devtools.send("HeapProfiler.collectGarbage")
        told = self.devtools.send("Performance.getMetrics")["metrics"]
        found = {each["name"]: each["value"] for each in told}
        return {
            "heap_mb": round(found["JSHeapUsedSize"] / 1e6, 1),
            "nodes": int(found["Nodes"]),
            "listeners": int(found["JSEventListeners"]),
            "kernel_mb": round(int(self.bench.python(MEMORY)) / 1024, 1),
            "widgets": int(self.bench.python(WIDGETS)),
        }

    def stored(self, name: str) -> float:
        """Save the notebook with the state of its widgets; return its kilobytes."""
        self.page.evaluate(STORE)
        return round((self.lab.folder / f"{name}.ipynb").stat().st_size / 1024, 1)


def again(session: Session) -> dict[str, Any]:
    """Run a cell that makes a Player many times: without closing the one before, and with."""
    found: dict[str, Any] = {}
    for name, cell in (("again", AGAIN), ("tidy", TIDY)):
        first = "import mmviz" if name == "again" else AGAIN
        session.bench.open(name, first, cell, ready=STAGE)
        rows = []
        for run in range(TIMES + 1):
            if run % 10 == 0:
                session.page.wait_for_timeout(1_000)
                rows.append(session.memory() | {"stored_kb": session.stored(name)})
            session.page.evaluate(RUN_SECOND)
            session.page.locator(STAGE).last.wait_for()
        found[name] = rows
    return found


def forty(session: Session) -> dict[str, Any]:
    """Open many stages in one page, for each way in which JupyterLab shows a long notebook."""
    cases = [(case.scenario, case.name) for case in mmviz.catalogue().cases][::12][:STAGES]
    cells = [f"mmviz.Player({race!r}, case={case!r})" for race, case in cases]
    found: dict[str, Any] = {}
    session.bench.open("one", "import mmviz", cells[0], ready=STAGE)
    found["one"] = session.memory()
    for mode in ("none", "defer", "full"):
        path = session.lab.settings / TRACKER
        path.write_text(json.dumps({"windowingMode": mode}), "utf-8")
        session.bench.open(mode, "1", "2", ready=".jp-OutputArea-output")
        session.page.goto(session.lab.write(f"forty_{mode}", "import mmviz", *cells, "print('x')"))
        page = session.page
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.evaluate(
            """async () => {
                await window.jupyterapp.restored;
                window.jupyterapp.shell.collapseLeft();
                const context = window.jupyterapp.shell.currentWidget.sessionContext;
                await context.ready;
                await context.session.kernel.info;
            }"""
        )
        start = time.perf_counter()
        page.evaluate(RUN_ALL)
        page.wait_for_function(DONE)
        kernel = time.perf_counter() - start
        page.evaluate(SCROLL, STAGES)
        page.locator(STAGE).last.wait_for()
        shown = time.perf_counter() - start
        found[mode] = {
            "kernel_s_each": round(kernel / STAGES, 3),
            "shown_s_each": round(shown / STAGES, 3),
            "elements": page.evaluate("document.querySelectorAll('*').length"),
            **session.memory(),
            "there_and_back": _there_and_back(session),
        }
    return found


def _there_and_back(session: Session) -> str:
    """Step the first stage, scroll to the last and back; tell whether the first is as before."""
    page = session.page
    kept = """() => { const root = document.querySelector('.mm-stage[data-state]');
        return root.dataset.state + root.querySelector('[data-pane=memory]').textContent; }"""
    page.evaluate(SCROLL, 1)
    page.locator(STAGE).first.press("ArrowRight")
    page.wait_for_timeout(800)
    before = page.evaluate(kept)
    page.evaluate(SCROLL, STAGES)
    last = page.locator(STAGE).last
    last.press("ArrowRight")
    page.evaluate(
        """() => { window.keys = []; new PerformanceObserver((list) => {
            for (const entry of list.getEntries())
                if (entry.name === "keydown") window.keys.push(entry.duration);
        }).observe({type: "event", durationThreshold: 16}); }"""
    )
    for _ in range(20):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(450)
    slow = page.evaluate("window.keys")
    page.evaluate(SCROLL, 1)
    page.wait_for_timeout(800)
    after = page.evaluate(kept)
    page.locator(".mm-next").first.click()
    moved = page.evaluate(kept) != after
    return f"same: {before == after}, a click works: {moved}, keys over 16 ms of 20: {slow}"


def playing(session: Session) -> dict[str, Any]:
    """Let many players play, again and again, as fast as they can."""
    cells = [f"mmviz.Player({RACE!r})" for _ in range(PLAYERS)]
    session.bench.open("playing", "import mmviz", *cells, ready=f":nth-match({STAGE}, {PLAYERS})")
    page = session.page
    before, said, start = session.memory(), session.bench.messages, time.perf_counter()
    page.evaluate(
        """() => {
            const all = [...document.querySelectorAll(".mm-stage")];
            for (const root of all) {
                const speed = root.querySelector(".mm-speed");
                speed.selectedIndex = speed.options.length - 1;
                speed.dispatchEvent(new Event("change", {bubbles: true}));
            }
            window.steps = 0;
            new MutationObserver((seen) => { window.steps += seen.length; })
                .observe(document.querySelector(".jp-Notebook"),
                    {subtree: true, attributes: true, attributeFilter: ["data-k"]});
            window.goes = setInterval(() => {
                for (const root of all) {
                    const last = root.querySelector(".mm-last");
                    if (last.disabled || last.ariaDisabled) root.querySelector(".mm-first").click();
                    const play = root.querySelector(".mm-play");
                    if (!/pause|stop/i.test(play.textContent + play.ariaLabel)) play.click();
                }
            }, 100);
        }"""
    )
    page.wait_for_timeout(SECONDS * 1000)
    taken = time.perf_counter() - start
    messages = session.bench.messages - said
    steps = page.evaluate("() => { clearInterval(window.goes); return window.steps; }")
    page.wait_for_timeout(3_000)
    return {
        "steps_a_second": round(steps / taken, 1),
        "messages_a_second": round(messages / taken, 2),
        "before": before,
        "after": session.memory(),
    }


MEASURES = {"again": again, "forty": forty, "playing": playing}


def measure(names: list[str]) -> dict[str, Any]:
    """Return the figures of one session."""
    browser_path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = labs.Lab(Path(folder))
        try:
            browser = playwright.chromium.launch(
                executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"]
            )
            return {name: MEASURES[name](Session(lab, browser)) for name in names}
        finally:
            lab.close()


if __name__ == "__main__":
    json.dump(measure(sys.argv[1:] or list(MEASURES)), sys.stdout, indent=1)
    print()
