from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest

from data_sources.billing.plans import offered, pairs, read_plan, read_plans, why_not
from data_sources.billing.types import Plan
from tests.fakes import lago


def read(raw: dict[str, Any]) -> Plan:
    plan = read_plan(raw)
    assert plan is not None
    return plan


def test_what_lago_did_not_say_is_none_and_never_zero() -> None:
    plan = read({"lago_id": "1", "code": "bare", "name": "Bare"})
    unknown = {name for name, value in asdict(plan).items() if value is None}
    assert unknown >= {
        "amount_cents",
        "currency",
        "interval",
        "trial_days",
        "pay_in_advance",
        "usage_charges",
        "fixed_charges",
        "credits",
    }
    assert plan.amount is None
    assert not plan.is_free


def test_lagos_always_zero_counters_are_not_read() -> None:
    fields = asdict(read(lago.plan("team", "Team", 2000)))
    assert not [name for name in fields if "count" in name and name != "minimum_commitment_cents"]


@pytest.mark.parametrize("amount", ["1900", 19.0, -1, None, True])
def test_an_amount_of_a_wrong_kind_is_unknown(amount: object) -> None:
    assert read(lago.plan("odd", "Odd", 0, amount_cents=amount)).amount is None


def test_features_come_in_the_order_of_their_numbers() -> None:
    metadata = {"feature_10": "ten", "feature_2": "two", "feature_1": "one", "feature_x": "no", "feature_3": " "}
    assert read(lago.plan("p", "P", 1, metadata=metadata)).features == ("one", "two", "ten")


def test_entitlements_are_read_bare_and_wrapped() -> None:
    bare = read(lago.plan("p", "P", 1, entitlements=[lago.seats(10)]))
    wrapped = read(lago.plan("p", "P", 1, entitlements=[{"entitlement": lago.seats(10)}]))
    assert bare.entitlements == wrapped.entitlements
    assert bare.entitlements[0].privileges[0].value == 10


def test_hidden_and_dying_plans_are_not_on_offer() -> None:
    shown = offered([read(raw) for raw in lago.example_plans()], None)
    assert [plan.code for plan in shown.plans] == ["starter", "team", "team-yearly", "business", "enterprise"]


def test_the_operators_list_decides_what_is_shown_and_in_which_order() -> None:
    shown = offered([read(raw) for raw in lago.example_plans()], ["business", "old", "starter", "nowhere"])
    assert [plan.code for plan in shown.plans] == ["business", "starter"]
    assert shown.notes == ("Listed in OPS_BILLING_PLANS but not in Lago: old, nowhere",)


def test_plans_of_one_currency_stand_together_by_their_price_a_year() -> None:
    given = [
        lago.plan("eur-10", "A", 1000, amount_currency="EUR"),
        lago.plan("jpy", "B", 900, amount_currency="JPY"),
        lago.plan("usd-weekly", "C", 500, interval="weekly"),
        lago.plan("usd-20", "D", 2000),
        lago.plan("usd-free", "E", 0),
        lago.plan("eur-5", "F", 500, amount_currency="EUR"),
        lago.plan("unknown", "G", 0, amount_currency="MGA"),
        lago.plan("sales", "H", 0, metadata={"contact_sales": "true"}),
    ]
    wanted = ["usd-free", "usd-20", "usd-weekly", "eur-5", "eur-10", "jpy", "unknown", "sales"]
    for rows in (given, given[::-1]):
        assert [plan.code for plan in offered([read(raw) for raw in rows], None).plans] == wanted


def test_a_plan_that_cannot_be_read_is_named_with_its_reason() -> None:
    good = lago.plan("good", "Good", 100)
    got = read_plans([good, lago.plan("nameless", " ", 100), "nonsense", good, {"name": "X", "lago_id": "1"}, {}])
    assert [plan.code for plan in got.plans] == ["good"]
    assert got.unread == (
        "Plan nameless has no name.",
        "Number 3 of Lago's list is not a plan.",
        "Plan good is listed twice; the first one counts.",
        "Number 5 of Lago's list has no code.",
        "Number 6 of Lago's list has no id and no code and no name.",
    )


def test_a_yearly_twin_counts_only_with_the_same_currency_and_true_intervals() -> None:
    monthly = lago.plan("m", "M", 100, metadata={"yearly_code": "y"})
    assert set(pairs([read(monthly), read(lago.plan("y", "Y", 1000, interval="yearly"))])) == {"m"}
    assert pairs([read(monthly), read(lago.plan("y", "Y", 1000, interval="yearly", amount_currency="EUR"))]) == {}
    assert pairs([read(monthly), read(lago.plan("y", "Y", 1000))]) == {}
    assert pairs([read(monthly)]) == {}


