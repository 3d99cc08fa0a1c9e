import json
from datetime import datetime, timedelta

import pytest

from data_sources.result import utc_now
from tests.fakes import lago, stripe
from tests.fakes.billing import Billing

PUBLIC, CREATE, PROGRESS = (
    "/api/v1/billing/plans/public",
    "/api/v1/billing/checkout/create",
    "/api/v1/billing/checkout/progress",
)


@pytest.fixture
def billing():
    made = Billing()
    yield made
    made.close()


@pytest.fixture
def console(make_app, billing):
    return make_app(**billing.settings())


@pytest.fixture
def anna(console, sign_in):
    return sign_in(console, "member", "acme", "anna@acme.test")


def test_visitors_read_every_plan_on_offer_with_its_own_money(console):
    answer = console.server.test_client().get(PUBLIC)
    assert answer.status_code == 200
    plans = {plan["code"]: plan for plan in answer.json["plans"]}
    assert list(plans) == ["starter", "team", "team-yearly", "business", "enterprise"]
    team = plans["team"]
    assert (team["amount_cents"], team["amount"], team["amount_currency"]) == (2000, "20.00", "USD")
    assert team["interval"] == "monthly"
    assert team["credits"] == "50,000 calls a month"
    assert team["features"] == ["Cost by user and team"]
    assert team["limitations"] == ["No single sign-on"]
    assert team["entitlements"][0]["privileges"] == [{"code": "max", "name": "Seats", "value": 10}]
    assert team["id"] == lago.plan("team", "Team", 2000)["lago_id"]


def test_what_lago_does_not_have_is_null_and_its_always_zero_counters_are_nowhere(console, billing):
    del billing.lago.plan_of("business")["metadata"]
    answer = console.server.test_client().get(PUBLIC)
    business = next(plan for plan in answer.json["plans"] if plan["code"] == "business")
    assert business["credits"] is None
    assert business["features"] == []
    assert "customers_count" not in answer.get_data(as_text=True)
    assert "subscriptions_count" not in answer.get_data(as_text=True)


def test_the_operators_list_is_the_order(make_app, billing):
    app = make_app(**billing.settings(billing_plans="business,starter"))
    answer = app.server.test_client().get(PUBLIC)
    assert [plan["code"] for plan in answer.json["plans"]] == ["business", "starter"]


def test_no_plan_on_offer_is_an_empty_list(console, billing):
    billing.lago.plans = []
    got = console.server.test_client().get(PUBLIC).json
    assert got["plans"] == []
    assert got["stale"] is False


def test_the_public_list_says_when_it_was_read_and_whether_lago_still_answers(console, billing, monkeypatch):
    monkeypatch.setattr("routes.billing_api.PUBLIC_MAX_AGE_S", 0.0)
    fresh = console.server.test_client().get(PUBLIC).json
    assert fresh["stale"] is False
    assert abs(utc_now() - datetime.fromisoformat(fresh["as_of"])) < timedelta(minutes=1)
    billing.lago.fail("500")
    old = console.server.test_client().get(PUBLIC).json
    assert (old["stale"], old["as_of"], old["plans"]) == (True, fresh["as_of"], fresh["plans"])


@pytest.mark.parametrize(("fault", "status"), [("500", 502), ("html", 502), ("closed", 502)])
def test_a_lago_that_fails_is_a_bad_gateway_and_never_an_empty_list(console, billing, fault, status):
    billing.lago.fail(fault)
    answer = console.server.test_client().get(PUBLIC)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert "plans" not in answer.json


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["OPS_LAGO_URL", "OPS_LAGO_API_KEY"]),
        ({"lago_url": "http://127.0.0.1:9"}, ["OPS_LAGO_API_KEY"]),
        ({"lago_api_key": "key"}, ["OPS_LAGO_URL"]),
    ],
)
def test_without_lago_the_answer_names_the_settings_that_are_missing(make_app, sign_in, given, missing):
    app = make_app(**given)
    for answer in (app.server.test_client().get(PUBLIC), sign_in(app).post(CREATE, json={"plan_code": "team"})):
        assert answer.status_code == 503
        assert answer.json["type"] == "not-configured"
        assert answer.json["settings"] == missing


def test_select_plan_leads_to_stripes_page(anna, billing):
    answer = anna.post(CREATE, json={"plan_code": "business", "shown_amount_cents": 10000, "shown_currency": "USD"})
    assert answer.status_code == 200
    assert set(answer.json) == {"status", "checkout_url", "message"}
    assert answer.json["status"] == "redirect"
    assert answer.json["checkout_url"] == billing.stripe.only_session()["url"]


def test_a_free_plan_starts_without_payment(anna, billing):
    answer = anna.post(CREATE, json={"plan_code": "starter"})
    assert answer.json["status"] == "started"
    assert answer.json["checkout_url"] is None
    assert billing.lago.held_by("org-acme") == ["starter"]


def test_a_changed_price_is_a_conflict(anna):
    answer = anna.post(CREATE, json={"plan_code": "business", "shown_amount_cents": 1})
    assert (answer.status_code, answer.json["code"]) == (409, "price_changed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"plan_code": "team", "amount_cents": 1},
        {"plan_code": "team", "customer": "org-other"},
        {"plan_code": 7},
        {"plan_code": "team", "shown_amount_cents": "2000"},
        {"plan_code": "team", "shown_amount_cents": 20.5},
        ["team"],
        "team",
        7,
    ],
)
def test_a_body_that_is_not_exactly_the_documented_one_is_refused(anna, billing, body):
    answer = anna.post(CREATE, json=body)
    assert answer.status_code == 400
    assert billing.lago.asked == []


