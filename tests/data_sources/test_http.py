"""The one way out: only the headers we mean go along, and the operator's proxy is obeyed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_sources.billing.lago import LagoClient
from data_sources.billing.stripe_checkout import StripeGateway
from data_sources.result import Problem
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
