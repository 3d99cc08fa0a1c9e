"""Plans side by side: what they say themselves, any number of them, and nothing that nobody said."""

import pytest

from components.plan_compare import NO, UNSAID, YES, Cell, compare
from data_sources.billing.plans import pairs, read_plan
from tests.fakes.lago import charge, example_plans, plan, seats


def read(*raws):
    return [made for made in map(read_plan, raws) if made is not None]


def rows_of(plans, twins=None):
    found = compare(plans, {} if twins is None else twins)
    assert found is not None
    return {row.label: row.cells for _, rows in found.groups for row in rows}


def switch(code, value):
    return {"code": code, "name": code.title(), "privileges": [{"code": "on", "name": "On", "value": value}]}


def test_what_a_plan_does_not_mention_is_not_called_missing():
    plans = read(
        plan("a", "A", 100, entitlements=[seats(3), switch("sso", False)]),
        plan("b", "B", 200, entitlements=[seats(1000), switch("sso", True), {"code": "audit", "name": "Audit log"}]),
        plan("c", "C", 300, entitlements=None, charges=None),
    )
    rows = rows_of(plans)
    assert rows["Team: Seats"] == (Cell("text", "3"), Cell("text", "1,000"), UNSAID)
    assert rows["Sso: On"] == (NO, YES, UNSAID)
    assert rows["Audit log"] == (UNSAID, YES, UNSAID)
    assert rows["Price, excl. tax"][2] == Cell("text", "$3 per month")


def test_prices_and_what_comes_on_top_stand_in_each_plans_own_words():
    plans = read(
        plan("a", "A", 500, amount_currency="JPY"),
        plan("b", "B", 0, charges=[charge()]),
        plan("c", "C", 0, metadata={"contact_sales": "true"}),
    )
    rows = rows_of(plans)
    assert [cell.text for cell in rows["Price, excl. tax"]] == ["¥500 per month", "Paid by use", "Let us talk"]
    assert rows["On top"] == (Cell("no", "Nothing"), Cell("text", "Usage"), UNSAID)
    assert "Trial" not in rows
    assert "Credits" not in rows


def test_the_same_words_are_one_row_and_rows_keep_the_order_of_their_first_mention():
    plans = read(
        plan("a", "A", 1, metadata={"feature_1": "Single sign-on", "limitation_1": "No support"}),
        plan("b", "B", 2, metadata={"feature_1": "Export", "feature_2": "single sign-on"}),
    )
    rows = rows_of(plans)
    assert list(rows)[1:] == ["Single sign-on", "Export", "No support"]
    assert rows["Single sign-on"] == (YES, YES)
    assert rows["No support"] == (Cell("text", "Applies"), UNSAID)


@pytest.mark.parametrize("number", [2, 3, 9])
def test_any_number_of_plans_stands_side_by_side(number):
    found = compare(read(*[plan(f"p{n}", f"P{n}", n) for n in range(number)]), {})
    assert found is not None
    assert len(found.columns) == number
    assert all(len(row.cells) == number for _, rows in found.groups for row in rows)


def test_one_plan_is_not_compared_nor_is_one_with_its_yearly_twin():
    assert compare(read(plan("a", "A", 1)), {}) is None
    plans = read(*[one for one in example_plans() if one["code"].startswith("team")])
    assert compare(plans, pairs(plans)) is None


def test_a_yearly_twin_is_shown_in_its_plans_place():
    plans = read(*example_plans()[:4])
    found = compare(plans, pairs(plans))
    assert found is not None
    assert [(one.name, one.only) for one in found.columns] == [
        ("Starter", None),
        ("Team", "monthly"),
        ("Team, yearly", "yearly"),
        ("Business", None),
    ]
