"""Errors are problem details for programs and pages for people, with a request id that is also in the log."""

import logging

import pytest
from flask import abort

from data_sources.result import Empty, Failed, Kind, NotConfigured, Problem, Provenance, Ready
from routes import wire
from routes.gate import public


def test_an_unknown_api_address_is_a_json_404(app, sign_in):
    answer = sign_in(app).get("/api/v1/no/such/thing")
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    body = answer.get_json()
    assert body["type"] == "not-found"
    assert body["request_id"] == answer.headers["X-Request-Id"]


def test_an_unknown_page_is_a_404_for_people(app, sign_in):
    answer = sign_in(app).get("/no/such/page", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"


def test_a_page_with_a_slash_at_its_end_is_that_page(app, sign_in):
    anna = sign_in(app)
    answer = anna.get("/admin/llm/usage/?range=7d&model=a%2Fb")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/admin/llm/usage?range=7d&model=a%2Fb")
    assert anna.get("/no/such/page/").status_code == 404
    visitor = app.server.test_client()
    for path in ("/plans", "/login"):
        answer = visitor.get(f"{path}/?next=%2Fa")
        assert (answer.status_code, answer.headers["Location"]) == (308, f"{path}?next=%2Fa")


def test_a_bug_is_logged_under_the_id_that_is_shown_and_tells_nothing_else(make_app, caplog):
    app = make_app()

    @app.server.get("/api/v1/broken")
    @public
    def broken():
        raise RuntimeError("secret detail of ours")

    with caplog.at_level(logging.ERROR):
        answer = app.server.test_client().get("/api/v1/broken")
    assert answer.status_code == 500
    assert "secret detail" not in answer.get_data(as_text=True)
    assert answer.get_json()["request_id"] in caplog.text


@pytest.mark.parametrize("status", [400, 405, 413, 415])
def test_every_refusal_is_a_problem_for_programs(make_app, status):
    app = make_app()

    @app.server.get("/api/v1/refusing")
    @public
    def refusing():
        abort(status)

    answer = app.server.test_client().get("/api/v1/refusing")
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.get_json()["status"] == status


TOLD = Provenance("Test", "what was asked", None)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Ready(1, TOLD), 200),
        (Empty("0 calls", "True zero.", TOLD), 200),
        (NotConfigured("Lago is not connected", "No plans.", ("OPS_LAGO_URL",)), 503),
        (Failed(Problem(Kind.BAD_QUERY, "t", "d")), 400),
        (Failed(Problem(Kind.UPSTREAM, "t", "d")), 502),
        (Failed(Problem(Kind.TIMEOUT, "t", "d")), 504),
        (Failed(Problem(Kind.STORE, "t", "d", retry_after_s=5)), 503),
    ],
)
def test_each_result_has_its_status(app, result, status):
    with app.server.test_request_context("/api/v1/x"):
        answer = wire.answer(result, lambda value: {"value": value}, empty={"value": 0})
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    if status == 503 and isinstance(result, Failed):
        assert answer.headers["Retry-After"] == "5"


def test_an_unknown_parameter_is_refused(app):
    from werkzeug.exceptions import BadRequest

    with app.server.test_request_context("/api/v1/x?rang=7d"), pytest.raises(BadRequest, match="rang"):
        wire.query_params({"range"})
