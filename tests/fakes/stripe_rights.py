"""What a restricted key may do at Stripe: as much as the README names for a collector, and no more.

Stripe names the right that a key lacks in its refusal. That reading payments of invoices is part of "Invoices" is our
reading of its list of rights, as no published description of its API says which address needs which.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.fakes.server import Asked

_README = Path(__file__).parents[2] / "README.md"
_ROW = re.compile(r"^\| (?:`(?P<collector>\w+)`|both) \|[^|]*\|(?P<rights>[^|]*)\|$", re.MULTILINE)
_RIGHT = re.compile(r"([A-Z][\w ]+?) \((read|write)\)")
# Beginning of an address -> the right's name on Stripe's page of keys, and in a refusal
_NEEDED = {
    "/v1/checkout/sessions": ("Checkout Sessions", "rak_checkout_session"),
    "/v1/subscriptions": ("Subscriptions", "rak_subscription"),
    "/v1/invoice_payments": ("Invoices", "rak_invoice"),
    "/v1/invoices": ("Invoices", "rak_invoice"),
    "/v1/payment_methods": ("Payment Methods", "rak_payment_method"),
    "/v1/charges": ("Charges and Refunds", "rak_charge"),
    "/v1/refunds": ("Charges and Refunds", "rak_charge"),
}

Rights = dict[str, str]


def granted(*collectors: str) -> Rights:
    """The rights of a key by the README, name -> read or write.

    Args:
        collectors: Whose; none for every collector's.
    """
    text = _README.read_text("utf-8")
    table = text[text.index("| collector | Lago's key | Stripe's key |") :].split("\n\n")[0]
    rows = [row for row in _ROW.finditer(table) if not collectors or row["collector"] in (None, *collectors)]
    return {name: level for row in rows for name, level in _RIGHT.findall(row["rights"])}


def lacking(asked: Asked, rights: Rights) -> str | None:
    """The right that a request needs and the key does not have, as Stripe calls it; None where it has all."""
    level = "read" if asked.method == "GET" else "write"
    start = next((one for one in _NEEDED if asked.path.startswith(one)), None)
    if start is None:
        return f"unknown_{level}"
    name, inner = _NEEDED[start]
    if rights.get(name) not in (level, "write"):
        return f"{inner}_{level}"
    expands = "setup_intent" in str(asked.query)
    return "rak_setup_intent_read" if expands and "Setup Intents" not in rights else None


def refusal(right: str) -> str:
    """Stripe's words."""
    return (
        "The provided key 'rk_test_****************ops' does not have the required permissions for this endpoint on "
        f"account 'acct_1'. Having the '{right}' permission would allow this request to continue."
    )
