"""A Prometheus that answers as one was recorded, and the source that asks it."""

import pytest

from data_sources.system.prometheus import PrometheusSource
from data_sources.system.prometheus_wire import PrometheusClient
from tests.fakes.prometheus import FakePrometheus


@pytest.fixture
def fake():
    server = FakePrometheus()
    yield server
    server.close()


@pytest.fixture
def client(fake):
    made = PrometheusClient(fake.url, timeout_s=(5, 20))
    yield made
    made.close()


@pytest.fixture
def hasty(fake):
    """Gives up after two seconds."""
    made = PrometheusClient(fake.url, timeout_s=(2, 2))
    yield made
    made.close()


@pytest.fixture
def source(client, fake):
    return PrometheusSource(client, clock_s=fake.clock_s)
