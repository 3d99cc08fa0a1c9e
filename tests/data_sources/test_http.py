"""The one way out: only the headers we mean go along, and the operator's proxy is obeyed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from data_sources.billing.lago import LagoClient
from data_sources.billing.stripe_checkout import StripeGateway
from data_sources.budget import budget
from data_sources.http import call_json, open_stream, session
from data_sources.result import Kind, Problem
from tests.fakes import lago, stripe
from tests.fakes.server import Asked, FakeServer, Reply


class Proxy(FakeServer):
    """Answers whatever it is asked to fetch."""

    def answer(self, asked: Asked) -> Reply:
        return 200, {"asked": asked.path}


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.close()


@pytest.fixture
def _netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tmp_path / "netrc"
    given.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(given))


@pytest.mark.usefixtures("_netrc")
def test_a_key_is_never_replaced_by_an_entry_of_netrc() -> None:
    one, other = lago.FakeLago(), stripe.FakeStripe()
    try:
        assert not isinstance(LagoClient(one.url, lago.KEY).plan("team"), Problem)
        assert StripeGateway(stripe.KEY, api_base=other.url).session("cs_test_none") is None
        sent = {asked.headers["Authorization"] for asked in (*one.asked, *other.asked)}
        assert sent == {f"Bearer {lago.KEY}", f"Bearer {stripe.KEY}"}
    finally:
        one.close()
        other.close()


def test_the_operators_proxy_is_used_but_not_for_this_machine(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    away = LagoClient("http://lago.example", lago.KEY).plan("team")
    assert isinstance(away, Problem)
    assert [asked.path for asked in proxy.asked] == ["/api/v1/plans/team"]
    here = lago.FakeLago()
    try:
        assert not isinstance(LagoClient(here.url, lago.KEY).plan("team"), Problem)
    finally:
        here.close()
    assert len(proxy.asked) == 1


class Neighbour(FakeServer):
    """Answers every question with as many bytes as its path says."""

    def answer(self, asked: Asked) -> Reply:
        return 200, b"1" * int(asked.path[1:])


@pytest.fixture
def neighbour() -> Iterator[Neighbour]:
    made = Neighbour()
    yield made
    made.close()


@pytest.mark.parametrize(("fault", "click_s"), [("drops", None), ("drops", 0.5), ("head in drops", None)])
def test_an_answer_that_comes_drop_by_drop_is_not_waited_for(
    neighbour: Neighbour, fault: str, click_s: float | None
) -> None:
    neighbour.fail(fault, delay_s=0.05)  # every read is in time, all of them would take a minute
    with budget(click_s):
        found = call_json(session(), "GET", neighbour.url + "/9", source="Lago", what="No", timeout_s=(0.3, 0.3))
    assert isinstance(found, Problem)
    assert (found.kind, found.code) == (Kind.TIMEOUT, "timeout")
    assert (
        found.detail
        == {
            "drops": "Lago did not send its whole answer in time.",
            "head in drops": "Lago did not answer within 0.3 s.",
        }[fault]
    )
    assert len(neighbour.asked) == 1


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_once_and_for_questions_only(
    neighbour: Neighbour,
) -> None:
    made = session(retries=0)

    def ask(method: str) -> object:
        return call_json(made, method, neighbour.url + "/9", source="Lago", what="No")

    def number(method: str, faults: int) -> tuple[bool, int]:
        neighbour.asked.clear()
        neighbour.fail("closed", times=faults)
        return not isinstance(ask(method), Problem), len(neighbour.asked)

    assert number("GET", 1) == (False, 1)  # nothing was kept: nobody answers there
    ask("GET")
    assert number("GET", 1) == (True, 2)
    assert number("GET", 2) == (False, 2)
    ask("GET")
    assert number("POST", 1) == (False, 1)


def test_whoever_reads_an_answer_without_us_is_held_to_the_same_time(neighbour: Neighbour) -> None:
    neighbour.fail("drops", delay_s=0.05)
    with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):  # as Stripe's own client does
        session(retries=0).get(neighbour.url + "/9", timeout=0.2)


def test_a_long_answer_may_take_its_time_but_must_keep_coming(neighbour: Neighbour) -> None:
    def opened(path: str) -> requests.Response:
        found = open_stream(session(), neighbour.url + path, source="Lago", what="No", timeout_s=(0.3, 0.2))
        assert isinstance(found, requests.Response)
        return found

    with opened("/3000000") as whole:
        assert sum(map(len, whole.iter_content(65536))) == 3_000_000
    neighbour.fail("drops", delay_s=0.05)
    with opened("/9") as answer, pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
        list(answer.iter_content(65536))
