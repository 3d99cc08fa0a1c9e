"""Engines that are not part of the console: installed by `make test-peers` alone."""

import pytest

from tests.peers.clickhouse import ClickHouse
from tests.peers.prometheus import SERVERS, RealPrometheus, find


@pytest.fixture(scope="session")
def clickhouse():
    engine = ClickHouse()
    yield engine
    engine.close()


@pytest.fixture(scope="session", params=SERVERS)
def prometheus(request, tmp_path_factory):
    missing = [name for name in (request.param, "prometheus-node-exporter") if find(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} could not be had here: `make test-peers` says why")
    real = RealPrometheus(tmp_path_factory.mktemp(request.param), request.param)
    yield real
    real.close()
