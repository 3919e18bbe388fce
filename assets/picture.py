"""Takes the README's picture: the real stage, in JupyterLab, in headless Chromium.

Run it with `make picture`.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.ui.lab import Lab

PICTURE = Path(__file__).with_name("stage.png")
CELL = """\
import mmviz
mmviz.Driver("iommu_group/release_order", "CPU0*3 CPU1*4", case="DelistThenRelease")"""
RUN = """async () => {
  await window.jupyterapp.restored;
  const context = window.jupyterapp.shell.currentWidget.sessionContext;
  await context.ready;
  await context.session.kernel.info;
  window.jupyterapp.commands.execute("notebook:run-all-cells");
}"""


def take(folder: Path, to: Path) -> None:
    """Open a notebook with one cell, run it, and photograph what it shows."""
    lab = Lab(folder)
    try:
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(
                viewport={"width": 1320, "height": 1600}, reduced_motion="reduce"
            )
            page.goto(lab.write("picture", CELL))
            page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
            page.evaluate(RUN)
            page.locator(".mm-choose:enabled").first.wait_for(timeout=60_000)
            page.keyboard.press("Escape")
            page.locator(".mm-stage").screenshot(path=to, animations="disabled")
            browser.close()
    finally:
        lab.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        take(Path(scratch), PICTURE)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size:,} bytes")
