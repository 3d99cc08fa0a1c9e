"""A whole billing world on this machine: Lago, Stripe with its page, their webhooks, time, and everything that fails.

`Sandbox` is also a server: its control page switches faults, lets time pass, and signs people in.
"""

from __future__ import annotations

import secrets
import threading
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from data_sources.state.links import make_link_token
from tests.fakes import lago, lago_time, stripe, stripe_page
from tests.fakes.billing import free_port
from tests.fakes.deliveries import MODES, Deliveries
from tests.fakes.server import Asked, FakeServer, Reply
from tests.fakes.watcher import Watcher
from tests.fakes.webhooks import LAGO_HMAC_KEY, STRIPE_SECRET

TICK_S = 0.25
# So long Lago's payment of a saved card takes, so that "Confirming payment" can be seen.
LAGO_PAYS_AFTER_TICKS = 6
TRIAL = "trial"
FAULTS: dict[str, str] = {
    "none": "Works",
    "slow": "Answers after 20 s",
    "500": "Error 500",
    "401": "Refuses the key",
    "closed": "Hangs up",
    "html": "Answers with a web page",
    "half": "Breaks off in the middle",
    "lost": "Does it, and the answer gets lost",
}
LAGO_PAYS = {"paid": "Payments succeed", "failed": "Payments fail", "waits": "Payments stay open"}
PEOPLE = {
    "Anna, member of ACME": ("member", "ACME", "anna@acme.test"),
    "Ben, member of ACME": ("member", "ACME", "ben@acme.test"),
    "Eve, member of Other": ("member", "Other", "eve@other.test"),
    "Admin": ("admin", None, None),
}


