"""Usage against limits, credits, the card and invoices of a customer. Pure; what Lago did not say is said to be so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from dash import html
from dash.development.base_component import Component

from components import formats
from components.held import day_words, zone_of
from components.parts import badge, pager, unknown
from components.plan_words import amount_words
from data_sources.billing.account.types import (
    CardFacts,
    CardView,
    Invoice,
    Invoices,
    Usage,
    UsageLine,
    UsageView,
    Wallet,
)
from data_sources.result import utc_now

_FULL = Decimal(100)
_BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "eftpos_au": "eftpos",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "unknown": "Card",
}
_OTHER = {
    "waits": "Another card is saved at Stripe and not charged yet. It is tried again by itself; your admin sees it.",
    "refused": "The card that was saved last was refused by Stripe. Save another one with “Update card”.",
}
_KINDS = {"paypal": "PayPal", "sepa_debit": "SEPA debit", "us_bank_account": "US bank account"}
_STATES = {"draft": "Draft", "voided": "Voided", "failed": "Not made", "pending": "Being made"}


def usage_bars(view: UsageView) -> Component:
    """How much of each limit is used, one block a subscription."""
    return html.Div([_usage(one, view.timezone) for one in view.usages], className="oc-use")


def _usage(one: Usage, timezone: str) -> html.Div:
    zone = zone_of(timezone)
    days = [day_words(at.astimezone(zone).date()) for at in (one.from_at, one.to_at) if at is not None]
    period = f"{days[0]} to {days[1]}" if len(days) == 2 else "Lago does not tell the period"
    title = f"{one.plan_name}, {period}"
    return html.Div([html.P(title, className="oc-use-period"), *(_line(line, one.currency) for line in one.lines)])


def _line(line: UsageLine, currency: str | None) -> html.Div:
    limit = "no limit" if line.limit is None else _number(line.limit)
    if line.units is None:
        why = "Lago does not count it for this plan"
        used: Any = [unknown(why), f" of {limit}"]
        note = html.P(f"How much is used is not known: {why}.", className="oc-use-note")
        return html.Div([html.Div([html.Span(line.name), html.Span(used)], className="oc-use-line"), note])
    share = line.units / line.limit * _FULL if line.limit else None
    words = f"{_number(line.units)} of {limit}"
    cost = "" if line.amount is None or currency is None or not line.amount else amount_words(line.amount, currency)
    width = Decimal(0) if share is None else min(share, _FULL)
    full = share is not None and share >= _FULL
    bar = html.Div(html.I(style={"width": f"{width:.2f}%"}), className="oc-meter" + (" full" if full else " ink"))
    told = ", ".join(filter(None, (_over(line, share), f"{cost} so far, excl. tax" if cost else "")))
    return html.Div(
        [
            html.Div([html.Span(line.name), html.Span(words)], className="oc-use-line"),
            bar,
            html.P(told, className="oc-use-note"),
        ]
    )


def _over(line: UsageLine, share: Decimal | None) -> str:
    if line.units is None or line.limit is None:
        return ""
    if line.units > line.limit:
        return f"{_number(line.units - line.limit)} over the limit"
    if share is None:
        return "the plan has none of it"
    return "at the limit" if share == _FULL else f"{_share(share)} used"


def _share(share: Decimal) -> str:
    if 0 < share < Decimal("0.1"):
        return "<0.1%"
    # Never 100 % before it is: 99.96 is told as 99.9.
    cut = min(share.quantize(Decimal("0.1")), Decimal("99.9")) if share < _FULL else share.quantize(Decimal("0.1"))
    return f"{cut}%"


def _number(value: Decimal) -> str:
    whole = value.normalize()
    if whole == whole.to_integral_value():
        return f"{int(whole):,}"
    return f"{whole:,f}"


def wallets_list(wallets: tuple[Wallet, ...]) -> Component:
    """Credits left, what they are worth, and what is left after the usage of the running period."""
    return html.Div([_wallet(one) for one in wallets], className="oc-use")


def _wallet(one: Wallet) -> html.Div:
    money = None if one.amount is None or one.currency is None else amount_words(one.amount, one.currency)
    left: Any = unknown("Lago does not tell the balance") if one.credits is None else f"{_number(one.credits)} credits"
    parts: list[Any] = [html.Div([html.Span(one.name or "Prepaid credits"), html.Span(left)], className="oc-use-line")]
    worth = "What they are worth is not known." if money is None else f"Worth {money}."
    parts.append(html.P(worth, className="oc-use-note"))
    if one.ongoing_credits is not None and one.ongoing_credits != one.credits:
        parts.append(html.P(f"{_number(one.ongoing_credits)} after the usage of this period.", className="oc-use-note"))
    if one.expires_at is not None:
        parts.append(html.P(f"Expires {day_words(one.expires_at.date())} (UTC).", className="oc-use-note"))
    return html.Div(parts)


def card_words(view: CardView, *, saved: bool = False) -> Component:
    """Which card is charged and by whom, and the way to another one.

    Args:
        view: What Lago or Stripe has.
        saved: Whether a purchase waits for Lago to take over a card that is saved already.
    """
    facts = None if view.card is None else view.card.facts
    over = isinstance(facts, CardFacts) and _expired(facts)
    parts: list[Any] = [html.P(_card_said(view, saved=saved))]
    parts = [badge("Expired", "danger", icon_name="failed"), *parts] if over else parts
    if view.other in _OTHER:
        parts.append(html.P(_OTHER[view.other]))
    if view.can_update:
        label = "Add a card" if view.card is None and not view.by_stripe else "Update card"
        parts.append(html.Button(label, type="button", className="btn btn-secondary", **{"data-card-update": ""}))
        waits = "" if view.by_stripe else "; a purchase that waits for a card goes on with it"
        parts.append(html.P(f"Saving a card starts or changes no plan{waits}.", className="oc-use-note"))
    return html.Div(parts, className="oc-use")


def _card_said(view: CardView, *, saved: bool) -> str:
    card = view.card
    if view.other == "over":
        return "Stripe has ended what it charged, so no card is charged any more."
    if card is None and view.by_stripe:
        if view.can_update:
            return "Stripe collects, and does not name the card that it charges."
        return "Stripe collects, with the card that is given on its page. Lago has none."
    if card is None:
        if saved:
            return "A card is saved at Stripe. Lago has not taken it over yet, so it charges none."
        return "No card is on file."
    expired = isinstance(card.facts, CardFacts) and _expired(card.facts)
    charges = f"{'Stripe' if view.by_stripe else 'Lago'} {'still tries to charge' if expired else 'charges'} it."
    since = "" if card.since is None else f" since {day_words(card.since.date())}"
    if isinstance(card.facts, CardFacts):
        on_file = "" if view.by_stripe else f" It is on file at Stripe{since}."
        return f"{_recognized(card.facts)}.{on_file} {charges}"
    unread = "" if card.facts is None else f" Which one it is, is not known: {card.facts.detail}"
    return f"A card is on file at Stripe{since}. {charges}{unread}"


def _recognized(facts: CardFacts) -> str:
    """A way to pay: "Visa ending in 4242, valid until 12/2027"; Stripe's own words where there are no others."""
    names = _BRANDS if facts.kind == "card" else _KINDS
    word = (facts.brand if facts.kind == "card" else facts.kind) or "card"
    name = names.get(word, word.replace("_", " ").capitalize())
    told = name if facts.last4 is None else f"{name} ending in {facts.last4}"
    if facts.expires is None:
        return told
    year, month = facts.expires
    return f"{told}, {'no longer valid: it ended with' if _expired(facts) else 'valid until'} {month:02}/{year}"


