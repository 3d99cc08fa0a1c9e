"""Debian's Prometheus or VictoriaMetrics, and node_exporter: free loopback ports, own folders, ended by their ids."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import requests

UNPACKED = Path(__file__).parents[2] / ".venv-test" / "prometheus" / "usr" / "bin"
SCRAPE_S = 1
CONFIG = """
global: {{scrape_interval: {scrape_s}s, scrape_timeout: {scrape_s}s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{exporter}", "127.0.0.1:{nobody}"]}}]
  - job_name: prometheus
    static_configs: [{{targets: ["127.0.0.1:{prometheus}"]}}]
"""


def find(name: str) -> Path | None:
    """Where a program is: on the PATH, or unpacked by `need_prometheus.sh`."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    return UNPACKED / name if os.access(UNPACKED / name, os.X_OK) else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prometheus(config: Path, folder: Path, port: int) -> tuple[str, ...]:
    listen = f"--web.listen-address=127.0.0.1:{port}"
    return f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", listen, "--log.level=error"


def _victoria_metrics(config: Path, folder: Path, port: int) -> tuple[str, ...]:
    listen = f"-httpListenAddr=127.0.0.1:{port}"
    return f"-promscrape.config={config}", f"-storageDataPath={folder / 'tsdb'}", listen, "-loggerLevel=ERROR"


SERVERS = {"prometheus": _prometheus, "victoria-metrics": _victoria_metrics}


class RealPrometheus:
    """A server that speaks Prometheus' language and a node_exporter; the exporter can be stopped and started again.

    Args:
        folder: Where it may keep its files.
        server: Which of `SERVERS`.
    """

    def __init__(self, folder: Path, server: str = "prometheus") -> None:
        self.server = server
        self.exporter_port, self.nobody_port, self.port = free_port(), free_port(), free_port()
        self.instance, self.nobody = f"127.0.0.1:{self.exporter_port}", f"127.0.0.1:{self.nobody_port}"
        self.url = f"http://127.0.0.1:{self.port}"
        self._exporter: subprocess.Popen[bytes] | None = None
        config = folder / "prometheus.yml"
        ports = {"exporter": self.exporter_port, "nobody": self.nobody_port, "prometheus": self.port}
        config.write_text(CONFIG.format(scrape_s=SCRAPE_S, **ports))
        self.start_exporter()
        self._prometheus = _run(server, *SERVERS[server](config, folder, self.port))

    def start_exporter(self) -> None:
        self._exporter = _run(
            "prometheus-node-exporter",
            f"--web.listen-address=127.0.0.1:{self.exporter_port}",
            "--web.disable-exporter-metrics",
            "--log.level=error",
        )

    def stop_exporter(self) -> None:
        _end(self._exporter)
        self._exporter = None

    def close(self) -> None:
        _end(self._prometheus)
        self.stop_exporter()

    def ask(self, query: str) -> list[dict[str, object]]:
        """The series of an instant query; none while Prometheus does not answer yet."""
        try:
            answer = requests.get(f"{self.url}/api/v1/query", {"query": query}, timeout=5)
        except requests.ConnectionError:
            return []
        return list(answer.json()["data"]["result"]) if answer.status_code == 200 else []

    def wait_for(self, query: str, limit_s: float = 120) -> None:
        """Wait until a query has an answer."""
        wait_until(lambda: bool(self.ask(query)), query, limit_s)


def wait_until(seen: Callable[[], bool], what: str, limit_s: float = 30) -> None:
    deadline = time.monotonic() + limit_s
    while not seen():
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {limit_s:g} s: {what}")
        time.sleep(0.1)


def _run(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    program = find(name)
    assert program is not None
    return subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
