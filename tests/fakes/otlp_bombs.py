"""Small exports that decode to very much, read in a process that may not have much memory.

`python -m tests.fakes.otlp_bombs` prints what became of each as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from data_sources.usage.normalise.otlp import parse
from data_sources.usage.normalise.otlp_wire import BadExportError
from tests.data_sources.usage.ingest_rows import NOON_US
from tests.data_sources.usage.otlp_rows import chat, export, protobuf

_ROOM = 60_000_000
_MANY = 1_500_000


def field(number, value):
    """A length-delimited field of a message."""
    length, head = len(value), bytearray([number << 3 | 2])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    return bytes(head) + bytes([length]) + value


def bombs():
    """Name and bytes of each."""
    many, call = _MANY, protobuf(export(chat()))
    nested = field(9, field(1, b"gen_ai.prompt") + field(2, field(5, field(1, b"") * many)))
    yield "attributes", field(1, field(2, field(2, field(9, b"") * many)))
    yield "values", field(1, field(2, field(2, nested))) + call
    yield "wanted", field(1, field(2, field(2, field(9, field(1, b"error.type")) * 100_000)))
    yield "events", field(1, field(2, field(2, field(11, b"") * many)))
    yield "spans", field(1, field(2, field(2, b"") * many))
    yield "scopes", field(1, field(2, b"") * many)
    yield "groups", field(1, b"") * many
    yield "resource", field(1, field(1, field(1, b"") * many)) + call
    yield "prompts", protobuf(export(chat(1, {f"gen_ai.prompt.{n}.content": "x" * 20_000 for n in range(200)})))


def main():
    made = list(bombs())
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM, resource.RLIM_INFINITY))
    told = {}
    for name, body in made:
        try:
            told[name] = len(parse(body, as_json=False, source=None, now_us=NOON_US + 10**12).attempts)
        except BadExportError as error:
            told[name] = type(error).__name__
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
