"""What a page or a route gets: no exception, no zero for an unknown, and stale by the third period."""

from data_sources.result import Failed, Ready
from data_sources.system.source import SystemSource
from data_sources.system.types import Gap
from tests.data_sources.system.test_sampler import wait_until
from tests.fakes.machine import FakeMachine


def held(**options):
    machine = FakeMachine()
    return machine, machine.held_source(**options)


def test_before_the_first_sample_everything_is_unknown_and_nothing_fails():
    _, source = held()
    now = source.network().value
    assert (now.sample, now.age_s) == (None, None)
    assert source.host().value.sample is None
    assert source.interfaces().value == ()
    live = source.live().value
    assert (live.points, live.reset, live.age_s) == ((), True, None)


def test_making_a_source_reads_nothing_and_asking_starts_the_sampler(tmp_path):
    source = SystemSource.of_this_machine(tmp_path, period_s=0.01)
    assert not source.sampler.running
    assert source.sampler.newest() is None
    source.network()
    wait_until(lambda: source.network().value.sample is not None and source.network().value.sample.interval_s)
    rate = source.network().value.sample.rates["lo"]
    source.close()
    assert rate.first is None or rate.first >= 0
    assert not source.sampler.running


def test_the_limit_of_cores_is_read_again_with_each_tick_as_the_memorys_is():
    machine, source = held()
    limits = [2.0, None, 0.5]
    source._cpu_limit = lambda: limits[0]
    source.sampler.tick()
    told = [source.facts().cpu_limit]
    for _ in limits[1:]:
        limits.pop(0)
        machine.wait(2)
        since = source.sampler.tick().seq
        told.append(source.facts().cpu_limit)
    assert told == [2.0, None, 0.5]
    live = source.live(since).value
    assert (live.facts.cpu_limit, live.new_facts) == (0.5, True), "a page that is open is told"
    machine.wait(2)
    since = source.sampler.tick().seq
    assert not source.live(since).value.new_facts


def test_stale_comes_with_the_third_missed_period_and_keeps_the_last_figure():
    machine, source = held()
    source.sampler.tick()
    machine.wait(6.0)
    assert source.network().stale is None
    machine.wait(0.1)
    result = source.network()
    assert isinstance(result, Ready)
    assert result.stale.title == "No sample for 6 s"
    assert "stopped" in result.stale.detail
    assert source.live().stale is not None


def test_a_viewer_gets_the_window_once_and_then_only_what_is_new():
    machine, source = held()
    for _ in range(300):
        machine.wait(2)
        source.sampler.tick()
    first = source.live(window_s=60).value
    assert (first.reset, len(first.points)) == (True, 31)
    assert source.live(since=first.seq).value.points == ()
    machine.wait(2)
    source.sampler.tick()
    second = source.live(since=first.seq).value
    assert (second.reset, len(second.points), second.seq) == (False, 1, first.seq + 1)
    assert not second.new_facts


def test_a_new_interface_is_announced_to_every_viewer_once():
    machine, source = held()
    source.sampler.tick()
    cursor = source.live().value.seq
    machine.counters["veth9"] = machine.counters["lo"]
    machine.wait(2)
    source.sampler.tick()
    live = source.live(since=cursor).value
    assert live.new_facts
    assert "veth9" in live.infos
    assert not source.live(since=live.seq).value.new_facts


def test_interfaces_are_listed_with_the_totals_first_and_loopback_last():
    machine, source = held()
    machine.counters["abc0"] = machine.counters["lo"]
    source.sampler.tick()
    rows = source.interfaces().value
    assert [(row.info.name, row.in_total) for row in rows] == [("eth0", True), ("abc0", False), ("lo", False)]
    assert all(row.rate.reason is Gap.MEASURING for row in rows)


def test_unreadable_counters_fail_the_table_of_interfaces_and_nothing_else():
    machine, source = held()
    machine.network_error = PermissionError(13, "Permission denied")
    source.sampler.tick()
    assert isinstance(source.interfaces(), Failed)
    assert source.host().value.sample.host.memory is not None
    assert source.network().value.sample.total.reason is Gap.READ_ERROR


def test_the_answer_says_where_it_comes_from():
    machine, source = held()
    source.sampler.tick()
    machine.wait(2)
    source.sampler.tick()
    provenance = source.network().provenance
    assert provenance.source == "/proc/net/dev"
    assert provenance.window == "the last 2.0 s"
    assert provenance.as_of == machine.now()
