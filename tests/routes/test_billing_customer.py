"""An admin of several organizations chooses for which one to look and buy; nobody else chooses anything."""

import pytest

from tests.fakes.billing import Billing

CHOOSE, CREATE = "/api/v1/billing/customer", "/api/v1/billing/checkout/create"


@pytest.fixture
def billing():
    made = Billing()
    for name in ("acme", "other", "third", "fourth"):
        made.lago.add_customer(f"org-{name}", name=f"{name.title()} Ltd")
    yield made
    made.close()


@pytest.fixture
def console(make_app, billing):
    return make_app(**billing.settings())


@pytest.fixture
def admin(console, sign_in):
    return sign_in(console)


def test_the_chosen_customer_is_bought_for_until_another_is_chosen(admin, billing):
    assert admin.post(CREATE, json={"plan_code": "starter"}).json["code"] == "no_customer"
    assert admin.post(CHOOSE, json={"customer_id": "org-acme"}).json == {"customer_id": "org-acme", "name": "Acme Ltd"}
    assert admin.post(CREATE, json={"plan_code": "starter"}).json["status"] == "started"
    assert billing.lago.held_by("org-acme") == ["starter"]
    admin.post(CHOOSE, json={"customer_id": "org-other"})
    assert admin.post(CREATE, json={"plan_code": "starter"}).json["status"] == "started"
    assert billing.lago.held_by("org-other") == ["starter"]
    assert admin.post(CHOOSE, json={"customer_id": None}).json == {"customer_id": None}
    assert admin.post(CREATE, json={"plan_code": "starter"}).json["code"] == "no_customer"


def test_a_click_on_a_card_that_was_shown_for_another_customer_buys_nothing(admin, billing):
    admin.post(CHOOSE, json={"customer_id": "org-acme"})
    admin.post(CHOOSE, json={"customer_id": "org-other"})  # in another tab
    answer = admin.post(CREATE, json={"plan_code": "starter", "shown_customer": "org-acme"})
    assert (answer.status_code, answer.json["code"]) == (409, "customer_changed")
    assert billing.lago.subscriptions == []


@pytest.mark.parametrize("now", ["org-other", None])
def test_the_way_back_from_stripe_finds_a_purchase_though_another_customer_is_chosen(
    admin, console, sign_in, billing, now
):
    admin.post(CHOOSE, json={"customer_id": "org-acme"})
    assert admin.post(CREATE, json={"plan_code": "business"}).json["status"] == "redirect"
    billing.stripe.complete("cs_test_00000000")
    admin.post(CHOOSE, json={"customer_id": now})  # in another tab
    back = "/billing/return?session_id=cs_test_00000000"
    assert sign_in(console, "admin").get(back).status_code == 404
    assert sign_in(console, "member", "acme").get(back).status_code == 404
    answer = admin.get(back)
    assert answer.status_code == 303
    attempt_id = answer.location.rpartition("=")[2]
    told = admin.post("/api/v1/billing/checkout/progress", json={"attempt_id": attempt_id}).json
    assert told["state"] == "waiting"
    assert "It is for the customer org-acme, who is not chosen now." in told["message"]
    assert billing.lago.held_by("org-acme", "incomplete") == ["business"]
    assert billing.lago.held_by("org-other", "incomplete") == []


@pytest.mark.parametrize("now", ["org-other", None])
def test_a_card_saved_for_one_customer_is_not_waited_for_under_another(admin, billing, now):
    billing.lago.customers["org-acme"]["billing_configuration"] |= {
        "payment_provider": "stripe",
        "provider_customer_id": "cus_acme",
    }
    admin.post(CHOOSE, json={"customer_id": "org-acme"})
    assert admin.post("/api/v1/billing/card/update", json={}).json["status"] == "redirect"
    billing.stripe.complete("cs_test_00000000")

    def ask():
        return admin.post("/api/v1/billing/card/progress", json={"session_id": "cs_test_00000000"}).json

    assert ask()["state"] == "saved"
    admin.post(CHOOSE, json={"customer_id": now})
    assert (ask()["state"], ask()["done"]) == ("other", True)


@pytest.mark.parametrize("customer", ["org-nobody", "..", "org-acme/payment_methods", ""])
def test_only_a_customer_that_lago_has_can_be_chosen(admin, customer):
    assert admin.post(CHOOSE, json={"customer_id": customer}).status_code in (400, 404)
    assert admin.post(CREATE, json={"plan_code": "starter"}).json["code"] == "no_customer"


def test_a_member_never_chooses(console, sign_in, billing):
    member = sign_in(console, "member", "acme")
    assert member.post(CHOOSE, json={"customer_id": "org-other"}).status_code == 403


def test_where_the_customer_is_settled_none_can_be_chosen(make_app, billing, sign_in):
    named = sign_in(make_app(**billing.settings(lago_customer="org-acme")))
    assert named.post(CHOOSE, json={"customer_id": "org-other"}).status_code == 409
    of_one = sign_in(make_app(**billing.settings()), "admin", "acme")
    assert of_one.post(CHOOSE, json={"customer_id": "org-other"}).status_code == 409


def test_an_analyst_may_not_choose(console, sign_in):
    assert sign_in(console, "analyst").post(CHOOSE, json={"customer_id": "org-acme"}).status_code == 403
