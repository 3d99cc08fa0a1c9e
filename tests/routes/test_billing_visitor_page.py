import pytest
from bs4 import BeautifulSoup

from tests.fakes import lago
from tests.fakes.billing import Billing


@pytest.fixture
def billing():
    made = Billing()
    yield made
    made.close()


@pytest.fixture
def read(make_app, billing):
    app = make_app(**billing.settings())

    def get(status=200):
        answer = app.server.test_client().get("/plans")
        assert answer.status_code == status
        return BeautifulSoup(answer.get_data(as_text=True), "lxml")

    return get


def card(page, name):
    return next(each for each in page.select("article") if each.h2.text == name)


def test_visitors_see_the_plans_without_signing_in_and_no_current_plan(read, billing):
    billing.lago.subscribe("org-acme", "team")
    page = read()
    assert [each.h2.text for each in page.select("article")] == ["Starter", "Team", "Team", "Business", "Enterprise"]
    assert "Current plan" not in page.text
    assert card(page, "Business").select_one(".oc-price").text == "$100per month"
    assert billing.lago.requests("GET", "/api/v1/subscriptions") == []


def test_buttons_lead_to_sign_in_and_back(read):
    link = card(read(), "Business").select_one("a.btn")["href"]
    assert link == "/login?next=%2Fadmin%2Fsubscription%2Fplan"


def test_who_has_signed_in_comes_straight_to_the_own_page(make_app, billing, sign_in):
    anna = sign_in(make_app(**billing.settings()), "member", "acme")
    page = BeautifulSoup(anna.get("/plans").get_data(as_text=True), "lxml")
    assert card(page, "Business").select_one("a.btn")["href"] == "/admin/subscription/plan"


def test_contact_sales_opens_the_mail_client(read):
    assert (
        card(read(), "Enterprise").select_one("a.btn")["href"] == "mailto:sales@reseller.test?subject=Enterprise%20plan"
    )


def test_a_plan_without_a_price_says_so_and_cannot_be_chosen(read, billing):
    billing.lago.plans = [lago.plan("odd", "Odd", 0, amount_currency="MGA")]
    odd = card(read(), "Odd")
    assert "Price unavailable" in odd.text
    assert odd.select("a.btn") == []
    assert "0" not in odd.select_one(".oc-price").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trial_period": 14.0}, "Plans with a trial cannot be started here yet"),
        ({"pay_in_advance": False}, "paid at the end of each period"),
        ({"interval": "hourly"}, "How often it is billed is not known"),
    ],
)
def test_a_plan_that_cannot_be_bought_says_why_and_leads_nowhere(read, billing, change, words):
    billing.lago.plan_of("business").update(change)
    business = card(read(), "Business")
    assert words in business.text
    assert business.select("a.btn") == []
    assert business.select_one("button").has_attr("disabled")
    billing.lago.asked.clear()  # what it answered here may be wrong on purpose


def test_without_stripe_only_free_plans_can_be_chosen(make_app, billing):
    app = make_app(**billing.settings(stripe_api_key=None, stripe_api_base=None))
    page = BeautifulSoup(app.server.test_client().get("/plans").get_data(as_text=True), "lxml")
    assert len(card(page, "Starter").select("a.btn")) == 1
    assert card(page, "Business").select("a.btn") == []
    assert "cannot be bought here yet" in card(page, "Business").text


def test_contact_sales_without_an_address_says_who_sells_it(make_app, billing):
    app = make_app(**billing.settings(sales_email=None))
    page = BeautifulSoup(app.server.test_client().get("/plans").get_data(as_text=True), "lxml")
    assert "sold by our sales team" in card(page, "Enterprise").text
    assert card(page, "Enterprise").select("a.btn, button") == []


def test_names_from_lago_are_text_and_never_markup(read, billing):
    billing.lago.plans = [lago.plan("x", "<script>alert(1)</script>", 100, description="<b>bold</b>")]
    page = read()
    assert page.select_one("article h2").text == "<script>alert(1)</script>"
    assert page.select("article script, article b") == []


def test_a_lago_that_is_down_is_said_and_shows_no_price(read, billing):
    billing.lago.fail("500")
    page = read(502)
    assert "Plans cannot be shown now" in page.text
    assert "$" not in page.text


def test_without_lago_visitors_read_that_there_are_no_plans_yet(app):
    answer = app.server.test_client().get("/plans")
    assert answer.status_code == 503
    assert "Plans are not set up yet" in answer.get_data(as_text=True)
