"""Stripe's hosted checkout, for one thing so far: saving a card (`mode=setup`), which takes no money."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import stripe

from data_sources import http
from data_sources.result import Kind, Problem

# Stripe's client would add an id of this machine to every call; an operator has not agreed to that.
stripe.enable_telemetry = False
# Its debug log prints whole request bodies.
logging.getLogger("stripe").setLevel(logging.WARNING)
log = logging.getLogger(__name__)

SOURCE = "Stripe"
# The version whose published description our requests are checked against; newer ones renamed `payment_method_types`.
API_VERSION = "2026-08-26.dahlia"
CHECKOUT_HOST = "checkout.stripe.com"
_SESSION_ID = re.compile(r"^cs_[A-Za-z0-9_]{1,250}$")


@dataclass(frozen=True, slots=True)
class CardOrder:
    """What a card is saved for.

    Attributes:
        attempt_id: Our purchase; makes the call idempotent.
        provider_customer_id: Stripe's customer, the one that Lago charges.
        reference: Who asked, opaque, at most 200 characters.
        metadata: Kept by Stripe beside the session, for people who look there.
        success_url: Where Stripe sends the reader back; holds `{CHECKOUT_SESSION_ID}`.
        cancel_url: Where "back" leads.
        expires_at: When the page stops working, UTC, 30 minutes to 24 hours from now.
        message: What Stripe shows above its button.
    """

    attempt_id: str
    provider_customer_id: str
    reference: str
    metadata: dict[str, str]
    success_url: str
    cancel_url: str
    expires_at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A checkout session as Stripe tells it.

    Attributes:
        id: `cs_…`.
        url: Stripe's page while the session is open; None when it is not an address of Stripe's own page.
        status: open, complete or expired.
        mode: setup, payment or subscription.
        customer: Stripe's customer.
        reference: What we sent as `CardOrder.reference`.
        attempt_id: From the metadata.
        livemode: Whether real money is meant.
        payment_method: The card that was saved, once it is.
        confirming: Whether the page is finished and Stripe still checks the card.
    """

    id: str
    url: str | None
    status: str | None
    mode: str
    customer: str | None
    reference: str | None
    attempt_id: str | None
    livemode: bool
    payment_method: str | None
    confirming: bool


def is_live(api_key: str) -> bool:
    """Whether a key is for real money."""
    return "_live_" in api_key


