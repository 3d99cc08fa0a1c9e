"""A real HTTP server on a free loopback port, with switches for everything that goes wrong out there."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

FaultKind = Literal["slow", "500", "502", "401", "html", "half", "closed", "empty", "drops", "head in drops"]


@dataclass(frozen=True)
class Asked:
    """One request as it came in, and what was answered."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    status: int | None = None
    answer: Any = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fault:
    """What goes wrong at addresses that begin with `path`.

    Attributes:
        kind: What goes wrong.
        path: Beginning of the path; "" means everywhere.
        method: Only this method.
        times: How often; None means until it is removed.
        delay_s: How long "slow" holds the answer back, unless the server is closed first; the time from one byte to
            the next of an answer that comes in "drops".
        after: Do the work first, then fail: the answer is lost, not the deed.
    """

    kind: FaultKind
    path: str = ""
    method: str | None = None
    times: int | None = None
    delay_s: float = 30.0
    after: bool = False


Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]


@dataclass
class FakeServer:
    """Subclasses implement `answer`; state lives on the instance, under `lock`."""

    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        # How long each answer takes, by the beginning of its path, in seconds.
        self.delays_s: dict[str, float] = {}
        self._gathered: tuple[str, threading.Barrier] | None = None
        self.lock = threading.RLock()
        self._closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def failure(self, status: int, words: str) -> dict[str, Any]:
        """The body of an error of the service's own; this is Lago's."""
        return {"status": status, "error": words}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def fail(self, kind: FaultKind, path: str = "", **more: Any) -> Fault:
        fault = Fault(kind, path, **more)
        with self.lock:
            self.faults.append(fault)
        return fault

    def heal(self) -> None:
        with self.lock:
            self.faults.clear()

    def requests(self, method: str, path: str) -> list[Asked]:
        """What was asked at exactly this address."""
        with self.lock:
            return [one for one in self.asked if one.method == method and one.path == path]

    def close(self) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)

    def take_fault(self, asked: Asked) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if asked.path.startswith(fault.path) and fault.method in (None, asked.method):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self.faults.remove(fault)
                    return fault
        return None

    def gather(self, path: str, number: int) -> None:
        """Answer nobody at addresses that begin so before so many are waiting there: who asks one by one hangs."""
        self._gathered = (path, threading.Barrier(number))

    def wait_for_others(self, asked: Asked) -> None:
        gathered = self._gathered
        if gathered is not None and asked.path.startswith(gathered[0]):
            with contextlib.suppress(threading.BrokenBarrierError):
                gathered[1].wait(timeout=5)
        self.hold(max((delay for path, delay in self.delays_s.items() if asked.path.startswith(path)), default=0.0))

    def hold(self, seconds: float) -> None:
        self._closing.wait(seconds)


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        # One packet an answer: head and body apart would each wait 40 ms for the other side's acknowledgement.
        wbufsize = 65536
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", "0"))
            asked = Asked(
                self.command,
                parts.path,
                parse_qs(parts.query, keep_blank_values=True),
                dict(self.headers.items()),
                self.rfile.read(length),
            )
            server.wait_for_others(asked)
            fault = server.take_fault(asked)
            if fault is None or fault.after:
                with server.lock:
                    status, body, *rest = server.answer(asked)
            else:
                status, body, rest = 500, None, []
            with server.lock:
                noted = None if fault else (status, body)
                server.asked.append(
                    Asked(asked.method, asked.path, asked.query, asked.headers, asked.body, *(noted or (None, None)))
                )
            try:
                if fault is None:
                    self._send(status, body, rest[0] if rest else {})
                else:
                    self._break(fault)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's names

        def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", headers.get("Content-Type", "application/json; charset=utf-8"))
            self.send_header("Content-Length", str(len(raw)))
            for name, value in headers.items():
                if name != "Content-Type":
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)

        def _break(self, fault: Fault) -> None:
            page = {"Content-Type": "text/html"}
            plain: dict[str, Callable[[], None]] = {
                "500": lambda: self._send(500, server.failure(500, "Internal Server Error"), {}),
                "502": lambda: self._send(502, b"<html><h1>502 Bad Gateway</h1></html>", page),
                "401": lambda: self._send(401, server.failure(401, "Unauthorized"), {}),
                "html": lambda: self._send(200, b"<!doctype html><title>Sign in</title>", page),
                "empty": lambda: self._send(200, b"", {}),
            }
            if fault.kind in plain:
                plain[fault.kind]()
                return
            self.close_connection = True
            if fault.kind == "slow":
                server.hold(fault.delay_s)
            elif fault.kind == "half":
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"plans": [{"code": "te')
            elif fault.kind in ("drops", "head in drops"):
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
                sent = b"" if fault.kind == "head in drops" else head
                self.wfile.write(sent)
                for byte in (head + b"1" * 1000)[len(sent) :]:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    server.hold(fault.delay_s)
            # "closed": nothing is sent at all

    return Handler
