"""What a security reviewer checks of selling: ten lines, and a test for each."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import g
from sqlalchemy import select

from app import check_address
from data_sources.billing.audit import AuditEntry
from data_sources.principal import Principal
from settings import SettingsError, load
from tests.fakes import lago, stripe
from tests.fakes import webhooks as signed
from tests.fakes.billing import Billing
from tests.fakes.stripe_rights import granted

CREATE, PROGRESS, PAGE = (
    "/api/v1/billing/checkout/create",
    "/api/v1/billing/checkout/progress",
    "/admin/subscription/plan",
)
HOOK = "/api/v1/webhooks/stripe"
SESSION = "cs_test_00000000"


@pytest.fixture
def billing():
    made = Billing()
    for plan in made.lago.plans:
        plan["charges"] = []
    yield made
    made.close()


@pytest.fixture
def collector(request):
    """`lago`; both for tests that are marked with `both`."""
    return getattr(request, "param", "lago")


both = pytest.mark.parametrize("collector", ["lago", "stripe"], indirect=True)


@pytest.fixture
def console(collector, make_app, billing):
    secrets = {"stripe_webhook_secret": signed.STRIPE_SECRET, "lago_hmac_key": signed.LAGO_HMAC_KEY}
    return make_app(**billing.settings(billing_collector=collector, **secrets))


@pytest.fixture
def anna(console, sign_in):
    return sign_in(console, "member", "acme", "anna@acme.test")


def source_of(console):
    return console.server.extensions["ops"].billing


def buy(anna, **more):
    return anna.post(CREATE, json={"plan_code": "business", **more})


def to_the_end(console, anna, billing):
    """A whole purchase, brought on by the console's own thread after a webhook."""
    buy(anna)
    billing.stripe.complete(SESSION)
    raw = signed.stripe_event(billing.stripe.sessions[SESSION], "checkout.session.completed", "evt_secure")
    assert anna.client.post(HOOK, data=raw, headers=signed.stripe_headers(raw)).status_code == 200
    wait_until(lambda: event_done(console), "the webhook was never worked off")
    billing.lago.settle(paid=True)
    anna.post(PROGRESS, json={})
    assert billing.lago.held_by("org-acme") == ["business"]


def event_done(console):
    return all(event.done_at is not None for event in source_of(console).inbox.latest(10))


def wait_until(so, never):
    until_s = time.monotonic() + 30
    while not so():
        assert time.monotonic() < until_s, never
        time.sleep(0.02)


def test_line_1_the_route_takes_a_plan_code_and_every_amount_comes_from_lago(anna, billing):
    for extra in ({"amount_cents": 1}, {"currency": "JPY"}, {"price": "price_1"}, {"customer": "cus_1"}):
        assert buy(anna, **extra).status_code == 400
    assert billing.stripe.asked == []
    assert buy(anna, shown_amount_cents=10000, shown_currency="USD").status_code == 200
    sold = billing.stripe.only_session()["metadata"]
    assert (sold["plan_amount_cents"], sold["plan_currency"]) == ("10000", "USD")


def test_line_2_only_a_signed_in_post_with_token_from_our_own_page_leads_anywhere_and_only_to_stripe(
    anna, console, billing
):
    body = {"plan_code": "business"}
    assert anna.get(CREATE).status_code == 404  # not a page, not an address of the API
    assert console.server.test_client().post(CREATE, json=body).status_code == 401
    assert anna.client.post(CREATE, json=body).status_code == 403
    assert anna.client.post(CREATE, json=body, headers={"X-CSRFToken": "made-up"}).status_code == 403
    for foreign in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        assert anna.post(CREATE, json=body, headers=foreign).status_code == 403
    assert billing.stripe.asked == []
    billing.stripe.url_host = "https://checkout.stripe.com.evil.test"
    assert "checkout_url" not in buy(anna).json
    assert "evil" not in buy(anna).get_data(as_text=True)


