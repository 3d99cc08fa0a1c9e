"""Whether what Lago started is what was chosen: its amount, its currency, its interval and everything else that costs.

Lago takes a plan by its code, so a plan changed at the very moment of the start is started as it is then. It cannot be
taken back unseen (a payment may be on its way), so a difference is recorded and told.
"""

from __future__ import annotations

import logging

from data_sources.billing.attempts import OTHERWISE, WAITING, Attempt
from data_sources.billing.lago import Json, LagoClient
from data_sources.billing.money import said
from data_sources.billing.plans import read_plan
from data_sources.billing.types import Plan
from data_sources.result import Problem

log = logging.getLogger(__name__)


def note_of(lago: LagoClient, attempt: Attempt, row: Json) -> dict[str, str]:
    """What to note with a purchase that Lago has taken: how it differs from what was chosen, nothing if it does not.

    Args:
        lago: Asked for the plan when the subscription does not carry it.
        attempt: What was chosen.
        row: The subscription as Lago tells it.
    """
    if attempt.note is not None and attempt.note.startswith(OTHERWISE):
        return {}  # said already, and what was first seen counts
    found = _other_price(attempt, row)
    if found is None and attempt.state != WAITING:
        # Only at first sight: a plan that is edited later changes nothing about what was started.
        found = _other_terms(lago, attempt, row)
    if found is None:
        return {}
    log.error("attempt %s: %s", attempt.id, found)
    return {"note": f"{OTHERWISE}{found}"[:500]}


def _other_price(attempt: Attempt, row: Json) -> str | None:
    cents, currency = row.get("plan_amount_cents"), row.get("plan_amount_currency")
    if cents is None or currency is None:
        return None  # older versions do not tell; the plan itself still can
    if (cents, str(currency).upper()) == (attempt.amount_cents, attempt.currency.upper()):
        return None
    return f"for {said(cents, str(currency))}; you chose {said(attempt.amount_cents, attempt.currency)}."


def _other_terms(lago: LagoClient, attempt: Attempt, row: Json) -> str | None:
    carried = row.get("plan")
    plan: Plan | Problem | None = read_plan(carried) if carried is not None else lago.plan(attempt.plan_code)
    if not isinstance(plan, Plan):
        log.warning("attempt %s: whether the plan is still what was chosen could not be read", attempt.id)
        return None
    if attempt.terms is None or plan.terms == attempt.terms:
        return None
    return "on other terms: its interval, its charges or its trial changed as it was started."
