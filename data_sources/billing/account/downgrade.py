"""A change to a cheaper plan: Lago keeps what runs and starts the other one at the end of the period. Takes no money.

Lago answers with the plan that runs. Whatever else it answers is recorded for a person to look at: nothing is stopped.
"""

from __future__ import annotations

import logging

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.lago import Json, LagoClient
from data_sources.result import Kind, Problem

log = logging.getLogger(__name__)

_UNKNOWN_OUTCOME = frozenset({Kind.TIMEOUT, Kind.UPSTREAM})


def plan_it(lago: LagoClient, attempts: Attempts, attempt: Attempt) -> Attempt | Problem:
    """Ask Lago to start the cheaper plan after the running period.

    Args:
        lago: Plans it.
        attempts: Our record.
        attempt: The change, in the state STARTING.

    Returns:
        The change as it stands; the problem when it is not known whether Lago took it.
    """
    made = lago.create_subscription(
        customer_id=attempt.customer_id,
        plan_code=attempt.plan_code,
        external_id=attempt.subscription_id,
        gate_hours=None,
    )
    if not isinstance(made, Problem):
        return _judge(attempts, attempt, made)
    if made.kind in _UNKNOWN_OUTCOME:
        return made
    return _moved(attempts, attempt, book.REFUSED, note=made.detail[:500])


def look(lago: LagoClient, attempts: Attempts, attempt: Attempt, *, patience_over: bool) -> Attempt | Problem:
    """Read from Lago what became of a change whose answer was lost.

    Args:
        lago: Asked what runs.
        attempts: Our record.
        attempt: The change, in the state STARTING.
        patience_over: Whether Lago has had time enough: what is not there now will not come.
    """
    running = lago.subscription(attempt.subscription_id, "active")
    if isinstance(running, Problem):
        return running
    if running is not None and _is_planned(running, attempt):
        return _judge(attempts, attempt, running)
    if running is not None and running.get("plan_code") == attempt.plan_code:
        return _judge(attempts, attempt, running)
    if patience_over:
        why = (attempt.note or "").removeprefix(book.STALLED)
        return _moved(attempts, attempt, book.REFUSED, note=f"Lago did not take it. {why}".strip()[:500])
    return attempt


def _judge(attempts: Attempts, attempt: Attempt, row: Json) -> Attempt:
    if _is_planned(row, attempt):
        day = row.get("downgrade_plan_date")
        return _moved(attempts, attempt, book.SCHEDULED, note=day[:10] if isinstance(day, str) else None)
    log.error("attempt %s: Lago did not plan the change: status %s", attempt.id, row.get("status"))
    note = "not planned for later"
    return _moved(attempts, attempt, book.STUCK, note=note, lago_subscription_id=str(row.get("lago_id")))


def _is_planned(row: Json, attempt: Attempt) -> bool:
    mine = row.get("external_customer_id") == attempt.customer_id
    return mine and row.get("status") == "active" and row.get("next_plan_code") == attempt.plan_code


def _moved(attempts: Attempts, attempt: Attempt, to: str, **facts: str | None) -> Attempt:
    moved = attempts.move(attempt, to, **facts)
    return moved if moved is not None else attempts.one(attempt.id) or attempt
