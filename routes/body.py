"""The body of a request that sends events: gzip or plain, bounded while it is read."""

from __future__ import annotations

import threading
import zlib
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

_CHUNK = 65536
_LARGE = 2_000_000
_ALONE, _TOGETHER = threading.Lock(), nullcontext()


class BodyTooLargeError(Exception):
    """The body is larger than the setting allows."""


def read_body(limit: int) -> bytes:
    """The request's body, decompressed, never more than `limit` bytes.

    Args:
        limit: Largest body, as sent and after decompression, in bytes.

    Raises:
        BodyTooLargeError: It is larger.
        BadRequest: Its compression is not known or not whole.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise BadRequest("Content-Encoding is gzip or absent.")
    if request.content_length is not None and request.content_length > limit:
        raise BodyTooLargeError
    request.max_content_length = limit + 1  # this route has its own limit
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    parts, total = [], 0
    while chunk := request.stream.read(_CHUNK):
        if unpack is not None:
            chunk = _unpacked(unpack, chunk, limit - total)
        total += len(chunk)
        if total > limit:
            raise BodyTooLargeError
        parts.append(chunk)
    if unpack is not None and (not unpack.eof or unpack.unused_data):
        raise BadRequest("The gzip body ends too early, or goes on after its end.")
    return b"".join(parts)


def decoding(body: bytes) -> AbstractContextManager[Any]:
    """What to decode a body in: large ones wait for each other.

    A large body can take ten times its size while it is decoded. The interpreter decodes one at a time anyway, so to
    hold one such at a time costs nobody anything, however many come together.
    """
    return _ALONE if len(body) > _LARGE else _TOGETHER


def _unpacked(unpack: Any, chunk: bytes, room: int) -> bytes:
    try:
        out: bytes = unpack.decompress(chunk, room + 1)
    except zlib.error:
        raise BadRequest("The body is not gzip.") from None
    if unpack.unconsumed_tail:
        raise BodyTooLargeError
    return out
