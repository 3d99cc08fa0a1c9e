import json
import signal
import socket
import threading

import pytest
import requests
from flask import Flask, Response, request

from data_sources.usage import import_client
from data_sources.usage.import_client import run_import
from data_sources.usage.import_types import ImportOptions
from tests.data_sources.usage.importing.steps import AZURE, AZURE_SOURCE, serving
from tests.data_sources.usage.ingest_rows import DATA, ask


def test_a_server_that_is_not_there_is_told_at_once(tmp_path):
    options = ImportOptions(DATA / "azure_code_200.csv", "http://127.0.0.1:9", "k", AZURE, tz="UTC")
    assert "cannot be reached" in run_import(options, lambda *_: None).problem.detail


@pytest.fixture
def grudging():
    """A server that dies over the first part, then is busy, then says that more than 50 events are too large."""
    server, seen = Flask("grudging"), []

    @server.post("/api/v1/llm/usage/events")
    def take():
        seen.append(request.get_data())
        events = json.loads(seen[-1]) if seen[-1] else []
        if len(seen) == 1:
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return ""
        if len(seen) == 2:
            return {"title": "Events must wait"}, 503, {"Retry-After": "0"}
        if len(events) > 50:
            return {"title": "The body is too large"}, 413
        return {"accepted": len(events), "duplicates": 0, "rejected": [], "batch_id": "b"}

    with serving(server) as url:
        yield url, seen


def test_a_server_that_restarts_or_is_busy_is_waited_for_and_a_large_body_is_sent_in_parts(grudging):
    url, seen = grudging
    told = []
    options = ImportOptions(DATA / "azure_code_200.csv", url, "k", AZURE, tz="UTC")
    waits = []

    def note(done, size, so_far):
        told.append((done <= size, so_far.accepted))
        waits.append(so_far.waiting)

    report = run_import(options, note)
    assert (report.problem, report.accepted) == (None, 200)
    assert [why for why in waits if why] == ["no answer", "HTTP 503"]
    assert waits[-1] is None
    assert seen[0] == seen[1] == seen[2]
    # what was too large is not tried at that size again
    assert [len(json.loads(body or "[]")) for body in seen[2:]] == [200, 100, 50, 50, 50, 50, 0]
    assert told[-1] == (True, 200)


def handed_on(target, path):
    """The console's answer to the request that a proxy has in hand."""
    address = f"{target.url}/{path}?{request.query_string.decode()}"
    headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
    got = requests.request(request.method, address, data=request.get_data(), headers=headers, timeout=30)
    return Response(got.content, got.status_code, {"Content-Type": got.headers["Content-Type"]})


@pytest.fixture
def proxy(target):
    """A proxy that hands every part on; `spoil` holds what it then makes of the answers, one after the other."""
    app, spoil = Flask("proxy"), []

    @app.route("/<path:path>", methods=["GET", "POST"])
    def hand_on(path):
        got = handed_on(target, path)
        fault = (spoil.pop(0) if len(spoil) > 1 else spoil[0]) if request.method == "POST" else None
        if fault in ("502", "gone") or (request.method == "GET" and spoil == ["gone"]):
            return "<h1>Bad Gateway</h1>", 502
        if fault == "broken":
            got.headers["Content-Length"] = str(len(got.get_data()) + 9)
        return got

    with serving(app) as url:
        yield url, spoil


def proxied(target, proxy, *faults):
    url, spoil = proxy
    spoil.extend(faults)
    options = ImportOptions(DATA / "azure_code_200.csv", url, target.key, AZURE, AZURE_SOURCE, "UTC", batch_rows=50)
    return run_import(options, lambda *_: None)


def test_an_answer_that_a_proxy_loses_is_asked_for_again_and_what_came_is_told_truly(target, proxy, monkeypatch):
    monkeypatch.setattr(import_client.time, "sleep", lambda _: None)
    target.azure(DATA / "azure_conv_200.csv")
    report = proxied(target, proxy, "502", "no", "broken", "no", "no")
    assert (report.problem, report.accepted, report.duplicates) == (None, 200, 0)
    assert (report.sent_twice, report.unsure) == (0, 0)


@pytest.mark.parametrize(("faults", "accepted", "unsure"), [(("no", "502"), 100, 0), (("no", "gone"), 50, 50)])
def test_an_import_that_a_proxy_ends_says_what_was_accepted(target, proxy, monkeypatch, faults, accepted, unsure):
    monkeypatch.setattr(import_client, "_PATIENCE_S", 0.0)
    report = proxied(target, proxy, *faults)
    assert "(HTTP 502)" in report.problem.detail
    assert (report.accepted, report.unsure) == (accepted, unsure)
    assert ask(target.store, "SELECT count(*) FROM attempts") == [(100,)]
    assert target.azure(DATA / "azure_code_200.csv").accepted == 100


@pytest.fixture
def ctrl_c():
    """Lets SIGINT do what it does in a terminal: workers that share the tests ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_what_is_on_its_way_when_an_import_is_stopped_is_not_said_to_be_refused(target, ctrl_c):
    """Ctrl-C while a proxy holds the second part back, which arrives afterwards."""
    app, posts, handed, stopped = Flask("waits"), [], threading.Event(), threading.Event()

    @app.route("/<path:path>", methods=["GET", "POST"])
    def hand_on(path):
        if request.method == "POST":
            posts.append(path)
            if len(posts) == 2:
                request.get_data()  # all of it is here before the sender leaves
                ctrl_c()
                assert stopped.wait(30)
        got = handed_on(target, path)
        if len(posts) == 2 and request.method == "POST":
            handed.set()
        return got

    with serving(app) as url:
        options = ImportOptions(DATA / "azure_code_200.csv", url, target.key, AZURE, AZURE_SOURCE, "UTC", batch_rows=50)
        report = run_import(options, lambda *_: None)
        assert (report.problem.detail, report.accepted, report.unsure) == ("It was stopped.", 50, 50)
        stopped.set()
        assert handed.wait(30)
    assert ask(target.store, "SELECT count(*) FROM attempts") == [(100,)]