class StripeGateway:
    """Saves cards through Stripe Checkout. No method raises for what Stripe or the network does."""

    def __init__(self, api_key: str, *, api_base: str | None = None, timeout_s: float = 10.0, retries: int = 2) -> None:
        """Connect lazily.

        Args:
            api_key: Secret or restricted key; it goes into one header and nowhere else.
            api_base: Another address than Stripe's, for tests and sandboxes.
            timeout_s: Time-out of one request, in seconds.
            retries: Further tries, all with the same idempotency key; the client's own default is none.
        """
        self.live = is_live(api_key)
        base = urlsplit(api_base) if api_base else None
        # Where a reader may be sent. Plain http only where the operator has set it, for a Stripe of one's own.
        self._pages = {("https", CHECKOUT_HOST)}
        if base is not None:
            self._pages |= {("https", base.netloc), (base.scheme, base.netloc)}
        self._client = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=retries,
            # Our session, which leaves its own headers alone; the client itself tries again.
            http_client=stripe.RequestsClient(timeout=timeout_s, session=http.session(retries=0)),
        )

    def __repr__(self) -> str:
        return f"StripeGateway(live={self.live})"

    def save_card(self, order: CardOrder) -> CheckoutSession | Problem:
        """Open a page on which the reader saves a card; `POST /v1/checkout/sessions`.

        The same order always gives the same session. The answer's address is checked to be Stripe's.
        """
        what = "Checkout could not be opened"
        params: dict[str, Any] = {
            "mode": "setup",
            "payment_method_types": ["card"],
            "customer": order.provider_customer_id,
            "client_reference_id": order.reference,
            "metadata": order.metadata,
            "setup_intent_data": {"metadata": order.metadata},
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "expires_at": int(order.expires_at.timestamp()),
            "locale": "auto",
            "custom_text": {"submit": {"message": order.message}},
        }
        try:
            made = self._client.v1.checkout.sessions.create(
                params,  # type: ignore[arg-type]  # typed for the client's newest version
                {"idempotency_key": f"ops-checkout-{order.attempt_id}"},
            )
            session = self._read(made)
        except stripe.StripeError as error:
            return _problem(error, what)
        except _MALFORMED as error:
            return _malformed(error, what)
        if not session.url:
            return Problem(Kind.UPSTREAM, what, "Stripe gave no address of its own checkout page.", code="no_url")
        return session

    def session(self, session_id: str) -> CheckoutSession | Problem | None:
        """Read a session, None when Stripe has none; `GET /v1/checkout/sessions/{id}`."""
        what = "The checkout could not be read"
        if not _SESSION_ID.match(session_id):
            return None
        try:
            return self._read(self._client.v1.checkout.sessions.retrieve(session_id, {"expand": ["setup_intent"]}))
        except stripe.InvalidRequestError as error:
            return None if error.http_status == 404 else _problem(error, what)
        except stripe.StripeError as error:
            return _problem(error, what)
        except _MALFORMED as error:
            return _malformed(error, what)

    def expire(self, session_id: str) -> CheckoutSession | Problem:
        """Close an open session, so that nobody can finish it; `POST /v1/checkout/sessions/{id}/expire`."""
        what = "The earlier checkout could not be closed"
        try:
            return self._read(self._client.v1.checkout.sessions.expire(session_id))
        except stripe.StripeError as error:
            return _problem(error, what)
        except _MALFORMED as error:
            return _malformed(error, what)

    def _read(self, made: Any) -> CheckoutSession:
        session = _read(made)
        return session if session.url is None or self._ours(session.url) else replace(session, url=None)

    def _ours(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return (parts.scheme, parts.netloc) in self._pages


# What the client raises when a body is not what it expects: not one of its own errors.
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


def _read(made: Any) -> CheckoutSession:
    raw: dict[str, Any] = made.to_dict()
    intent = raw.get("setup_intent")
    saved = intent.get("payment_method") if isinstance(intent, dict) and intent.get("status") == "succeeded" else None
    customer = raw.get("customer")
    metadata = raw.get("metadata")
    return CheckoutSession(
        id=raw["id"],
        url=raw.get("url"),
        status=raw.get("status"),
        mode=raw["mode"],
        customer=customer["id"] if isinstance(customer, dict) else customer,
        reference=raw.get("client_reference_id"),
        attempt_id=metadata.get("attempt_id") if isinstance(metadata, dict) else None,
        livemode=raw["livemode"],
        payment_method=saved["id"] if isinstance(saved, dict) else saved,
        confirming=raw.get("status") == "complete"
        and isinstance(intent, dict)
        and intent.get("status") == "processing",
    )


def _malformed(error: Exception, what: str) -> Problem:
    log.warning("Stripe: unexpected answer: %s", type(error).__name__)
    return Problem(Kind.UPSTREAM, what, "Stripe's answer does not have the form that it documents.", code="unexpected")


def _problem(error: stripe.StripeError, what: str) -> Problem:
    """Stripe's error as a problem: its own words only where they are meant for the payer."""
    code = error.code or (f"HTTP {error.http_status}" if error.http_status else "connection")
    if isinstance(error, stripe.APIConnectionError):
        # Its text holds addresses and library names.
        slow = "timed out" in str(error).lower() or "timeout" in str(error).lower()
        kind, words = (Kind.TIMEOUT, "did not answer in time") if slow else (Kind.UPSTREAM, "cannot be reached")
        return Problem(kind, what, f"Stripe {words}.", code="timeout" if slow else "connection", retry_after_s=5)
    if isinstance(error, stripe.CardError):
        return Problem(Kind.CONFLICT, what, error.user_message or "The card was declined.", code=code)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return Problem(
            Kind.UPSTREAM, what, "Stripe refused our key, or the key may not do this. An admin can check it.", code=code
        )
    if isinstance(error, stripe.RateLimitError):
        return Problem(Kind.UPSTREAM, what, "Stripe asks us to slow down.", code=code, retry_after_s=5)
    if isinstance(error, stripe.InvalidRequestError | stripe.IdempotencyError):
        log.warning("Stripe refused a request: %s, parameter %s", code, getattr(error, "param", None))
        return Problem(Kind.UPSTREAM, what, "Stripe refused the request.", code=code)
    return Problem(Kind.UPSTREAM, what, "Stripe answered with an error.", code=code, retry_after_s=5)
