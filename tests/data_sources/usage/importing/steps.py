"""A served console and the import into it."""

import threading
from contextlib import contextmanager
from datetime import UTC, datetime

from werkzeug.serving import WSGIRequestHandler, make_server

from data_sources.usage.import_client import run_import
from data_sources.usage.import_types import ImportOptions

AZURE = {"started_at": "TIMESTAMP", "input_tokens": "ContextTokens", "output_tokens": "GeneratedTokens"}
AZURE_SOURCE = {"source": "azure"}
MOONCAKE = {"started_at": "timestamp", "input_tokens": "input_length", "output_tokens": "output_length"}
ORIGIN = datetime(2025, 1, 1, tzinfo=UTC)


class Target:
    """A served console and the import into it."""

    def __init__(self, app, served):
        self.url = served.url
        self.ops = app.server.extensions["ops"]
        self.store = self.ops.usage_store
        self.key = self.ops.ingest_token

    def run(self, path, **given):
        return run_import(ImportOptions(path, self.url, given.pop("key", self.key), **given), lambda *_: None)

    def azure(self, path, **given):
        return self.run(path, **{"columns": AZURE, "tz": "UTC", "fixed": AZURE_SOURCE, **given})

    def mooncake(self, path, **given):
        return self.run(path, columns=MOONCAKE, time_unit="ms", time_origin=ORIGIN, **given)


class _Quiet(WSGIRequestHandler):
    def log(self, *_given):
        pass


@contextmanager
def serving(app):
    """An app on a free port; its address."""
    running = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join(timeout=10)
