"""The card that a customer's plan is charged to: at Stripe where Stripe collects, else as Lago has it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

from data_sources.billing import attempts as book
from data_sources.billing.account.read import default_method, read_card
from data_sources.billing.account.types import Card, CardFacts, CardView
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.audit import CARD_REFUSED
from data_sources.billing.customers import collected_by_lago
from data_sources.billing.lago import LagoClient
from data_sources.billing.side_by_side import side_by_side
from data_sources.billing.stripe_cards import card_facts
from data_sources.billing.stripe_checkout import StripeGateway
from data_sources.billing.stripe_subscriptions import StripeSubscriptions
from data_sources.billing.types import Buyer
from data_sources.budget import budget, left_s
from data_sources.result import Kind, Problem
from data_sources.state.store import StateUnavailableError

KEPT = 256
# So long a Stripe that does not answer may keep a question waiting that it only has words for.
WORDS_S = 3.0


def in_words() -> AbstractContextManager[None]:
    """So long Stripe is waited for where the answer is right without it, and only says less."""
    left = left_s()
    return budget(WORDS_S if left is None else min(WORDS_S, left))


class CardsOnFile:
    """Reads the card, and remembers by what each one is recognized.

    Args:
        attempts: Tells what became of the last card that was saved.
    """

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._facts: OrderedDict[str, CardFacts] = OrderedDict()

    def at_lago(
        self, lago: LagoClient, stripe: StripeGateway | None, who: Buyer, *, by_lago: bool
    ) -> CardView | Problem | None:
        """The card that Lago has; None where it does not know the customer.

        Args:
            lago: Tells it.
            stripe: Tells by what it is recognized; None without Stripe.
            who: Whose card it is.
            by_lago: Whether this console has Lago collect.
        """
        asks: list[Callable[[], Any]] = [partial(lago.payment_methods, who.customer_id)]
        asks += [] if by_lago else [partial(lago.customer, who.customer_id)]
        methods, *others = side_by_side(asks)
        failed = next((one for one in (methods, *others) if isinstance(one, Problem)), None)
        if failed is not None:
            return None if failed.kind is Kind.NOT_FOUND else failed
        held = read_card(methods)
        if held is not None and stripe is not None and (saved := default_method(methods)) is not None:
            with in_words():
                held = replace(held, facts=self._facts_of(stripe, saved))
        # Lago may charge this customer whatever the setting is.
        charged_by_lago = by_lago or any(one is not None and collected_by_lago(one) for one in others)
        return CardView(held, stripe is not None and by_lago, by_stripe=not charged_by_lago)

    def at_stripe(self, stripe: StripeGateway, running: Attempt) -> CardView | Problem:
        """The card that Stripe itself charges for a plan that runs."""
        with in_words():
            held = StripeSubscriptions(stripe).read(str(running.stripe_subscription_id))
            if isinstance(held, Problem):
                return held
            if held.over:
                return CardView(None, can_update=False, by_stripe=True, other="over")
            card = None if held.payment_method is None else Card(None, self._facts_of(stripe, held.payment_method))
        try:
            refused = self._attempts.last_card_step(running.customer_id) == CARD_REFUSED
        except StateUnavailableError as error:
            return error.problem
        other: Any = "waits" if book.NOT_CHARGED in str(running.note) else "refused" if refused else None
        return CardView(card, can_update=True, by_stripe=True, other=other)

    def _facts_of(self, stripe: StripeGateway, payment_method: str) -> CardFacts | Problem:
        """By what a card is recognized; that never changes, so what was told once holds while Stripe is silent."""
        facts = card_facts(stripe, payment_method)
        if isinstance(facts, Problem):
            return self._facts.get(payment_method, facts)
        self._facts[payment_method] = facts
        while len(self._facts) > KEPT:
            self._facts.popitem(last=False)
        return facts
