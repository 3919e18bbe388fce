"""A Chromium that reaches this machine only, and what a page in it must show."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOCAL = ("http://127.0.0.1", "http://localhost", "ws://127.0.0.1", "ws://localhost")
INNER = ("file:", "data:", "blob:", "about:")
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
JUDGE = (Path(__file__).parent / "judge.js").read_text("utf-8")
PARTS = ("promise", "controls", "code", "memory", "strip", "caption")
PICTURES = Path(__file__).parents[2] / "test-artifacts" / "frontends"
WAIT = 90_000  # ms, on a slow machine
SCREEN = {"width": 1280, "height": 800}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a headless Chromium without a network."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", ALONE]
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@contextmanager
def page(browser: Browser, *, dark: bool = False) -> Iterator["Seen"]:
    """Give an empty page, watched."""
    scheme: Any = "dark" if dark else "light"
    context = browser.new_context(viewport=SCREEN, color_scheme=scheme, reduced_motion="reduce")
    context.set_default_timeout(WAIT)
    seen = Seen(context.new_page())
    try:
        yield seen
    except Exception:
        seen.picture(PICTURES / "failed.png")
        raise
    finally:
        context.close()


class Seen:
    """A page; `asked` are the addresses beyond this machine that it asked for, and did not get."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))

    def _note(self, url: str) -> None:
        if not url.startswith((*LOCAL, *INNER)):
            self.asked.append(url)

    def stage(self, parts: Sequence[str] = PARTS) -> None:
        """Check that the stage is there with its parts, and that a key and a button step.

        Raises:
            AssertionError: something is not so.
        """
        stage = self.page.locator(".mm-stage[data-state]").first
        stage.wait_for()
        for part in parts:
            found = stage.locator(f'[data-pane="{part}"]').first
            assert found.is_visible(), f"{part} is not there"
            marks = found.locator("text[data-key]").first
            drawn = marks.is_visible() if part == "memory" else found.inner_text().strip()
            assert drawn or part == "strip", f"{part} is empty"
        stage.scroll_into_view_if_needed()
        stage.focus()
        self.page.keyboard.press("Home")
        before = cursor(stage)
        self.page.keyboard.press("ArrowRight")
        assert cursor(stage) == before + 1, "a key does not step"
        stage.locator(".mm-next").click()
        assert cursor(stage) == before + 2, "a button does not step"
        stage.locator(".mm-last").click()

    def looks(self) -> None:
        """Check that all is legible.

        Raises:
            AssertionError: something is not; the first of what is not.
        """
        wrong = self.page.evaluate(JUDGE)
        assert not wrong, f"{len(wrong)} faults: {wrong[:4]}"

    def still(self, most: int = 1) -> None:
        """Check that still pictures stand where widgets do not run.

        Raises:
            AssertionError: the output is blank.
        """
        shown = self.page.locator("img.mm-image, .mm-picture svg").evaluate_all(
            "all => all.filter(each => each.getBoundingClientRect().height > 200).length"
        )
        assert shown >= most, f"{shown} pictures are seen"

    def picture(self, path: Path, *, full: bool = False) -> None:
        """Write what the page shows as a PNG file."""
        self.page.screenshot(path=path, full_page=full, animations="disabled")


def cursor(stage: Locator) -> int:
    """Return the number of the frame that a stage shows."""
    state = json.loads(stage.get_attribute("data-state") or "{}")
    return int(state["cursor"])
