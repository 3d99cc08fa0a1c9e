"""The whole console, as the command serves it, killed at three points of taking events in while senders send again."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from data_sources.usage import integrity
from tests.data_sources.usage.ingest_rows import NOON_US, ask, litellm_events, open_store
from tests.data_sources.usage.ingest_rows import event as own_event
from tests.data_sources.usage.otlp_rows import chat, export, protobuf
from tests.data_sources.usage.test_verify import check

REPO = Path(__file__).parents[2]
EVENTS, TRACES = "/api/v1/llm/usage/events", "/v1/traces"
KEY = "a-key-of-the-senders"
PATIENCE_S = 120.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Console:
    """`ops-center serve` in a process group of its own, on one port through all of its lives."""

    def __init__(self, folder):
        self.folder, self.port, self.child = folder, free_port(), None
        self.start()

    def start(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
        self.child = subprocess.Popen(
            [sys.executable, "-c", "from cli import main; main()", "serve", "--port", str(self.port)],
            cwd=REPO,
            env=environment | {"OPS_DATA_DIR": str(self.folder), "OPS_INGEST_TOKEN": KEY},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(timeout=20)

    def stop(self):
        self.child.terminate()
        assert self.child.wait(timeout=60) == 0


def own_bodies(sender):
    """Bodies of seven events; each third event is a second attempt of the call before it."""
    for number in range(100_000):
        events = []
        for step in range(7 * number + 1, 7 * number + 8):
            again = step % 3 == 0
            events.append(
                {
                    "event_id": f"{sender}-{step}",
                    "call_id": f"{sender}-call-{step - again}",
                    "started_at_us": NOON_US - 86_400_000_000 + step * 1000,
                    "status": "success" if again else "failure",
                    "provider": "p",
                    "input_tokens": step,
                    "cost_reported_usd": "0.001",
                }
            )
        yield json.dumps(events).encode(), 7


def litellm_bodies():
    """LiteLLM's ten events, a fallback among them, as new calls each time."""
    for number in range(100_000):
        events = litellm_events()
        for event in events:
            event["litellm_call_id"] = f"{event['litellm_call_id']}-{number}"
            event["startTime"] += number
            event["endTime"] += number
        yield json.dumps(events).encode(), len(events)


def otlp_bodies():
    """Exports of three calls in protobuf."""
    for number in range(1, 100_000):
        yield protobuf(export(*(chat(3 * number + step) for step in range(3)))), 3


class Sender(threading.Thread):
    """Sends one body after the other, each until it has a receipt, as an exporter does."""

    def __init__(self, console, path, bodies, **headers):
        super().__init__(daemon=True)
        self.url = f"http://127.0.0.1:{console.port}{path}"
        self.bodies, self.headers = bodies, {"Authorization": f"Bearer {KEY}"} | headers
        self.enough, self.refused = threading.Event(), []
        self.receipts = self.events = self.tries = 0

    def run(self):
        with requests.Session() as made:
            for body, events in self.bodies:
                while not self._sent(made, body):
                    self.enough.wait(0.05)
                self.receipts += 1
                self.events += events
                if self.enough.is_set() or self.refused:
                    return

    def _sent(self, made, body):
        self.tries += 1
        try:
            answer = made.post(self.url, data=body, headers=self.headers, timeout=20)
        except requests.RequestException:
            return False
        if answer.status_code != 503:
            self.refused += [] if answer.status_code == 200 else [answer.text]
            return True
        return False


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.001)


def changed(path):
    """Whether a file has changed since this was called."""
    before = path.stat()

    def look():
        now = path.stat()
        return (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size)

    return look


