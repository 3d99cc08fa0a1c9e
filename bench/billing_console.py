"""What the billing figures share: a console beside the fakes of Lago and Stripe, and people who are signed in."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app import create_app
from data_sources.state.links import make_link_token
from settings import load
from tests.fakes import webhooks as signed
from tests.fakes.billing import Billing


@contextmanager
def shop(collector: str = "lago", **settings: Any) -> Iterator[tuple[Any, Billing]]:
    """A console in this process, its fakes behind real sockets; flat plans, so that both collectors sell them."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    billing = Billing()
    for plan in billing.lago.plans:
        plan["charges"] = []
    given = billing.settings(
        billing_collector=collector,
        stripe_webhook_secret=signed.STRIPE_SECRET,
        lago_hmac_key=signed.LAGO_HMAC_KEY,
        **settings,
    )
    with TemporaryDirectory(prefix="ops-center-bench-") as folder:
        app = create_app(load(data_dir=Path(folder), **given))
        try:
            yield app, billing
        finally:
            app.server.extensions["ops"].close()
            billing.lago.close()
            billing.stripe.close()


def member(app: Any, organization: str) -> tuple[Any, dict[str, str]]:
    """A signed-in client of an organization, and the headers of its posts."""
    client = app.server.test_client()
    key = app.server.extensions["ops"].secret_key
    token = make_link_token(key, "member", organization_id=organization, email=f"a@{organization}.test")
    client.get(f"/login?token={token}")
    return client, {"X-CSRFToken": client.get_cookie("ops_csrf").value}
