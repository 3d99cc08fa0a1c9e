"""A fake Lago and a fake Stripe for a whole console: `billing = Billing()`, `make_app(**billing.settings())`."""

from __future__ import annotations

import socket
from typing import Any

from tests.fakes import lago, stripe
from tests.fakes.contracts import check


class Billing:
    """Both servers, wired as Stripe's messages to Lago wire them."""

    def __init__(self) -> None:
        self.lago = lago.FakeLago()
        self.stripe = stripe.FakeStripe(on_card=self.lago.take_card)

    def settings(self, **more: Any) -> dict[str, Any]:
        """Settings that point a console here; the port is free, so that Stripe's way back finds the console."""
        given = {
            "port": free_port(),
            "lago_url": self.lago.url,
            "lago_api_key": lago.KEY,
            "stripe_api_key": stripe.KEY,
            "stripe_api_base": self.stripe.url,
            "sales_email": "sales@reseller.test",
        }
        return given | more

    def close(self) -> None:
        self.lago.close()
        self.stripe.close()
        assert check(self.lago.asked, self.stripe.asked) == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
