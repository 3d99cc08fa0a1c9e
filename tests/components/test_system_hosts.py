"""The table of hosts: every line can be told from every other."""

from datetime import UTC, datetime

from components.system_hosts import hosts_table
from data_sources.system.types import HostList, HostRow


def test_where_two_jobs_scrape_one_address_each_line_names_its_job():
    twice = [HostRow(f"{job}/a:9100", "web", "a:9100", job, "down", "it failed") for job in ("node", "blackbox")]
    table = str(hosts_table(HostList((*twice, HostRow("b:9100", "b:9100", "b:9100", "node"))), datetime.now(UTC)))
    assert all(f" a:9100, job {job}" in table for job in ("node", "blackbox"))
    assert table.count('"class":"dim"},[" ') == 2  # and where one job does, its name says nothing more
