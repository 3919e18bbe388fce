"""Firefox, driven by WebDriver BiDi over its own remote port: no driver needed."""

import base64
import json
import re
import subprocess
from pathlib import Path
from threading import Event
from typing import Any

import websocket

from tests.ui.lab import end

LOCAL = ("http://127.0.0.1", "http://localhost", "ws://127.0.0.1", "file:", "data:", "blob:")
INNER = ("about:", "chrome:", "resource:", "moz-extension:")  # the browser's own
PREFERENCES = {
    "network.proxy.type": 1,  # to a port on which nothing listens: no request leaves the machine
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1, localhost",
    "datareporting.policy.dataSubmissionEnabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "ui.prefersReducedMotion": 1,
}
START_SECONDS = 60
KEYS = {"ArrowRight": "\ue014", "ArrowLeft": "\ue012", "End": "\ue010", "Tab": "\ue004"}


class Firefox:
    """One headless Firefox with one page; `close` ends it.

    `asked` are the addresses beyond this machine that the page asked for, none of which it got;
    `said` are the errors in its console.
    """

    def __init__(self, folder: Path, *, dark: bool = False, size: tuple[int, int] = (1280, 800)):
        profile = folder / "firefox"
        profile.mkdir(parents=True)
        log = folder / "firefox.log"
        wanted = PREFERENCES | {"layout.css.prefers-color-scheme.content-override": int(not dark)}
        lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in wanted.items()]
        (profile / "user.js").write_text("\n".join(lines), "utf-8")
        self.process = subprocess.Popen(
            [
                *("firefox-esr", "--headless", "--no-remote", "--profile", str(profile)),
                *("--remote-debugging-port", "0", "--width", str(size[0])),
                *("--height", str(size[1]), "about:blank"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=log.open("wb"),
        )
        self.asked: list[str] = []
        self.said: list[str] = []
        self.number = 0
        for _ in range(START_SECONDS * 10):
            found = re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text("utf-8"))
            if found or self.process.poll() is not None:
                break
            Event().wait(0.1)
        if not found:
            self.process.kill()
            raise RuntimeError(f"Firefox did not open its remote port: {log.read_text()[-500:]}")
        where = f"{found[1]}/session"
        self.socket = websocket.create_connection(where, timeout=90, suppress_origin=True)
        self.do("session.new", capabilities={})
        events = ["network.beforeRequestSent", "log.entryAdded"]
        self.do("session.subscribe", events=events)
        self.context = self.do("browsingContext.getTree")["contexts"][0]["context"]
        self.do("browsingContext.activate", context=self.context)
        viewport = {"width": size[0], "height": size[1]}
        self.do("browsingContext.setViewport", context=self.context, viewport=viewport)

    def do(self, method: str, **given: Any) -> dict[str, Any]:
        """Send a command and return its result; note the events that come before it."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": given}))
        while True:
            heard = json.loads(self.socket.recv())
            if heard.get("id") == self.number:
                break
            self._note(heard.get("method"), heard.get("params", {}))
        if heard["type"] == "error":
            raise RuntimeError(f"{method}: {heard['message']}")
        result: dict[str, Any] = heard["result"]
        return result

    def _note(self, event: str | None, told: dict[str, Any]) -> None:
        if event == "network.beforeRequestSent":
            url = told["request"]["url"]
            if told.get("context") and not url.startswith((*LOCAL, *INNER)):
                self.asked.append(url)
        elif event == "log.entryAdded" and told["level"] == "error":
            self.said.append(str(told["text"]))

    def open(self, address: str) -> None:
        """Open an address, and wait until it has loaded."""
        self.do("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def evaluate(self, script: str) -> Any:
        """Run an expression in the page, wait for it, and return its value, made of JSON."""
        told = self.do(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({script})))()",
            target={"context": self.context},
            awaitPromise=True,
        )
        if told["type"] == "exception":
            raise RuntimeError(told["exceptionDetails"]["text"])
        value = told["result"].get("value")
        return None if value is None else json.loads(value)

    def until(self, script: str, seconds: float = 60) -> Any:
        """Wait until an expression is true in the page; return its value."""
        return self.evaluate(
            f"""(async () => {{
                for (let waited = 0; waited < {seconds * 10}; waited++) {{
                    const value = {script};
                    if (value) return value;
                    await new Promise((done) => setTimeout(done, 100));
                }}
                throw new Error("not so after {seconds} s: " + {json.dumps(script)});
            }})()"""
        )

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        value = KEYS.get(key, key)
        actions = [{"type": kind, "value": value} for kind in ("keyDown", "keyUp")]
        self.do(
            "input.performActions",
            context=self.context,
            actions=[{"type": "key", "id": "keyboard", "actions": actions}],
        )

    def picture(self, path: Path) -> None:
        """Write what the page shows as a PNG file."""
        told = self.do("browsingContext.captureScreenshot", context=self.context)
        path.write_bytes(base64.b64decode(told["data"]))

    def close(self) -> None:
        """End the browser."""
        self.socket.close()
        end(self.process)
