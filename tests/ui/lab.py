"""A real JupyterLab on loopback, with a throw-away configuration, and notebooks opened in it."""

import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from threading import Event

SETTINGS = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
}
THEME = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"
START_SECONDS = 90
ROOT = str(Path(__file__).parents[2])  # so that notebooks find mmviz and the tests' toys


class Lab:
    """A JupyterLab server of this very environment; `close` ends it."""

    def __init__(self, folder: Path, theme: str = "JupyterLab Light") -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.settings = settings = folder / "settings"
        self.settle(theme)
        self.token = secrets.token_hex(8)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        places = {
            name: str(folder / name.lower())
            for name in (
                "JUPYTER_CONFIG_DIR",
                "JUPYTER_DATA_DIR",
                "JUPYTER_RUNTIME_DIR",
                "IPYTHONDIR",
            )
        }
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}"),
            *(f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.folder}"),
            *("--LabApp.expose_app_in_browser=True", f"--LabApp.user_settings_dir={settings}"),
            f"--LabApp.workspaces_dir={folder / 'workspaces'}",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=os.environ | places | {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONPATH": ROOT},
            )
        self._wait_until_it_answers()

    def settle(self, theme: str = "JupyterLab Light") -> None:
        """Write the settings anew: what a page has changed, the next one does not see."""
        for name, values in (SETTINGS | {THEME: {"theme": theme}}).items():
            path = self.settings / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), "utf-8")

    def _wait_until_it_answers(self) -> None:
        pause = Event()
        for _ in range(START_SECONDS * 5):
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/api?token={self.token}", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pause.wait(0.2)
        log = self.log.read_text("utf-8", "replace")
        self.close()
        raise RuntimeError(f"JupyterLab did not start. Its log ends:\n{log[-3000:]}")

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; return its address."""
        notebook(self.folder / f"{name}.ipynb", *cells)
        return f"{self.url}/lab/workspaces/{name}/tree/{name}.ipynb?token={self.token}"

    def close(self) -> None:
        """End the server and, with it, its kernels."""
        end(self.process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a program; kill it if it does not end by itself."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells, each a slide, and return its path."""
    written = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell{number}",
                "metadata": {"slideshow": {"slide_type": "slide"}},
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(cells)
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(written), "utf-8")
    return path


def _free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
