"""The table of hosts: every line can be told from every other."""

from datetime import UTC, datetime

from components.system_hosts import foot, hosts_table
from data_sources.result import Kind, Problem
from data_sources.system.types import HostList, HostRow


def test_where_two_jobs_scrape_one_address_each_line_names_its_job():
    twice = [HostRow(f"{job}/a:9100", "web", "a:9100", job, "down", "it failed") for job in ("node", "blackbox")]
    table = str(hosts_table(HostList((*twice, HostRow("b:9100", "b:9100", "b:9100", "node"))), datetime.now(UTC)))
    assert all(f" a:9100, job {job}" in table for job in ("node", "blackbox"))
    assert table.count('"class":"dim"},[" ') == 2  # and where one job does, its name says nothing more


def test_without_prometheus_nobody_says_of_how_many_hosts_that_they_are_not_up():
    here, others = HostRow(None, "me"), [HostRow(name, name, name, "node", "no data") for name in "abc"]
    assert foot(HostList((here, *others))).startswith("1 of 4 up. ")
    problem = Problem(Kind.UPSTREAM, "No list of hosts", "")
    assert foot(HostList((here, *others), problem=problem)).startswith("1 up, 3 not known. ")
    assert foot(HostList((here,), problem=problem)).startswith("1 up, of others nothing is known. ")
    assert foot(HostList((here,))).startswith("1 of 1 up. ")
