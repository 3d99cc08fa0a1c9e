"""Tables of the admin's view of selling. Pure; times are UTC, and say so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dash import html
from dash.development.base_component import Component

from components import formats
from components.parts import badge, icon, setting
from components.plan_words import amount_words
from components.static import Node, static, tags
from data_sources.billing.types import AuditRow, EventRow, InboxView, PurchaseRow
from data_sources.result import utc_now

SENDERS = {"stripe": ("Stripe", "OPS_STRIPE_WEBHOOK_SECRET"), "lago": ("Lago", "OPS_LAGO_URL")}


def purchases_table(rows: Sequence[PurchaseRow]) -> Component:
    """Open and failed purchases, with a button that looks at one now."""
    heads = ("Last change", "Customer", "Plan", "Price", "How it stands", "Why", "")
    return _table("Open and failed purchases", heads, [_purchase(row) for row in rows], lead=(4, 5, 6))


def _purchase(row: PurchaseRow) -> list[Any]:
    kind = "danger" if row.needs_person else "warn" if row.is_open else ""
    words = "needs a person" if row.needs_person else "open" if row.is_open else "closed"
    return [
        _when(row.updated_at),
        _cut(row.customer_id, f"bought by {row.principal_id}"),
        _cut(row.plan_name),
        _price(row.amount, row.currency),
        [badge(words, kind), " ", row.title],
        _why(row.note),
        _retry("purchase", row.attempt_id, f"the purchase of {row.plan_name} for {row.customer_id}")
        if row.can_look_again
        else "",
    ]


def inbox_table(view: InboxView) -> Component:
    """When each sender was last heard, and the newest webhooks."""
    lines = [_heard(sender, view) for sender in SENDERS]
    parts: list[Any] = [html.Div(lines, className="oc-heard")]
    if view.events:
        heads = ("Received", "From", "What", "About", "How it stands", "Why", "")
        parts.append(_table("Newest webhooks", heads, [_event(row) for row in view.events], lead=(4, 5, 6)))
    return html.Div(parts)


def _heard(sender: str, view: InboxView) -> html.P:
    name, needed = SENDERS[sender]
    if sender not in view.last:
        return html.P([icon("unset"), html.Span([f"{name}: not taken. Set ", setting(needed), "."])])
    at = view.last[sender]
    if at is None:
        told = "nothing has come yet. Purchases are looked after all the same, only later."
        return html.P([icon("empty"), html.Span(f"{name}: {told}")])
    ago = formats.age((utc_now() - at).total_seconds())
    return html.P([icon("ok"), html.Span(f"{name}: last heard {ago} ago, {_at(at)}")])


def _event(row: EventRow) -> list[Any]:
    if row.done_at is not None:
        state = badge("done", "ok")
    elif row.next_try_at is None:
        state = badge(f"given up after {row.tries} tries", "danger")
    else:
        state = badge("waiting" if row.tries == 0 else f"tried {formats.counted(row.tries, 'time')}", "warn")
    return [
        _when(row.received_at),
        SENDERS[row.source][0] if row.source in SENDERS else row.source,
        _cut(row.kind, row.event_id),
        _cut(row.subject) if row.subject else tags.Span("nothing of ours", className="dim"),
        state,
        _why(row.note),
        _retry("event", str(row.id), f"the webhook {row.kind}") if row.done_at is None else "",
    ]


def audit_table(rows: Sequence[AuditRow]) -> Component:
    """Who brought which purchase where, with the ids of that moment."""
    heads = ("Time", "Who", "Step", "Customer", "Plan", "Price", "Note and ids")
    return _table("Log of purchases", heads, [_entry(row) for row in rows], lead=(2, 6))


def _entry(row: AuditRow) -> list[Any]:
    return [
        _when(row.at),
        _cut(row.who),
        row.action.replace("_", " "),
        _cut(row.customer_id),
        _cut(row.plan_code) if row.plan_code is not None else "",
        _price(row.amount, row.currency) if row.plan_code is not None else "",
        _note_and_ids(row),
    ]


def _note_and_ids(row: AuditRow) -> Any:
    """In one cell, where both may wrap: beside each other they do not fit a common screen."""
    if not row.ids:
        return _why(row.note)
    ids = tags.Div(" · ".join(row.ids), className="dim oc-ids")
    return tags.Div([tags.Div(row.note), ids] if row.note else [ids], className="oc-why")


def _table(label: str, heads: Sequence[str], rows: Sequence[Sequence[Any]], *, lead: Sequence[int]) -> Component:
    """A table; on a phone each row is a block that begins with the columns of `lead`: how it stands, and why."""
    head = tags.Tr([tags.Th(title or tags.Span("Action", className="visually-hidden"), scope="col") for title in heads])
    body = [tags.Tr([_td(cell, leads=at in lead) for at, cell in enumerate(row)]) for row in rows]
    table = tags.Table([tags.Thead(head), tags.Tbody(body)], className="oc-table oc-blocks")
    named = {"aria-label": label}
    return static(tags.Div(table, className="oc-tablewrap", tabIndex=0, role="region", **named))


def _td(cell: Any, *, leads: bool) -> Node:
    return tags.Td(cell, className="oc-lead") if leads else tags.Td(cell)


def _at(moment: datetime) -> str:
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M:%S} UTC"


def _when(moment: datetime) -> str:
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%b %H:%M:%S}"


def _cut(text: str, title: str | None = None) -> Node:
    return tags.Span(text, title=title or text, className="oc-cut")


def _why(note: str | None) -> Any:
    return tags.Span(note, className="oc-why") if note else tags.Span("—", **{"aria-hidden": "true"}, className="dim")


def _price(amount: Decimal | None, currency: str | None) -> str:
    if currency is None:
        return "not known"
    return f"not known, in {currency}" if amount is None else amount_words(amount, currency)


def _retry(what: str, which: str, label: str) -> Node:
    marked = {f"data-retry-{what}": which, "aria-label": f"Look again at {label}"}
    return tags.Button("Look again", type="button", className="btn btn-sm btn-secondary", **marked)
