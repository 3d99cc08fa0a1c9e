"""Webhooks: only what is truly signed is taken, and only what is committed is answered with success."""

import json
import time

import pytest
from sqlalchemy import select

from data_sources.billing.inbox import Event
from tests.fakes import webhooks as signed
from tests.fakes.billing import Billing

STRIPE, LAGO = "/api/v1/webhooks/stripe", "/api/v1/webhooks/lago"
SESSION = {"id": "cs_test_1", "object": "checkout.session", "status": "complete"}
COMPLETED = signed.stripe_event(SESSION, "checkout.session.completed", "evt_1")
STARTED = signed.lago_message("subscription.started", {"external_id": "s", "external_customer_id": "org-acme"})


@pytest.fixture
def billing():
    made = Billing()
    made.lago.webhook_key = signed.public_key(signed.lago_key())
    yield made
    made.lago.asked.clear()  # /webhooks/json_public_key has no example to compare
    made.close()


@pytest.fixture
def app(make_app, billing):
    return make_app(**billing.settings(stripe_webhook_secret=signed.STRIPE_SECRET, lago_hmac_key=signed.LAGO_HMAC_KEY))


@pytest.fixture
def send(app):
    """Deliver a body; gives the answer."""
    client = app.server.test_client()
    return lambda path, raw, headers: client.post(path, data=raw, headers=headers)


def inbox(app):
    with app.server.extensions["ops"].state.session() as session:
        return [(one.source, one.event_id, one.kind, one.subject) for one in session.scalars(select(Event))]


def test_without_secrets_nothing_is_taken_and_the_answer_says_what_to_set(make_app, billing):
    bare = make_app(**billing.settings())
    client = bare.server.test_client()
    answer = client.post(STRIPE, data=COMPLETED, headers=signed.stripe_headers(COMPLETED))
    assert (answer.status_code, answer.json["settings"]) == (503, ["OPS_STRIPE_WEBHOOK_SECRET"])
    answer = client.post(LAGO, data=STARTED, headers=signed.lago_hmac_headers(STARTED, "1"))
    assert (answer.status_code, answer.json["settings"]) == (503, ["OPS_LAGO_HMAC_KEY"])
    assert inbox(bare) == []


def test_without_lago_there_is_nobody_whose_message_it_could_be(make_app):
    client = make_app(lago_hmac_key=signed.LAGO_HMAC_KEY).server.test_client()
    assert client.post(LAGO, data=STARTED, headers=signed.lago_hmac_headers(STARTED, "1")).status_code == 503


def test_a_signed_event_is_written_down_once_however_often_it_is_sent(app, send):
    for new in (True, False, False):
        answer = send(STRIPE, COMPLETED, signed.stripe_headers(COMPLETED))
        assert (answer.status_code, answer.json) == (200, {"received": True, "new": new})
        answer = send(LAGO, STARTED, signed.lago_hmac_headers(STARTED, "key-1"))
        assert (answer.status_code, answer.json["new"]) == (200, new)
    assert sorted(inbox(app)) == [
        ("lago", "key-1", "subscription.started", "org-acme"),
        ("stripe", "evt_1", "checkout.session.completed", "cs_test_1"),
    ]


@pytest.mark.parametrize(
    ("about", "subject"),
    [
        ({"object": "charge", "id": "ch_1", "customer": "cus_1"}, "cus_1"),
        ({"object": "credit_note", "id": "cn_1", "customer": "cus_1", "invoice": "in_1"}, "cus_1"),
        ({"object": "charge", "id": "ch_1", "customer": None}, None),
    ],
)
def test_money_given_back_is_about_its_customer(app, send, about, subject):
    raw = signed.stripe_event(about, "charge.refunded", "evt_1")
    assert send(STRIPE, raw, signed.stripe_headers(raw)).status_code == 200
    assert inbox(app) == [("stripe", "evt_1", "charge.refunded", subject)]


def test_lagos_tokens_are_taken_as_well(app, send):
    assert send(LAGO, STARTED, signed.lago_jwt_headers(STARTED, "key-2")).status_code == 200
    assert [one[1] for one in inbox(app)] == ["key-2"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Stripe-Signature": "nonsense"},
        {"Stripe-Signature": "t=1,v1=00"},
        {"Stripe-Signature": "t=x,v1=\u00e9"},
        {"Stripe-Signature": f"t={int(time.time())},v1=\u00e9"},
        signed.stripe_headers(COMPLETED, secret="whsec_other"),
        signed.stripe_headers(COMPLETED + b" "),
        signed.stripe_headers(COMPLETED, at_s=time.time() - 400),
        signed.stripe_headers(COMPLETED, at_s=time.time() + 4000),
    ],
)
def test_what_stripe_did_not_sign_just_now_is_refused(app, send, headers):
    assert send(STRIPE, COMPLETED, headers).status_code == 400
    assert inbox(app) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Lago-Unique-Key": "1"},
        signed.lago_hmac_headers(STARTED, "1", key="another"),
        signed.lago_hmac_headers(STARTED + b" ", "1"),
        signed.lago_hmac_headers(STARTED, ""),
        signed.lago_jwt_headers(STARTED, "1", key=signed.lago_key("forger")),
        signed.lago_jwt_headers(STARTED, "1", data="{}"),
        signed.lago_jwt_headers(STARTED, "1", header={"alg": "none"}),
        signed.lago_jwt_headers(STARTED, "1", header={"alg": "HS256"}),
        signed.lago_jwt_headers(STARTED, "x" * 301),
        # a token whose signature is cut off, and an HMAC made with the public key
        signed.lago_jwt_headers(STARTED, "1")
        | {"X-Lago-Signature": signed.lago_jwt_headers(STARTED, "1")["X-Lago-Signature"].rsplit(".", 1)[0] + "."},
        signed.lago_hmac_headers(STARTED, "1", key=signed.public_key(signed.lago_key())),
    ],
)
def test_what_lago_did_not_sign_is_refused(app, send, headers):
    assert send(LAGO, STARTED, headers).status_code == 400
    assert inbox(app) == []


