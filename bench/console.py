"""What the benchmarks and the screenshots share: a served console with the real traces in it, and a browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from selenium import webdriver
from selenium.webdriver.chrome.options import Options

# Selenium must never look for a driver on the network.
os.environ.setdefault("SE_OFFLINE", "true")

ROOT = Path(__file__).resolve().parent.parent
OPS_CENTER = Path(sys.executable).parent / "ops-center"


def free_port() -> int:
    """A free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(*, core: int | None = None, **settings: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve the console as a user does, on a data folder of its own.

    Args:
        core: The only core it may run on; None for all.
        **settings: `OPS_*` names and values.

    Yields:
        Its address, and the environment for further `ops-center` commands.
    """
    port = free_port()
    with TemporaryDirectory(prefix="ops-center-bench-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
        environment |= {"OPS_DATA_DIR": folder, "OPS_PORT": str(port), "SE_OFFLINE": "true", **settings}
        process = subprocess.Popen(
            pinned([str(OPS_CENTER), "serve"], core),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_up(url, process)
            yield url, environment
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def pinned(command: list[str], core: int | None) -> list[str]:
    """The same command on one core, where the system can do that."""
    taskset = shutil.which("taskset")
    return command if core is None or taskset is None else [taskset, "-c", str(core), *command]


def wait_until_up(url: str, process: subprocess.Popen[Any] | None = None) -> None:
    """Wait until the address answers, or the process that should answer has ended."""
    deadline = time.monotonic() + 60
    while True:
        try:
            requests.get(f"{url}/healthz", timeout=2)
        except (requests.ConnectionError, requests.Timeout):
            if time.monotonic() > deadline or (process is not None and process.poll() is not None):
                raise
            time.sleep(0.1)
        else:
            return


def run(environment: dict[str, str], *words: str) -> str:
    """Run an `ops-center` command; its output."""
    done = subprocess.run([OPS_CENTER, *words], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def chromium(*, width: int = 1360, height: int = 1000, theme: str = "light") -> Any:
    """A headless Chromium with an empty cache."""
    options = Options()
    names = ("chromium", "google-chrome", "chrome", "chromium-browser")
    options.binary_location = os.environ.get("CHROME_BIN") or str(next(filter(None, map(shutil.which, names))))
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options)
    feature = [{"name": "prefers-color-scheme", "value": theme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
    return driver


def table(rows: list[dict[str, Any]]) -> None:
    """Print rows as a Markdown table; nothing where there are none."""
    if not rows:
        return
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *[[str(row.get(head, "")) for head in heads] for row in rows]]
    for line in lines:
        print("| " + " | ".join(line) + " |", flush=True)
