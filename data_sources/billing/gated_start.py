"""Collector `lago`: from the saved card to a subscription that Lago held back until its payment, and calls active.

Every step may be repeated, by another tab or after a restart: what is so is read from Stripe and Lago each time, and
our own record only moves forward if nobody else has moved it. Called by `subscribe.fulfil` alone.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from data_sources.billing import attempts as book
from data_sources.billing.account import downgrade
from data_sources.billing.agreed import note_of
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.customers import moment
from data_sources.billing.lago import Json, LagoClient
from data_sources.billing.plans import why_not
from data_sources.billing.progress import progress_of
from data_sources.billing.purchase import Terms, Till, buyer_in, in_the_way, plan_on_offer, same_price
from data_sources.billing.stripe_checkout import CheckoutSession
from data_sources.billing.types import Progress
from data_sources.result import Kind, Problem, utc_now

log = logging.getLogger(__name__)

GATE_HOURS = 24
LOST_ANSWER = timedelta(seconds=30)
# A payment that Lago waits for is settled within GATE_HOURS; what is older and not to be found will not come.
GIVEN_UP = timedelta(hours=GATE_HOURS + 1)
_OTHER_PLAN = "another plan in the answer"
_NOT_YET = frozenset(
    {"no_default_payment_method", "payment_method_not_found", "customer_has_no_default_payment_method"}
)
_UNKNOWN_OUTCOME = frozenset({Kind.TIMEOUT, Kind.UPSTREAM})


def card_saved(till: Till, attempt: Attempt, session: CheckoutSession) -> Attempt | None:
    """Note what has become of the card on Stripe's page; None when somebody else noted it first."""
    if session.status == "complete" and session.payment_method:
        return till.attempts.move(
            attempt, book.CARD_SAVED, payment_method=session.payment_method, card_saved_at=utc_now(), note=None
        )
    if session.confirming != (attempt.note == book.CONFIRMING):
        return till.attempts.move(attempt, book.REDIRECTED, note=book.CONFIRMING if session.confirming else None)
    return attempt


def go_on(till: Till, attempt: Attempt) -> Progress | Problem:
    """Ask Lago to start the plan once the card is saved, and look what has become of it."""
    if attempt.state == book.CARD_SAVED:
        return _start(till.lago, till.attempts, till.terms, attempt)
    if attempt.state == book.STARTING and attempt.change == book.DOWNGRADE:
        planned = downgrade.look(till.lago, till.attempts, attempt, patience_over=_patience_over(attempt))
        return planned if isinstance(planned, Problem) else progress_of(planned)
    if attempt.state in (book.STARTING, book.WAITING):
        return _look(till.lago, till.attempts, till.terms, attempt)
    return progress_of(attempt)


def _start(lago: LagoClient, attempts: Attempts, terms: Terms, attempt: Attempt) -> Progress | Problem:
    """The card is saved: ask Lago to start the plan, held back until its payment succeeds."""
    methods = lago.payment_methods(attempt.customer_id)
    if isinstance(methods, Problem):
        return methods
    if not any(_may_charge(one, attempt) for one in methods):
        return progress_of(attempt)
    plan = plan_on_offer(lago, terms, attempt.plan_code)
    if isinstance(plan, Problem):
        return (
            plan
            if plan.kind is not Kind.NOT_FOUND
            else _refuse(attempts, attempt, "The plan is not on offer any more.")
        )
    if plan.terms != attempt.terms or not same_price(plan, attempt.amount_cents, attempt.currency):
        return _refuse(attempts, attempt, "Its price changed since you chose it.")
    if plan.is_free or (reason := why_not(plan)) is not None:
        return _refuse(attempts, attempt, "The plan was changed since you chose it." if plan.is_free else str(reason))
    target = in_the_way(lago, buyer_in(attempt), plan, attempt.replaces)
    if isinstance(target, Problem):
        return target if target.kind in _UNKNOWN_OUTCOME else _refuse(attempts, attempt, target.detail)
    claimed = attempts.move(attempt, book.STARTING, subscription_id=target)
    if claimed is None:
        # Another tab is at it; what comes of it shows in the next look.
        return progress_of(attempt)
    return _post(lago, attempts, claimed)


