"""Where a front end runs: an environment of its own, a folder, a server on loopback."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from threading import Event

from tests.ui.lab import end

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".venv" / "frontends"
START_SECONDS = 90


def environment(name: str, *packages: str) -> Path:
    """Return the folder of commands of an environment with mmviz and these packages.

    It is made anew when the packages or mmviz's own needs change.
    """
    home = ENVIRONMENTS / name
    wanted = json.dumps([str(ROOT), packages, (ROOT / "pyproject.toml").read_text("utf-8")])
    ready = home / "ready"
    if not (ready.exists() and ready.read_text("utf-8") == wanted):
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = (str(home / "bin/python"), "-m", "pip", "install", "--quiet")
        more = ("--disable-pip-version-check", "--editable", str(ROOT), *packages)
        subprocess.run([*pip, *more], check=True)
        ready.write_text(wanted, "utf-8")
    return home / "bin"


def version(commands: Path, package: str) -> str:
    """Return the version of a package in an environment."""
    say = f"from importlib.metadata import version; print(version({package!r}))"
    told = subprocess.run([str(commands / "python"), "-c", say], capture_output=True, text=True)
    return told.stdout.strip()


def settings(commands: Path, folder: Path) -> dict[str, str]:
    """Return the environment variables under which a front end runs, apart from the user's own."""
    own = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    } | {"XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder)}
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    more = {"PYTHONPATH": str(ROOT), "PATH": path, "JUPYTER_PREFER_ENV_PATH": "1"}
    return os.environ | own | more


def run(commands: Path, folder: Path, *command: str) -> str:
    """Run a command of an environment in a folder; return what it says.

    Raises:
        RuntimeError: the command failed; the message ends as its output does.
    """
    program, *arguments = command
    told = subprocess.run(
        [str(commands / program), *arguments],
        cwd=folder,
        env=settings(commands, folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    if told.returncode:
        raise RuntimeError(f"{' '.join(command)}: {told.stdout[-1500:]}")
    return told.stdout


class Server:
    """A program that serves pages on loopback; `close` ends it.

    Args:
        commands: the commands of its environment.
        folder: where it runs.
        command: the program and its arguments; `{port}` stands for the port.
        answers: a path that it serves when it is ready.
    """

    def __init__(self, commands: Path, folder: Path, *command: str, answers: str = "/") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "server.log"
        program, *arguments = [part.format(port=port) for part in command]
        self.process = subprocess.Popen(
            [str(commands / program), *arguments],
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=settings(commands, folder),
        )
        for _ in range(START_SECONDS * 5):
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.url + answers, timeout=60).close()
                return
            except urllib.error.HTTPError:
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                Event().wait(0.2)
        self.close()
        said = re.sub(r"\x1b\[\d*m", "", self.log.read_text("utf-8", "replace"))
        raise RuntimeError(f"{command[0]} did not start: {said[-1500:]}")

    def close(self) -> None:
        """End the program."""
        end(self.process)
