"""What Stripe tells of a saved way to pay: enough to recognize it by, and nothing that could pay."""

from __future__ import annotations

from typing import Any

import stripe

from data_sources.billing.account.types import CardFacts
from data_sources.billing.stripe_checkout import MALFORMED, StripeGateway, malformed, problem_of
from data_sources.result import Problem


def card_facts(gateway: StripeGateway, payment_method: str) -> CardFacts | Problem:
    """A saved way to pay; `GET /v1/payment_methods/{id}`.

    Args:
        gateway: The connection to Stripe.
        payment_method: `pm_…`.
    """
    what = "The card could not be read"
    try:
        raw: dict[str, Any] = gateway.client.v1.payment_methods.retrieve(payment_method).to_dict()
        kind = raw["type"]
        if kind != "card":
            of = raw.get(kind) or {}
            return CardFacts(kind, None, of.get("last4"), None)
        card = raw["card"]
        return CardFacts(kind, card["brand"], card["last4"], (card["exp_year"], card["exp_month"]))
    except stripe.StripeError as error:
        return problem_of(error, what)
    except MALFORMED as error:
        return malformed(error, what)
