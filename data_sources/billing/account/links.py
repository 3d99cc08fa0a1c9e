"""Addresses that Lago gives for a customer's own things: the PDF of an invoice, its payment page, the portal."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from data_sources.billing.account.read import read_invoice
from data_sources.billing.account.types import Invoice, Link
from data_sources.billing.lago import FIRST_GATED_VERSION, LagoClient
from data_sources.billing.lago_account import is_of
from data_sources.billing.purchase import untouched
from data_sources.billing.types import Buyer
from data_sources.result import Kind, Problem

_WEB = frozenset({"http", "https"})
_SAFE = frozenset({"https"})
_NOT_OPENED, _NOT_PAID = "Nothing was opened.", "Nothing was paid."


def pdf(lago: LagoClient, buyer: Buyer, invoice_id: str) -> Link | Problem:
    """Where the PDF of one of the customer's invoices is, or that Lago has not made it yet."""
    found = _own(lago, buyer, invoice_id)
    if isinstance(found, Problem):
        return untouched(found, _NOT_OPENED)
    address = lago.invoice_pdf(found.id)
    if isinstance(address, Problem):
        return untouched(address, _NOT_OPENED)
    if address is None:
        detail = f"Lago is making the PDF of {found.number}. Try again in a minute."
        return Link(None, "The PDF is not ready yet", detail)
    return _link(address, _WEB, f"The PDF of {found.number} is ready")


def pay(
    lago: LagoClient, buyer: Buyer, invoice_id: str, may_open: Callable[[str], bool] = lambda _: False
) -> Link | Problem:
    """A page on which one of the customer's open invoices can be paid.

    Args:
        lago: Gives the page.
        buyer: Whose invoice it must be.
        invoice_id: Lago's id.
        may_open: Whether a page that is not https is of a payment provider that the operator has set by its address.
    """
    title = "The payment page could not be opened"
    found = _own(lago, buyer, invoice_id)
    if isinstance(found, Problem):
        return untouched(found, _NOT_PAID)
    if found.status != "finalized" or found.payment_status not in ("pending", "failed"):
        detail = f"Nothing is to be paid for {found.number} any more. The list shows how it stands."
        return Problem(Kind.CONFLICT, title, detail, code="not_payable")
    version = lago.version()
    if isinstance(version, Problem):
        return untouched(version, _NOT_PAID)
    if version is None or version < FIRST_GATED_VERSION:
        # Before that a payment page and Lago's own charge could both succeed: paid twice.
        detail = "This Lago could charge the card as well, so that it would be paid twice. Ask your admin."
        return Problem(Kind.CONFLICT, title, detail, code="lago_too_old")
    address = lago.payment_url(found.id)
    if isinstance(address, Problem):
        return untouched(address, _NOT_PAID)
    return _link(address, _WEB if may_open(address) else _SAFE, "The payment page is open")


def portal(lago: LagoClient, buyer: Buyer) -> Link | Problem:
    """Lago's own page of the customer."""
    address = lago.portal_url(buyer.customer_id)
    if isinstance(address, Problem):
        return untouched(address, _NOT_OPENED)
    return _link(address, _WEB, "Lago's portal is open")


def _own(lago: LagoClient, buyer: Buyer, invoice_id: str) -> Invoice | Problem:
    """The invoice, if it says that it is this customer's; otherwise there is none."""
    row = lago.invoice(invoice_id)
    if isinstance(row, Problem) and row.kind is not Kind.BAD_QUERY:
        return row
    found = read_invoice(row) if isinstance(row, dict) and is_of(row, buyer.customer_id) is True else None
    if found is None or found.id != invoice_id:
        return Problem(Kind.NOT_FOUND, "There is no such invoice", "It is not one of yours.", code="invoice_not_found")
    return found


def _link(address: str, schemes: frozenset[str], title: str) -> Link | Problem:
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in schemes or not parts.netloc:
        detail = "Lago gave an address that a browser must not be sent to."
        return Problem(Kind.UPSTREAM, "This could not be opened", detail, code="bad_address")
    return Link(address, title, "It opens in another tab.")
