"""The click on a plan when something runs already, or when a card is on file: asked first, then done.

The first click answers with an offer in words and a token of what it is about; the second one, with the token, does
exactly that, or nothing when anything about it has changed. Stripe is only needed where no card is on file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from data_sources.billing import attempts as book
from data_sources.billing import books, gated_start
from data_sources.billing.account import downgrade
from data_sources.billing.account.moves import ends_longer_period, move_of, names_of, on_words
from data_sources.billing.account.read import default_method
from data_sources.billing.account.types import Move, Offer
from data_sources.billing.attempts import Attempt
from data_sources.billing.customers import Held, read_held
from data_sources.billing.lago import Json, LagoClient
from data_sources.billing.progress import held_up, progress_of
from data_sources.billing.purchase import (
    CHANGE_AT_STRIPE,
    CHANGE_UNAVAILABLE,
    Terms,
    Till,
    in_the_way,
    refusal,
    room_for,
    version_gates,
)
from data_sources.billing.side_by_side import side_by_side
from data_sources.billing.stripe_subscriptions import over_at_stripe
from data_sources.billing.types import Buyer, CheckoutAnswer, Plan, Subscription, Wanted
from data_sources.result import Problem, utc_now

PAGE = "/admin/subscription/plan"
OFFER_CHANGED = "What you confirmed is not what would be done now. Read it again."
UNDER_WAY = "A purchase for this customer is under way already, in another tab perhaps. The plans show how it stands."


@dataclass(frozen=True, slots=True)
class Seen:
    """What a click has read of Lago, each thing once and side by side.

    Attributes:
        held: The customer and what it is subscribed to.
        card: Stripe's id of the card that Lago charges; None where there is none, or Stripe itself collects.
        version: Lago's version, None when it does not tell one; only where Lago collects for a plan with a price.
        taxes: All taxes that Lago knows; only where Stripe collects for a plan without one of its own.
    """

    held: Held
    card: str | Problem | None = None
    version: tuple[int, int] | Problem | None = None
    taxes: list[Json] | Problem | None = None


@dataclass(frozen=True, slots=True)
class GoOn:
    """Nothing is asked: a free plan, or Stripe's page, for the running subscription that was agreed to be changed."""

    seen: Seen
    agreed: str | None = None


def _look(till: Till, buyer: Buyer, plan: Plan) -> Seen | Problem:
    by_lago, free = till.terms.collector == "lago", plan.is_free
    asks: dict[str, Callable[[], Any]] = {"held": partial(read_held, till.lago, buyer.customer_id)}
    if by_lago:
        asks["card"] = partial(default_card, till.lago, buyer)
    if by_lago and not free:
        asks["version"] = till.lago.version
    if not by_lago and not free and plan.taxed is None:
        asks["taxes"] = till.lago.taxes
    got = dict(zip(asks, side_by_side(list(asks.values())), strict=True))
    held = got.pop("held")
    return held if isinstance(held, Problem) else Seen(held, **got)


