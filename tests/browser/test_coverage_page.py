"""The coverage page in a real browser: an import is taken out only after it was asked for twice."""

from __future__ import annotations

import json
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.browser.test_requests_page import click

pytestmark = pytest.mark.browser

PATH = "/admin/llm/coverage"
KEY = "an-ingest-key-for-tests"


@pytest.fixture
def console(make_app, serve):
    return serve(make_app(ingest_token=KEY, reporting_tz="UTC"))


def send(console, query, *events):
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    url = f"{console.url}/api/v1/llm/usage/events?{query}"
    with urlopen(Request(url, json.dumps(events).encode(), headers)) as answer:
        json.load(answer)


def test_an_import_is_taken_out_after_a_question_and_a_rejected_event_appears_by_itself(browser, console):
    event = {"event_id": "a", "started_at": "2025-06-02T09:00:00Z", "model": "m"}
    send(console, "kind=import&name=calls.csv&batch_id=i1&source=csv", event)
    browser.sign_in(console, path=quote(PATH + "?range=7d"))
    browser.wait_for_text("#coverage-imports-body", "calls.csv")
    assert browser.axe() == []
    click(browser, "[data-undo='i1']")
    browser.wait_for_text("#coverage-undo", "1 event leaves every figure")
    assert browser.axe() == []
    browser.press("Escape")
    browser.wait_for(lambda: not browser.find("#coverage-undo").is_displayed(), "the question stayed open")
    assert browser.driver.switch_to.active_element.get_attribute("data-undo") == "i1"
    click(browser, "[data-undo='i1']")
    click(browser, "[data-undo-confirm]")
    browser.wait_for_text("#coverage-imports-body", "taken out")
    browser.wait_for_text("#oc-toasts", "1 event is out of every figure")
    browser.wait_for_text("#coverage-chart .oc-legend", "accepted in time")
    browser.wait_for(lambda: browser.find_all("#coverage-chart .bars path"), "nothing was drawn")
    send(console, "", {"event_id": "b"})
    browser.wait_for_text("#coverage-rejected-body", "started_at is required")
    browser.theme("dark")
    assert browser.axe() == []
