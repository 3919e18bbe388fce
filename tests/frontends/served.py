"""Front ends in which the widgets run, with Python behind the page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.frontends.chromium import JUDGE, PARTS, Seen, page
from tests.frontends.firefox import Firefox
from tests.frontends.place import Server, environment, version
from tests.ui.lab import SETTINGS, notebook

STAGE = (
    "import mmviz\n"
    'player = mmviz.Player("iommu_group/release_order", case="DelistThenRelease")\n'
    "player"
)
CELLS = (
    STAGE,
    'mmviz.Debate("iommu_group")',
    'mmviz.catalogue("kref_get")',
    'mmviz.Entry("0xf7fffffffdb97400")',
    'mmviz.entry("0xf7fffffffdb97400")',
)
TABLES = 2  # of cases, in CELLS
THEIRS = ("fontawesome",)  # what a front end's own page asks for: Voilà's icons
THEMES = ("light", "dark")
RUN = """async (theme) => {
    const opened = () => [...(window.jupyterapp?.shell.widgets("main") || [])].find(
        (each) => each.sessionContext);
    for (let waited = 0; !opened(); waited++) {
        if (waited > 900) throw new Error("no notebook opened");
        await new Promise((done) => setTimeout(done, 100));
    }
    const app = window.jupyterapp;
    await app.restored;
    app.shell.activateById(opened().id);
    app.shell.collapseLeft();
    await app.commands.execute("apputils:change-theme", {theme});
    const context = opened().sessionContext;
    await context.ready;
    await context.session.kernel.info;
    app.commands.execute("notebook:run-all-cells");
}"""


def tables(seen: Seen) -> None:
    """Check that the tables and the entry are there."""
    seen.page.locator(".mm-cases-root").nth(TABLES - 1).wait_for()
    seen.page.locator(".mm-entry svg").first.wait_for()
    still = seen.page.locator(".mm-instead")
    shown = [each for each in still.all() if each.is_visible()]
    assert not shown, f"{len(shown)} still pictures beside running widgets"


def all_seen(seen: Seen, pictures: Path, name: str) -> str:
    """Check the stage, the tables and the looks of a page, and take its pictures."""
    seen.stage()
    seen.picture(pictures / f"{name}_stage.png")
    tables(seen)
    seen.page.locator(".mm-cases-root").first.scroll_into_view_if_needed()
    seen.picture(pictures / f"{name}_tables.png")
    seen.page.locator(".mm-entry").first.scroll_into_view_if_needed()
    seen.page.locator(".mm-entry svg").first.scroll_into_view_if_needed()
    seen.picture(pictures / f"{name}_entry.png")
    seen.looks()
    return " ".join(url for url in seen.asked if not any(each in url for each in THEIRS))


def named(theme: str) -> str:
    """Return the name that JupyterLab has for a theme."""
    return f"JupyterLab {theme.title()}"


def _jupyter(folder: Path, name: str, commands: Path, app: str) -> tuple[Server, str]:
    """Start JupyterLab or Notebook; return it, and the address of a notebook."""
    for file, values in SETTINGS.items():
        path = folder / "settings" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), "utf-8")
    notebook(folder / "page.ipynb", *CELLS)
    server = Server(
        commands,
        folder,
        *(f"jupyter-{name}", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *("--ServerApp.port={port}", "--IdentityProvider.token=", "--ServerApp.password="),
        *(f"--{app}.expose_app_in_browser=True", f"--{app}.user_settings_dir={folder}/settings"),
        *(f"--{app}.workspaces_dir={folder}/workspaces", f"--ServerApp.root_dir={folder}"),
        answers="/api",
    )
    place = "lab/tree" if name == "lab" else "notebooks"
    return server, f"{server.url}/{place}/page.ipynb"


def _in_jupyter(browser: Browser, folder: Path, pictures: Path, name: str, app: str) -> str:
    package = {"lab": "jupyterlab"}.get(name, name)
    commands = environment(name, package)
    left = ""
    for theme in THEMES:
        here = folder / theme
        here.mkdir()
        server, address = _jupyter(here, name, commands, app)
        try:
            with page(browser, dark=theme == "dark") as seen:
                seen.page.goto(address)
                seen.page.evaluate(RUN, named(theme))
                light = str(theme == "light").lower()
                seen.page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")
                left += all_seen(seen, pictures, f"{package}_{theme}")
        finally:
            server.close()
    assert not left, left
    return f"{version(commands, package)}, {' and '.join(THEMES)}"


def jupyterlab(browser: Browser, folder: Path, pictures: Path) -> str:
    """JupyterLab."""
    return _in_jupyter(browser, folder, pictures, "lab", "LabApp")


def notebook7(browser: Browser, folder: Path, pictures: Path) -> str:
    """Notebook 7."""
    return _in_jupyter(browser, folder, pictures, "notebook", "JupyterNotebookApp")


def voila(browser: Browser, folder: Path, pictures: Path) -> str:
    """Voilà."""
    commands = environment("voila", "voila", "ipykernel")
    notebook(folder / "page.ipynb", *CELLS)
    serve = ("voila", "page.ipynb", "--no-browser", "--port={port}", "--theme={theme}")
    return in_each_theme(browser, commands, folder, pictures, serve, answers="/voila/static/")


def in_each_theme(
    browser: Browser,
    commands: Path,
    folder: Path,
    pictures: Path,
    serve: Sequence[str],
    **more: Any,
) -> str:
    """Look at the pages of a server that is told its theme; return what was looked at.

    Args:
        browser: what looks.
        commands: the environment's.
        folder: where the server runs.
        pictures: where pictures go.
        serve: what starts it, `{theme}` in it.
        more: what a `Server` takes.
    """
    name, left = serve[0], ""
    for theme in THEMES:
        words = [word.replace("{theme}", theme) for word in serve]
        server = Server(commands, folder, *words, **more)
        try:
            with page(browser) as seen:
                seen.page.goto(server.url)
                left += all_seen(seen, pictures, f"{name}_{theme}")
        finally:
            server.close()
    assert not left, left
    return f"{version(commands, name)}, light and dark"


SOLARA = """import mmviz
import solara