def test_a_form_and_a_huge_body_are_refused(anna):
    assert anna.post(CREATE, data={"plan_code": "team"}).status_code == 415
    assert anna.post(CREATE, json={"plan_code": "x" * 20_000}).status_code == 413
    assert anna.post(f"{CREATE}?plan=team", json={"plan_code": "team"}).status_code == 400


def test_nobody_buys_unsigned_without_the_token_or_without_the_right(console, billing, sign_in, anna):
    assert console.server.test_client().post(CREATE, json={"plan_code": "team"}).status_code == 401
    assert anna.client.post(CREATE, json={"plan_code": "team"}).status_code == 403
    assert sign_in(console, "analyst").post(CREATE, json={"plan_code": "team"}).status_code == 403
    cross = anna.post(CREATE, json={"plan_code": "team"}, headers={"Origin": "https://evil.example"})
    assert cross.status_code == 403
    assert billing.lago.asked == []


def test_an_admin_without_an_organization_is_told_what_to_set(console, sign_in):
    answer = sign_in(console, "admin").post(CREATE, json={"plan_code": "team"})
    assert answer.status_code == 409
    assert "OPS_LAGO_CUSTOMER" in answer.json["detail"]


def test_the_whole_way_where_stripe_collects(make_app, billing, sign_in):
    billing.lago.plan_of("business")["charges"] = []
    anna = sign_in(make_app(**billing.settings(billing_collector="stripe")), role="member", org="acme", email="a@b.io")
    page = anna.post(CREATE, json={"plan_code": "business"}).get_json()
    assert (page["status"], page["message"]) == ("redirect", "Stripe's page opens to pay for Business.")
    session = billing.stripe.only_session()["id"]
    billing.stripe.complete(session)
    back = anna.get(f"/billing/return?session_id={session}")
    assert back.status_code == 303
    told = anna.post(PROGRESS, json={"attempt_id": back.location.rsplit("=", 1)[1]}).get_json()
    assert (told["good"], told["title"]) == (True, "Business has started")
    assert billing.lago.invoices[0]["payment_status"] == "succeeded"


def test_the_whole_way_from_the_click_to_a_started_plan(anna, billing):
    anna.post(CREATE, json={"plan_code": "business"})
    session = billing.stripe.only_session()
    billing.stripe.complete(session["id"])
    back = anna.get(f"/billing/return?session_id={session['id']}")
    assert back.status_code == 303
    purchase = back.headers["Location"].removeprefix("/admin/subscription/plan?purchase=")
    assert billing.lago.subscriptions == []
    waiting = anna.post(PROGRESS, json={"attempt_id": purchase}).json
    assert (waiting["state"], waiting["done"], waiting["good"]) == ("waiting", False, None)
    billing.lago.settle(paid=True)
    done = anna.post(PROGRESS, json={"attempt_id": purchase}).json
    assert (done["done"], done["good"]) == (True, True)
    assert billing.lago.held_by("org-acme") == ["business"]


def test_somebody_elses_way_back_is_not_found(anna, billing, console, sign_in):
    anna.post(CREATE, json={"plan_code": "business"})
    session = billing.stripe.only_session()["id"]
    billing.stripe.complete(session)
    eve = sign_in(console, "member", "other")
    assert eve.get(f"/billing/return?session_id={session}").status_code == 404
    assert anna.get("/billing/return?session_id=cs_test_made_up").status_code == 404
    assert anna.get("/billing/return").status_code == 404
    assert console.server.test_client().get(f"/billing/return?session_id={session}").status_code in (302, 401)


def test_without_a_purchase_progress_is_nothing(anna, app, sign_in):
    assert anna.post(PROGRESS, json={}).json == {"state": None, "done": True}
    assert anna.post(PROGRESS, json={"attempt_id": "made-up"}).json == {"state": None, "done": True}
    assert sign_in(app).post(PROGRESS, json={}).json == {"state": None, "done": True}


def test_the_keys_are_in_no_answer(anna, billing, console):
    layout = anna.get("/_dash-layout").get_data(as_text=True)
    page = anna.get("/admin/subscription/plan").get_data(as_text=True)
    billing.lago.fail("401")
    billing.stripe.fail("401")
    refused = anna.post(CREATE, json={"plan_code": "team"}).get_data(as_text=True)
    text = layout + page + refused + json.dumps(console.config, default=str)
    assert lago.KEY not in text
    assert stripe.KEY not in text


RETRY = "/api/v1/billing/retry"


def test_only_admins_look_again_and_name_one_thing(anna, console, billing, sign_in):
    anna.post(CREATE, json={"plan_code": "business"})
    billing.stripe.complete("cs_test_00000000")
    admin = sign_in(console, "admin")
    purchase = console.server.extensions["ops"].billing.desk.purchases().value[0].attempt_id
    assert anna.post(RETRY, json={"attempt_id": purchase}).status_code == 403
    assert admin.client.post(RETRY, json={"attempt_id": purchase}).status_code == 403
    assert billing.lago.held_by("org-acme", "incomplete") == []
    for body in ({}, {"attempt_id": purchase, "event_id": 1}, {"attempt_id": 7}, {"plan": "x"}):
        assert admin.post(RETRY, json=body).status_code == 400
    assert admin.post(RETRY, json={"attempt_id": "made-up"}).status_code == 404
    for event_id in (9, -1, 10**30):
        assert admin.post(RETRY, json={"event_id": event_id}).status_code == 404
    assert admin.post(RETRY, json={"attempt_id": purchase}).json["state"] == "waiting"
    assert billing.lago.held_by("org-acme", "incomplete") == ["business"]
