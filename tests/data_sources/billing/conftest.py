"""A fake Lago and a fake Stripe beside a real state database, and a check of what went over the wire.

`CONTRACTS_DIR` may name a folder with the published descriptions of both services (`lago-openapi.yaml`,
`stripe-openapi.trimmed.json`, `stripe_contract_check.py`); they are not ours to ship.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from data_sources.billing.lago import LagoClient
from data_sources.billing.source import BillingSource
from data_sources.billing.stripe_checkout import StripeGateway
from data_sources.billing.types import Buyer, Plan
from data_sources.state.store import State
from tests.fakes import lago as fake_lago
from tests.fakes import stripe as fake_stripe
from tests.fakes.contracts import check
from tests.fakes.lago import FakeLago
from tests.fakes.stripe import FakeStripe
from tests.fakes.stripe_rights import granted

ANNA = Buyer("link:anna", "org-acme", "acme", "anna@acme.test")
BEN = Buyer("link:ben", "org-acme", "acme", "ben@acme.test")
EVE = Buyer("link:eve", "org-other", "other", "eve@other.test")


def price_words(plan: Plan) -> str:
    return f"{plan.currency} {plan.amount if plan.amount is not None else Decimal('NaN')} {plan.interval}"


class House:
    """The fakes and a way to make sources over them."""

    def __init__(self, folder: Path, migrated: Path) -> None:
        shutil.copy(migrated, folder / "state.db")
        self.lago = FakeLago()
        self.stripe = FakeStripe(on_card=self.lago.take_card)
        self.state = State(f"sqlite:///{folder / 'state.db'}")
        self.waited_s: list[float] = []
        self._made: list[BillingSource] = []
        self._collectors: set[str] = set()

    def client(self, **more: Any) -> LagoClient:
        return LagoClient(self.lago.url, fake_lago.KEY, **{"timeout_s": (1.0, 1.0), **more})

    def gateway(self, key: str = fake_stripe.KEY, **more: Any) -> StripeGateway:
        return StripeGateway(key, api_base=self.stripe.url, **{"timeout_s": 1.0, "retries": 0, **more})

    def source(self, **more: Any) -> BillingSource:
        given: dict[str, Any] = {
            "lago": self.client(),
            "stripe": self.gateway(),
            "state": self.state,
            "price_words": price_words,
            "base_url": "http://127.0.0.1:8050",
            "wait": self.waited_s.append,
        }
        made = BillingSource(**{**given, **more})
        self._collectors.add(more.get("collector", "lago"))
        self.stripe.rights = granted(*self._collectors)  # no test may need more than the README says
        self._made.append(made)
        return made

    def close(self) -> None:
        for made in self._made:
            made.close()
        self.state.close()
        self.lago.close()
        self.stripe.close()


@pytest.fixture
def source(house: House) -> BillingSource:
    """Billing where Stripe collects, with a plan that it can sell."""
    house.lago.plan_of("business")["charges"] = []
    return house.source(collector="stripe")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state database with all tables, made once and copied: migrating takes longer than most tests here."""
    path = tmp_path_factory.mktemp("state") / "state.db"
    state = State(f"sqlite:///{path}")
    state.engine()
    state.close()
    return path


@pytest.fixture
def house(tmp_path: Path, migrated: Path) -> Iterator[House]:
    made = House(tmp_path, migrated)
    yield made
    made.close()
    assert check(made.lago.asked, made.stripe.asked) == []
