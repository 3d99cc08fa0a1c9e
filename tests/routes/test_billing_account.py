"""The routes of what a customer has: who may, whose it is, and that nothing is done unsigned or by a made-up body."""

import pytest

from tests.fakes.billing import Billing

CREATE = "/api/v1/billing/checkout/create"
MANAGE, PDF, PAY = (
    "/api/v1/billing/subscription/manage",
    "/api/v1/billing/invoices/pdf",
    "/api/v1/billing/invoices/pay",
)
PORTAL, CARD, CARD_PROGRESS = (
    "/api/v1/billing/portal",
    "/api/v1/billing/card/update",
    "/api/v1/billing/card/progress",
)
CANCEL = {"action": "cancel", "subscription_id": "sub-org-acme"}
BODIES = {
    MANAGE: CANCEL,
    PDF: {"invoice_id": "x"},
    PAY: {"invoice_id": "x"},
    PORTAL: {},
    CARD: {},
    CARD_PROGRESS: {"session_id": "cs_test_x"},
}


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


@pytest.fixture
def eve(console, sign_in):
    return sign_in(console, "member", "other", "eve@other.test")


def test_a_change_is_confirmed_with_the_words_that_were_read(anna, billing):
    billing.lago.subscribe("org-acme", "business")
    asked = anna.post(CREATE, json={"plan_code": "team", "shown_amount_cents": 2000, "shown_currency": "USD"})
    assert (asked.status_code, asked.json["status"], asked.json["checkout_url"]) == (200, "confirm", None)
    offer = asked.json["offer"]
    assert set(offer) == {"title", "lines", "warning", "verb", "keep", "token"}
    done = anna.post(CREATE, json={"plan_code": "team", "confirm": offer["token"]})
    assert (done.status_code, done.json["status"]) == (200, "scheduled")
    again = anna.post(CREATE, json={"plan_code": "team", "confirm": offer["token"]})
    assert (again.status_code, again.json["code"]) == (409, "already_planned")
    back = anna.post(MANAGE, json={"action": "undo", "subscription_id": "sub-org-acme"})
    assert back.json == {
        "status": "done",
        "good": True,
        "title": "The planned change was taken back",
        "message": "Business goes on. It renews on 1 Dec 2026.",
    }


def test_a_plan_is_ended_and_resumed(anna, billing):
    billing.lago.subscribe("org-acme", "team")
    asked = anna.post(MANAGE, json=CANCEL).json
    assert asked["status"] == "confirm"
    done = anna.post(MANAGE, json=CANCEL | {"confirm": asked["offer"]["token"]})
    assert (done.status_code, done.json["title"]) == (200, "Team ends on 1 Dec 2026")
    assert anna.post(MANAGE, json=CANCEL | {"action": "resume"}).json["title"] == "Team goes on"


def test_a_member_reaches_nothing_of_another_organization(eve, billing):
    billing.lago.subscribe("org-acme", "team")
    billing.lago.add_customer("org-other")
    bill = billing.lago.bill("org-acme", "OPS-1", 2000, payment_status="failed")["lago_id"]
    billing.lago.pdfs.add(bill)
    for path, body in (
        (MANAGE, CANCEL),
        (MANAGE, CANCEL | {"action": "resume"}),
        (MANAGE, CANCEL | {"action": "undo"}),
        (PDF, {"invoice_id": bill}),
        (PAY, {"invoice_id": bill}),
    ):
        answer = eve.post(path, json=body)
        assert answer.status_code == 404
        assert "OPS-1" not in answer.get_data(as_text=True)
    assert billing.lago.subscriptions[0]["ending_at"] is None
    assert not [one for one in billing.lago.asked if one.method != "GET"]


@pytest.mark.parametrize("path", BODIES)
def test_nobody_does_anything_unsigned_without_the_token_or_without_the_right(console, anna, sign_in, billing, path):
    body = BODIES[path]
    assert console.server.test_client().post(path, json=body).status_code == 401
    assert anna.client.post(path, json=body).status_code == 403
    assert sign_in(console, "analyst").post(path, json=body).status_code == 403
    assert anna.post(path, json=body, headers={"Origin": "https://evil.example"}).status_code == 403
    assert anna.post(path, json=body | {"customer": "org-other"}).status_code == 400
    assert anna.post(f"{path}?customer=org-other", json=body).status_code == 400
    assert anna.get(path).status_code == 404
    assert billing.lago.asked == []


def test_an_action_that_is_not_one_is_refused(anna, billing):
    for body in (
        CANCEL | {"action": "terminate"},
        {"action": "cancel"},
        {"subscription_id": "x"},
        CANCEL | {"confirm": 1},
    ):
        assert anna.post(MANAGE, json=body).status_code == 400
    assert billing.lago.asked == []


@pytest.mark.parametrize("path", [CARD, PORTAL])
def test_a_card_or_the_portal_is_of_the_customer_that_was_shown_or_of_nobody(anna, billing, path):
    billing.lago.add_customer("org-acme")
    got = anna.post(path, json={"shown_customer": "org-other"})
    assert (got.status_code, got.json["code"]) == (409, "customer_changed")
    assert got.json["title"] in ("The card was not changed", "Lago's portal could not be opened")
    assert (billing.stripe.sessions, billing.lago.asked) == ({}, [])
    assert anna.post(path, json={"shown_customer": "org-acme"}).status_code == 200
    if path == CARD:
        billing.lago.connected = False
        billing.lago.customers["org-acme"]["billing_configuration"] = {}
        refused = anna.post(path, json={})
        assert (refused.json["code"], refused.json["title"]) == ("no_linked_payment_provider", got.json["title"])


def test_a_pdf_that_is_not_made_is_null_and_says_so(anna, billing):
    billing.lago.add_customer("org-acme")
    bill = billing.lago.bill("org-acme", "OPS-1", 2000)["lago_id"]
    got = anna.post(PDF, json={"invoice_id": bill})
    assert (got.status_code, got.json["url"], got.json["title"]) == (200, None, "The PDF is not ready yet")


@pytest.mark.parametrize(("fault", "status"), [("500", 502), ("html", 502)])
def test_a_lago_that_fails_is_a_bad_gateway_with_words(anna, billing, fault, status):
    billing.lago.subscribe("org-acme", "team")
    billing.lago.fail(fault, "/api/v1/subscriptions")
    got = anna.post(MANAGE, json=CANCEL)
    assert (got.status_code, got.json["title"]) == (status, "Subscriptions could not be read")
    assert got.json["detail"].endswith(" Nothing was changed. Try again in a moment.")
    bought = anna.post(CREATE, json={"plan_code": "team"})
    assert bought.status_code == status
    assert bought.json["detail"].endswith(" Nothing was bought or changed. Try again in a moment.")


def test_without_lago_the_answer_names_the_settings(app, sign_in):
    got = sign_in(app, "member", "acme").post(MANAGE, json=CANCEL)
    assert (got.status_code, got.json["type"]) == (503, "not-configured")
