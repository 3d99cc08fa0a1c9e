"""Engines that are not part of the console: installed by `make test-peers` alone."""

import pytest

from tests.peers.clickhouse import ClickHouse


@pytest.fixture(scope="session")
def clickhouse():
    engine = ClickHouse()
    yield engine
    engine.close()
