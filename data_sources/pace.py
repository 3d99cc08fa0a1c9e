"""An answer that comes too slowly is broken off: the time-out of a read alone begins anew with every byte.

`http.session()` reads every answer through `Paced`, its status line and headers included, so that nobody who answers
drop by drop holds a thread of the console for longer than was agreed.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any, Protocol

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

# What a long answer must bring before its patience ends; less than that a second is no transfer any more.
FLOW_BYTES = 16_384


class Pace(Protocol):
    """How long may still be waited for the next bytes of an answer."""

    def left_s(self) -> float:
        """Seconds that are left, 0 or less at the end."""

    def waited(self, seconds: float, received: int) -> None:
        """So long was waited, and so many bytes came."""


class Whole:
    """A short answer: all of it comes within a time that begins now.

    Args:
        seconds: That time.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds that are left, 0 or less at the end."""
        return self._until - time.monotonic()

    def waited(self, seconds: float, received: int) -> None:
        """Nothing counts but the clock."""


class Flow:
    """A long answer: every `FLOW_BYTES` of it may be waited for so long. A slow reader of ours costs it nothing.

    Args:
        seconds: How long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = self._left_s = seconds
        self._received = 0

    def left_s(self) -> float:
        """Seconds that are left, 0 or less at the end."""
        return self._left_s

    def waited(self, seconds: float, received: int) -> None:
        """So long was waited, and so many bytes came."""
        self._left_s -= seconds
        self._received += received
        if self._received >= FLOW_BYTES:
            self._left_s, self._received = self._seconds, 0


_pace: ContextVar[Pace | None] = ContextVar("pace", default=None)


@contextmanager
def pace(wanted: Pace) -> Iterator[None]:
    """Let every answer that begins in this block come at that pace, also where it is read later."""
    token = _pace.set(wanted)
    try:
        yield
    finally:
        _pace.reset(token)


class Paced(io.RawIOBase):
    """The bytes of a connection, as long as they come at their pace.

    Args:
        raw: The unbuffered file of the connection.
        sock: Its socket, with the time-out of one read.
        wanted: The pace.
    """

    def __init__(self, raw: io.RawIOBase, sock: Any, wanted: Pace) -> None:
        self._raw, self._sock, self._wanted = raw, sock, wanted
        self._read_s: float | None = sock.gettimeout()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what there is.

        Raises:
            TimeoutError: Nothing came in the time of one read, or too little in all.
        """
        left_s = self._wanted.left_s()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left_s if self._read_s is None else min(left_s, self._read_s))
        began = time.monotonic()
        received: int | None = self._raw.readinto(buffer)
        self._wanted.waited(time.monotonic() - began, received or 0)
        return received

    def close(self) -> None:
        """Let go of the connection."""
        try:
            self._raw.close()
        finally:
            super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        wanted = _pace.get()
        if wanted is not None:
            self.fp = io.BufferedReader(Paced(self.fp.detach(), sock, wanted))


class ClosedMeanwhileError(ConnectionResetError):
    """A connection kept from an earlier answer was closed by the other side as the next question went out."""


_anew: ContextVar[bool] = ContextVar("anew", default=False)


def on_a_new_connection() -> None:
    """Let the next question of this thread take no connection that was kept."""
    _anew.set(True)


class _Kept(HTTPConnection):
    """A connection that knows whether it has answered before."""

    response_class = _Response
    _answered = False

    def connect(self) -> None:
        """Begin anew."""
        self._answered = False
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Ask.

        Raises:
            ClosedMeanwhileError: It cannot be, though there was an answer before.
        """
        with self._told():
            super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        """The answer.

        Raises:
            ClosedMeanwhileError: There is none, though there was one before.
        """
        with self._told():
            answer = super().getresponse()
        self._answered = True
        return answer

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ConnectionResetError as error:  # an end without any answer is one
            if self._answered:
                raise ClosedMeanwhileError("closed meanwhile") from error
            raise


class _SecureConnection(_Kept, HTTPSConnection):
    pass


class _Fresh(HTTPConnectionPool):
    def _get_conn(self, timeout: float | None = None) -> Any:
        kept = super()._get_conn(timeout)
        if _anew.get():
            _anew.set(False)
            kept.close()
        return kept


class _Pool(_Fresh):
    ConnectionCls = _Kept


class _SecurePool(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class PacedAdapter(HTTPAdapter):
    """Connections whose answers keep to the pace, through a proxy too."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of straight connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The pools of one proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # its connections are made in a way of their own
            manager.pool_classes_by_scheme = _POOLS
        return manager
