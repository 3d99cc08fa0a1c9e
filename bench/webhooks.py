"""1,000 signed webhooks, shuffled and repeated, beside a handler that believes each as it comes: who has which plan?"""

from __future__ import annotations

import random
import time
from typing import Any

from bench.billing_console import member, shop
from bench.console import table
from data_sources.result import utc_now
from tests.fakes import webhooks as signed
from tests.fakes.billing import Billing

BUYERS, DELIVERIES = 60, 1000
# Of six buyers one never pays, one cancels again (at Stripe, where it collects), four keep the plan.
NEVER, LEAVES = 5, 4


def main() -> None:
    """Print one row a collector."""
    table([_row(collector) for collector in ("lago", "stripe")])


def _row(collector: str) -> dict[str, Any]:
    chance = random.Random(11)
    with shop(collector) as (app, billing):
        organizations = [f"buyer{number}" for number in range(BUYERS)]
        for organization in organizations:
            client, headers = member(app, organization)
            answer = client.post("/api/v1/billing/checkout/create", json={"plan_code": "business"}, headers=headers)
            assert answer.json["status"] == "redirect"
        sessions = list(billing.stripe.sessions)
        for number, session in enumerate(sessions):
            if number % 6 != NEVER:
                billing.stripe.complete(session)
        raws = _messages(collector, billing, sessions, organizations)
        sent = [*raws, *chance.choices(raws, k=max(0, DELIVERIES - len(raws)))][:DELIVERIES]
        chance.shuffle(sent)
        source, naive = app.server.extensions["ops"].billing, {}
        door = app.server.test_client()
        began = time.perf_counter()
        for place, (sender, raw, headers, told) in enumerate(sent):
            answer = door.post(f"/api/v1/webhooks/{sender}", data=raw, headers=headers)
            assert answer.status_code == 200
            naive[told[0]] = told[1]
            if place % 50 == 0:
                source.sweeper.look(utc_now())
            if place == DELIVERIES // 2:
                _leave(collector, billing)
            if place % 100 == 0:
                billing.lago.settle(paid=True)
        took_s = time.perf_counter() - began
        _calm_down(source, billing)
        wanted = {f"org-{each}": _wanted(collector, number) for number, each in enumerate(organizations)}
        held = {customer: billing.lago.held_by(customer) for customer in wanted}
        active = sum(one["status"] == "active" for one in billing.lago.subscriptions)
        return {
            "collector": collector,
            "deliveries": DELIVERIES,
            "different": len(raws),
            "buyers": BUYERS,
            "active subscriptions": f"{active} of {sum(map(len, wanted.values()))}",
            "wrong": sum(held[customer] != plans for customer, plans in wanted.items()),
            "wrong if each were believed": sum(
                bool(naive.get(customer)) != bool(plans) for customer, plans in wanted.items()
            ),
            "each, taken and worked off": f"{took_s / DELIVERIES * 1000:.1f} ms",
        }


def _wanted(collector: str, number: int) -> list[str]:
    if number % 6 == NEVER or (collector == "stripe" and number % 6 == LEAVES):
        return []
    return ["business"]


def _messages(
    collector: str, billing: Billing, sessions: list[str], organizations: list[str]
) -> list[tuple[str, bytes, dict[str, str], tuple[str, bool]]]:
    """Everything that either would tell, true or out of date by the time it comes; who and whether it says paid."""
    made = []
    for number, (session, organization) in enumerate(zip(sessions, organizations, strict=True)):
        customer, about = f"org-{organization}", billing.stripe.sessions[session]
        kinds = [("checkout.session.completed", True), ("checkout.session.expired", False)]
        if collector == "stripe":
            kinds += [("checkout.session.async_payment_failed", False)]
        for kind, paid in kinds:
            raw = signed.stripe_event(about, kind, f"evt_{number}_{kind}")
            made.append(("stripe", raw, signed.stripe_headers(raw), (customer, paid)))
        held = billing.stripe.billing.subscriptions.get(str(about.get("subscription")))
        for kind, paid in (("customer.subscription.updated", True), ("customer.subscription.deleted", False)):
            if held is not None:
                raw = signed.stripe_event(held, kind, f"evt_{number}_{kind}")
                made.append(("stripe", raw, signed.stripe_headers(raw), (customer, paid)))
        for kind, paid in (("subscription.started", True), ("subscription.terminated", False)):
            raw = signed.lago_message(kind, {"external_id": f"sub-{customer}", "external_customer_id": customer})
            key = f"key_{number}_{kind}"
            made.append(("lago", raw, signed.lago_hmac_headers(raw, key), (customer, paid)))
    return made


def _leave(collector: str, billing: Billing) -> None:
    if collector != "stripe":
        return
    with billing.stripe.lock:
        for number, session in enumerate(billing.stripe.sessions.values()):
            if number % 6 == LEAVES:
                billing.stripe.billing.end(billing.stripe.billing.subscriptions[session["subscription"]])


def _calm_down(source: Any, billing: Billing) -> None:
    """What the sweeper does in the hours after."""
    from datetime import timedelta

    for hours in (1, 3, 6):
        source.sweeper.look(utc_now() + timedelta(hours=hours))
        billing.lago.settle(paid=True)


if __name__ == "__main__":
    main()
