"""Sign-in links and short-lived keys of the command line, both signed with the console's secret key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from data_sources.principal import Principal, Role

LINK_MAX_AGE_S = 24 * 3600
CLI_MAX_AGE_S = 120
_SIGN_IN, _CLI = "ops-center sign-in link", "ops-center command line"
_ROLES = ("admin", "analyst", "member")


@dataclass(frozen=True, slots=True)
class Link:
    """What a valid sign-in link says.

    Attributes:
        principal: Who it signs in.
        jti: Its own id, so that it can be used up.
        expires_at: UTC.
    """

    principal: Principal
    jti: str
    expires_at: datetime


def make_link_token(
    secret_key: str, role: Role, *, organization_id: str | None = None, email: str | None = None
) -> str:
    """Make the token of a one-time sign-in link, valid for a day."""
    said = {"jti": secrets.token_hex(12), "role": role, "org": organization_id, "email": email}
    return URLSafeTimedSerializer(secret_key, salt=_SIGN_IN).dumps(said)


def read_link_token(secret_key: str, token: str) -> Link | str:
    """Check a sign-in token.

    Returns:
        The link, or a sentence that says why it is not valid.
    """
    try:
        said, signed_at = URLSafeTimedSerializer(secret_key, salt=_SIGN_IN).loads(
            token, max_age=LINK_MAX_AGE_S, return_timestamp=True
        )
    except SignatureExpired:
        return "This sign-in link has expired. Ask for another."
    except BadSignature:
        return "This is not a valid sign-in link or token."
    if not isinstance(said, dict) or said.get("role") not in _ROLES:
        return "This is not a valid sign-in link or token."
    principal = Principal(
        id=f"link:{said['jti']}",
        role=cast(Role, said["role"]),
        organization_id=said.get("org"),
        email=said.get("email"),
    )
    return Link(principal, said["jti"], signed_at.astimezone(UTC) + timedelta(seconds=LINK_MAX_AGE_S))


def make_cli_key(secret_key: str) -> str:
    """A bearer key for the command line on this machine, valid for two minutes."""
    return "cli." + URLSafeTimedSerializer(secret_key, salt=_CLI).dumps(secrets.token_hex(8))


def is_cli_key(secret_key: str, key: str) -> bool:
    """Whether the bearer key was made by `make_cli_key` a moment ago."""
    if not key.startswith("cli."):
        return False
    try:
        URLSafeTimedSerializer(secret_key, salt=_CLI).loads(key.removeprefix("cli."), max_age=CLI_MAX_AGE_S)
    except BadSignature:
        return False
    return True
