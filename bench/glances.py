"""Glances beside us, where it is installed (`BENCH_GLANCES` names its command): a web server that is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from typing import Any

import psutil

from bench.console import free_port

WAIT_S = 30.0


def command() -> str | None:
    """Where Glances is."""
    return shutil.which(os.environ.get("BENCH_GLANCES", "glances"))


class Glances:
    """A running Glances; it starts within the network of its caller."""

    def __init__(self) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/api/4/"
        run = [str(command()), "-w", "-B", "127.0.0.1", "-p", str(port), "--disable-webui", "-t", "2"]
        self.process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                self.ask("status")
                return
            except OSError:
                if time.monotonic() > deadline:
                    self.stop()
                    raise
                time.sleep(0.2)

    def ask(self, what: str) -> Any:
        """One answer of its interface for programs."""
        with urllib.request.urlopen(self._url + what, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def cpu_s(self) -> float:
        """Seconds of CPU that it has used, its children included."""
        own = psutil.Process(self.process.pid)
        return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)
