"""What the tests of the routes share: the console's sources, and the key of its senders."""

import pytest


@pytest.fixture
def ops(app):
    return app.server.extensions["ops"]


@pytest.fixture
def key(ops):
    return {"Authorization": f"Bearer {ops.ingest_token}"}
