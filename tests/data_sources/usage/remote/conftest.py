"""A usage API of the original's kind, and the source that asks it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data_sources.usage.remote import RemoteUsage
from tests.data_sources.usage.remote.steps import NOW
from tests.fakes.usage_api import KEY, OriginalUsageApi


@pytest.fixture
def api():
    made = OriginalUsageApi()
    yield made
    made.close()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def usage(api, clock):
    made = RemoteUsage(api.url, KEY, now=lambda: NOW + timedelta(seconds=clock.now_s), retries=0, clock=clock)
    yield made
    made.close()
