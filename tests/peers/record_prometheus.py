"""Record what a real Prometheus answers to the console's questions, for `tests/fakes/prometheus.py`.

`python -m tests.peers.record_prometheus` after a question was changed; it takes three minutes.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from data_sources.result import Ready
from data_sources.system.history_reader import HistoryQuery
from data_sources.system.prometheus import PrometheusSource
from data_sources.system.prometheus_wire import PrometheusClient
from tests.peers.prometheus import RealPrometheus

INTO = Path(__file__).parents[1] / "data" / "prometheus.json"
SCRAPES, FIVE_MINUTES = HistoryQuery(window_s=30, points=10), HistoryQuery()
NAMES = ("net_in", "cpu", "load1", "mem_used", "psi_cpu", "cpu_core_0", "mount_used_root")
STEPS = HistoryQuery(window_s=2000, points=100, names=NAMES)
LONG_AGO_S = 50  # steps are not asked for up to now
REFUSED = ("rate(node_load1[30s]", "node_cpu_seconds_total * on(instance) node_network_flags", "no_such_series")


class Recording(PrometheusClient):
    """Asks, and keeps each answer as it came."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.answers: list[dict[str, Any]] = []
        self._session.hooks["response"].append(self._keep)

    def _keep(self, answer: requests.Response, **_: Any) -> None:
        asked = answer.request
        address = urlsplit(str(asked.url))
        form = dict(parse_qsl(asked.body.decode() if isinstance(asked.body, bytes) else address.query))
        self.answers.append(
            {
                "path": address.path,
                "query": form["query"],
                "time": form.get("time"),
                "status": answer.status_code,
                "type": answer.headers["Content-Type"],
                "body": answer.json(),
            }
        )


def main() -> None:
    """Record and write."""
    with TemporaryDirectory() as folder:
        real = RealPrometheus(Path(folder))
        try:
            real.wait_for(f'sum_over_time(up{{instance="{real.instance}"}}[4m]) > 70')
            for answers_s in (LONG_AGO_S, 8):  # one outage within the steps, one within the raw scrapes
                real.stop_exporter()
                real.wait_for(f'count_over_time((up{{instance="{real.instance}"}} == 0)[8s:1s]) > 5')
                real.start_exporter()
                real.wait_for(f'sum_over_time(up{{instance="{real.instance}"}}[{answers_s}s]) > {answers_s - 2}')
            now_s = round(time.time(), 3)
            client = Recording(real.url)
            questions(client, real.instance, now_s)
        finally:
            real.close()
    told = {"now_s": now_s, "instance": real.instance, "nobody": real.nobody, "answers": client.answers}
    INTO.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")


def questions(client: PrometheusClient, instance: str, now_s: float) -> None:
    """Everything that the tests ask."""
    source = PrometheusSource(client, clock_s=lambda: now_s)
    assert isinstance(source.hosts(), Ready)
    host = source.host(instance)
    host.live(window_s=60)
    host.history(SCRAPES)
    host.history(FIVE_MINUTES)
    host.history(STEPS)
    for query in REFUSED:
        client.instant(query, now_s, what="")


if __name__ == "__main__":
    main()
