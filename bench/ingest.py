"""Ingestion over HTTP into the served console, each figure beside a plain Flask POST of the same bodies.

Rates are what the clock says, on a machine where the senders run too. The CPU time of the server process for one event
says more where other work shares the machine: below 50 µs of one core, one interpreter takes 20,000 events a second.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil
from flask import Flask, request

from bench.console import ROOT, free_port, served, table, wait_until_up
from cli import THREADS

KEY = "bench-ingest-key-0123456789"
PATH = "/api/v1/llm/usage/events"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
LITELLM_BYTES = 12_000
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-sonnet-4-5")
_PLACE = b"@@EVENT@@"

plain = Flask("plain")


@plain.post(PATH)
def take() -> str:
    """Read the body and do nothing with it."""
    request.get_data()
    return ""


@plain.get("/healthz")
def up() -> str:
    """Says that it answers."""
    return ""


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load.

    Attributes:
        senders: How many send at once, each over one connection.
        events: In one request.
        requests: That each sender sends in a round.
        target: What the figure must reach, in words.
    """

    name: str
    senders: int
    events: int
    requests: int
    body: Callable[[str, int, int], bytes]
    target: str


def compact(prefix: str, first: int, events: int) -> bytes:
    """Events of our own JSON as a sender that knows the usual facts sends them; half name their cost."""
    now = time.time_ns() // 1000
    return json.dumps([_compact(f"{prefix}-{n:07}", now, n) for n in range(first, first + events)]).encode()


def _compact(event_id: str, now_us: int, n: int) -> dict[str, Any]:
    event = {
        "event_id": event_id,
        "started_at_us": now_us + n,
        "status": "success",
        "duration_ms": 700 + n * 7919 % 4000,
        "provider": "anthropic" if n % 4 == 3 else "openai",
        "model": MODELS[n % 4],
        "power_level": ("eco", "balanced", "precision")[n % 3],
        "user_id": f"user-{n * 31 % 2001:04}",
        "team_id": f"team-{n * 31 % 50:02}",
        "input_tokens": 1000 + n * 104729 % 9000,
        "output_tokens": 100 + n * 1299709 % 900,
        "cache_read_tokens": n % 900,
    }
    return event | ({"cost_reported_usd": 0.00123 + n % 1000 * 1e-6} if n % 2 else {})


def litellm(prefix: str, first: int, events: int) -> bytes:
    """Payloads as LiteLLM posts them, with prompts that bring each to 12 kB; half come without a cost."""
    parts = []
    for n in range(first, first + events):
        name = f"{prefix}-{n:07}".encode()
        parts.append(_TEMPLATES[n % len(_TEMPLATES)].replace(_PLACE, name).replace(b"1795333656.5", _now(n)))
    return b"[" + b",".join(parts) + b"]"


def _now(n: int) -> bytes:
    return f"{time.time() + n / 1e6:.6f}".encode()


def _templates() -> tuple[bytes, ...]:
    """The real successes of a captured body: whole and without their cost."""
    found = json.loads((ROOT / "tests" / "data" / "litellm_generic_api.json").read_text(encoding="utf-8"))["body"]
    made = []
    for number, event in enumerate(event for event in found if event["status"] == "success"):
        event |= {"litellm_call_id": f"call-{_PLACE.decode()}", "id": f"chat-{_PLACE.decode()}"}
        event |= {"startTime": 1795333656.5, "endTime": 1795333656.5}
        event["response_cost"] = event["response_cost"] if number % 2 else None
        words = LITELLM_BYTES - len(json.dumps(event))
        event["messages"] = [{"role": "user", "content": ("the quick brown fox jumps over " * 600)[:words]}]
        made.append(json.dumps(event).encode())
    return tuple(made)


_TEMPLATES = _templates()

LOADS = (
    Load("compact own JSON, 4 senders of 512", 4, 512, 30, compact, "20,000 events/s"),
    Load("LiteLLM payloads of 12 kB, 4 senders of 512", 4, 512, 8, litellm, "8,000 events/s"),
    Load("single events, 64 senders", 64, 1, 40, compact, "0.5x the plain POST"),
)


def main() -> None:
    """Print the table."""
    rows = []
    with served(OPS_INGEST_TOKEN=KEY) as (url, _), _plain() as plain_url:
        for load in LOADS:
            mine = [_round(load, url, f"{load.senders}x{load.events}-{n}") for n in range(ROUNDS)]
            theirs = [_round(load, plain_url, f"plain-{n}") for n in range(ROUNDS)]
            rows.append(_row(load, mine, theirs))
    table(rows)


@dataclass(frozen=True, slots=True)
class _Took:
    events_per_s: float
    cpu_us: float


def _row(load: Load, mine: list[_Took], theirs: list[_Took]) -> dict[str, Any]:
    here, there = max(took.events_per_s for took in mine), max(took.events_per_s for took in theirs)
    return {
        "load": load.name,
        "events/s, best": f"{here:,.0f}",
        "plain Flask POST": f"{there:,.0f}",
        "ratio": f"{here / there:.2f}",
        "server CPU, µs/event": f"{min(took.cpu_us for took in mine):.1f}",
        "plain": f"{min(took.cpu_us for took in theirs):.1f}",
        "target": load.target,
    }


def _round(load: Load, url: str, name: str) -> _Took:
    """Let all senders send at once; they have made their bodies before, and tell when each began and ended."""
    context = multiprocessing.get_context("fork")
    barrier, told = context.Barrier(load.senders + 1), context.SimpleQueue()
    senders = [
        context.Process(target=_send, args=(load, url, f"{name}-{sender}", barrier, told))
        for sender in range(load.senders)
    ]
    server = _worker(url)
    for sender in senders:
        sender.start()
    cpu_s = _cpu_s(server)
    barrier.wait()
    times = [told.get() for _ in senders]
    for sender in senders:
        sender.join()
    failed = [problem for _, _, problem in times if problem]
    if failed:
        raise RuntimeError(f"{load.name}: {failed[0]}")
    events = load.senders * load.events * load.requests
    took_s = max(end for _, end, _ in times) - min(start for start, _, _ in times)
    return _Took(events / took_s, (_cpu_s(server) - cpu_s) / events * 1e6)


def _send(load: Load, url: str, name: str, barrier: Any, told: Any) -> None:
    bodies = [load.body(name, n * load.events, load.events) for n in range(load.requests)]
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.connect()
    barrier.wait()
    start, problem = time.monotonic(), ""
    for body in bodies:
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or (text and json.loads(text)["accepted"] != load.events):
            problem = f"{answer.status} {text[:300]!r}"
    told.put((start, time.monotonic(), problem))


def _worker(url: str) -> psutil.Process:
    """The process that answers: gunicorn's one worker."""
    port = urlsplit(url).port
    listening = [each for each in psutil.Process().children(recursive=True) if _listens(each, port)]
    return max(listening, key=lambda each: each.create_time())


def _listens(process: psutil.Process, port: int | None) -> bool:
    return any(each.laddr.port == port and each.status == "LISTEN" for each in process.net_connections("tcp"))


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


@contextmanager
def _plain() -> Iterator[str]:
    """The plain Flask application, served as the console is."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    words = ["-b", f"127.0.0.1:{port}", "-k", "gthread", "--threads", str(THREADS), "--keep-alive", "15"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *words, "--log-level", "error", "bench.ingest:plain"], cwd=ROOT
    )
    try:
        wait_until_up(url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


if __name__ == "__main__":
    main()
