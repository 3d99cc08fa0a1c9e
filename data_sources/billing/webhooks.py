"""What Stripe and Lago tell us by themselves: proved, written down once, and answered before anything is done about it.

A webhook is never applied. Neither of Lago's signatures covers a time or the event's id, and both services repeat and
reorder, so all that is taken from one is which purchase to look at; what is so is then read from Stripe and Lago.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from data_sources.billing.inbox import Delivery, Inbox
from data_sources.billing.lago import LagoClient
from data_sources.billing.signatures import lago_hmac_signed, lago_jwt_signed, stripe_signed
from data_sources.result import Failed, Kind, NotConfigured, Problem, Provenance, Ready, Result, utc_now
from data_sources.state.store import StateUnavailableError

log = logging.getLogger(__name__)

TITLE = "The webhook was not taken"
NO_STRIPE_SECRET = NotConfigured(
    TITLE,
    "Without its signing secret nobody can tell Stripe's messages from made-up ones.",
    ("OPS_STRIPE_WEBHOOK_SECRET",),
)
NO_LAGO_KEY = NotConfigured(
    TITLE, "Without the HMAC key nobody can tell Lago's messages from made-up ones.", ("OPS_LAGO_HMAC_KEY",)
)
NO_LAGO = NotConfigured(TITLE, "There is no Lago whose messages these could be.", ("OPS_LAGO_URL", "OPS_LAGO_API_KEY"))
# A new key is asked for when a signature does not fit, but not at the pace of somebody who makes them up.
KEY_PAUSE_S, KEY_RETRY_S = 60.0, 5.0
PATIENCE_S = 2.0
_NO_KEY = Problem(
    Kind.UPSTREAM, TITLE, "Lago's public key could not be read.", code="no_key", retry_after_s=KEY_RETRY_S
)
_MAX_ID = 300


class Webhooks:
    """Takes deliveries.

    Args:
        inbox: Where they are written down.
        stripe_secret: `OPS_STRIPE_WEBHOOK_SECRET`.
        stripe_live: Whether our own key is for real money.
        lago: Gives the public key of its signatures; None when it is not configured.
        lago_hmac_key: `OPS_LAGO_HMAC_KEY`.
        wake: Told after each new event.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        stripe_secret: str | None,
        stripe_live: bool,
        lago: LagoClient | None,
        lago_hmac_key: str | None,
        wake: Callable[[], object],
    ) -> None:
        self._inbox = inbox
        self._stripe_secret = stripe_secret
        self._stripe_live = stripe_live
        self._lago = lago
        self._lago_hmac_key = lago_hmac_key
        self._wake = wake
        self._lock = threading.Lock()
        self._key: bytes | None = None
        self._ask_again_s = 0.0

    def stripe(self, raw: bytes, headers: Mapping[str, str]) -> Result[bool]:
        """A delivery of Stripe's.

        Returns:
            Ready once it is committed: whether it is new. Failed when it must be sent again, or is not Stripe's.
        """
        if self._stripe_secret is None:
            return NO_STRIPE_SECRET
        if not stripe_signed(raw, headers.get("Stripe-Signature", ""), self._stripe_secret):
            return _refused(
                "stripe", "The signature does not fit the body, or it is older than five minutes.", "signature"
            )
        body = _object(raw)
        told = body.get("data")
        about = told.get("object") if isinstance(told, dict) else None
        event_id, kind = body.get("id"), body.get("type")
        if not isinstance(event_id, str) or not isinstance(kind, str) or not isinstance(about, dict):
            return _refused("stripe", "It is not an event.", "not_an_event")
        if not isinstance(body.get("livemode"), bool):
            return _refused("stripe", "It does not say whether it is a live or a test event.", "not_an_event")
        if body["livemode"] is not self._stripe_live:
            words = ("a test", "a live") if self._stripe_live else ("a live", "a test")
            return _refused("stripe", f"It is {words[0]} event and the console has {words[1]} key.", "livemode")
        return self._take(Delivery("stripe", event_id, kind, _at_stripe(about)))

    def lago(self, raw: bytes, headers: Mapping[str, str]) -> Result[bool]:
        """A delivery of Lago's; see `stripe`."""
        if self._lago is None:
            return NO_LAGO
        signature = headers.get("X-Lago-Signature", "")
        if headers.get("X-Lago-Signature-Algorithm", "jwt").lower() == "hmac":
            if self._lago_hmac_key is None:
                return NO_LAGO_KEY
            signed: bool | Problem = lago_hmac_signed(raw, signature, self._lago_hmac_key)
        else:
            signed = self._jwt_signed(self._lago, raw, signature)
        if isinstance(signed, Problem):
            return Failed(signed)
        if not signed:
            return _refused("lago", "The signature does not fit the body.", "signature")
        body, event_id = _object(raw), headers.get("X-Lago-Unique-Key", "")
        kind = body.get("webhook_type")
        if not event_id or not isinstance(kind, str):
            return _refused("lago", "It is not an event.", "not_an_event")
        return self._take(Delivery("lago", event_id, kind, _customer(body)))

    def _take(self, delivery: Delivery) -> Result[bool]:
        if max(len(delivery.event_id), len(delivery.subject or "")) > _MAX_ID:
            return _refused(delivery.source, "Its id is too long.", "not_an_event")
        if not all(map(_storable, (delivery.event_id, delivery.kind, delivery.subject or ""))):
            return _refused(delivery.source, "Its id is no text.", "not_an_event")
        try:
            new = self._inbox.add(delivery)
        except StateUnavailableError as error:
            return Failed(error.problem)
        if new:
            self._wake()
        now = utc_now()
        return Ready(new, Provenance("State", "webhook inbox", as_of=now, fetched_at=now))

    def _jwt_signed(self, lago: LagoClient, raw: bytes, token: str) -> bool | Problem:
        """Against the key that we hold; against Lago's present one if that does not fit, for keys are renewed."""
        held = self._key
        if held is not None and lago_jwt_signed(raw, token, held):
            return True
        if not self._lock.acquire(timeout=PATIENCE_S):
            return _NO_KEY
        try:
            if self._key is held and time.monotonic() >= self._ask_again_s:
                got = lago.webhook_key()
                self._ask_again_s = time.monotonic() + (KEY_RETRY_S if isinstance(got, Problem) else KEY_PAUSE_S)
                self._key = held if isinstance(got, Problem) else _pem(got)
            key = self._key
        finally:
            self._lock.release()
        if key is None:
            return _NO_KEY  # Lago sends it again
        return key is not held and lago_jwt_signed(raw, token, key)


