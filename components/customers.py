"""The list from which an admin chooses for which customer to look and buy. Pure."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from components.formats import number
from components.parts import badge
from components.static import Node, static, tags
from data_sources.billing.types import CustomerList, CustomerRow


def customer_list(listed: CustomerList, chosen: str | None) -> Component:
    """The customers found, each with a button; the chosen one is marked."""
    heads = ("Name", "Lago id", "Currency", "")
    head = [tags.Th(text or tags.Span("Action", className="visually-hidden"), scope="col") for text in heads]
    body = [tags.Tr([tags.Td(cell) for cell in _cells(row, chosen)]) for row in listed.rows]
    table = tags.Table([tags.Thead(tags.Tr(head)), tags.Tbody(body)], className="oc-table")
    named = {"aria-label": "Customers in Lago"}
    return static(tags.Div(table, className="oc-tablewrap", tabIndex=0, role="region", **named))


def _cells(row: CustomerRow, chosen: str | None) -> list[Any]:
    name = row.name or tags.Span("no name", className="dim")
    currency = row.currency or tags.Span("—", className="dim", title="Settled by the first purchase")
    return [name, tags.Span(row.external_id, className="oc-cut", title=row.external_id), currency, _act(row, chosen)]


def _act(row: CustomerRow, chosen: str | None) -> Node | Component:
    if row.external_id == chosen:
        return badge("Chosen", "accent", icon_name="check")
    label = f"Choose {row.name or row.external_id}"
    marked = {"data-choose-customer": row.external_id, "aria-label": label}
    return tags.Button("Choose", type="button", className="btn btn-sm btn-secondary", **marked)


def how_many(listed: CustomerList) -> str | None:
    """How whole the list is."""
    if listed.total is None or listed.total <= len(listed.rows):
        return None
    return f"Showing {number(len(listed.rows))} of {number(listed.total)}. Search for the others."


def chosen_line(chosen: str | None) -> Component:
    """For whom the admin acts now."""
    if chosen is None:
        return html.P("Nobody is chosen yet: choose for whom to look and buy.", className="oc-chosen")
    return html.P(
        [
            "You look and buy for ",
            html.B(chosen),
            ". ",
            html.Button(
                "Choose nobody", type="button", className="btn btn-sm btn-secondary", **{"data-choose-customer": ""}
            ),
        ],
        className="oc-chosen",
    )
