"""Our own record of a purchase: one place for a customer, and each step is taken once."""

from __future__ import annotations

from datetime import timedelta

from data_sources.billing import attempts as book
from data_sources.result import Problem
from tests.data_sources.billing.conftest import ANNA, BEN, House


def test_only_one_purchase_can_be_open_for_a_customer(house: House) -> None:
    store = book.Attempts(house.state)
    plan = house.client().plan("business")
    assert not isinstance(plan, Problem)
    made = store.open(ANNA, plan, collector="lago", subscription_id="s", state=book.OPENED)
    assert made is not None
    assert store.open(BEN, plan, collector="lago", subscription_id="s", state=book.OPENED) is None
    assert store.move(made, book.ABANDONED) is not None
    assert store.open(BEN, plan, collector="lago", subscription_id="s", state=book.OPENED) is not None


def test_a_purchase_moves_on_only_once(house: House) -> None:
    store = book.Attempts(house.state)
    plan = house.client().plan("business")
    assert not isinstance(plan, Problem)
    made = store.open(ANNA, plan, collector="lago", subscription_id="s", state=book.CARD_SAVED)
    assert made is not None
    moved = store.move(made, book.STARTING)
    assert moved is not None
    assert store.move(made, book.STARTING) is None
    assert store.move(moved, book.CARD_SAVED) is not None
    assert store.move(made, book.STARTING) is None  # read before all that, and old by now
    assert store.recent(ANNA.principal_id, within=timedelta(hours=1)) == 1