def test_line_3_the_cookie_comes_back_from_stripe_and_is_locked(make_app, billing, sign_in):
    settings = billing.settings(public_url="https://ops.example.com")
    cookie = sign_in(make_app(**settings)).client.get_cookie("__Host-ops")
    assert cookie is not None
    assert (cookie.same_site, cookie.secure, cookie.http_only) == ("Lax", True, True)


def test_line_4_webhooks_are_proved_over_raw_bytes_and_answered_before_anything_is_asked(console, billing, make_app):
    client = console.server.test_client()
    spaced = b'{ "id" : "evt_9",  "type":"checkout.session.completed",' + (
        b'"livemode":false, "data":{"object":{"object":"checkout.session","id":"cs_test_9"}} }'
    )
    good = signed.stripe_headers(spaced)
    assert client.post(HOOK, data=spaced, headers=good).status_code == 200  # no token, no session
    assert client.post(HOOK, data=json.dumps(json.loads(spaced)).encode(), headers=good).status_code == 400
    assert client.post(HOOK, data=spaced, headers={"Stripe-Signature": "t=1,v1=00"}).status_code == 400
    big = b"x" * 300_000
    assert client.post(HOOK, data=big, headers=signed.stripe_headers(big)).status_code == 413
    assert billing.stripe.asked == []
    assert billing.lago.asked == []
    unset = make_app(**billing.settings()).server.test_client()
    assert unset.post(HOOK, data=spaced, headers=good).status_code == 503


@both
def test_line_5_the_way_back_of_somebody_else_is_not_found(anna, console, billing, sign_in):
    buy(anna)
    billing.stripe.complete(SESSION)
    for who in (
        sign_in(console, "member", "acme", "ben@acme.test"),
        sign_in(console, "member", "other", "anna@acme.test"),
        sign_in(console, "admin"),
    ):
        assert who.get(f"/billing/return?session_id={SESSION}").status_code == 404
    assert billing.lago.subscriptions == []


@both
def test_line_6_a_restricted_key_is_enough_and_a_live_one_wants_https(anna, console, billing, collector):
    billing.stripe.rights = granted(collector)  # all further steps: tests/data_sources/billing/test_key_rights.py
    to_the_end(console, anna, billing)
    assert billing.stripe.denied == []
    for key in ("sk_live_1", "rk_live_1"):
        with pytest.raises(SettingsError, match="https"):
            check_address(load(stripe_api_key=key))
        assert check_address(load(stripe_api_key=key, public_url="https://ops.example.com"))


def ask_every_panel(anna):
    """What the callbacks of the page of plans answer, as a browser asks them."""
    for each in anna.get("/_dash-dependencies").get_json():
        retry = next((given["id"] for given in each["inputs"] if given["id"].startswith("subscription-")), "")
        if not retry.endswith("-retry"):
            continue
        outputs = [
            dict(zip(("id", "property"), out.rsplit(".", 1), strict=True))
            for out in each["output"].strip(".").split("...")
        ]
        body = {
            "output": each["output"],
            "outputs": outputs if each["output"].startswith("..") else outputs[0],
            "inputs": [{**given, "value": None} for given in each["inputs"]],
            "state": [{**given, "value": None} for given in each["state"]],
            "changedPropIds": [f"{retry}.data"],
        }
        yield anna.post("/_dash-update-component", json=body)