def decide(till: Till, buyer: Buyer, plan: Plan, wanted: Wanted) -> GoOn | CheckoutAnswer | Problem:
    """What follows the click on a plan.

    Args:
        till: What a sale needs.
        buyer: Who clicked.
        plan: The plan as Lago has it now, on offer, at the price that was shown.
        wanted: The click.
    """
    by_lago = till.terms.collector == "lago"
    seen = _look(till, buyer, plan)
    if isinstance(seen, Problem):
        return seen
    move = move_of(plan, over_at_stripe(till.stripe, till.attempts, seen.held.current), changes=by_lago)
    if move.kind not in ("start", "upgrade", "downgrade"):
        return refusal(str(move.reason), str(move.code))
    held = move.held
    if held is not None and not held.is_free and not by_lago:
        return refusal(CHANGE_AT_STRIPE, "change_unavailable")
    if held is not None and held.lago_id is None:
        return refusal(CHANGE_UNAVAILABLE, "change_unavailable")
    # A downgrade takes no money, so whether there is a card says nothing about it.
    card = seen.card if move.kind != "downgrade" else None
    if isinstance(card, Problem):
        return card
    if (move.kind == "start" and plan.is_free) or (card is None and (held is None or held.is_free)):
        # Nothing is asked here, so something else was confirmed: the plan has ended since, or the card is gone.
        return GoOn(seen) if wanted.confirm is None else refusal(OFFER_CHANGED, "offer_changed")
    if till.attempts.running(buyer.customer_id):
        # It may have run to its end without a word of it reaching us.
        unknown = books.settle_running(till, buyer.customer_id)
        if unknown is not None or till.attempts.running(buyer.customer_id):
            return unknown or refusal(CHANGE_AT_STRIPE, "collector_mismatch")
    # What was clicked last counts: an earlier purchase of another plan must not start behind an open question.
    stopped = room_for(till, buyer, plan)
    if stopped is not None:
        return stopped
    offer = _offer(till.terms, buyer, plan, move, card)
    if wanted.confirm is None:
        return CheckoutAnswer("confirm", None, offer.title, offer)
    if wanted.confirm != offer.token:
        return refusal(OFFER_CHANGED, "offer_changed")
    if move.kind == "downgrade":
        return _downgrade(till, buyer, plan, held, seen)
    if card is None:
        return GoOn(seen, held.lago_id if held is not None else None)
    return _with_card(till, buyer, plan, held, card, seen)


def default_card(lago: LagoClient, buyer: Buyer) -> str | Problem | None:
    """Stripe's id of the card that Lago charges for this customer, None when there is none."""
    methods = lago.payment_methods(buyer.customer_id)
    if isinstance(methods, Problem):
        # A customer that Lago does not know yet has no card.
        return None if methods.code == "customer_not_found" else methods
    return default_method(methods)


def as_told(plan: Plan, held: Subscription | None) -> Plan:
    """The plan under the name that the offer has for it, by which its purchase is told from then on."""
    return plan if held is None else replace(plan, name=names_of(held, plan)[1])


def _with_card(
    till: Till, buyer: Buyer, plan: Plan, held: Subscription | None, card: str, seen: Seen
) -> CheckoutAnswer | Problem:
    """The card is there: it goes on from where the way back from Stripe would have brought it."""
    agreed = held.lago_id if held is not None else None
    refused = version_gates(seen.version)
    if refused is not None:
        return refused
    target = in_the_way(till.lago, buyer, plan, agreed, seen=seen.held)
    if isinstance(target, Problem):
        return target
    attempt = till.attempts.open(
        buyer,
        as_told(plan, held),
        collector=till.terms.collector,
        subscription_id=target,
        state=book.CARD_SAVED,
        action=book.WITH_CARD,
        change=None if held is None else book.UPGRADE,
        replaces=agreed,
        payment_method=card,
        card_saved_at=utc_now(),
    )
    if attempt is None:
        return refusal(UNDER_WAY, "already_open")
    told = gated_start.go_on(till, attempt)
    return _told(till, attempt, told if isinstance(told, Problem) else None)


def _downgrade(till: Till, buyer: Buyer, plan: Plan, held: Subscription | None, seen: Seen) -> CheckoutAnswer | Problem:
    agreed = held.lago_id if held is not None else None
    target = in_the_way(till.lago, buyer, plan, agreed, seen=seen.held)
    if isinstance(target, Problem):
        return target
    attempt = till.attempts.open(
        buyer,
        as_told(plan, held),
        collector=till.terms.collector,
        subscription_id=target,
        state=book.STARTING,
        change=book.DOWNGRADE,
        replaces=agreed,
    )
    if attempt is None:
        return refusal(UNDER_WAY, "already_open")
    # Again, now that the place is ours: another tab may have been through with it in between.
    changed = in_the_way(till.lago, buyer, plan, agreed)
    if isinstance(changed, Problem):
        till.attempts.move(attempt, book.ABANDONED, note=changed.code)
        return changed
    told = downgrade.plan_it(till.lago, till.attempts, attempt)
    if isinstance(told, Problem):
        till.attempts.note_stall(attempt, f"{told.title}. {told.detail}")
    return _told(till, attempt, told if isinstance(told, Problem) else None)


