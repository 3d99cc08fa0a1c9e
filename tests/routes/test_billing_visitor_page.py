from urllib.parse import parse_qs, quote, urlsplit

import pytest
from bs4 import BeautifulSoup

from routes.auth import safe_next
from tests.console import login_path
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


def test_buttons_lead_to_sign_in_and_back_to_the_plan_that_was_chosen(read, make_app, billing):
    link = card(read(), "Business").select_one("a.btn")["href"]
    assert link == "/login?next=%2Fadmin%2Fsubscription%2Fplan%3Fplan%3Dbusiness"
    app = make_app(**billing.settings())
    client = app.server.test_client()
    form = BeautifulSoup(client.get(link).get_data(as_text=True), "lxml")
    token = login_path(app, "member", "acme").removeprefix("/login?token=")
    back = client.post("/login", data={"token": token, "next": form.select_one("[name=next]")["value"]})
    assert back.location == "/admin/subscription/plan?plan=business"


def test_the_sign_in_of_who_chose_a_plan_says_whom_to_ask(make_app, billing):
    client = make_app(**billing.settings()).server.test_client()
    chosen = client.get("/login?next=%2Fadmin%2Fsubscription%2Fplan%3Fplan%3Dbusiness").get_data(as_text=True)
    assert "ask whoever runs this console for one" in chosen
    assert "you are back at the plan that you chose" in chosen
    assert "whoever runs this console" not in client.get("/login").get_data(as_text=True)


@pytest.mark.parametrize("code", ["//evil.test", "https://evil.test", "a&next=//e.test", "../x", "a\\b", "x?y#z"])
def test_no_plan_code_leads_anywhere_but_to_the_page(read, billing, code):
    billing.lago.plan_of("business")["code"] = code
    link = card(read(), "Business").select_one("a.btn")["href"]
    target = parse_qs(urlsplit(link).query)["next"]
    assert target == [f"/admin/subscription/plan?plan={quote(code, safe='')}"]
    assert safe_next(target[0]) == target[0]


def test_the_plans_stand_side_by_side_with_what_they_say_themselves(read):
    page = read()
    table = page.select_one(".oc-compare table")
    assert [each.text for each in table.thead.select("th")[1:]] == [
        "Starter",
        "Team",
        "Team, yearly",
        "Business",
        "Enterprise",
    ]
    rows = {each.th.text: [cell.text for cell in each.select("td")] for each in table.select("tbody tr:has(td)")}
    assert rows["Price, excl. tax"] == [
        "$0 per month",
        "$20 per month",
        "$200 per year",
        "$100 per month",
        "Let us talk",
    ]
    assert rows["Team: Seats"][1] == "10"
    assert rows["Team: Seats"][3] == "—Not mentioned"


def test_who_has_signed_in_comes_straight_to_the_own_page(make_app, billing, sign_in):
    anna = sign_in(make_app(**billing.settings()), "member", "acme")
    page = BeautifulSoup(anna.get("/plans").get_data(as_text=True), "lxml")
    assert card(page, "Business").select_one("a.btn")["href"] == "/admin/subscription/plan?plan=business"


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
