"""Whether a webhook really comes from Stripe or Lago. Everything here is computed over the bytes as they came."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any

import stripe
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

# How far Stripe's clock and ours may be apart, both ways, in seconds.
TOLERANCE_S = 300


def stripe_signed(raw: bytes, header: str, secret: str) -> bool:
    """Whether Stripe signed this body, now.

    Args:
        raw: The body.
        header: `Stripe-Signature`.
        secret: `whsec_…`.
    """
    if not header.isascii():  # no signature; Stripe's check would raise a TypeError
        return False
    try:
        stripe.WebhookSignature.verify_header(raw, header, secret, TOLERANCE_S)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    # Stripe's own check lets times of the future pass.
    sent_s = [part[2:] for part in header.split(",") if part.startswith("t=")]
    return int(sent_s[0]) <= time.time() + TOLERANCE_S


def lago_hmac_signed(raw: bytes, header: str, key: str) -> bool:
    """Whether Lago signed this body with its HMAC key; `X-Lago-Signature-Algorithm: hmac`."""
    expected = base64.b64encode(hmac.new(key.encode(), raw, hashlib.sha256).digest())
    return hmac.compare_digest(expected, header.encode())


def lago_jwt_signed(raw: bytes, header: str, public_key: bytes) -> bool:
    """Whether Lago signed this body as a JSON Web Token whose `data` is the body; `X-Lago-Signature-Algorithm: jwt`.

    Only RS256 is taken, whatever the token itself names.

    Args:
        raw: The body.
        header: The token.
        public_key: Lago's public key, PEM.
    """
    head, _, rest = header.partition(".")
    claims, _, signature = rest.partition(".")
    if _decoded(head).get("alg") != "RS256":
        return False
    try:
        key = serialization.load_pem_public_key(public_key)
        if not isinstance(key, rsa.RSAPublicKey):
            return False
        key.verify(_bytes(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        return False
    data = _decoded(claims).get("data")
    return isinstance(data, str) and hmac.compare_digest(data.encode(), raw)


def _decoded(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_bytes(part))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _bytes(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
