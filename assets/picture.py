"""Takes the README's picture and animation of the stage, in headless Chromium.

Run it with `make picture`. The picture is of a real JupyterLab. The animation is of the same code
in a plain page whose clock is turned by hand, so each frame is where it belongs.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from mmviz.scenarios import find
from tests.browser.page import of_case
from tests.browser.page import page as page_of
from tests.ui.lab import Lab

HERE = Path(__file__).parent
PICTURE, ANIMATION = HERE / "stage.png", HERE / "stage.webp"
RACE, CASE = "iommu_group/release_order", "DelistThenRelease"
KEYS = ("1", "1", "1", "2", "2", "2", "2")
CELL = f"""\
import mmviz
mmviz.Driver("{RACE}", "CPU0*3 CPU1*4", case="{CASE}")"""
RUN = """async () => {
  await window.jupyterapp.restored;
  const context = window.jupyterapp.shell.currentWidget.sessionContext;
  await context.ready;
  await context.session.kernel.info;
  window.jupyterapp.commands.execute("notebook:run-all-cells");
}"""
FRAME = 80  # ms between two frames of the animation
STEP, REST, END = 6, 2, 12  # frames of a step's motion, of the pause after it, at the end
SIZE = (770, 392)  # pixels of the animation


def in_lab(browser: Browser, folder: Path, to: Path) -> None:
    """Open a notebook with one cell, run it, and photograph what it shows."""
    lab = Lab(folder)
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
        page.goto(lab.write("picture", CELL))
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        page.evaluate(RUN)
        page.locator(".mm-stage").wait_for(timeout=60_000)
        page.evaluate("window.jupyterapp.shell.collapseLeft()")  # the file browser
        page.wait_for_timeout(1000)
        page.locator(".mm-stage").screenshot(path=to, animations="disabled")
    finally:
        lab.close()


def frames(page: Page) -> Iterator[Image.Image]:
    """Step through the run; yield a picture every `FRAME` milliseconds."""

    def taken() -> Image.Image:
        page.clock.run_for(FRAME)
        shot = page.locator(".mm-stage").screenshot()
        return Image.open(io.BytesIO(shot)).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)

    for _ in range(REST * 3):
        yield taken()
    for key in KEYS:
        page.keyboard.press(key)
        for _ in range(STEP + REST):
            yield taken()
    for _ in range(END):
        yield taken()


def animated(browser: Browser, folder: Path, to: Path) -> None:
    """Write the animation of a run that breaks the promise."""
    file = folder / "page.html"
    file.write_text(page_of(of_case(find(RACE, CASE), driver=True)), "utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.clock.install()
    page.goto(file.as_uri())
    page.clock.run_for(500)
    page.locator(".mm-stage").focus()
    first, *others = frames(page)
    first.save(
        to, save_all=True, append_images=others, duration=FRAME, loop=0, quality=40, method=6
    )


if __name__ == "__main__":
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        run = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        animated(run, Path(scratch), ANIMATION)
        in_lab(run, Path(scratch), PICTURE)
        run.close()
    for made in (PICTURE, ANIMATION):
        print(f"{made.name}: {made.stat().st_size:,} bytes")
