"""The audit log: one line for each step of a purchase and each action on a subscription. Lines are never changed.

A step is noted in its own transaction; an action before it is done, and again after.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from data_sources.state.models import Base, UtcDateTime

# Who acts when nobody does: the thread that finishes purchases.
CONSOLE = "console"
RETRIED = "retried"
REFUSED_CLICK = "click refused"
MARKED_PAID = "marked paid in Lago"
END_SET = "end set at Stripe"
END_TAKEN_BACK = "end taken back at Stripe"
ENDED_AT_STRIPE = "ended at Stripe"
END_CARRIED_OVER = "end carried over to Lago"
READ_BY_BUYER = "read by its buyer"
CARD_ASKED = "card asked"
CARD_PAGE = "card page"
CARD_TAKEN = "card taken at Stripe"
CARD_REFUSED = "card refused by Stripe"
CARD_CLOSED = "card page closed"
# What becomes of a page for another card where Stripe collects; each page has one of them at last.
CARD_ENDS = (CARD_TAKEN, CARD_REFUSED, CARD_CLOSED)


class AuditEntry(Base):
    """One step: who did what with which purchase or subscription, and the ids of Stripe and Lago at that moment."""

    __tablename__ = "billing_audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(300))
    action: Mapped[str] = mapped_column(String(32))
    # NULL for what is no purchase: the end of a subscription, taking it back, another card.
    attempt_id: Mapped[str | None] = mapped_column(String(32), index=True)
    customer_id: Mapped[str] = mapped_column(String(300))
    plan_code: Mapped[str | None] = mapped_column(String(300))
    amount_cents: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    session_id: Mapped[str | None] = mapped_column(String(300))
    subscription_id: Mapped[str | None] = mapped_column(String(300))
    lago_subscription_id: Mapped[str | None] = mapped_column(String(64))
    stripe_subscription_id: Mapped[str | None] = mapped_column(String(300))
    stripe_customer_id: Mapped[str | None] = mapped_column(String(300))
    stripe_invoice_id: Mapped[str | None] = mapped_column(String(300))
    lago_invoice_id: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str | None] = mapped_column(String(2000))