def _told(till: Till, attempt: Attempt, problem: Problem | None) -> CheckoutAnswer:
    """How it stands after the first step; what is still open is waited for on our own page."""
    now = till.attempts.one(attempt.id) or attempt
    told = progress_of(now) if problem is None else held_up(now, problem)
    message = f"{told.title}. {told.message}"
    if told.good is True:
        return CheckoutAnswer("scheduled" if now.state == book.SCHEDULED else "started", None, message)
    url = f"{till.terms.base_url}{PAGE}?purchase={attempt.id}"
    return CheckoutAnswer("redirect", url, message, purchase=attempt.id)


def _offer(terms: Terms, buyer: Buyer, plan: Plan, move: Move, card: str | None) -> Offer:
    """The decision in words. No amount is computed: what is charged stands on Lago's invoice."""
    held, price = move.held, f"{terms.price_words(plan)}, before tax"
    token = _token(buyer, plan, move, card)
    if held is None:
        paid = f"The card on file is charged {price}. The exact amount is on the invoice."
        lines: tuple[str, ...] = (f"{plan.name} starts as soon as Lago confirms the payment.", paid)
        return Offer(f"Start {plan.name}?", lines, None, f"Start {plan.name}", "Not now", token)
    old, new = names_of(held, plan)
    keep = f"Keep {old}"
    if move.kind == "downgrade":
        free = "It costs nothing." if plan.is_free else f"It costs {price}."
        lines = (
            f"{old} goes on until then. Nothing is charged now and nothing is given back.",
            f"{new} starts {on_words(move.on)}. {free}",
            "Until then you can take this back.",
        )
        return Offer(f"Switch to {new} {on_words(move.on)}?", lines, None, f"Switch {on_words(move.on)}", keep, token)
    how = "The card on file is charged" if card is not None else "You save a card on Stripe's page; then it is charged"
    ahead, settled, less = _settled(held)
    lines = (
        f"{new} starts as soon as Lago confirms the payment. Until then {old} goes on.",
        f"{old} ends at that moment{settled}",
        f"{how} {price}{less}. The exact amount is on the invoice.",
    )
    warning = None
    if ends_longer_period(held, plan):
        period = "The period that you have paid for" if ahead else "Its period"
        warning = (
            f"{old} is paid {held.interval}. {period} ends now, not when it would, because "
            f"{new} costs as much or more over a year."
        )
    return Offer(f"Switch from {old} to {new} now?", lines, warning, f"Switch to {new}", keep, token)


def _settled(held: Subscription) -> tuple[bool, str, str]:
    """How a plan that ends at once is settled: whether it was paid ahead, what is said of it, and of the new charge."""
    if held.is_free:
        return False, ".", ""
    if held.trial_ends_at is not None:
        return False, ", and its trial with it.", ""
    if held.pay_in_advance is False and held.amount_cents != 0:
        return False, ". It is paid afterwards: its price for the days until then is billed as well.", ""
    if not held.pay_in_advance or not held.amount_cents:
        perhaps = ". What was paid ahead for the rest of its period, if anything, is credited."
        return False, perhaps, ", less such a credit"
    return True, ". What was paid ahead for the rest of its period is credited.", ", less that credit"


def _token(buyer: Buyer, plan: Plan, move: Move, card: str | None) -> str:
    """Everything that the offer is about: when any of it changes, the token does."""
    held = move.held
    parts = (buyer.customer_id, plan.code, plan.terms, move.kind, str(move.on), str(card is not None))
    about = (
        ()
        if held is None
        else (
            *(str(held.lago_id), held.plan_code, str(held.amount_cents), str(held.currency)),
            *(str(held.trial_ends_at), str(held.pay_in_advance)),
        )
    )
    return hashlib.sha256("\n".join((*parts, *about)).encode()).hexdigest()[:32]
