"""Lago's customers, for an admin of several organizations who chooses for which one to look and buy."""

from __future__ import annotations

from data_sources.billing.doorway import Doorway
from data_sources.billing.lago import SOURCE, Json, LagoClient
from data_sources.billing.types import CustomerList, CustomerRow
from data_sources.result import Empty, Failed, Kind, NotConfigured, Problem, Provenance, Ready, Result, utc_now

TITLE = "Customers could not be read"


class Directory:
    """Finds customers.

    Args:
        lago: Lago, None when it is not configured.
        not_configured: What to say then.
        doorway: Bounds how many questions are under way.
    """

    def __init__(self, lago: LagoClient | None, not_configured: NotConfigured, doorway: Doorway) -> None:
        self._lago = lago
        self._not_configured = not_configured
        self._doorway = doorway

    def search(self, text: str) -> Result[CustomerList]:
        """The first customers that match, by name, id or address; all of them for no text."""
        if self._lago is None:
            return self._not_configured
        with self._doorway.place(TITLE) as busy:
            found = busy or self._lago.customers(text.strip()[:100])
        told = _told("GET /api/v1/customers")
        if isinstance(found, Problem):
            return Failed(found, told)
        rows = tuple(row for one in found[0] if (row := _row(one)) is not None)
        if not rows:
            words = "No customer matches" if text.strip() else "Lago has no customers yet"
            return Empty(words, "A customer is made by its first purchase, or in Lago.", told)
        return Ready(CustomerList(rows, found[1]), told)

    def known(self, customer_id: str) -> Result[CustomerRow]:
        """One customer by its external id, if Lago has it."""
        if self._lago is None:
            return self._not_configured
        with self._doorway.click(TITLE) as busy:
            found = busy or self._lago.customer(customer_id)
        if isinstance(found, Problem):
            return Failed(found)
        row = None if found is None else _row(found)
        if row is None or row.external_id != customer_id:
            detail = "Lago does not know this customer."
            return Failed(Problem(Kind.NOT_FOUND, "Nobody was chosen", detail, code="customer_not_found"))
        return Ready(row, _told("GET /api/v1/customers"))


def _row(raw: Json) -> CustomerRow | None:
    external_id, name, currency = raw.get("external_id"), raw.get("name"), raw.get("currency")
    if not isinstance(external_id, str) or not external_id:
        return None
    return CustomerRow(
        external_id,
        name if isinstance(name, str) and name else None,
        currency if isinstance(currency, str) and currency else None,
    )


def _told(query: str) -> Provenance:
    now = utc_now()
    return Provenance(SOURCE, query, as_of=now, fetched_at=now)
