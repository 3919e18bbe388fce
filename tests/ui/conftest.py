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
SILENCE = 250  # ms without a message, after which the kernel has answered
SCREEN = {"width": 1280, "height": 720}  # a projector's


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
            executable_path=found,
            args=["--no-sandbox", "--disable-gpu"],
            ignore_default_args=["--hide-scrollbars"],  # a reader sees them, and they take room
        )
        yield browser
        browser.close()


class Notebook:
    """Notebooks, opened and run one after the other in one JupyterLab; `page` is playwright's."""

    def __init__(self, page, lab):
        self.page, self.lab, self.wrong = page, lab, []
        self.kernel_messages = []
        self.opened = 0
        self.file = ""

    def heard(self, message):
        """Note a message between the browser and a kernel."""
        self.kernel_messages.append(message)

    def run(self, name, *cells):
        """Open a notebook of these cells and run them all."""
        self.opened += 1
        name = f"{name}_{self.opened}"
        self.file = f"{name}.ipynb"
        address = self.lab.write(name, *cells)
        if self.opened == 1:
            self.page.goto(address)
        else:
            self.page.evaluate(bounded(OPEN), self.file)
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        self.page.evaluate(
            bounded("""async (file) => {
                const {commands, restored, shell} = window.jupyterapp;
                await within(restored, "JupyterLab");
                for (let waited = 0; shell.currentWidget?.context?.path !== file; waited++) {
                    if (waited > 600) throw new Error(`${file} is not the open notebook`);
                    if (waited % 60 === 59) commands.execute("docmanager:open", {path: file});
                    await new Promise((done) => setTimeout(done, 50));
                }
                const context = shell.currentWidget.sessionContext;
                await within(context.ready, "the session");
                await within(context.session.kernel.info, "the kernel");
                commands.execute("notebook:run-all-cells");
            }"""),
            self.file,
        )
        return self

    def close(self):
        """End the kernels, and take away the notebook and what it has changed."""
        self.page.evaluate(bounded(CLOSE))
        self.page.mouse.move(1, 1)

    def stage(self, number=0):
        """Return the stage with this number, once it is there."""
        root = self.page.locator(".mm-stage[data-state]").nth(number)
        root.wait_for()
        return root

    def widen(self):
        """Close JupyterLab's file browser, as one does to present a notebook."""
        self.page.evaluate("window.jupyterapp.shell.collapseLeft()")

    def listen(self):
        """Return a list that fills with every message to or from the kernel, from now on.

        That a page tells which widgets it shows belongs to what was before.
        """
        before = None
        while before != len(self.kernel_messages):
            before = len(self.kernel_messages)
            self.page.wait_for_timeout(SILENCE)
        said = []
        self.kernel_messages = said
        return said

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
            bounded("""async (code) => {
                const panel = window.jupyterapp.shell.currentWidget;
                const future = panel.sessionContext.session.kernel.requestExecute({code});
                let said = "";
                future.onIOPub = ({content}) => { said += content.text || content.evalue || ""; };
                await within(future.done, "the kernel's answer");
                return said.trim();
            }"""),
            f"print({expression})",
        )


# A script has no time limit of its own, and what waits for a kernel might wait for good.
WITHIN = """(...given) => {
    const within = (wanted, what) => Promise.race([wanted, new Promise((_, fail) => {
        setTimeout(() => fail(new Error(`${what} took more than a minute`)), 60000);
    })]);
    return (SCRIPT)(...given);
}"""


def bounded(script):
    """Return a script in which `within(promise, what)` fails after a minute."""
    return WITHIN.replace("SCRIPT", script)


OPEN = """async (path) => {
    const {commands} = window.jupyterapp;
    await within(commands.execute("docmanager:open", {path, factory: "Notebook"}), "opening");
}"""
CLOSE = """async () => {
    const {commands, serviceManager, shell} = window.jupyterapp;
    await within(serviceManager.sessions.shutdownAll(), "ending the kernels");
    for (const widget of [...shell.widgets("main")]) widget.dispose();
    shell.expandLeft();
    if (document.body.dataset.jpThemeLight === "false") {
        await commands.execute("apputils:change-theme", {theme: "JupyterLab Light"});
    }
}"""


@pytest.fixture(scope="session")
def jupyterlab(lab, browser):
    """One page with JupyterLab; loading it takes longer than most tests."""
    lab.settle()
    context = browser.new_context(viewport=SCREEN, reduced_motion="reduce")
    context.set_default_timeout(WAIT)
    page = context.new_page()
    opened = Notebook(page, lab)

    def judge(message):
        if message.type == "error":
            opened.wrong.append(f"console: {message.text}")

    def local(url):
        return url.startswith((lab.url, lab.url.replace("http", "ws"), "data:", "blob:"))

    def connected(socket):
        if not local(socket.url):
            opened.wrong.append(f"left the machine: {socket.url}")
        if "/channels" in socket.url:  # a kernel's
            socket.on("framesent", opened.heard)
            socket.on("framereceived", opened.heard)

    def ended(error):  # a kernel, while JupyterLab makes a subshell for a comm
        return "Canceled future for create_subshell_request" in str(error)

    page.on("console", judge)
    page.on("pageerror", lambda error: ended(error) or opened.wrong.append(f"uncaught: {error}"))
    page.on("request", lambda r: local(r.url) or opened.wrong.append(f"left the machine: {r.url}"))
    page.on("requestfailed", lambda r: opened.wrong.append(f"failed: {r.url} {r.failure}"))
    page.on("websocket", connected)
    yield opened
    context.close()


@pytest.fixture
def notebook(request, jupyterlab):
    """Watch what a test does to the page; a console error fails it."""
    jupyterlab.wrong = wrong = []
    jupyterlab.kernel_messages = []
    page = jupyterlab.page
    page.set_viewport_size(SCREEN)

    yield jupyterlab

    found = list(wrong)  # what follows ends kernels under the widgets
    if found or request.node.stash.get(FAILED, False):
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTIFACTS / (re.sub(r"\W+", "_", request.node.name) + ".png"))
    jupyterlab.close()
    assert found == []


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
    return report
