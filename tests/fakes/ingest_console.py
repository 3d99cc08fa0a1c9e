"""The real console in a process of its own, to be killed: `python -m tests.fakes.ingest_console FOLDER`.

Prints its port and its ingest key, then serves until it is killed or its input ends.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from app import create_app
from settings import load


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_given):
        pass


def main():
    app = create_app(load(data_dir=Path(sys.argv[1])))
    sources = app.server.extensions["ops"]
    sources.start()
    served = make_server("127.0.0.1", 0, app.server, threaded=True, request_handler=_Quiet)
    threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True).start()
    sys.stdout.write(f"{served.server_port} {sources.ingest_token}\n")
    sys.stdout.flush()
    sys.stdin.read()
    served.shutdown()
    sources.close()


if __name__ == "__main__":
    main()
