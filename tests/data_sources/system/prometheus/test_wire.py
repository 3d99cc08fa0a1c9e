"""What Prometheus says, and every way in which it says nothing."""

import pytest

from data_sources import http
from data_sources.result import Kind, Problem
from data_sources.system.prometheus_wire import Answered, PrometheusClient, any_of, quoted
from tests.data_sources.system.prometheus.steps import ABSURD


def test_what_is_no_number_is_left_out(client, fake):
    values = [[1.0, "1"], [2.0, "NaN"], [3.5, "+Inf"], [4.0, "2e3"]]
    fake.instead["load"] = 200, {"status": "success", "data": {"result": [{"metric": {}, "values": values}]}}
    assert client.instant("load", 5, what="").series[0].points == ((1000, 1.0), (4000, 2000.0))


def test_a_series_that_is_not_there_is_no_zero(client, fake):
    assert client.instant("no_such_series", fake.now_s, what="") == Answered(())


def test_what_prometheus_refuses_is_said_in_its_words(client, fake):
    for query, code, words in (
        ("rate(node_load1[30s]", "HTTP 400", "unclosed left parenthesis"),
        ("node_cpu_seconds_total * on(instance) node_network_flags", "HTTP 422", "many-to-many"),
    ):
        problem = client.instant(query, fake.now_s, what="Hosts")
        assert (problem.kind, problem.code) == (Kind.UPSTREAM, code)
        assert "Prometheus says: " in problem.detail
        assert words in problem.detail or len(problem.detail) > 200
    fake.instead["up"] = 422, {"status": "error", "errorType": "422", "error": "cannot parse query"}  # VictoriaMetrics
    assert client.instant("up", 1, what="").detail == "Prometheus says: cannot parse query"


def test_warnings_and_a_partial_answer_are_told(client, fake):
    body = {"status": "success", "data": {"result": []}, "warnings": ["w"], "infos": ["i"], "isPartial": True}
    fake.instead["up"] = 200, body
    assert client.instant("up", 1, what="").notes == (
        "w",
        "i",
        "The answer is partial: a storage node did not answer.",
    )


@pytest.mark.parametrize(
    ("kind", "wanted", "words"),
    [
        ("slow", Kind.TIMEOUT, "did not answer within 2 s"),
        ("500", Kind.UPSTREAM, "none of its answers"),
        ("401", Kind.UPSTREAM, "refused our key"),
        ("html", Kind.UPSTREAM, "not JSON"),
        ("half", Kind.UPSTREAM, "broke off"),
        ("closed", Kind.UPSTREAM, "cannot be reached"),
        ("empty", Kind.UPSTREAM, "none of its answers"),
    ],
)
def test_each_way_of_failing_is_a_problem(hasty, fake, kind, wanted, words):
    fake.fail(kind)
    problem = hasty.instant("up", 1, what="Hosts could not be read")
    assert isinstance(problem, Problem)
    assert problem.kind == wanted
    assert words in problem.detail


def test_an_answer_without_end_is_cut_off(client, fake, monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)
    fake.instead["up"] = 200, {"status": "success", "data": {"result": []}, "warnings": ["w" * 2000]}
    assert "more than" in client.instant("up", 1, what="").detail


@pytest.mark.parametrize(("token", "header"), [("abc.def", "Bearer abc.def"), ("me:secret", "Basic bWU6c2VjcmV0")])
def test_the_key_goes_in_the_header(fake, token, header):
    client = PrometheusClient(fake.url, token)
    client.instant("no_such_series", 1, what="")
    client.close()
    assert fake.asked[0].headers["Authorization"] == header


def test_a_long_question_goes_in_the_body(client, fake):
    long = "up or " * 400 + "up"
    fake.instead[long] = 200, {"status": "success", "data": {"result": []}}
    assert client.instant(long, 1, what="") == Answered(())
    assert (fake.asked[0].method, fake.asked[0].query) == ("POST", {})


def test_names_are_quoted_so_that_they_match_themselves_alone():
    assert quoted('a"b\\') == '"a\\"b\\\\"'
    assert any_of(["a.b:1", "c|d"]) == '"a\\\\.b:1|c\\\\|d"'


def test_a_sample_of_a_time_that_was_not_asked_for_is_a_reason_and_no_point(client, fake):
    def told(*times_s):
        values = [[at_s, "1"] for at_s in times_s]
        return 200, {"status": "success", "data": {"result": [{"metric": {}, "values": values}]}}

    for absurd in ABSURD[:3]:
        fake.instead["load"] = told(990.0, absurd, 1000.0)
        answer = client.raw("load", 1000.0, 60, what="")
        assert answer.series[0].points == ((990_000, 1.0), (1_000_000, 1.0))
        assert answer.notes == ("1 samples were left out, of times that were not asked for.",)
    for absurd in ABSURD:
        fake.instead["load"] = told(absurd)
        assert isinstance(client.raw("load", 1000.0, 60, what=""), Problem)