player = None


@solara.component
def Page():
    made = solara.use_memo(lambda: [{cells}], [])
    with solara.Column():
        for each in made:
            solara.display(each)
"""


def solara(browser: Browser, folder: Path, pictures: Path) -> str:
    """Solara, with its assets installed, for it fetches them otherwise.

    In its dark variant the page stays white and an HTML table has white text, as has any output
    that is no widget; so `mmviz.entry` is left out.
    """
    commands = environment("solara", "solara[assets]")
    cells = ",\n        ".join((STAGE.splitlines()[1].partition("= ")[2], *CELLS[1:-1]))
    (folder / "page.py").write_text(SOLARA.replace("{cells}", cells), "utf-8")
    serve = ("solara", "run", "page.py", "--no-open", "--port={port}", "--production")
    return in_each_theme(
        browser, commands, folder, pictures, (*serve, "--theme-variant", "{theme}")
    )


MARIMO = """import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import marimo
    import mmviz

    return marimo, mmviz
"""
MARIMO_CELL = """

@app.cell
def _(marimo, mmviz):
    {}
    return
"""


def marimo(browser: Browser, folder: Path, pictures: Path) -> str:
    """Marimo shows the stage as an anywidget; tables of cases stand still there."""
    commands = environment("marimo", "marimo")
    cells = (STAGE.splitlines()[1].partition("= ")[2], *CELLS[1:])
    text = MARIMO + "".join(MARIMO_CELL.format(cell) for cell in cells)
    (folder / "page.py").write_text(text, "utf-8")
    left = ""
    for theme in THEMES:
        config = folder / "config" / "marimo"
        config.mkdir(parents=True, exist_ok=True)
        (config / "marimo.toml").write_text(f'[display]\ntheme = "{theme}"\n', "utf-8")
        server = Server(
            commands,
            folder,
            *("marimo", "run", "page.py", "--headless", "--no-token", "--port", "{port}"),
        )
        try:
            with page(browser) as seen:
                seen.page.goto(server.url)
                seen.stage()
                seen.picture(pictures / f"marimo_{theme}_stage.png")
                seen.page.wait_for_timeout(5000)
                seen.page.mouse.wheel(0, 700)
                seen.page.wait_for_timeout(500)
                seen.picture(pictures / f"marimo_{theme}_tables.png")
                seen.looks()
                left += " ".join(seen.asked)
        finally:
            server.close()
    assert not left, left
    return f"{version(commands, 'marimo')}, light and dark"


def firefox(browser: Browser, folder: Path, pictures: Path) -> str:
    """Firefox, with JupyterLab."""
    del browser
    commands = environment("lab", "jupyterlab")
    server, address = _jupyter(folder, "lab", commands, "LabApp")
    try:
        seen = Firefox(folder, dark=True)
        try:
            seen.open(address)
            seen.evaluate(f"({RUN})('{named('dark')}')")
            seen.until('document.querySelector(".mm-stage[data-state]")', 120)
            for part in PARTS:
                assert seen.until(f"""!!document.querySelector('[data-pane="{part}"]')"""), part
            state = 'JSON.parse(document.querySelector(".mm-stage").dataset.state).cursor'
            seen.evaluate('document.querySelector(".mm-first").click()')
            seen.evaluate('document.querySelector(".mm-stage").focus()')
            before = seen.evaluate(state)
            seen.press("ArrowRight")
            seen.until(f"{state} === {before + 1}", 10)
            seen.evaluate('document.querySelector(".mm-next").click()')
            seen.until(f"{state} === {before + 2}", 10)
            seen.evaluate('document.querySelector(".mm-last").click()')
            seen.evaluate("new Promise((done) => setTimeout(() => done(1), 1500))")
            seen.picture(pictures / "firefox_dark_stage.png")
            for name, what in (("tables", ".mm-cases-root"), ("entry", ".mm-entry svg")):
                seen.until(f"document.querySelector('{what}')", 120)
                seen.evaluate(f"document.querySelector('{what}').scrollIntoView()")
                seen.picture(pictures / f"firefox_dark_{name}.png")
            wrong = seen.evaluate(JUDGE)
            assert not wrong, f"{len(wrong)} faults: {wrong[:4]}"
            assert not seen.asked, seen.asked
            agent = str(seen.evaluate("navigator.userAgent"))
        finally:
            seen.close()
    finally:
        server.close()
    return f"{agent.rpartition('/')[2]}, JupyterLab, dark"
