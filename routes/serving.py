"""Serving under gunicorn: one process, many threads, the sources started in it and closed before it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import Dash
from flask import Flask
from gunicorn.app.base import BaseApplication

from settings import Settings


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, make: Callable[[], Dash], options: dict[str, Any]) -> None:
        self._make = make
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        server: Flask = self._make().server
        server.extensions["ops"].start()
        self.server = server
        return server


def run(make: Callable[[], Dash], settings: Settings, *, threads: int, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        make: Makes the application, called in the serving process: the usage store is opened by that one only.
        settings: Where to listen.
        threads: How many requests are answered at once.
        ready: Called in the serving process, once the application answers.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    running: list[_Server] = []

    def close(_arbiter: Any, worker: Any) -> None:
        server = getattr(running[0], "server", None)
        if server is not None:
            server.extensions["ops"].close()

    options = {
        "bind": f"{host}:{settings.port}",
        "workers": 1,
        "worker_class": "gthread",
        "threads": threads,
        "timeout": 120,
        "graceful_timeout": 20,
        "keepalive": 15,
        "control_socket_disable": True,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        "proc_name": "ops-center",
        "limit_request_line": 8190,
        "post_worker_init": lambda _worker: ready(),
        "worker_exit": close,
    }
    served = _Server(make, options)
    running.append(served)
    served.run()