def _may_charge(method: Json, attempt: Attempt) -> bool:
    """Whether Lago would charge the card that was saved for this purchase, or one that the customer has saved since.

    A default card of before is not it: Lago has yet to take the new one over.
    """
    if method.get("is_default") is not True:
        return False
    if method.get("provider_method_id") == attempt.payment_method:
        return True
    taken, saved = moment(method.get("created_at")), attempt.card_saved_at
    newer = taken is not None and saved is not None and taken > saved
    return newer and method.get("payment_provider_type") == "stripe"


def _post(lago: LagoClient, attempts: Attempts, attempt: Attempt) -> Progress | Problem:
    made = lago.create_subscription(
        customer_id=attempt.customer_id,
        plan_code=attempt.plan_code,
        external_id=attempt.subscription_id,
        gate_hours=GATE_HOURS,
    )
    if isinstance(made, Problem):
        if made.code in _NOT_YET:
            return _moved(attempts, attempt, book.CARD_SAVED)
        if made.code == "subscription_incomplete":
            return _moved(attempts, attempt, book.WAITING)
        if made.kind in _UNKNOWN_OUTCOME:
            # It may have been done: the next look finds out.
            attempts.note_stall(attempt, f"{made.title}. {made.detail}")
            return made
        return _refuse(attempts, attempt, made.detail)
    return _judge(lago, attempts, attempt, made)


def _judge(lago: LagoClient, attempts: Attempts, attempt: Attempt, made: Json) -> Progress:
    """What Lago made of it. Active without a satisfied payment rule is a plan that nobody has paid for."""
    if made.get("plan_code") != attempt.plan_code:
        if attempt.replaces is not None and made.get("next_plan_code") == attempt.plan_code:
            day = made.get("downgrade_plan_date")
            return _moved(attempts, attempt, book.SCHEDULED, note=str(day)[:10] if day else None)
        return _other_plan(attempts, attempt)
    ids = {"lago_subscription_id": str(made.get("lago_id"))} | note_of(lago, attempt, made)
    if made.get("status") == "incomplete":
        return _moved(attempts, attempt, book.WAITING, **ids)
    gates = _payment_rules(made)
    if made.get("status") == "active" and gates and all(rule.get("status") == "satisfied" for rule in gates):
        return _moved(attempts, attempt, book.STARTED, **ids)
    if made.get("status") != "active":
        # Stopping by its id would stop what runs under the same id, and nobody asked for that.
        log.error("attempt %s: Lago answers with status %s", attempt.id, made.get("status"))
        return _moved(attempts, attempt, book.STUCK, **ids | {"note": "unexpected status"})
    if attempt.replaces is not None:
        # Stopping it would leave the customer with nothing: what ran before has ended already.
        log.error("attempt %s: Lago changed the plan without waiting for the payment", attempt.id)
        return _moved(attempts, attempt, book.STUCK, **ids | {"note": "not held back for its payment"})
    stopped = lago.terminate_subscription(attempt.subscription_id)
    if isinstance(stopped, Problem):
        log.error("attempt %s: Lago started an unpaid plan and did not stop it: %s", attempt.id, stopped.code)
        return _moved(attempts, attempt, book.STUCK, **ids | {"note": str(stopped.code)})
    return _moved(attempts, attempt, book.UNDONE, **ids | {"note": "not held back for its payment"})


def _other_plan(attempts: Attempts, attempt: Attempt) -> Progress:
    """Lago may answer with the plan that runs until then; what it holds back shows in the next look. Once only."""
    if attempt.note == _OTHER_PLAN:
        log.error("attempt %s: Lago answers with another plan", attempt.id)
        return _moved(attempts, attempt, book.STUCK)
    moved = attempts.move(attempt, book.STARTING, note=_OTHER_PLAN)
    return progress_of(moved if moved is not None else attempt)


def _found_active(lago: LagoClient, attempts: Attempts, attempt: Attempt, found: Json) -> Progress:
    """Lago says active. It was held back before, or it must show that it was."""
    if attempt.state == book.WAITING or attempt.amount_cents == 0:
        return _moved(attempts, attempt, book.STARTED, **note_of(lago, attempt, found))
    if not _payment_rules(found):
        # The answer to our question was lost and this one does not tell: stopping a plan that may be paid is worse.
        log.error("attempt %s: active, and Lago does not tell whether it was paid", attempt.id)
        return _moved(attempts, attempt, book.STUCK, note="active without payment rules")
    return _judge(lago, attempts, attempt, found)


