"""What an admin reads about purchases, without a browser."""

import json
import sys

import pytest
from flask import g

from data_sources.billing.inbox import Delivery
from data_sources.billing.types import Buyer, Wanted
from data_sources.principal import Principal
from tests.fakes.billing import Billing

ANNA = Buyer("link:anna", "org-acme", "acme", None)


@pytest.fixture
def billing():
    made = Billing()
    yield made
    made.close()


@pytest.fixture
def console(make_app, billing):
    return make_app(**billing.settings(stripe_webhook_secret="whsec_x"))


@pytest.fixture
def look(console):
    def draw(panel, app=console):
        with app.server.test_request_context():
            g.principal = Principal("token:admin", "admin")
            return getattr(sys.modules["pages.subscription_attempts"], panel)()

    return draw


def text(drawn):
    return json.dumps(drawn.body.to_plotly_json(), default=lambda one: one.to_plotly_json(), ensure_ascii=False)


def test_without_a_purchase_each_panel_says_so(look):
    assert (look("purchases").name, look("log").name) == ("empty", "empty")
    told = text(look("inbox"))
    assert "Stripe: nothing has come yet" in told
    assert "Lago: nothing has come yet" in told


def test_without_lago_the_page_says_what_to_set(look, app):
    for panel in ("purchases", "inbox", "log"):
        drawn = look(panel, app)
        assert drawn.name == "unset"
        assert "OPS_LAGO_URL" in text(drawn)


def test_an_open_purchase_and_a_webhook_are_shown_with_their_reason_and_a_button(look, console, billing):
    source = console.server.extensions["ops"].billing
    source.checkout(ANNA, Wanted("business"))
    source.inbox.add(Delivery("stripe", "evt_1", "checkout.session.completed", "cs_test_00000000"))
    told = text(look("purchases"))
    for words in ("org-acme", "Business", "$100", "not known here", "data-retry-purchase", "Look again"):
        assert words in told
    told = text(look("inbox"))
    for words in ("Stripe: last heard", "checkout.session.completed", "waiting", "data-retry-event"):
        assert words in told
    told = text(look("log"))
    for words in ("link:anna", "redirected", "cs_test_00000000"):
        assert words in told


def test_a_sender_whose_webhooks_cannot_be_proved_says_what_to_set(look, make_app, billing):
    told = text(look("inbox", make_app(**billing.settings())))
    assert "OPS_STRIPE_WEBHOOK_SECRET" in told
