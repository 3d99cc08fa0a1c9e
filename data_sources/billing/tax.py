"""Where Stripe itself collects: whether Lago adds tax to what a customer pays.

Stripe takes the bare price there, so a tax on Lago's invoice would be owed and never paid: such a sale is not made.
Lago takes the taxes of the plan, else those of the customer, else those of whoever invoices.
"""

from __future__ import annotations

from data_sources.billing.lago import Json, LagoClient
from data_sources.billing.plan_terms import rated
from data_sources.result import Problem

ADDED = "Lago adds tax to what this customer pays, and Stripe collects here, which can take the bare price only."


def tax_added(lago: LagoClient, customer: Json | None, known: list[Json]) -> bool | Problem:
    """Whether Lago adds tax for this customer, to plans that say nothing of their own about it.

    Args:
        lago: Asked for the taxes of whoever invoices, where there are any taxes at all.
        customer: As Lago tells it; None when it does not know it yet.
        known: Every tax that Lago knows, in use or not.
    """
    if rated(known) is not True:
        return False
    own = rated(None if customer is None else customer.get("taxes"))
    if own is not None:
        return own
    code = None if customer is None else customer.get("billing_entity_code")
    if isinstance(code, str) and code:
        entity = lago.billing_entity(code)
        if isinstance(entity, Problem):
            return entity
        if entity is not None:
            return rated(entity.get("taxes")) is True
    # A Lago without billing entities, or a customer that it makes with the first purchase: those of the organization.
    return rated([row for row in known if row.get("applied_to_organization") is True]) is True