@pytest.mark.parametrize(
    ("more", "free"),
    [
        ({}, True),
        ({"charges": [lago.charge()]}, False),
        ({"fixed_charges": [{"pay_in_advance": False}]}, False),
        ({"minimum_commitment": {"amount_cents": 500}}, False),
        ({"charges": None}, False),
        ({"minimum_commitment": {"amount_cents": "500"}}, False),
        ({"minimum_commitment": [500]}, False),
        ({"usage_thresholds": [{"amount_cents": 1000, "recurring": False}]}, False),
        ({"usage_thresholds": "some"}, False),
        ({"charges": ["a"]}, False),
        ({"trial_period": "soon"}, False),
    ],
)
def test_free_means_that_nothing_at_all_can_cost_money(more: dict[str, Any], free: bool) -> None:
    assert read(lago.plan("zero", "Zero", 0, **more)).is_free is free


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"amount_cents": None}, "price is not known"),
        ({"amount_currency": "XYZ"}, "price is not known"),
        ({"amount_currency": "ISK"}, "counted differently"),
        ({"trial_period": 14.0}, "trial"),
        ({"amount_cents": 0, "charges": [lago.charge()]}, "paid after use"),
        ({"pay_in_advance": False}, "paid at the end"),
        ({"pay_in_advance": None}, "paid at the end"),
        ({"charges": None}, "charges are not known"),
        ({"metadata": {"contact_sales": "true"}}, "sales"),
        ({"metadata": {"contact_sales": "please call us"}}, "sales"),
        ({"metadata": {"contact_sales": ["sales"]}}, "sales"),
        ({"metadata": "hidden"}, "cannot be read"),
        ({"minimum_commitment": {"amount_cents": 5.5}}, "minimum cannot be read"),
        ({"usage_thresholds": {}}, "usage thresholds cannot be read"),
        ({"trial_period": [14]}, "trial cannot be read"),
        ({"trial_period": -1}, "trial cannot be read"),
        ({"pay_in_advance": "yes"}, "cannot be read"),
        ({"interval": "hourly"}, "How often"),
        ({"interval": None, "amount_cents": 0}, "How often"),
        ({"amount_currency": "KWD", "amount_cents": 1505}, "two decimals"),
        ({"amount_currency": "KWD", "minimum_commitment": {"amount_cents": 5}}, "two decimals"),
    ],
)
def test_a_plan_that_would_start_before_anybody_paid_is_not_sold(more: dict[str, Any], words: str) -> None:
    reason = why_not(read(lago.plan("p", "P", 1900, **more)))
    assert reason is not None
    assert words in reason


def test_a_plan_paid_in_advance_and_a_free_plan_can_be_bought() -> None:
    assert why_not(read(lago.plan("p", "P", 1900, charges=[lago.charge()]))) is None
    assert why_not(read(lago.plan("p", "P", 0))) is None
    assert why_not(read(lago.plan("p", "P", 1500, amount_currency="KWD"))) is None


@pytest.mark.parametrize("word", ["false", "No", "0", 0, False, "off", " ", "", None])
def test_a_plain_no_or_nothing_leaves_a_plan_for_sale(word: object) -> None:
    plan = read(lago.plan("p", "P", 1900, metadata={"contact_sales": word}))
    assert not plan.contact_sales
    assert why_not(plan) is None


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        *[(each, True) for each in ("true", "YES", 1, True, "", None)],
        *[(each, False) for each in ("false", "off", "hidden", "yess", 0, [])],
    ],
)
def test_only_a_plain_yes_or_nothing_shows_a_plan_to_everybody(word: object, shown: bool) -> None:
    assert read(lago.plan("p", "P", 1900, metadata={"public": word})).public is shown


@pytest.mark.parametrize(
    "change",
    [
        {"interval": "yearly"},
        {"amount_cents": 1901},
        {"amount_currency": "EUR"},
        {"minimum_commitment": {"amount_cents": 100}},
        {"charges": [lago.charge() | {"properties": {"amount": "0.02"}}]},
        {"charges": []},
        {"fixed_charges": [{"units": 1}]},
        {"trial_period": 7},
        {"pay_in_advance": False},
        {"usage_thresholds": [{"amount_cents": 100}]},
    ],
)
def test_every_change_of_what_a_plan_costs_changes_its_terms(change: dict[str, Any]) -> None:
    before = lago.plan("p", "P", 1900, charges=[lago.charge()])
    assert read(before).terms != read(before | change).terms


def test_a_change_that_costs_nothing_leaves_the_terms() -> None:
    before = lago.plan("p", "P", 1900, charges=[lago.charge("a"), lago.charge("b")])
    after = lago.plan("p", "New name", 1900, charges=[lago.charge("b"), lago.charge("a")], trial_period=0)
    after |= {"customers_count": 7, "description": "New words"}
    assert read(before).terms == read(after).terms


def test_contact_sales_may_name_its_own_address_but_not_smuggle_headers() -> None:
    assert read(lago.plan("p", "P", 0, metadata={"contact_sales": "eu@sales.test"})).sales_email == "eu@sales.test"
    smuggled = read(lago.plan("p", "P", 0, metadata={"contact_sales": "a@b.test?bcc=c@d.test"}))
    assert smuggled.sales_email is None


def test_trial_days_keep_their_fraction() -> None:
    assert read(lago.plan("p", "P", 0, trial_period=Decimal("7.5"))).trial_days == Decimal("7.5")
