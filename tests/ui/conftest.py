"""One server and one browser a session; a fresh, watched page for every test."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.ui.lab import Lab

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
WAIT = 30_000  # ms for a selector, on a slow machine


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(
            "no browser: the tests of the stage need one of "
            f"{', '.join(BROWSERS)} on PATH. On Debian: apt-get install chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


class Notebook:
    """A notebook, opened in a page and run; `page` is playwright's."""

    def __init__(self, page, lab):
        self.page, self.lab = page, lab
        self.kernel_messages = []

    def heard(self, message):
        """Note a message between the browser and a kernel."""
        self.kernel_messages.append(message)

    def run(self, name, *cells):
        """Open a notebook of these cells and run them all."""
        self.page.goto(self.lab.write(name, *cells))
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        self.page.evaluate(
            """async () => {
                await window.jupyterapp.restored;
                const shell = window.jupyterapp.shell;
                while (!shell.currentWidget) await new Promise(requestAnimationFrame);
                const context = shell.currentWidget.sessionContext;
                await context.ready;
                await context.session.kernel.info;
                window.jupyterapp.commands.execute("notebook:run-all-cells");
            }"""
        )
        return self

    def stage(self, number=0):
        """Return the stage with this number, once its buttons work."""
        root = self.page.locator(".mm-root").nth(number)
        root.locator(".mm-next:enabled, .mm-choose:enabled").first.wait_for()
        return root

    def listen(self):
        """Return a list that fills with every message to or from the kernel, from now on."""
        said = []
        self.kernel_messages = said
        return said

    def texts(self):
        """Return all texts in the pictures, those too that are drawn clear."""
        return [text for text in self.page.locator(".mm-canvas text").all_text_contents() if text]

    def picture(self):
        """Return everything drawn, as the browser has it: places, colours and texts."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll(".mm-canvas .svg-figure")].map((svg) =>
                [...svg.querySelectorAll("path.line, .object_grp, text.label")].map((drawn) =>
                    [drawn.getAttribute("d"), drawn.getAttribute("transform"),
                     drawn.style.fill, drawn.style.stroke, drawn.textContent]))"""
        )

    def settled(self):
        """Wait until nothing of the stage has moved or grown for twenty frames."""
        self.page.evaluate(
            """() => new Promise((done) => {
                let before = "", same = 0;
                const look = () => {
                    const parts = document.querySelectorAll(".mm-root *, .mm-view");
                    const now = JSON.stringify([...parts].map((part) => {
                        const {left, top, width, height} = part.getBoundingClientRect();
                        return [left, top, width, height];
                    }));
                    same = now === before ? same + 1 : 0;
                    before = now;
                    same === 20 ? done() : requestAnimationFrame(look);
                };
                look();
            })"""
        )

    def dark(self):
        """Switch JupyterLab to its dark theme."""
        self.page.evaluate(
            """window.jupyterapp.commands.execute("apputils:change-theme",
                {theme: "JupyterLab Dark"})"""
        )
        self.page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")

    def python(self, expression):
        """Run a line in the notebook's kernel and return what it prints."""
        return self.page.evaluate(
            """async (code) => {
                const panel = window.jupyterapp.shell.currentWidget;
                const future = panel.sessionContext.session.kernel.requestExecute({code});
                let said = "";
                future.onIOPub = ({content}) => { said += content.text || content.evalue || ""; };
                await future.done;
                return said.trim();
            }""",
            f"print({expression})",
        )


@pytest.fixture
def notebook(request, lab, browser):
    lab.settle()
    context = browser.new_context(viewport={"width": 1440, "height": 1500}, reduced_motion="reduce")
    context.set_default_timeout(WAIT)
    page = context.new_page()
    wrong = []

    def judge(message):
        if message.type == "error":
            wrong.append(f"console: {message.text}")

    page.on("console", judge)
    page.on("pageerror", lambda error: wrong.append(f"uncaught: {error}"))

    def local(url):
        return url.startswith((lab.url, lab.url.replace("http", "ws"), "data:", "blob:"))

    page.on("request", lambda r: local(r.url) or wrong.append(f"left the machine: {r.url}"))
    page.on("requestfailed", lambda r: wrong.append(f"failed: {r.url} {r.failure}"))
    opened = Notebook(page, lab)

    def connected(socket):
        if not local(socket.url):
            wrong.append(f"left the machine: {socket.url}")
        if "/channels" in socket.url:  # a kernel's
            socket.on("framesent", opened.heard)
            socket.on("framereceived", opened.heard)

    page.on("websocket", connected)

    yield opened

    failed = wrong or request.node.stash.get(FAILED, False)
    if failed:
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTIFACTS / (re.sub(r"\W+", "_", request.node.name) + ".png"))
    page.evaluate("window.jupyterapp?.serviceManager.sessions.shutdownAll()")
    context.close()
    assert wrong == []


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
    return report
