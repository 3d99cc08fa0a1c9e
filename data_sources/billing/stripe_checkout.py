"""Stripe's hosted checkout: a page to save a card (`mode=setup`), and a page to subscribe (`mode=subscription`)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import stripe

from data_sources import http
from data_sources.budget import may_try_again
from data_sources.result import Failed, Kind, Problem, Provenance, Ready, Result, utc_now

# Stripe's client would add an id of this machine to every call; an operator has not agreed to that.
stripe.enable_telemetry = False
# Its debug log prints whole request bodies.
logging.getLogger("stripe").setLevel(logging.WARNING)
log = logging.getLogger(__name__)

SOURCE = "Stripe"
# The version whose published description our requests are checked against; newer ones renamed `payment_method_types`.
API_VERSION = "2026-08-26.dahlia"
CHECKOUT_HOST = "checkout.stripe.com"
INVOICE_HOST = "invoice.stripe.com"
# A plan's interval in Stripe's words.
STEPS = {"weekly": ("week", 1), "monthly": ("month", 1), "quarterly": ("month", 3), "semiannual": ("month", 6)}
STEPS |= {"yearly": ("year", 1)}
_SESSION_ID = re.compile(r"^cs_[A-Za-z0-9_]{1,250}$")


@dataclass(frozen=True, slots=True)
class Price:
    """What Stripe itself collects, made from the Lago plan just read and never from a price stored at Stripe.

    Attributes:
        plan_code: Lago's code of the plan.
        plan_name: Its name, for Stripe's page and receipts.
        amount_cents: In the currency's smallest unit.
        currency: ISO 4217 code.
        interval: Lago's word: weekly, monthly, quarterly, semiannual or yearly.
    """

    plan_code: str
    plan_name: str
    amount_cents: int
    currency: str
    interval: str


@dataclass(frozen=True, slots=True)
class PageOrder:
    """What a page of Stripe's is for.

    Attributes:
        attempt_id: Our purchase; makes the call idempotent.
        provider_customer_id: Stripe's customer; None lets Stripe make one, where it collects itself.
        reference: Who asked, opaque, at most 200 characters.
        metadata: Kept by Stripe beside the session, for people who look there.
        success_url: Where Stripe sends the reader back; holds `{CHECKOUT_SESSION_ID}`.
        cancel_url: Where "back" leads.
        expires_at: When the page stops working, UTC, 30 minutes to 24 hours from now.
        message: What Stripe shows above its button.
    """

    attempt_id: str
    provider_customer_id: str | None
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
        reference: What we sent as `PageOrder.reference`.
        attempt_id: From the metadata.
        livemode: Whether real money is meant.
        payment_method: The card that was saved, once it is.
        confirming: Whether the page is finished and Stripe still checks the card, or waits for the money.
        payment_status: paid, unpaid or no_payment_required.
        amount_cents: What it is for before tax and discount, in the smallest unit; None for a saved card.
        currency: ISO 4217 code in capitals; None for a saved card.
        subscription_id: Stripe's subscription, once there is one.
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
    payment_status: str | None
    amount_cents: int | None
    currency: str | None
    subscription_id: str | None


def is_live(api_key: str) -> bool:
    """Whether a key is for real money."""
    return "_live_" in api_key


class _Client(stripe.RequestsClient):
    """Stripe's way over HTTP, which tries again only as long as a click has time for it (`budget.py`).

    Attributes:
        seen: How the last call ended, whoever made it; None before the first.
    """

    seen: Result[None] | None = None

    def _should_retry(self, *args: Any, **kwargs: Any) -> bool:
        return may_try_again() and bool(super()._should_retry(*args, **kwargs))

    def request(  # type: ignore[override]  # as the client's own subclass has it
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One call. A server's failure that is not told in Stripe's way, a proxy's perhaps, is told in it."""
        try:
            body, status, headers = super().request(method, url, headers, post_data)
        except stripe.StripeError as error:
            self.seen = _seen(problem_of(error, _LAST))
            raise
        self.seen = _seen(_trouble(status, body))
        if status >= 500 and not _is_stripes_error(body):
            body = json.dumps({"error": {"type": "api_error", "message": f"HTTP {status}"}}).encode()
        return body, status, headers


_LAST = "The last call failed"


