"""What a customer does with what it has: end or resume a plan, open an invoice, pay it, save another card. Thin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import msgspec
from flask import Blueprint, Response

from data_sources.billing.account.card import TITLE
from data_sources.billing.account.desk import NO_PORTAL
from data_sources.billing.account.types import Link, Managed
from data_sources.billing.source import OTHER_CUSTOMER, BillingSource
from data_sources.result import Failed
from routes.billing_api import encode_checkout, encode_offer, encode_progress
from routes.gate import needs, principal
from routes.wire import answer, body_of, query_params

_OTHER_SHOWN = (
    "Meanwhile another customer was chosen, in another tab perhaps. The page is read again: look whose it is."
)


class ManageBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is done with which subscription; `confirm` is the token of the offer that was agreed to."""

    action: Literal["cancel", "resume", "undo"]
    subscription_id: str
    confirm: str | None = None


class InvoiceBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which invoice, by Lago's id."""

    invoice_id: str


class CardBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which of Stripe's pages."""

    session_id: str


class ShownBody(msgspec.Struct, forbid_unknown_fields=True):
    """For whom the page was shown: an admin may have chosen another customer in another tab."""

    shown_customer: str | None = None


def blueprint(billing: Callable[[], BillingSource]) -> Blueprint:
    """The routes under `/api/v1/billing` that are about the customer's own things.

    Args:
        billing: Gives the source; asked at each request.
    """
    made = Blueprint("billing_account", __name__)

    @made.post("/api/v1/billing/subscription/manage")
    @needs("billing:write")
    def manage() -> Response:
        """Let a subscription end, let it go on, or take back a planned change."""
        query_params(())
        body = body_of(ManageBody)
        source = billing()
        buyer = source.buyer(principal())
        result = source.account.manage(buyer, body.action, body.subscription_id, body.confirm)
        return answer(result, encode_managed)

    @made.post("/api/v1/billing/invoices/pdf")
    @needs("billing:read")
    def invoice_pdf() -> Response:
        """Where the PDF of an invoice is; `url` is null until Lago has made it."""
        query_params(())
        source = billing()
        invoice_id = body_of(InvoiceBody).invoice_id
        return answer(source.account.pdf(source.buyer(principal()), invoice_id), encode_link)

    @made.post("/api/v1/billing/invoices/pay")
    @needs("billing:write")
    def invoice_pay() -> Response:
        """A page on which an open invoice can be paid."""
        query_params(())
        source = billing()
        invoice_id = body_of(InvoiceBody).invoice_id
        return answer(source.account.pay(source.buyer(principal()), invoice_id), encode_link)

    @made.post("/api/v1/billing/portal")
    @needs("billing:write")
    def portal() -> Response:
        """Lago's own page of the customer."""
        query_params(())
        shown = body_of(ShownBody).shown_customer
        source = billing()
        buyer = source.buyer(principal())
        if buyer is not None and shown not in (None, buyer.customer_id):
            return answer(Failed(replace(OTHER_CUSTOMER, title=NO_PORTAL, detail=_OTHER_SHOWN)), encode_link)
        return answer(source.account.portal(buyer), encode_link)

    @made.post("/api/v1/billing/card/update")
    @needs("billing:write")
    def card_update() -> Response:
        """Open Stripe's page to save another card; starts no plan."""
        query_params(())
        shown = body_of(ShownBody).shown_customer
        source = billing()
        buyer = source.buyer(principal())
        if buyer is not None and shown not in (None, buyer.customer_id):
            return answer(Failed(replace(OTHER_CUSTOMER, title=TITLE, detail=_OTHER_SHOWN)), encode_checkout)
        return answer(source.account.update_card(buyer), encode_checkout)

    @made.post("/api/v1/billing/card/progress")
    @needs("billing:write")
    def card_progress() -> Response:
        """Whether the saved card is the one that is charged by now."""
        query_params(())
        source = billing()
        session_id = body_of(CardBody).session_id
        return answer(source.account.card_progress(source.reader(principal()), session_id), encode_progress)

    return made


def encode_managed(got: Managed) -> dict[str, Any]:
    """What came of it, as JSON; `offer` with `confirm`."""
    told: dict[str, Any] = {"status": got.status, "title": got.title, "message": got.message, "good": got.good}
    return told if got.offer is None else told | {"offer": encode_offer(got.offer)}


def encode_link(got: Link) -> dict[str, Any]:
    """An address to open, as JSON."""
    return {"url": got.url, "title": got.title, "message": got.message}
