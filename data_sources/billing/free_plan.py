"""A plan that costs nothing: started at once, and taken back if Lago made something else of it."""

from __future__ import annotations

from dataclasses import replace

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.customers import Held, ensure_customer
from data_sources.billing.lago import Json, LagoClient
from data_sources.billing.lago_http import perhaps_done
from data_sources.billing.plans import why_not
from data_sources.billing.purchase import Terms, earlier_purchase, in_the_way, refusal
from data_sources.billing.stripe_checkout import StripeGateway
from data_sources.billing.types import Buyer, CheckoutAnswer, Plan
from data_sources.result import Problem


def start_free(
    lago: LagoClient,
    stripe: StripeGateway | None,
    attempts: Attempts,
    terms: Terms,
    buyer: Buyer,
    plan: Plan,
    seen: Held,
) -> CheckoutAnswer | Problem:
    """Start a plan that costs nothing, without Stripe (which is only asked to close an earlier page)."""
    if why_not(plan) is not None or not plan.is_free:
        return refusal("This plan is not free.", "not_free")
    open_one = attempts.open_for(buyer.customer_id)
    if open_one is not None:
        earlier = earlier_purchase(stripe, attempts, terms, buyer, plan, open_one)
        if earlier is not None:
            return earlier
    target = in_the_way(lago, buyer, plan)
    if isinstance(target, Problem):
        return target
    customer = ensure_customer(lago, buyer, seen)
    if isinstance(customer, Problem):
        return customer
    attempt = attempts.open(buyer, plan, collector=terms.collector, subscription_id=target, state=book.STARTING)
    if attempt is None:
        return refusal("A purchase for this customer is still under way. The plans show how it stands.", "already_open")
    made = lago.create_subscription(
        customer_id=buyer.customer_id, plan_code=plan.code, external_id=target, gate_hours=None
    )
    if isinstance(made, Problem):
        # Whether Lago started it is not known after a time-out; it costs nothing, and a second click finds out.
        attempts.move(attempt, book.ABANDONED, note=made.code)
        if not perhaps_done(made):
            return made
        told = (
            f"{made.detail} Whether {plan.name} has started is not known; it costs nothing. Load the page again to see."
        )
        return replace(made, detail=told)
    if (
        made.get("status") != "active"
        or made.get("plan_code") != plan.code
        or made.get("plan_amount_cents") not in (None, 0)
    ):
        return _undo_free(lago, attempts, attempt, plan, made)
    attempts.move(attempt, book.STARTED, lago_subscription_id=str(made.get("lago_id")))
    return CheckoutAnswer("started", None, f"{plan.name} has started. Nothing was charged.")


def _undo_free(lago: LagoClient, attempts: Attempts, attempt: Attempt, plan: Plan, made: Json) -> Problem:
    """Lago made something else than a free plan that runs: only what this very click made is taken back."""
    if made.get("plan_code") != plan.code or made.get("status") != "active":
        return _take_back_planned(lago, attempts, attempt, plan, made)
    stopped = lago.terminate_subscription(attempt.subscription_id)
    if isinstance(stopped, Problem):
        attempts.move(attempt, book.STUCK, note=stopped.code)
        detail = f"Lago started {plan.name} with a price, and it could not be stopped again. Tell your admin."
        return refusal(detail, "undo_failed", title="The plan needs a look")
    attempts.move(attempt, book.UNDONE, note="not free any more")
    return refusal(
        f"The price of {plan.name} changed at this moment, so it was stopped again. Load the page anew.",
        "price_changed",
    )


def _take_back_planned(lago: LagoClient, attempts: Attempts, attempt: Attempt, plan: Plan, made: Json) -> Problem:
    """Another plan runs (one that was started at this very moment): it goes on, and ours must not follow it later."""
    planned = lago.subscription(attempt.subscription_id, "pending")
    if planned is None and made.get("plan_code") != plan.code and made.get("next_plan_code") != plan.code:
        attempts.move(attempt, book.ABANDONED, note="another plan runs")
        return refusal(f"Another plan was started at this moment and runs on. {plan.name} was not.", "other_plan_runs")
    if isinstance(planned, dict) and _is_ours(planned, attempt):
        gone = lago.cancel_pending(attempt.subscription_id)
        if isinstance(gone, dict) and _is_ours(gone, attempt) and gone.get("status") != "pending":
            attempts.move(attempt, book.UNDONE, note="planned for later")
            return refusal(f"{plan.name} could not start now, so it was taken back. Nothing else changed.", "not_now")
    attempts.move(attempt, book.STUCK, note="may be planned for later")
    return refusal(
        f"Lago did not start {plan.name} now and may start it later. It could not be taken back, and nothing that runs "
        "was stopped. Tell your admin.",
        "undo_failed",
        title="The plan needs a look",
    )


def _is_ours(row: Json, attempt: Attempt) -> bool:
    return row.get("plan_code") == attempt.plan_code and row.get("external_customer_id") == attempt.customer_id
