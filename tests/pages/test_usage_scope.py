"""The usage page's callbacks, called as a browser calls them: each reader gets its own organization's usage."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data_sources.result import utc_now
from tests.fakes.usage_rows import attempt, fill

PANELS = {"figures", "calls", "models", "cost", "providers", "levels", "unpriced", "recent", "requests-list"}
COVERAGE = {f"coverage-{name}" for name in ("sources", "listening", "rejected", "imports", "time", "refused", "chart")}


@pytest.fixture
def app(make_app):
    made = make_app(quota_calls_per_month=1000)
    now = utc_now()
    rows = [
        attempt(n, now - timedelta(seconds=n), model=f"{org}-model", organization_id=org, cost_usd="0.5")
        for n, org in enumerate(["acme", "acme", "globex"])
    ]
    fill(made.server.extensions["ops"].usage_store, rows)
    return made


def callbacks(reader, store):
    """The callbacks that listen to a store, each with what asks it as a browser does, given the address."""
    for each in reader.get("/_dash-dependencies").get_json():
        if not any(given["id"] == store for given in each["inputs"]):
            continue
        outputs = [
            dict(zip(("id", "property"), out.rsplit(".", 1), strict=True))
            for out in each["output"].strip(".").split("...")
        ]

        def ask(search, each=each, outputs=outputs):
            values = [
                {**given, "value": {"search": search} if given["id"] == store else None} for given in each["inputs"]
            ]
            body = {
                "output": each["output"],
                "outputs": outputs,
                "inputs": values,
                "state": [],
                "changedPropIds": [f"{store}.data"],
            }
            answer = reader.post("/_dash-update-component", json=body)
            return answer.status_code, answer.get_data(as_text=True)

        yield outputs[0]["id"].removeprefix("usage-").removesuffix("-body"), ask


def answers(reader, search="range=7d&tz=UTC"):
    """What each panel's callback answers, by panel."""
    reader.get("/admin/llm/usage")
    return {name: ask(search) for name, ask in callbacks(reader, "usage-query")}


def test_an_admin_sees_all_organizations_in_every_panel(app, sign_in):
    found = answers(sign_in(app))
    assert set(found) == PANELS | COVERAGE
    assert {status for status, _ in found.values()} == {200}
    assert "acme-model" in found["models"][1]
    assert "globex-model" in found["models"][1]
    assert "3 of 1,000 calls" in found["figures"][1]


def test_a_member_sees_its_own_organization_in_every_panel(app, sign_in):
    found = answers(sign_in(app, role="member", org="globex"))
    assert {status for status, _ in found.values()} == {200}
    assert not any("acme" in text for _, text in found.values())
    assert all("globex-model" in found[name][1] for name in ("recent", "requests-list"))
    assert "1 of 1,000 calls" in found["figures"][1]


def test_a_member_cannot_ask_for_another_organization(app, sign_in):
    found = answers(sign_in(app, role="member", org="globex"), "range=7d&tz=UTC&organization=acme&organization_id=acme")
    assert not any("acme-model" in text for _, text in found.values())


def test_an_address_that_makes_no_sense_fails_each_panel_in_words(app, sign_in):
    found = answers(sign_in(app), "range=fortnight&tz=UTC")
    assert all("The address is not right" in text for _, text in found.values())
    assert {status for status, _ in found.values()} == {200}


def opened(reader, call):
    """What the drawer's callback answers for a call."""
    reader.get("/admin/llm/requests")
    [(_, ask)] = callbacks(reader, "call-ask")
    return ask(f"call={call}")[1]


def test_a_member_opens_its_own_calls_and_no_others(app, sign_in):
    member = sign_in(app, role="member", org="globex")
    assert "globex-model" in opened(member, "c000002")
    assert "There is no such call" in opened(member, "c000000")
    assert "acme-model" in opened(sign_in(app), "c000000")
