"""The hosts for programs: who may read them, and that an unknown is null with its reason."""

import pytest

from tests.fakes.prometheus import FakePrometheus

KEY, HOSTS = "reader-key-of-the-tests", "/api/v1/system/hosts"


@pytest.fixture
def fake():
    server = FakePrometheus()
    yield server
    server.close()


@pytest.fixture
def ask(make_app):
    def made(fake=None):
        settings = {"read_token": KEY, **({"prometheus_url": fake.url} if fake else {})}
        app = make_app(**settings)
        if fake:
            app.server.extensions["ops"].prometheus._clock_s = fake.clock_s
        client = app.server.test_client()
        return lambda path=HOSTS: client.get(path, headers={"Authorization": f"Bearer {KEY}"})

    return made


def test_hosts_are_told_with_state_and_null_for_what_is_not_known(ask, fake):
    body = ask(fake)().json
    here, *others = body["hosts"]
    assert (here["id"], here["instance"], body["prometheus"]["state"]) == (None, None, "ok")
    assert {each["state"] for each in others} == {"up", "never seen"}
    up = next(each for each in others if each["state"] == "up")
    never = next(each for each in others if each["state"] == "never seen")
    assert up["id"] == fake.instance
    assert up["memory"]["used"] > 0
    assert up["bytes_recv_per_sec"] is not None
    assert never["reasons"]["all"] == "No scrape of it succeeded in the last 24 hours"
    unknown = ("cpu_percent", "memory", "load", "bytes_recv_per_sec", "disk_read_per_sec", "root", "read_at", "age_s")
    assert {never[name] for name in unknown} == {None}


def test_without_prometheus_this_machine_is_told_and_what_to_set(ask):
    body = ask()().json
    assert len(body["hosts"]) == 1
    assert (body["prometheus"]["state"], body["prometheus"]["settings"]) == ("not configured", ["OPS_PROMETHEUS_URL"])


def test_a_prometheus_that_fails_takes_nothing_from_this_machine(ask, fake):
    fake.fail("500")
    body = ask(fake)().json
    assert [each["state"] for each in body["hosts"]] == ["up"]
    assert "none of its answers" in body["prometheus"]["reason"]


def test_hosts_are_for_readers_and_know_no_parameters(ask):
    get = ask()
    assert get(f"{HOSTS}?host=a").status_code == 400


def test_hosts_are_closed_to_everyone_else(app):
    assert app.server.test_client().get(HOSTS).status_code == 401


def test_another_host_is_asked_as_this_machine_is(ask, fake):
    get = ask(fake)
    live = get(f"/api/v1/system/live?host={fake.instance}").json
    assert (live["reset"], live["period_s"]) == (True, 1.0)
    assert live["about"]["total_routed"] is False  # node_exporter tells no default route: none is claimed
    assert live["about"]["source"] == "node_exporter, through Prometheus"
    assert "host down" in live["gaps"]["network"].values()
    assert "down" not in live, "it answers now"
    again = get(f"/api/v1/system/live?host={fake.instance}&since={live['seq']}").json
    assert (again["t"], again["reset"]) == ([], False)
    past = get(f"/api/v1/system/history?host={fake.instance}&window_s=300").json
    assert {"net_in", "cpu", "mem_used"} <= set(past["series"])


def test_a_host_that_is_not_watched_is_404_and_without_prometheus_503(ask, fake):
    for path in ("/api/v1/system/live?host=nowhere", "/api/v1/system/history?host=nowhere"):
        assert ask(fake)(path).status_code == 404
        assert ask()(path).json["settings"] == ["OPS_PROMETHEUS_URL"]


def test_prometheus_is_among_the_sources_once_it_is_set(ask, fake):
    def told(get):
        return {each["name"]: each for each in get("/api/v1/sources").json["sources"]}

    assert "Prometheus" not in told(ask())
    get = ask(fake)
    assert told(get)["Prometheus"]["dot"] == "ok"
    assert 'ops_center_source_answers{source="prometheus"} 1' in get("/metrics").get_data(as_text=True)