def _expired(facts: CardFacts) -> bool:
    now = utc_now()
    return facts.expires is not None and facts.expires < (now.year, now.month)


def invoices_table(invoices: Invoices) -> Component:
    """Invoices with their PDF, and the way to pay those that are open."""
    heads = ("Invoice", "Date", "Status", "Amount", "Actions")
    cells = [
        html.Th(
            html.Span(head, className="visually-hidden") if head == "Actions" else head,
            scope="col",
            className="oc-num" if head == "Amount" else None,
        )
        for head in heads
    ]
    table = html.Table(
        [html.Thead(html.Tr(cells)), html.Tbody([_invoice(one, invoices.payable) for one in invoices.rows])],
        className="oc-table oc-blocks oc-invoices",
    )
    named = {"aria-label": "Table of invoices"}
    return html.Div(table, className="oc-tablewrap", tabIndex=0, role="region", **named)


def _invoice(one: Invoice, payable: bool) -> html.Tr:
    amount: Any = unknown("Lago does not tell the amount in a form that can be read")
    if one.total is not None and one.currency is not None:
        amount = amount_words(one.total, one.currency, column=True)
    buttons: list[Any] = []
    if one.status in ("finalized", "voided"):
        buttons.append(_link_button("PDF", {"data-invoice-pdf": one.id}, f"PDF of invoice {one.number}"))
    if payable and one.status == "finalized" and one.payment_status in ("pending", "failed"):
        buttons.append(_link_button("Pay", {"data-invoice-pay": one.id}, f"Pay invoice {one.number}"))
    return html.Tr(
        [
            html.Td(one.number),
            html.Td("—" if one.issued_on is None else day_words(one.issued_on)),
            html.Td([_state(one), *_back_words(one)]),
            html.Td(amount, className="oc-num"),
            html.Td(html.Div(buttons, className="oc-invoice-do")),
        ]
    )


