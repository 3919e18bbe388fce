"""Pages without Python behind them, opened without a network."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser

import mmviz
from mmviz.browser import css, esm
from mmviz.scene import theme as colours
from tests.browser.page import source
from tests.frontends.chromium import page
from tests.frontends.place import environment, run, version
from tests.frontends.served import CELLS, STAGE, THEMES
from tests.ui.lab import notebook

BESIDE = ("reveal.js@4", "requirejs@2", "jquery@3", "@jupyter-widgets/html-manager@1")
HERE = (
    "--SlidesExporter.reveal_url_prefix=node_modules/reveal.js",
    "--SlidesExporter.require_js_url=node_modules/requirejs/require.js",
    "--SlidesExporter.jquery_url=node_modules/jquery/dist/jquery.min.js",
    "--SlidesExporter.widget_renderer_url="
    "node_modules/@jupyter-widgets/html-manager/dist/embed-amd.js",
)
STATES = {"state": (), "no_state": ("--ExecutePreprocessor.store_widget_state=False",)}


def _converted(
    browser: Browser, folder: Path, pictures: Path, name: str, *how: str, themes: bool = True
) -> str:
    commands = environment("nbconvert", "nbconvert", "ipykernel")
    notebook(folder / "page.ipynb", *CELLS)
    for theme in THEMES if themes else THEMES[:1]:
        look = (f"--theme={theme}",) if themes else ()
        for state, stored in STATES.items():
            written = f"{name}_{theme}_{state}"
            more = ("--execute", "--output", written, *look, *stored)
            run(commands, folder, "jupyter-nbconvert", "page.ipynb", *how, *more)
            (made,) = folder.glob(f"{written}*.html")
            with page(browser) as seen:
                seen.page.goto(made.as_uri(), wait_until="domcontentloaded")
                seen.page.wait_for_timeout(1500)
                seen.picture(pictures / f"{written}.png", full=True)
                seen.still()
                seen.looks()
    return version(commands, "nbconvert")


def nbconvert(browser: Browser, folder: Path, pictures: Path) -> str:
    """HTML by nbconvert: the picture, with the state of the widgets stored and without."""
    made = _converted(browser, folder, pictures, "html", "--to=html")
    return f"{made}, still picture offline, with state and without, light and dark"


def slides(browser: Browser, folder: Path, pictures: Path) -> str:
    """Slides by nbconvert: a still picture, and with what they need beside them the stage."""
    made = _converted(browser, folder, pictures, "slides", "--to=slides", themes=False)
    commands = environment("nbconvert", "nbconvert", "ipykernel")
    npm = ("npm", "install", "--silent", "--no-audit", "--no-fund", *BESIDE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(npm, cwd=folder, env=os.environ | {"PATH": path}, check=True)
    anywidget = commands.parent / "share/jupyter/nbextensions/anywidget/index.js"
    shutil.copy(anywidget, folder / "anywidget.js")
    notebook(folder / "talk.ipynb", STAGE)
    run(commands, folder, *("jupyter-nbconvert", "talk.ipynb", "--to=slides", "--execute"), *HERE)
    with page(browser) as seen:
        seen.page.goto((folder / "talk.slides.html").as_uri(), wait_until="domcontentloaded")
        seen.page.locator(".reveal.ready").wait_for()
        seen.stage(("promise", "controls", "memory", "strip", "caption"))
        seen.picture(pictures / "slides_stage.png")
        assert not seen.page.locator(".mm-instead").first.is_visible()
        seen.looks()
    return f"{made}, offline: still picture, and the stage with its files beside the slides"


def book(browser: Browser, folder: Path, pictures: Path) -> str:
    """Jupyter Book 1; version 2 fetches its theme when it builds a page."""
    commands = environment("book", "jupyter-book<2", "ipykernel")
    notebook(folder / "page.ipynb", *CELLS)
    (folder / "_config.yml").write_text("title: Races\nexecute: {execute_notebooks: force}\n")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    run(commands, folder, "jupyter-book", "build", ".")
    made = folder / "_build" / "html" / "page.html"
    for theme in THEMES:
        with page(browser, dark=theme == "dark") as seen:
            seen.page.goto(made.as_uri(), wait_until="domcontentloaded")
            seen.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            seen.page.wait_for_timeout(1500)
            seen.picture(pictures / f"book_{theme}.png", full=True)
            seen.still()
            seen.looks()
    return f"{version(commands, 'jupyter-book')}, still picture offline, light and dark"


DARK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>dark</title>
<style>{css}
body {{ background: #1c1c1c; color: #ddd; font: 16px serif; }} pre {{ font: inherit; }}</style>
<body><h1>A dark page that knows nothing of Jupyter</h1>
<div id="stage" class="mm-theme"></div>
<div>{still}</div><div>{table}</div><div data-judged>{entry}</div>
<script type="application/json" id="source">{source}</script>
<script type="module">{esm}
const source = JSON.parse(document.getElementById("source").textContent);
window.stage = mount(document.getElementById("stage"), source);
</script></body></html>
"""


def plain(browser: Browser, folder: Path, pictures: Path) -> str:
    """A dark page that says in no known way that it is dark, and one that does."""
    for name, attribute in (("silent", ""), ("said", ' data-theme="dark"')):
        made = folder / f"{name}.html"
        made.write_text(dark_page(attribute), "utf-8")
        with page(browser, dark=True) as seen:
            seen.page.goto(made.as_uri())
            seen.stage()
            seen.picture(pictures / f"plain_{name}.png", full=True)
            seen.still()
            seen.looks()
            assert not seen.asked, seen.asked
    return "a dark page, silent and with data-theme"


def dark_page(attribute: str = "") -> str:
    """Return a dark page with the stage, a still picture, a table and an entry.

    Args:
        attribute: how its body says that it is dark.
    """
    return _dark_page().replace("<body>", f"<body{attribute}>", 1)


@cache
def _dark_page() -> str:
    player = mmviz.Player("iommu_group/release_order", case="DelistThenRelease")
    made = player._repr_mimebundle_()
    forms = made[0] if isinstance(made, tuple) else made
    shown = source("iommu_group/release_order", "DelistThenRelease")
    return DARK.format(
        css="\n".join([colours.css(), colours.rules(), css()]),
        still=forms["text/html"],
        table=mmviz.debate("iommu_group")._repr_html_(),
        entry=mmviz.entry("0xf7fffffffdb97400")._repr_html_(),
        source=json.dumps(shown).replace("</", "<\\/"),
        esm=esm(),
    )