def _seen(problem: Problem | None) -> Result[None]:
    told = Provenance(SOURCE, "the last call", as_of=utc_now(), fetched_at=utc_now())
    return Ready(None, told) if problem is None else Failed(problem, told)


def _trouble(status: int, body: bytes) -> Problem | None:
    """Why an answer shows that Stripe does not serve us; a declined card or a page that is closed is a good answer."""
    if status < 300:
        return None if _is_object(body) else malformed(ValueError(), _LAST)
    kinds = {401: stripe.AuthenticationError, 403: stripe.PermissionError, 429: stripe.RateLimitError}
    kind = stripe.APIError if status >= 500 else kinds.get(status)
    return None if kind is None else problem_of(kind(http_status=status), _LAST)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _is_stripes_error(body: bytes) -> bool:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and isinstance(told.get("error"), dict)


class StripeGateway:
    """Opens and reads pages of Stripe Checkout. No method raises for what Stripe or the network does."""

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
        # Our session, which leaves its own headers alone; the client itself tries again.
        self._http = _Client(timeout=timeout_s, session=http.session(retries=0))
        self.client = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=retries,
            http_client=self._http,
        )

    @property
    def seen(self) -> Result[None] | None:
        """How the last call ended, without asking; None before the first."""
        return self._http.seen

    def __repr__(self) -> str:
        return f"StripeGateway(live={self.live})"

    def save_card(self, order: PageOrder) -> CheckoutSession | Problem:
        """Open a page on which the reader saves a card; `POST /v1/checkout/sessions`.

        The same order always gives the same session. The answer's address is checked to be Stripe's.
        """
        return self._open(
            order,
            {
                "mode": "setup",
                "payment_method_types": ["card"],
                "setup_intent_data": {"metadata": order.metadata},
            },
        )

    def subscribe(self, order: PageOrder, price: Price) -> CheckoutSession | Problem:
        """Open a page on which the reader pays and subscribes at Stripe; `POST /v1/checkout/sessions`.

        Discounts, taxes and conversions of Stripe's stay off: they would make the total another one than Lago's.
        """
        unit, count = STEPS[price.interval]
        priced = {
            "currency": price.currency.lower(),
            "unit_amount": price.amount_cents,
            "recurring": {"interval": unit, "interval_count": count},
            "product_data": {"name": price.plan_name[:250], "metadata": {"plan_code": price.plan_code[:500]}},
        }
        return self._open(
            order,
            {
                "mode": "subscription",
                "line_items": [{"quantity": 1, "price_data": priced}],
                "subscription_data": {"metadata": order.metadata},
                "adaptive_pricing": {"enabled": False},
            },
        )

    def _open(self, order: PageOrder, more: dict[str, Any]) -> CheckoutSession | Problem:
        what = "Checkout could not be opened"
        params: dict[str, Any] = {
            **more,
            **({"customer": order.provider_customer_id} if order.provider_customer_id else {}),
            "client_reference_id": order.reference,
            "metadata": order.metadata,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "expires_at": int(order.expires_at.timestamp()),
            "locale": "auto",
            "custom_text": {"submit": {"message": order.message}},
        }
        try:
            made = self.client.v1.checkout.sessions.create(
                params,  # type: ignore[arg-type]  # typed for the client's newest version
                {"idempotency_key": f"ops-checkout-{order.attempt_id}"},
            )
            session = self._read(made)
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)
        if not session.url:
            return Problem(Kind.UPSTREAM, what, "Stripe gave no address of its own checkout page.", code="no_url")
        return session

    def session(self, session_id: str) -> CheckoutSession | Problem | None:
        """Read a session, None when Stripe has none; `GET /v1/checkout/sessions/{id}`."""
        what = "The checkout could not be read"
        if not _SESSION_ID.match(session_id):
            return None
        try:
            return self._read(self.client.v1.checkout.sessions.retrieve(session_id, {"expand": ["setup_intent"]}))
        except stripe.InvalidRequestError as error:
            return None if error.http_status == 404 else problem_of(error, what)
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)

    def expire(self, session_id: str) -> CheckoutSession | Problem:
        """Close an open session, so that nobody can finish it; `POST /v1/checkout/sessions/{id}/expire`.

        Where the answer is lost, or says that it is not open any more, it is read whether it is closed now.
        """
        what = "The earlier checkout could not be closed"
        try:
            return self._read(self.client.v1.checkout.sessions.expire(session_id))
        except stripe.StripeError as error:
            problem = problem_of(error, what)
        except MALFORMED as error:
            problem = malformed(error, what)
        now = self.session(session_id)
        return now if isinstance(now, CheckoutSession) and now.status == "expired" else problem

    def _read(self, made: Any) -> CheckoutSession:
        session = _read(made)
        return session if session.url is None or self._ours(session.url) else replace(session, url=None)

    def may_open(self, url: str) -> bool:
        """Whether a reader may be sent to this page of an invoice: it is Stripe's own."""
        return self._ours(url, {("https", INVOICE_HOST)})

    def _ours(self, url: str, more: Set[tuple[str, str]] = frozenset()) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return (parts.scheme, parts.netloc) in self._pages | more