def _link_button(label: str, what: dict[str, str], said: str) -> html.Button:
    return html.Button(label, type="button", className="btn btn-sm btn-secondary", **{**what, "aria-label": said})


def _state(one: Invoice) -> Any:
    if one.overdue:
        return badge("Overdue", "danger", icon_name="failed")
    if one.status in _STATES:
        return _STATES[one.status]
    if one.payment_status == "succeeded":
        return "Paid"
    if one.payment_status == "failed":
        return badge("Payment failed", "danger", icon_name="failed")
    return badge("Payment pending", "warn", icon_name="stale") if one.payment_status == "pending" else "Not known"


def _back_words(one: Invoice) -> list[Any]:
    """What was given back of what was paid at Stripe; Lago goes on calling it paid."""
    if one.currency is None:
        return []
    sums = ((one.given_back, "given back"), (one.coming_back, "on its way back"))
    told = ", ".join(
        f"{amount_words(amount, one.currency, column=True)} {what}" for amount, what in sums if amount is not None
    )
    return [html.Div(told, className="oc-use-note")] if told else []


def shown_of(invoices: Invoices) -> str:
    """Which of how many are shown, and what is not known of them."""
    unread = invoices.backs_unread
    more = "" if unread is None else f" Whether something was given back at Stripe is not known: {unread.detail}"
    return f"{_shown_of(invoices)}{more}"


def _shown_of(invoices: Invoices) -> str:
    shown, before = len(invoices.rows), invoices.before
    which = f"The newest {shown}" if before == 0 else f"{shown} older ones"
    if before:
        which = f"{formats.number(before + 1)} to {formats.number(before + shown)}"
    if invoices.total is None:
        return f"{which}. Lago does not tell how many there are. Amounts include tax."
    if before != 0 or shown < invoices.total:
        return f"{which} of {formats.number(invoices.total)}. Amounts include tax."
    return f"{'The only one' if shown == 1 else f'All {shown}'}. Amounts include tax."


def invoice_pages(page: int, older: bool) -> html.Nav | None:
    """The ways to newer and older invoices, None where there is one page only; `subscription_manage.js` goes them.

    Args:
        page: The page that is shown or could not be read, from 1.
        older: Whether there is one after it.
    """
    if page == 1 and not older:
        return None
    ways = {"Newer": str(page - 1) if page > 1 else None, "Older": str(page + 1) if older else None}
    return pager("Pages of the invoices", ways, "invoices-page")


def ask_dialog() -> html.Dialog:
    """Puts a decision to the reader; `assets/js/subscription_manage.js` fills and opens it."""
    return html.Dialog(
        [
            html.H2(id="subscription-ask-title"),
            html.Div(id="subscription-ask-words", className="oc-ask-words"),
            html.P(id="subscription-ask-warning", className="oc-ask-warning"),
            html.Div(
                [
                    html.Button(type="button", className="btn btn-secondary", **{"data-ask-keep": ""}),
                    html.Button(type="button", className="btn btn-primary", **{"data-ask-do": ""}),
                ],
                className="oc-dialog-actions",
            ),
        ],
        id="subscription-ask",
        className="oc-dialog",
        **{"aria-labelledby": "subscription-ask-title"},
    )
