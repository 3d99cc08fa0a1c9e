"""Where Stripe and Lago tell us something by themselves. Proved by a signature; answered once it is written down."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from data_sources.billing.source import BillingSource
from routes.body import BodyTooLargeError, read_body
from routes.gate import signed
from routes.wire import answer

MAX_BODY_BYTES = 256_000


def blueprint(billing: Callable[[], BillingSource]) -> Blueprint:
    """The routes under `/api/v1/webhooks`.

    Args:
        billing: Gives the source; asked at each request.
    """
    made = Blueprint("webhooks", __name__)

    @made.post("/api/v1/webhooks/stripe")
    @signed
    def from_stripe() -> Response:
        """An event of Stripe's; anything but 2xx makes Stripe send it again."""
        return answer(billing().webhooks.stripe(_raw(), dict(request.headers)), _taken)

    @made.post("/api/v1/webhooks/lago")
    @signed
    def from_lago() -> Response:
        """A message of Lago's, which tries three times."""
        return answer(billing().webhooks.lago(_raw(), dict(request.headers)), _taken)

    return made


def _raw() -> bytes:
    """The body byte for byte: a signature is over the bytes, not over what they mean."""
    try:
        return read_body(MAX_BODY_BYTES)
    except BodyTooLargeError:
        raise RequestEntityTooLarge(f"Send at most {MAX_BODY_BYTES} bytes.") from None


def _taken(new: bool) -> dict[str, bool]:
    return {"received": True, "new": new}
