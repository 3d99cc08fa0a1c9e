"""The sandbox, clicked through over the wire: a real console, real servers, signed webhooks, no real money."""

import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from data_sources.billing.types import Buyer
from tests.fakes.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PLAN, CREATE, PROGRESS = (
    "/admin/subscription/plan",
    "/api/v1/billing/checkout/create",
    "/api/v1/billing/checkout/progress",
)


class Visitor:
    """A browser without a screen: cookies, redirects, the CSRF token."""

    source = None  # of the console, to look at what it knows

    def __init__(self, sandbox, who):
        self.sandbox = sandbox
        self.web = requests.Session()
        self.landed = self.web.get(f"{sandbox.url}/sign-in", params={"as": who})
        assert self.landed.url == sandbox.console + PLAN

    def post(self, path, body):
        headers = {"X-CSRFToken": self.web.cookies["ops_csrf"]}
        return self.web.post(self.sandbox.console + path, json=body, headers=headers)

    def choose(self, plan):
        answer = self.post(CREATE, {"plan_code": plan}).json()
        assert answer["status"] == "redirect", answer
        return answer["checkout_url"]

    def click(self, page, button):
        return self.web.post(page, data={"do": button})

    def purchase(self):
        return self.post(PROGRESS, {}).json()

    def close(self):
        self.web.close()


@pytest.fixture
def world(make_app, serve):
    made = []

    def start(collector):
        sandbox = Sandbox(collector=collector)
        served = serve(make_app(**sandbox.settings()), sandbox.port)
        anna = Visitor(sandbox, "Anna, member of ACME")
        anna.source = served.app.server.extensions["ops"].billing
        made.append((anna, served, sandbox))
        return sandbox, anna

    yield start
    for anna, served, sandbox in made:
        anna.close()
        served.stop()
        sandbox.close()


def wait_until(so, what):
    until_s = time.monotonic() + 30
    while not so():
        assert time.monotonic() < until_s, f"never: {what}"
        time.sleep(0.02)


def set_to(sandbox, **switches):
    assert requests.post(sandbox.url, data=switches, timeout=10).status_code == 200


def test_a_purchase_clicked_through_to_the_plan_that_lago_starts(world):
    sandbox, anna = world("lago")
    assert "Sandbox." in anna.landed.text
    page = anna.choose("business")
    assert "Card" in anna.web.get(page).text or "card" in anna.web.get(page).text
    declined = anna.click(page, "fail")
    assert "Your card was declined" in declined.text
    back = anna.click(page, "save")
    purchase = re.fullmatch(re.escape(sandbox.console + PLAN) + r"\?purchase=(\w+)", back.url)[1]
    ask = lambda: anna.post(PROGRESS, {"attempt_id": purchase}).json()  # noqa: E731
    wait_until(lambda: ask()["good"], "the plan starts")
    assert sandbox.lago.held_by("org-ACME") == ["business"]
    wait_until(lambda: any(one.outcome == "200, try 1" for one in sandbox.deliveries.log), "a webhook is taken")
    set_to(sandbox, pays="failed", days="31")
    assert [one["payment_overdue"] for one in sandbox.lago.invoices] == [True, False]
    opened = anna.post("/api/v1/billing/invoices/pay", {"invoice_id": sandbox.lago.invoices[0]["lago_id"]}).json()
    assert opened["url"].startswith(sandbox.stripe.url)
    assert "It is paid" in anna.click(opened["url"], "pay").text
    assert [one["payment_status"] for one in sandbox.lago.invoices] == ["succeeded", "succeeded"]
    assert not sandbox.lago.invoices[0]["payment_overdue"]
    portal = anna.post("/api/v1/billing/portal", {}).json()["url"]
    assert "A stand-in for Lago's customer portal" in anna.web.get(portal).text


def test_a_tab_closed_after_paying_is_made_good_by_stripes_webhook_and_renewals_are_marked(world):
    sandbox, anna = world("stripe")
    assert "You may close this tab" in anna.click(anna.choose("business"), "close").text
    wait_until(lambda: sandbox.lago.held_by("org-ACME") == ["business"], "the webhook starts the plan")
    set_to(sandbox, days="31")
    wait_until(lambda: len(sandbox.lago.invoices) == 2, "the renewal")

    def stand():
        return [one["payment_status"] for one in sandbox.lago.invoices]

    wait_until(lambda: stand() == ["succeeded", "succeeded"], "both are marked")
    set_to(sandbox, pays="failed", days="31")
    assert stand() == ["pending", "succeeded", "succeeded"]
    set_to(sandbox, pays="paid", days="1")
    wait_until(lambda: stand() == ["succeeded"] * 3, "a charge that Stripe tries again is marked too")
    set_to(sandbox, refund="in_00000000")
    wait_until(lambda: "50.00 USD was given back there" in str(anna.source.desk.purchases()), "a refund is told")
    set_to(sandbox, cancel="sub_00000000")
    wait_until(lambda: sandbox.lago.held_by("org-ACME") == [], "what ended at Stripe ends in Lago")


def test_a_trial_begun_in_lago_counts_down_on_its_customers_page(world):
    sandbox, anna = world("lago")
    set_to(sandbox, trial="org-Other")
    set_to(sandbox, trial="org-Other")
    assert sandbox.lago.held_by("org-Other") == ["trial"]
    (held,) = anna.source.current(Buyer("link:eve", "org-Other", "Other", None)).value.subscriptions
    assert held.trial_ends_at - datetime.now(UTC) > timedelta(days=13, hours=23)
    assert anna.post(CREATE, {"plan_code": "trial"}).json()["code"] == "not_sold_here"


def test_lost_webhooks_and_a_lago_that_hangs_up_are_switches(world):
    sandbox, anna = world("stripe")
    set_to(sandbox, webhooks="lost", lago="closed")
    refused = anna.post(CREATE, {"plan_code": "business"})
    assert refused.status_code == 502
    set_to(sandbox, webhooks="lost", lago="none")
    anna.click(anna.choose("business"), "close")
    wait_until(lambda: any(one.outcome == "lost" for one in sandbox.deliveries.log), "the webhook is lost")
    assert anna.purchase()["good"] is True  # the open page asks by itself
    control = requests.get(sandbox.url, timeout=10).text
    assert "<td>org-ACME<td>business<td>active" in control


def test_every_page_says_sandbox_for_visitors_too_and_none_does_elsewhere(world, make_app):
    sandbox, _anna = world("lago")
    for path in ("/plans", "/login", "/nowhere"):
        assert "Sandbox." in requests.get(sandbox.console + path, timeout=10).text, path
    assert "Sandbox." not in make_app().server.test_client().get("/login").get_data(as_text=True)


def test_the_command_starts_and_ends_with_the_console():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.sandbox", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            control = re.search(r"http://[\d.:]+", running.stdout.readline())[0]

            def answers():
                assert running.poll() is None, "the console ended"
                try:
                    return (
                        requests.get(f"{control}/sign-in?as=Admin", timeout=5).url == f"http://127.0.0.1:{port}{PLAN}"
                    )
                except requests.ConnectionError:
                    return False

            wait_until(answers, "the console answers")
        finally:
            running.terminate()
    assert running.returncode == 0


def test_a_card_is_on_file_since_it_was_saved():
    sandbox = Sandbox()
    try:
        config = sandbox.lago.customers["org-ACME"]["billing_configuration"]
        config["provider_customer_id"] = "cus_acme"
        before = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        sandbox.lago.take_card("cus_acme", "pm_1")
        (card,) = sandbox.lago.methods["org-ACME"]
        assert card["created_at"] >= before
    finally:
        sandbox.close()