def test_a_body_that_is_no_event_is_refused_though_it_is_signed(app, send):
    for raw in (b"", b"[]", b"7", b"{", b'{"id": 7}', json.dumps({"id": "evt", "type": "x", "data": []}).encode()):
        assert send(STRIPE, raw, signed.stripe_headers(raw)).status_code == 400
        assert send(LAGO, raw, signed.lago_hmac_headers(raw, "1")).status_code == 400
    assert inbox(app) == []


def test_a_live_event_is_refused_by_a_console_with_a_test_key(app, send):
    raw = signed.stripe_event(SESSION, "checkout.session.completed", "evt_live", livemode=True)
    answer = send(STRIPE, raw, signed.stripe_headers(raw))
    assert (answer.status_code, answer.json["code"]) == (400, "livemode")
    assert inbox(app) == []


def test_an_event_that_does_not_say_whether_it_is_live_is_not_called_a_live_one(app, send):
    raw = signed.stripe_event(SESSION, "checkout.session.completed", "evt_1", livemode=None)
    answer = send(STRIPE, raw, signed.stripe_headers(raw))
    assert (answer.status_code, answer.json["code"]) == (400, "not_an_event")
    assert "does not say whether" in answer.json["detail"]


@pytest.mark.parametrize("event_id", ["evt_\ud800", "evt_\0"])
def test_an_id_that_no_database_takes_is_refused(app, send, event_id):
    for raw in (
        signed.stripe_event(SESSION, "checkout.session.completed", event_id),
        signed.stripe_event(SESSION | {"id": event_id}, "checkout.session.completed", "evt_1"),
        signed.stripe_event(SESSION, event_id, "evt_1"),
    ):
        assert send(STRIPE, raw, signed.stripe_headers(raw)).status_code == 400
    assert inbox(app) == []


def test_too_large_a_body_is_refused_before_it_is_read(app, send):
    raw = b"x" * 300_000
    assert send(STRIPE, raw, signed.stripe_headers(raw)).status_code == 413


def test_a_message_that_cannot_be_written_down_is_not_answered_with_success(make_app, billing, tmp_path):
    state = tmp_path / "locked"
    app = make_app(**billing.settings(stripe_webhook_secret=signed.STRIPE_SECRET, state_url=f"sqlite:///{state}/no.db"))
    answer = app.server.test_client().post(STRIPE, data=COMPLETED, headers=signed.stripe_headers(COMPLETED))
    assert answer.status_code == 503


def test_lagos_key_is_asked_for_once_and_again_when_it_was_renewed(app, send, billing, monkeypatch):
    asked = lambda: len(billing.lago.requests("GET", "/api/v1/webhooks/json_public_key"))  # noqa: E731
    for number in range(3):
        assert send(LAGO, STARTED, signed.lago_jwt_headers(STARTED, f"k{number}")).status_code == 200
    assert asked() == 1
    second = signed.lago_key("second")
    renewed = signed.lago_jwt_headers(STARTED, "k9", key=second)
    billing.lago.webhook_key = signed.public_key(second)
    assert send(LAGO, STARTED, renewed).status_code == 400  # not yet: forgers must not make us ask all the time
    assert asked() == 1
    monkeypatch.setattr(app.server.extensions["ops"].billing.webhooks, "_ask_again_s", 0.0)
    assert send(LAGO, STARTED, renewed).status_code == 200
    assert asked() == 2


def test_while_lagos_key_cannot_be_read_it_is_asked_to_send_again(app, send, billing):
    billing.lago.fail("500")
    assert send(LAGO, STARTED, signed.lago_jwt_headers(STARTED, "1")).status_code == 502
    assert inbox(app) == []


def test_no_secret_reaches_a_log_or_an_answer(app, send, caplog):
    caplog.set_level("DEBUG")
    said = [
        send(STRIPE, COMPLETED, {"Stripe-Signature": "t=1,v1=00"}).get_data(as_text=True),
        send(LAGO, STARTED, signed.lago_hmac_headers(STARTED, "1", key="x")).get_data(as_text=True),
    ]
    for secret in (signed.STRIPE_SECRET, signed.LAGO_HMAC_KEY):
        assert secret not in caplog.text + "".join(said)
