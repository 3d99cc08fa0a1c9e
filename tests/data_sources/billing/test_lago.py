import logging

import pytest

from data_sources.billing.lago import LagoClient
from data_sources.billing.plans import read_plan
from data_sources.result import Kind, Problem
from tests.data_sources.billing.conftest import House
from tests.fakes import lago
from tests.fakes import lago_objects as objects


def problem(got: object) -> Problem:
    assert isinstance(got, Problem)
    return got


def test_every_page_of_plans_is_read(house: House) -> None:
    house.lago.plans = [lago.plan(f"p{n}", f"Plan {n}", n) for n in range(8)]
    got = house.client().plans()
    assert not isinstance(got, Problem)
    assert [plan.code for plan in got.plans] == [f"p{n}" for n in range(8)]
    assert sorted(one.query["page"] for one in house.lago.asked) == [["1"], ["2"], ["3"]]


def test_a_server_that_sends_one_row_a_page_is_read_to_its_end(house: House) -> None:
    house.lago.page_size = 1
    house.lago.plans = [lago.plan(f"p{n}", f"Plan {n}", n) for n in range(65)]
    got = house.client().plans()
    assert not isinstance(got, Problem)
    assert len(got.plans) == 65


def test_subscriptions_and_cards_are_read_page_by_page_too(house: House) -> None:
    house.lago.page_size = 2
    for number in range(5):
        house.lago.subscribe("org-acme", "team", external_id=f"s{number}")
        house.lago.methods.setdefault("org-acme", []).append(objects.card(f"pm_{number}"))
    subscriptions, cards = house.client().subscriptions("org-acme"), house.client().payment_methods("org-acme")
    assert isinstance(subscriptions, list)
    assert isinstance(cards, list)
    assert (len(subscriptions), len(cards)) == (5, 5)


def test_a_list_that_never_ends_or_takes_too_long_is_said_and_not_cut(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.lago.page_size = 1
    monkeypatch.setattr("data_sources.billing.lago_http.MAX_ROWS", 3)
    assert "more than 3" in problem(house.client().plans()).detail
    monkeypatch.setattr("data_sources.billing.lago_http.LIST_PATIENCE_S", -1.0)
    monkeypatch.setattr("data_sources.billing.lago_http.MAX_ROWS", 5000)
    got = problem(house.client().plans())
    assert got.kind is Kind.TIMEOUT
    assert "1 rows on 1 pages" in got.detail


def test_a_list_whose_end_cannot_be_told_is_no_list(house: House) -> None:
    good = house.lago._page

    def without_meta(*given: object) -> dict[str, object]:
        return {"plans": good(*given)["plans"]}

    house.lago._page = without_meta
    assert problem(house.client().plans()).code == "unexpected"
    house.lago.asked.clear()  # what it answered here is wrong on purpose


def test_a_failing_second_page_is_a_failure_and_not_half_a_list(house: House) -> None:
    house.lago.fail("closed", "/api/v1/plans", times=None)
    house.lago.faults[0].times = None
    assert problem(house.client().plans()).kind is Kind.UPSTREAM


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("500", Kind.UPSTREAM, "HTTP 500"),
        ("502", Kind.UPSTREAM, "HTTP 502"),
        ("401", Kind.UPSTREAM, "HTTP 401"),
        ("html", Kind.UPSTREAM, "HTTP 200"),
        ("half", Kind.UPSTREAM, None),
        ("closed", Kind.UPSTREAM, "connection"),
        ("empty", Kind.UPSTREAM, "unexpected"),
        ("slow", Kind.TIMEOUT, "timeout"),
    ],
)
def test_whatever_lago_does_comes_back_as_a_problem(house: House, fault: str, kind: Kind, code: str | None) -> None:
    house.lago.fail(fault)
    got = problem(house.client(timeout_s=(1.0, 0.3)).plans())
    assert got.kind is kind
    if code:
        assert got.code == code


def test_a_lago_that_is_not_there_is_a_problem() -> None:
    assert problem(LagoClient("http://127.0.0.1:9", "k").plans()).code == "connection"


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a?b=c#d", "ä ö", "x/../../plans"])
def test_a_name_can_never_leave_its_place_in_the_path(house: House, name: str) -> None:
    client = house.client()
    house.lago.add_customer(name)
    got = client.customer(name)
    if name in (".", ".."):
        assert problem(got).kind is Kind.BAD_QUERY
        assert house.lago.asked == []
    else:
        assert isinstance(got, dict)
        assert got["external_id"] == name


def test_the_address_may_be_given_with_or_without_its_version(house: House) -> None:
    for address in ("", "/", "/api/v1", "/api/v1/"):
        assert not isinstance(LagoClient(house.lago.url + address, lago.KEY).plan("team"), Problem)


def test_error_codes_become_sentences(house: House) -> None:
    client = house.client()
    assert problem(client.plan("nowhere")).kind is Kind.NOT_FOUND
    house.lago.add_customer("org-acme")
    got = problem(
        client.create_subscription(customer_id="org-acme", plan_code="team", external_id="sub-1", gate_hours=24)
    )
    assert got.code == "no_linked_payment_provider"
    assert "not connected to Stripe" in got.detail


def test_a_subscription_of_somebody_else_is_never_taken_for_ours(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    house.lago.subscribe("org-other", "business")
    # A Lago that ignores the filter, as it does with values that it does not know.
    answer = house.lago._get_subscriptions

    def unfiltered(asked: object, external_id: str | None = None) -> object:
        return 200, house.lago._page(asked, "subscriptions", house.lago.subscriptions)

    house.lago._get_subscriptions = unfiltered
    got = house.client().subscriptions("org-acme")
    house.lago._get_subscriptions = answer
    assert isinstance(got, list)
    assert [one["plan_code"] for one in got] == ["team"]


def test_the_key_is_in_no_log_and_no_text(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = house.client()
    house.lago.fail("closed", times=1)
    client.plans()
    client.plan("team")
    assert lago.KEY not in caplog.text + repr(client)


@pytest.mark.parametrize(
    ("text", "expected"), [("v1.51.0", (1, 51)), ("1.50.2", (1, 50)), ("3f2a91c", None), ("", None), ("v1.5x", None)]
)
def test_the_version_is_read_or_unknown(house: House, text: str, expected: tuple[int, int] | None) -> None:
    house.lago.version = text
    assert house.client().version() == expected


def test_a_plan_reads_the_same_over_the_wire_as_in_a_list(house: House) -> None:
    assert house.client().plan("team") == read_plan(house.lago.plan_of("team"))
