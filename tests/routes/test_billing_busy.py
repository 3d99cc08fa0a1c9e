"""Slow neighbours hold a few threads, never all of them: the rest of the console answers meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from waitress.server import create_server

from cli import THREADS
from data_sources.billing.doorway import AT_ONCE, WAITING
from tests.console import login_path
from tests.fakes.billing import Billing

CREATE = "/api/v1/billing/checkout/create"
CLICKS = 30


@pytest.fixture
def billing():
    made = Billing()
    yield made
    made.close()


@pytest.fixture
def served(make_app, billing):
    """A console with exactly as many threads as the real one; its address and the application."""
    app = make_app(**billing.settings())
    server = create_server(app.server, host="127.0.0.1", port=0, threads=THREADS)
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    yield f"http://127.0.0.1:{server.effective_port}", app
    billing.lago.close()
    billing.stripe.close()
    server.close()
    server.task_dispatcher.shutdown()
    running.join(timeout=10)


def signed_in(url, app):
    made = requests.Session()
    assert made.get(url + login_path(app, "member", "acme"), timeout=10).ok
    made.headers["X-CSRFToken"] = made.cookies["ops_csrf"]
    return made


@pytest.mark.parametrize("slow", ["lago", "stripe"])
def test_slow_checkouts_leave_threads_for_everybody_else(served, billing, slow):
    url, app = served
    getattr(billing, slow).fail("slow", delay_s=30.0)
    anna = signed_in(url, app)
    cookies, headers = anna.cookies, anna.headers

    def click(_):
        body = {"plan_code": "business"}
        return requests.post(url + CREATE, json=body, cookies=cookies, headers=headers, timeout=30).json()

    with ThreadPoolExecutor(CLICKS) as pool:
        sent = [pool.submit(click, each) for each in range(CLICKS)]
        # Whoever finds no place is told so; from here on the others hold all places that there are.
        answered = threading.Event()
        seen = []
        for each in sent:
            each.add_done_callback(lambda done: (seen.append(done.result()), len(seen) >= 8 and answered.set()))
        assert answered.wait(20)
        assert not all(each.done() for each in sent)
        assert anna.get(url + "/healthz", timeout=10).ok
        assert anna.get(url + "/admin/llm/usage", timeout=10).ok
        assert all(said["code"] in ("busy", "already_open") for said in seen[:8]), seen
        billing.lago._closing.set()
        billing.stripe._closing.set()
    assert any(each.result()["code"] == "busy" for each in sent)
    assert AT_ONCE + WAITING < THREADS