def _payment_rules(row: Json) -> list[Json]:
    rules = row.get("activation_rules")
    if not isinstance(rules, list):
        return []
    return [rule for rule in rules if isinstance(rule, dict) and rule.get("type") == "payment"]


def _look(lago: LagoClient, attempts: Attempts, terms: Terms, attempt: Attempt) -> Progress | Problem:
    """Read from Lago what has become of a plan that was asked for, and ask again if it never got there."""
    told = _read(lago, attempts, attempt)
    if told is not None:
        return told
    if attempt.state == book.WAITING or utc_now() - attempt.updated_at < LOST_ANSWER:
        return progress_of(attempt)
    if attempt.amount_cents == 0:
        return _moved(attempts, attempt, book.ABANDONED, note="not started")
    # Lago never got it, or lost it: the question is put again, under the same id.
    again = attempts.move(attempt, book.CARD_SAVED)
    return progress_of(attempt) if again is None else _start(lago, attempts, terms, again)


def settle(lago: LagoClient, attempts: Attempts, customer_id: str) -> Problem | None:
    """Close a purchase of this customer that Lago has decided meanwhile, whoever made it; starts nothing.

    A buyer who never comes back must not keep the whole organization from buying.
    """
    attempt = attempts.open_for(customer_id)
    if attempt is None or attempt.state not in (book.STARTING, book.WAITING):
        return None
    if attempt.change == book.DOWNGRADE:
        planned = downgrade.look(lago, attempts, attempt, patience_over=_patience_over(attempt))
        return planned if isinstance(planned, Problem) else None
    told = _read(lago, attempts, attempt)
    if told is not None:
        return told if isinstance(told, Problem) else None
    if utc_now() - attempt.updated_at > (GIVEN_UP if attempt.state == book.WAITING else LOST_ANSWER):
        attempts.move(attempt, book.ABANDONED, note="not found in Lago")
    return None


def _patience_over(attempt: Attempt) -> bool:
    """Whether an answer has been outstanding for so long that it will not come."""
    return utc_now() - attempt.updated_at > LOST_ANSWER


def _read(lago: LagoClient, attempts: Attempts, attempt: Attempt) -> Progress | Problem | None:
    """What Lago says about the subscription of a purchase, noted; None when it has none."""
    for status in ("incomplete", "active", "canceled"):
        found = lago.subscription(attempt.subscription_id, status)
        if isinstance(found, Problem):
            return found
        if found is None or not _same_subscription(found, attempt):
            continue
        if status == "active":
            return _found_active(lago, attempts, attempt, found)
        if status == "incomplete":
            ids = {"lago_subscription_id": str(found.get("lago_id"))}
            return _moved(attempts, attempt, book.WAITING, **ids, **note_of(lago, attempt, found))
        failed = found.get("cancellation_reason") == "payment_failed"
        return _refuse(attempts, attempt, book.PAYMENT_FAILED if failed else "The payment did not come in time.")
    return None


def _same_subscription(found: Json, attempt: Attempt) -> bool:
    if found.get("plan_code") != attempt.plan_code or found.get("external_customer_id") != attempt.customer_id:
        return False
    if attempt.lago_subscription_id is not None:
        return found.get("lago_id") == attempt.lago_subscription_id
    if found.get("status") != "canceled":
        return True
    # Without its id, one that was canceled before this purchase began must not be taken for ours.
    made_at = moment(found.get("created_at"))
    return made_at is not None and made_at >= attempt.created_at


def _moved(attempts: Attempts, attempt: Attempt, to: str, **facts: str | None) -> Progress:
    if to == attempt.state:
        return progress_of(attempt)
    moved = attempts.move(attempt, to, **facts)
    return progress_of(moved if moved is not None else attempt)


def _refuse(attempts: Attempts, attempt: Attempt, why: str) -> Progress:
    return _moved(attempts, attempt, book.REFUSED, note=why[:500])
