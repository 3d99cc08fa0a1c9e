"""The console about itself: rates need two readings, and what is not known has no line for Prometheus."""

from datetime import UTC, datetime

from data_sources.console.exposition import metrics, text
from data_sources.console.own import OwnWatch, jitter
from data_sources.console.types import Connection, ConsoleNow, Jitter, Received
from tests.fakes.machine import FakeMachine


def test_own_rates_need_two_readings_and_are_over_the_time_between():
    at_s, accepted = [100.0], [7]
    watch = OwnWatch(lambda: accepted[0], clock_s=lambda: at_s[0])
    assert watch.now() is None
    watch.read()
    first = watch.now()
    assert (first.cpu_percent, first.accepted_per_s, first.step_s) == (None, None, None)
    assert first.memory_bytes > 10**6
    at_s[0], accepted[0] = 110.0, 57
    watch.read()
    second = watch.now()
    assert (second.accepted_per_s, second.step_s) == (5.0, 10.0)
    assert second.cpu_percent >= 0


def test_jitter_is_how_far_the_steps_were_from_the_period():
    machine = FakeMachine()
    sampler = machine.sampler()
    assert jitter((), 2.0) is None
    sampler.tick()
    for seconds in (2.0, 2.01, 1.98, 2.0, 5.0):
        machine.wait(seconds)
        sampler.tick()
    found = jitter(sampler.since(-1)[0], 2.0)
    assert (round(found.median_s, 6), round(found.worst_s, 6), found.steps, found.late) == (0.01, 3.0, 5, 1)
    assert found.p95_s is None  # of five steps nobody knows it


def test_what_is_not_known_has_no_line():
    at = datetime(2026, 3, 1, tzinfo=UTC)
    bare = text(metrics(ConsoleNow("1.0", min_free_bytes=5)))
    assert {line.split("{")[0].split()[0] for line in bare.splitlines() if not line.startswith("#")} == {
        "ops_center_info",
        "ops_center_data_folder_min_free_bytes",
    }
    told = ConsoleNow(
        'a"b\\c\nd',
        received=Received(3, 0),
        webhooks={"stripe": at, "lago": None},
        jitter=Jitter(0.01, None, 3.0, 5, 1),
        connections=(Connection("Lago", False, "failed", ""), Connection("Stripe", None, "not set", "")),
    )
    lines = text(metrics(told)).splitlines()
    assert 'ops_center_info{version="a\\"b\\\\c\\nd"} 1' in lines
    assert "ops_center_usage_events_duplicate_total 0" in lines  # counted, and none came: a true zero
    assert 'ops_center_webhook_last_verified_timestamp_seconds{sender="stripe"} 1772323200.0' in lines
    assert not any('"lago"' in line for line in lines if "webhook" in line)
    assert "# TYPE ops_center_sampler_lateness_seconds summary" in lines  # no other kind may have quantiles
    assert [line for line in lines if line.startswith("ops_center_sampler_lateness")] == [
        'ops_center_sampler_lateness_seconds{quantile="0.5"} 0.01',
        'ops_center_sampler_lateness_seconds{quantile="1"} 3.0',
    ]
    assert [line for line in lines if line.startswith("ops_center_source")] == [
        'ops_center_source_answers{source="lago"} 0'
    ]