def in_the_middle_of_a_body(console):
    """Half of a body is there, and the console waits for the rest."""
    body, _ = next(litellm_bodies())
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", console.port), timeout=20) as half:
        half.sendall(head.encode() + body[: len(body) // 2])
        console.kill()


def while_a_commit_is_written(console):
    """The store's log has just grown: the commit may be whole or not, nobody was told."""
    wait_for(changed(console.folder / "usage.duckdb.wal"), "a commit")
    console.kill()


def before_the_answer(console):
    """The commit has just been noted as done: it is whole, and its senders have no receipt yet."""
    wait_for(changed(console.folder / "usage.duckdb.commits"), "the note of a commit")
    console.kill()


@pytest.fixture
def console(tmp_path):
    made = Console(tmp_path)
    yield made
    made.kill()


def test_killed_at_three_points_and_sent_again_everything_is_there_and_counts_once(console, tmp_path):
    senders = [
        Sender(console, EVENTS, own_bodies("a")),
        Sender(console, EVENTS, own_bodies("b")),
        Sender(console, EVENTS, litellm_bodies()),
        Sender(console, TRACES, otlp_bodies(), **{"Content-Type": "application/x-protobuf"}),
    ]
    for sender in senders:
        sender.start()

    def everybody_got_receipts():
        wanted = [sender.receipts + 5 for sender in senders]
        wait_for(
            lambda: all(s.receipts >= n or s.refused for s, n in zip(senders, wanted, strict=True)),
            "receipts of each sender",
        )

    for kill in (in_the_middle_of_a_body, while_a_commit_is_written, before_the_answer):
        everybody_got_receipts()
        kill(console)
        console.start()
    everybody_got_receipts()
    for sender in senders:
        sender.enough.set()
        sender.join(PATIENCE_S)
    console.stop()

    assert [sender.refused for sender in senders] == [[]] * len(senders)
    assert sum(sender.tries for sender in senders) > sum(sender.receipts for sender in senders)
    store = open_store(tmp_path)
    sent = sum(sender.events for sender in senders)
    once = "SELECT count(*), count(DISTINCT (source, event_id, started_at_us)) FROM attempts"
    assert ask(store, once) == [(sent, sent)]
    calls = "SELECT sum(counts_call), count(DISTINCT (source, call_id)) FROM attempts"
    [(counted, distinct)] = ask(store, calls)
    assert counted == distinct
    # what was received says the same: each event was new once, however often it came
    assert ask(store, "SELECT sum(accepted), sum(rejected) FROM intake") == [(sent, 0)]
    assert check(store, 10_000) == []
    with store.cursor() as cursor:
        assert integrity.damage(cursor) == ()
    store.close()


AS_PROTOBUF = {"Content-Type": "application/x-protobuf"}


def is_up(console):
    with suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{console.port}/healthz", timeout=5).ok
    return False


def raw(console, path, body, *, length=None, end=True, **headers):
    """Send a request by hand, as the server sees one that breaks off; gives the socket."""
    told = {"Authorization": f"Bearer {KEY}", "Content-Length": len(body) if length is None else length} | headers
    lines = [f"POST {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in told.items())]
    sent = socket.create_connection(("127.0.0.1", console.port), timeout=PATIENCE_S)
    try:
        sent.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        if end:
            sent.shutdown(socket.SHUT_WR)
    except OSError:
        sent.close()
        raise
    return sent


def answered(sent):
    """Status and text of the answer."""
    with sent, sent.makefile("rb") as answer:
        head = answer.readline()
        return int(head.split()[1]), answer.read().decode()


def test_a_body_that_breaks_off_falls_silent_or_goes_on_is_refused_and_nothing_of_it_is_taken(console):
    lines = [
        json.dumps(own_event(number) | {"started_at_us": NOON_US - 10**9 + number}).encode() for number in range(3000)
    ]
    whole, few = b"\n".join(lines), b"\n".join(lines[:3])
    wait_for(lambda: is_up(console), "the console")
    # the long way, and the short one
    silent = [raw(console, EVENTS, sent[:70], length=len(sent), end=False) for sent in (whole, few)]
    cut = len(lines[0]) + 1  # at the end of a line, where what came looks like a body of its own
    for body, length in ((few[:cut], len(few)), (whole[: cut * 2000], len(whole))):
        status, text = answered(raw(console, EVENTS, body, length=length))
        assert (status, "The body broke off" in text) == (400, True), text
    spans = [protobuf(export(chat(number))) for number in (1, 2)]
    status, text = answered(raw(console, TRACES, spans[0], length=len(spans[0] + spans[1]), **AS_PROTOBUF))
    assert (status, "The body broke off" in text) == (400, True), text
    packed = gzip.compress(few) + b"x" * 100_000  # more than is read at once; the server in front drains 64 KiB
    status, text = answered(raw(console, EVENTS, packed, **{"Content-Encoding": "gzip"}))
    assert (status, "goes on after its end" in text) == (400, True), text
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = socket.create_connection(("127.0.0.1", console.port), timeout=PATIENCE_S)
    chunked.sendall(head.encode() + b"nonsense\r\n")
    assert answered(chunked)[0] == 400
    for each in silent:
        status, text = answered(each)
        assert (status, "Nothing more of the body came for 10 s" in text) == (408, True), text
    status, text = answered(raw(console, EVENTS, few))
    assert (status, '"accepted":3,"duplicates":0' in text) == (200, True), text