# What the client raises when a body is not what it expects: not one of its own errors.
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


def _read(made: Any) -> CheckoutSession:
    raw: dict[str, Any] = made.to_dict()
    intent = raw.get("setup_intent")
    saved = intent.get("payment_method") if isinstance(intent, dict) and intent.get("status") == "succeeded" else None
    customer = raw.get("customer")
    metadata = raw.get("metadata")
    subscription = raw.get("subscription")
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
        and ((isinstance(intent, dict) and intent.get("status") == "processing") or _unpaid(raw)),
        payment_status=raw.get("payment_status"),
        amount_cents=raw.get("amount_subtotal"),
        currency=raw["currency"].upper() if raw.get("currency") else None,
        subscription_id=subscription["id"] if isinstance(subscription, dict) else subscription,
    )


def _unpaid(raw: dict[str, Any]) -> bool:
    return raw["mode"] == "subscription" and raw.get("payment_status") == "unpaid"


def malformed(error: Exception, what: str) -> Problem:
    """An answer that is not what Stripe documents, as a problem."""
    log.warning("Stripe: unexpected answer: %s", type(error).__name__)
    return Problem(Kind.UPSTREAM, what, "Stripe's answer does not have the form that it documents.", code="unexpected")


_LACKING = re.compile(r"'(rak_\w{1,60})'")  # a restricted key is told which right it lacks


def problem_of(error: stripe.StripeError, what: str) -> Problem:
    """Stripe's error as a problem: its own words only where they are meant for the payer."""
    code = error.code or (f"HTTP {error.http_status}" if error.http_status else "connection")
    if isinstance(error, stripe.APIConnectionError):
        # Its text holds addresses and library names.
        slow = "timed out" in str(error).lower() or "timeout" in str(error).lower()
        kind, words = (Kind.TIMEOUT, "did not answer in time") if slow else (Kind.UPSTREAM, "cannot be reached")
        return Problem(kind, what, f"Stripe {words}.", code="timeout" if slow else "connection", retry_after_s=5)
    if isinstance(error, stripe.CardError):
        return Problem(Kind.CONFLICT, what, error.user_message or "The card was declined.", code=code)
    if isinstance(error, stripe.PermissionError) and (lacks := _LACKING.search(error.user_message or "")):
        log.warning("Stripe: the key lacks the permission %s", lacks[1])
        return Problem(
            Kind.UPSTREAM,
            what,
            f"Our key may not do this at Stripe: it lacks {lacks[1]}. An admin can add it.",
            lacks[1],
        )
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return Problem(
            Kind.UPSTREAM, what, "Stripe refused our key, or the key may not do this. An admin can check it.", code=code
        )
    if isinstance(error, stripe.RateLimitError):
        return Problem(Kind.UPSTREAM, what, "Stripe asks us to slow down.", code=code, retry_after_s=5)
    if isinstance(error, stripe.InvalidRequestError | stripe.IdempotencyError):
        log.warning("Stripe refused a request: %s, parameter %s", code, getattr(error, "param", None))
        return Problem(Kind.UPSTREAM, what, "Stripe refused the request.", code=code)
    if error.http_status is not None and error.http_status < 300:
        return malformed(error, what)
    return Problem(Kind.UPSTREAM, what, "Stripe answered with an error.", code=code, retry_after_s=5)
