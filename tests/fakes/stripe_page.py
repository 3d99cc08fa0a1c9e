"""Stripe's hosted page, as a page that can be clicked: pay, fail, let it take days, close the tab, go back."""

from __future__ import annotations

from html import escape
from typing import Any

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1b1916}"
    "h1{font-size:1.25rem}button,a.b{font:inherit;padding:.5rem .9rem;margin:.25rem .4rem .25rem 0;"
    "border:1px solid #888;border-radius:6px;background:#fff;color:inherit;text-decoration:none;cursor:pointer;"
    "display:inline-block}"
    "button.first{background:#1b1916;color:#fff}.note{background:#f3f0ed;padding:.7rem .9rem;border-radius:6px}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem .25rem 0;vertical-align:top}"
    "small{color:#6a6762}fieldset{border:1px solid #ddd;border-radius:8px;margin:1rem 0}"
    "label{margin-right:1rem;white-space:nowrap;display:inline-block}"
)


def page(title: str, body: str) -> bytes:
    head = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><link rel=icon href=data:,><style>{STYLE}</style>"
    )
    return f"{head}<h1>{escape(title)}</h1>{body}</html>".encode()


def checkout(session: dict[str, Any], declined: bool) -> bytes:
    """The open page of a session."""
    pays = session["mode"] == "subscription"
    what = f"Pay {session['amount_total']} {session['currency'].upper()} (smallest units)" if pays else "Save card"
    later = "<button name=do value=later>Pay by debit, which takes days</button>" if pays else ""
    said = "<p class=note role=alert id=declined>Your card was declined. Try another card.</p>" if declined else ""
    name = f"<p><b>{escape(session['_name'])}</b></p>" if pays else ""
    body = (
        "<p class=note>A stand-in for Stripe's page. No card is needed and no money moves.</p>"
        f"{name}<p id=words>{escape(session['custom_text']['submit']['message'])}</p>{said}"
        f"<form method=post><button id=save class=first name=do value=save>{what}</button>"
        "<button id=fail name=do value=fail>Use a card that is declined</button>"
        f"<button id=close name=do value=close>{what.split()[0]} and close the tab</button>{later}</form>"
        f"<p><a class=b id=back href='{escape(str(session['cancel_url']), quote=True)}'>Back</a></p>"
    )
    return page("Checkout", body)


def invoice(number: str, due: str | None) -> bytes:
    """The page of an invoice; `due` is what is to be paid, None once it is."""
    note = "<p class=note>A stand-in for the page of an invoice. No card is needed and no money moves.</p>"
    button = f"<form method=post><button id=pay class=first>Pay {escape(str(due))} (smallest units)</button></form>"
    done = "<p id=paid>It is paid. You may close this tab.</p>"
    return page(f"Invoice {number}", note + (done if due is None else button))


def closed() -> bytes:
    words = "<p id=closed>Done. You may close this tab: it does not lead back, so only webhooks and the sweep tell.</p>"
    return page("Checkout", words)


def expired() -> bytes:
    return page("Checkout", "<p>This page has expired.</p>")
