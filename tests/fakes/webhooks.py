"""Signed deliveries, as Stripe and Lago send them."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

STRIPE_SECRET = "whsec_test_ops"
LAGO_HMAC_KEY = "lago-hmac-test-key"


def stripe_event(session: dict[str, Any], kind: str, event_id: str, **more: Any) -> bytes:
    """An event about a checkout session."""
    shown = {key: value for key, value in session.items() if not key.startswith("_")}
    return json.dumps(
        {
            "id": event_id,
            "object": "event",
            "api_version": "2026-08-26.dahlia",
            "created": int(time.time()),
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
            "data": {"object": shown},
        }
        | more
    ).encode()


def stripe_headers(raw: bytes, *, secret: str = STRIPE_SECRET, at_s: float | None = None) -> dict[str, str]:
    sent_s = int(time.time() if at_s is None else at_s)
    signature = hmac.new(secret.encode(), f"{sent_s}.".encode() + raw, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={sent_s},v1={signature}", "Content-Type": "application/json"}


def lago_message(kind: str, about: dict[str, Any]) -> bytes:
    """A message such as `subscription.started`; the object stands under its own kind."""
    object_type = kind.split(".", maxsplit=1)[0]
    return json.dumps({"webhook_type": kind, "object_type": object_type, object_type: about}).encode()


def lago_hmac_headers(raw: bytes, event_id: str, *, key: str = LAGO_HMAC_KEY) -> dict[str, str]:
    signature = base64.b64encode(hmac.new(key.encode(), raw, hashlib.sha256).digest()).decode()
    return _lago(signature, "hmac", event_id)


def lago_jwt_headers(
    raw: bytes,
    event_id: str,
    *,
    key: rsa.RSAPrivateKey | None = None,
    data: str | None = None,
    header: dict[str, str] | None = None,
) -> dict[str, str]:
    claims = {"data": raw.decode() if data is None else data, "iss": "http://lago.internal"}
    signed = f"{_part(header or {'alg': 'RS256'})}.{_part(claims)}"
    signature = (key or lago_key()).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return _lago(f"{signed}.{_url(signature)}", "jwt", event_id)


@functools.cache
def lago_key(name: str = "first") -> rsa.RSAPrivateKey:
    """A private key of Lago's; made once for a name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_key(key: rsa.RSAPrivateKey) -> str:
    """As `GET /webhooks/json_public_key` has it: base64 of a PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(serialization.Encoding.PEM, form)).decode()


def _lago(signature: str, algorithm: str, event_id: str) -> dict[str, str]:
    return {
        "X-Lago-Signature": signature,
        "X-Lago-Signature-Algorithm": algorithm,
        "X-Lago-Unique-Key": event_id,
        "Content-Type": "application/json",
    }


def _part(value: dict[str, Any]) -> str:
    return _url(json.dumps(value).encode())


def _url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