def _pem(text: str) -> bytes | None:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return None


def _at_stripe(about: dict[str, Any]) -> str | None:
    """Which checkout session, subscription or customer an event of Stripe's is about.

    An invoice names its subscription; money given back names only whose it was.
    """
    kind = about.get("object")
    if kind in ("charge", "credit_note"):
        whose = about.get("customer")
        return whose if isinstance(whose, str) else None
    found = about.get("id") if kind in ("checkout.session", "subscription") else None
    if kind == "invoice":
        parent = about.get("parent")
        details = parent.get("subscription_details") if isinstance(parent, dict) else None
        # A webhook of an older version of Stripe's API names it at the invoice itself.
        found = details.get("subscription") if isinstance(details, dict) else about.get("subscription")
    return found if isinstance(found, str) else None


def _customer(body: dict[str, Any]) -> str | None:
    """Our id of the customer that a message of Lago is about, wherever its kind of object has it."""
    about = body.get(str(body.get("object_type")))
    if not isinstance(about, dict):
        return None
    customer = about.get("customer")
    named = [
        about.get("external_customer_id"),
        customer.get("external_id") if isinstance(customer, dict) else None,
        about.get("external_id") if body.get("object_type") == "customer" else None,
    ]
    return next((each for each in named if isinstance(each, str) and each), None)


def _storable(text: str) -> bool:
    """Whether every database takes it: JSON can name half a character (a lone surrogate), and a zero."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refused(source: str, detail: str, code: str) -> Failed:
    log.warning("webhook of %s refused: %s", source, code)
    return Failed(Problem(Kind.BAD_QUERY, TITLE, detail, code=code))
