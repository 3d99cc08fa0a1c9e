import pytest

from tests.data_sources.usage.importing.steps import Target


@pytest.fixture
def target(app, serve):
    return Target(app, serve(app))