class Sandbox(FakeServer):
    """The world, its control page, and the settings of a console in it.

    Args:
        port: Where the console will listen; None takes a free one.
        collector: Who collects the money.
    """

    def __init__(self, *, port: int | None = None, collector: str = "lago") -> None:
        self.lago = lago.FakeLago(now=datetime.now(UTC))
        self.lago.makes_pdfs = True
        self.stripe = stripe.FakeStripe(on_card=self.lago.take_card, bills=self.lago)
        self.lago.pays_at = f"{self.stripe.url}/bill"
        for name in ("ACME", "Other"):
            self.lago.add_customer(f"org-{name}", name=f"{name} Ltd")
        self.collector = collector
        self.port = port or free_port()
        self.console = f"http://127.0.0.1:{self.port}"
        self.secret_key = secrets.token_hex(32)
        self.deliveries = Deliveries(self.console)
        self.lago_pays = "paid"
        self._flat()
        self._watcher = Watcher(self.lago, self.stripe)
        self._ticks_waited: dict[str, int] = {}
        self._ended = threading.Event()
        super().__init__()
        self._ticking = threading.Thread(target=self._tick_on, daemon=True)
        self._ticking.start()

    def _flat(self) -> None:
        """Where Stripe collects, only flat prices are sold: the example plans lose their usage."""
        if self.collector == "stripe":
            for plan in self.lago.plans:
                plan["charges"] = []

    def settings(self) -> dict[str, Any]:
        """Settings of the console, by attribute name."""
        return {
            "port": self.port,
            "secret_key": self.secret_key,
            "lago_url": self.lago.url,
            "lago_api_key": lago.KEY,
            "lago_hmac_key": LAGO_HMAC_KEY,
            "stripe_api_key": stripe.KEY,
            "stripe_api_base": self.stripe.url,
            "stripe_webhook_secret": STRIPE_SECRET,
            "billing_collector": self.collector,
            "sales_email": "sales@reseller.test",
            "sandbox_url": self.url,
        }

    def close(self) -> None:
        self._ended.set()
        self._ticking.join(timeout=5)
        super().close()
        self.deliveries.close()
        self.lago.close()
        self.stripe.close()

    # ---- what goes on by itself

    def _tick_on(self) -> None:
        while not self._ended.wait(TICK_S):
            self.tick()

    def tick(self) -> None:
        """Lago's payments, then what both tell about themselves."""
        self._pay()
        for change in self._watcher.changes():
            self.deliveries.take(change)
        self.deliveries.send_due()

    def _pay(self) -> None:
        if self.lago_pays == "waits":
            return
        with self.lago.lock:
            waiting = [one["lago_id"] for one in self.lago.subscriptions if one["status"] == "incomplete"]
        self._ticks_waited = {key: self._ticks_waited.get(key, 0) + 1 for key in waiting}
        if any(ticks >= LAGO_PAYS_AFTER_TICKS for ticks in self._ticks_waited.values()):
            self.lago.settle(paid=self.lago_pays == "paid")

    def travel(self, days: int) -> None:
        """Let days pass at Lago and Stripe; the console's own clock stays."""
        with self.stripe.lock:
            if self.lago_pays == "paid":
                self.stripe.billing.try_again()
            self.stripe.billing.travel(days, pays=self.lago_pays == "paid")
        self.lago.charges_fail = self.lago_pays == "failed"
        lago_time.travel(self.lago, days)

    # ---- the control page

    def answer(self, asked: Asked) -> Reply:
        html = {"Content-Type": "text/html; charset=utf-8"}
        if asked.path == "/sign-in":
            role, org, email = PEOPLE[asked.query["as"][0]]
            token = make_link_token(self.secret_key, role, organization_id=org, email=email)
            query = urlencode({"token": token, "next": "/admin/subscription/plan"})
            return 303, b"", {**html, "Location": f"{self.console}/login?{query}"}
        if asked.method == "POST":
            self._switch(dict(parse_qsl(asked.body.decode())))
            return 303, b"", {**html, "Location": "/"}
        return 200, stripe_page.page("Sandbox", self._control()), html

    def _switch(self, given: dict[str, str]) -> None:
        for name, server in (("lago", self.lago), ("stripe", self.stripe)):
            if name in given:
                server.heal()
                path = "/api" if name == "lago" else "/v1"
                if given[name] == "lost":
                    server.fail("closed", path, method="POST", times=1, after=True)
                elif given[name] != "none":
                    server.fail(given[name], path, delay_s=20.0)
        if given.get("webhooks") in MODES:
            self.deliveries.mode = given["webhooks"]  # type: ignore[assignment]
        self.lago_pays = given.get("pays", self.lago_pays)
        if "days" in given:
            self.travel(int(given["days"]))
        if "plan" in given:
            self.lago.plan_of(given["plan"])["amount_cents"] = int(given["amount_cents"])
        if "arrive" in given:
            self.stripe.arrive(given["arrive"], paid=given["how"] == "paid")
        if "trial" in given:
            self._begin_trial(given["trial"])
        if "refund" in given:
            with self.stripe.lock:
                self.stripe.billing.give_back(given["refund"])
        if "cancel" in given:
            with self.stripe.lock:
                self.stripe.billing.end(self.stripe.billing.subscriptions[given["cancel"]])

    def _begin_trial(self, customer: str) -> None:
        """What an operator does in Lago: the console itself sells no plan with a trial."""
        with self.lago.lock:
            if not any(one["code"] == TRIAL for one in self.lago.plans):
                self.lago.plans.append(lago.plan(TRIAL, "Trial", 4900, trial_period=14.0))
            if not any(one["external_customer_id"] == customer for one in self.lago.subscriptions):
                self.lago.subscribe(customer, TRIAL)

    def _control(self) -> str:
        assert self.lago.now is not None
        people = "".join(f"<a class=b href='/sign-in?{urlencode({'as': name})}'>{name}</a>" for name in PEOPLE)
        steps = ((1, "1 day"), (7, "1 week"), (30, "30 days"), (365, "1 year"))
        days = "".join(f"<button name=days value={days}>{words}</button>" for days, words in steps)
        plans = "".join(f"<option value='{one['code']}'>{escape(one['code'])}" for one in self.lago.plans)
        return (
            "<p class=note>Lago and Stripe of this console are stand-ins on this machine. No money moves.</p>"
            f"<p>Open the console as<br>{people}</p>"
            f"<form method=post>{self._faults('lago', self.lago)}{self._faults('stripe', self.stripe)}"
            f"{_choices('webhooks', 'Webhooks', MODES, self.deliveries.mode)}"
            f"{_choices('pays', 'Charges of a card', LAGO_PAYS, self.lago_pays)}"
            "<button class=first>Set</button></form>"
            f"<form method=post><fieldset><legend>Time at Lago and Stripe: {self.lago.now:%d %b %Y}</legend>{days}"
            "</fieldset></form>"
            f"<form method=post><fieldset><legend>Change a price in Lago</legend><select name=plan>{plans}</select> "
            "<input name=amount_cents type=number value=12000> smallest units <button>Change</button></fieldset></form>"
            "<form method=post><fieldset><legend>Begin a trial in Lago</legend><button name=trial value=org-Other>"
            "14 days for Other, unless it has a plan</button></fieldset></form>"
            f"{self._at_stripe()}{self._in_lago()}{self._log()}"
        )

    def _faults(self, name: str, server: FakeServer) -> str:
        with server.lock:
            now = "none" if not server.faults else "lost" if server.faults[0].after else server.faults[0].kind
        return _choices(name, name.capitalize(), FAULTS, now)

    def _at_stripe(self) -> str:
        with self.stripe.lock:
            unpaid = [
                one
                for one in self.stripe.sessions.values()
                if one["status"] == "complete" and one["payment_status"] == "unpaid"
            ]
            running = [one for one in self.stripe.billing.subscriptions.values() if one["status"] != "canceled"]
            rows = [
                f"<input type=hidden name=arrive value={one['id']}>A debit is under way "
                "<button name=how value=paid>It arrives</button><button name=how value=back>It comes back</button>"
                for one in unpaid
            ] + [
                f"{one['id']}, {one['status']} <button name=cancel value={one['id']}>End it</button>" for one in running
            ]
            rows += [
                f"{one['id']}, paid {one['amount_paid']} {one['currency'].upper()} "
                f"<button name=refund value={one['id']}>Give half of it back</button>"
                for one in self.stripe.billing.invoices
                if one["status"] == "paid"
            ]
        forms = "".join(f"<form method=post>{row}</form>" for row in rows)
        return f"<fieldset><legend>At Stripe</legend>{forms or 'Nothing.'}</fieldset>"

    def _in_lago(self) -> str:
        with self.lago.lock:
            rows = [
                f"<tr><td>{escape(one['external_customer_id'])}<td>{escape(one['plan_code'])}<td>{one['status']}"
                for one in self.lago.subscriptions
            ] + [
                f"<tr><td>{escape(one['_of'])}<td>invoice {one['number']}<td>{one['payment_status']}"
                for one in self.lago.invoices
            ]
        return f"<fieldset><legend>In Lago</legend><table>{''.join(rows) or '<tr><td>Nothing.'}</table></fieldset>"

    def _log(self) -> str:
        rows = [f"<tr><td>{one.sender}<td>{one.kind}<td>{one.outcome}" for one in list(self.deliveries.log)[:30]]
        return f"<fieldset><legend>Webhooks</legend><table>{''.join(rows) or '<tr><td>None yet.'}</table></fieldset>"


def _choices(name: str, legend: str, choices: Any, now: str) -> str:
    radios = "".join(
        f"<label><input type=radio name={name} value={key}{' checked' if key == now else ''}> {words}</label>"
        for key, words in choices.items()
    )
    return f"<fieldset><legend>{legend}</legend>{radios}</fieldset>"
