"""The body of a request that sends events: gzip or plain, bounded while it is read."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestTimeout

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# gunicorn takes up to so much from the socket at once, and copies what it still has of it at every smaller read
_CHUNK = 1_048_576
_LARGE = 2_000_000
_ALONE, _TOGETHER = threading.Lock(), nullcontext()
HELD_BYTES = 256_000_000
SILENCE_S = 10.0
_GOES_ON = "The gzip body goes on after its end."


class BodyTooLargeError(Exception):
    """The body is larger than the setting allows."""


class TooMuchAtOnceError(Exception):
    """Other bodies take the memory that there is for them; the same body is taken later. The text is for the sender."""

    def __init__(self) -> None:
        super().__init__("More is being sent at once than is held in memory. Send smaller parts, or this one later.")


class Held:
    """How many bytes of bodies the process holds, for all its requests together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._lock = threading.Lock()

    def take(self, more: int, own: int) -> None:
        """Make room for `more` bytes of a body that has `own` already; a body alone always has room.

        Raises:
            TooMuchAtOnceError: There is none.
        """
        with self._lock:
            if self._bytes + more > self._limit and self._bytes > own:
                raise TooMuchAtOnceError
            self._bytes += more

    def give_back(self, own: int) -> None:
        """The body is no longer held."""
        with self._lock:
            self._bytes -= own


HELD = Held(HELD_BYTES)


@contextmanager
def held_body(limit: int, held: Held = HELD) -> Iterator[bytes]:
    """The body as `read_body` gives it, for as long as it is needed; all such bodies together take bounded memory.

    Args:
        limit: Largest body, as sent and after decompression, in bytes.
        held: What is held by all.

    Raises:
        BodyTooLargeError: It is larger.
        TooMuchAtOnceError: Others hold too much.
        BadRequest: Its compression is not known or not whole.
    """
    own = 0

    def more(size: int) -> None:
        nonlocal own
        if size > own:
            held.take(size - own, own)
            own = size

    try:
        yield read_body(limit, more)
    finally:
        held.give_back(own)


def read_body(limit: int, reached: Callable[[int], None] = lambda _: None) -> bytes:
    """The request's body, decompressed, never more than `limit` bytes.

    Args:
        limit: Largest body, as sent and after decompression, in bytes.
        reached: Told the size in bytes that the body is known to have, before so much is held.

    Raises:
        BodyTooLargeError: It is larger.
        BadRequest: It broke off, or its compression is not known or not whole.
        RequestTimeout: The sender fell silent.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise BadRequest("Content-Encoding is gzip or absent.")
    if request.content_length is not None and request.content_length > limit:
        raise BodyTooLargeError
    reached(request.content_length or 0)
    request.max_content_length = limit + 1  # this route has its own limit
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    parts, total = [], 0
    for chunk in _chunks():
        if unpack is not None:
            chunk = _unpacked(unpack, chunk, limit - total)
        total += len(chunk)
        if total > limit:
            raise BodyTooLargeError
        reached(total)
        parts.append(chunk)
    if unpack is not None and not unpack.eof:
        raise BadRequest("The gzip body ends too early.")
    return b"".join(parts)


def _chunks() -> Iterator[bytes]:
    """The body as it was sent, in parts; whole, or an error: what is cut at the end of a line looks like a body too.

    Raises:
        BadRequest: It broke off, or its chunks are none.
        RequestTimeout: The sender fell silent.
    """
    came, wanted = 0, None if request.headers.get("Transfer-Encoding") else request.content_length
    with patience(request.environ):
        while True:
            try:
                chunk = request.stream.read(_CHUNK)
            except (ClientDisconnected, OSError, ParseException) as error:
                if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
                    raise RequestTimeout(f"Nothing more of the body came for {SILENCE_S:.0f} s.") from None
                raise BadRequest("The body broke off, or its chunks are not understood.") from None
            if not chunk:
                break
            came += len(chunk)
            yield chunk
    if wanted is not None and came < wanted:
        raise BadRequest(f"The body broke off: {came:,} of {wanted:,} bytes came.")


@contextmanager
def patience(environ: WSGIEnvironment) -> Iterator[None]:
    """Wait for a sender's next bytes no longer than `SILENCE_S`: one that fell silent keeps no thread and no memory.

    Args:
        environ: Of the request; its server is gunicorn, others have limits of their own.

    Raises:
        TimeoutError: From what reads in it: nothing came for so long.
    """
    socket = environ.get("gunicorn.socket")
    if socket is None:
        yield
        return
    socket.settimeout(SILENCE_S)
    try:
        yield
    finally:
        socket.settimeout(None)


def decoding(body: bytes) -> AbstractContextManager[Any]:
    """What to decode a body in: large ones wait for each other.

    A large body can take ten times its size while it is decoded. The interpreter decodes one at a time anyway, so to
    hold one such at a time costs nobody anything, however many come together.
    """
    return _ALONE if len(body) > _LARGE else _TOGETHER


def _unpacked(unpack: Any, chunk: bytes, room: int) -> bytes:
    if unpack.eof:
        raise BadRequest(_GOES_ON)
    try:
        out: bytes = unpack.decompress(chunk, room + 1)
    except zlib.error:
        raise BadRequest("The body is not gzip.") from None
    if unpack.unused_data:
        raise BadRequest(_GOES_ON)
    if unpack.unconsumed_tail:
        raise BodyTooLargeError
    return out