@both
def test_line_7_no_key_is_in_a_log_a_page_a_callback_or_an_error(anna, console, billing, caplog):
    caplog.set_level(logging.DEBUG)
    seen = [anna.get(PAGE), anna.get("/_dash-layout"), anna.get("/_dash-dependencies"), anna.get("/plans")]
    for fault in ("401", "500", "html"):
        billing.lago.fail(fault, times=3)
        billing.stripe.fail(fault, times=3)
        seen += [buy(anna), anna.post(PROGRESS, json={})]
        billing.lago.heal()
        billing.stripe.heal()
        billing.lago.fail(fault)
        panels = list(ask_every_panel(anna))
        assert {one.status_code for one in panels} <= {200, 204}
        assert any("Failed to Load" in one.text or "could not be read" in one.text for one in panels)
        seen += panels
        billing.lago.heal()
    to_the_end(console, anna, billing)
    with console.server.test_request_context():
        g.principal = Principal("token:admin", "admin")
        desk = source_of(console).desk
        texts = [repr(desk.purchases()), repr(desk.inbox()), repr(desk.log()), repr(source_of(console).lago)]
    text = caplog.text + "".join(one.get_data(as_text=True) for one in seen) + "".join(texts)
    for secret in (lago.KEY, stripe.KEY, signed.STRIPE_SECRET, signed.LAGO_HMAC_KEY):
        assert secret not in text


@both
def test_line_8_nobody_opens_checkout_endlessly(anna, billing):
    for _ in range(10):
        assert buy(anna).status_code == 200
        billing.stripe.sessions[list(billing.stripe.sessions)[-1]]["status"] = "expired"
    many = buy(anna)
    assert (many.status_code, many.json["code"]) == (409, "too_many")
    assert int(many.headers["Retry-After"]) == 3600
    assert len(billing.stripe.sessions) == 10


@both
def test_line_8_nor_twice_at_once(console, billing, sign_in):
    tabs = [sign_in(console, "member", "acme", "anna@acme.test") for _ in range(6)]
    together = Barrier(len(tabs))

    def click(tab):
        together.wait(timeout=30)
        return buy(tab)

    with ThreadPoolExecutor(len(tabs)) as pool:
        answers = list(pool.map(click, tabs))
    (session,) = billing.stripe.sessions.values()
    led = [one.json["checkout_url"] for one in answers if one.status_code == 200]
    assert led != []
    assert set(led) == {session["url"]}
    # who came while the first was still being opened is told so, and loses nothing
    assert {one.json["code"] for one in answers if one.status_code != 200} <= {"already_open"}


def test_line_9_no_organization_can_leave_its_place_in_lagos_addresses(console, billing, sign_in):
    for organization in ("../plans", "x/../../portal_url", "a?b=c#d", "%2e%2e", "..;/plans"):
        buy(sign_in(console, "member", organization, "m@x.test"))
    asked = {one.path for one in billing.lago.asked if one.path.startswith("/api/v1/customers/")}
    paths = {path.removesuffix("/payment_methods") for path in asked}
    assert len(paths) == 5
    assert all(path.count("/") == 4 and ".." not in path.split("/") for path in paths)


def test_line_9_a_customer_named_like_a_way_up_is_never_asked_for(make_app, billing, sign_in):
    assert buy(sign_in(make_app(**billing.settings(lago_customer="..")))).status_code == 400
    assert [one for one in billing.lago.asked if one.path.startswith("/api/v1/customers")] == []


@both
def test_line_10_every_step_is_in_the_audit_log_with_who_plan_amount_ids_and_events(anna, console, billing):
    to_the_end(console, anna, billing)
    with console.server.extensions["ops"].state.session() as session:
        rows = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    steps = [row.action for row in rows]
    assert steps[:2] == ["opened", "redirected"]
    assert [step for step in steps if step != "marked paid in Lago"][-1] == "started"
    assert {(row.plan_code, row.amount_cents, row.currency, row.customer_id) for row in rows} == {
        ("business", 10000, "USD", "org-acme")
    }
    assert rows[0].who == "anna@acme.test"
    assert "stripe evt_secure" in {row.who for row in rows}
    last = rows[-1]
    assert (last.session_id, last.subscription_id) == (SESSION, "sub-org-acme")
    assert last.lago_subscription_id == billing.lago.subscriptions[0]["lago_id"]
    assert not any("card" in str(value) for row in rows for value in (row.session_id, row.subscription_id, row.note))
