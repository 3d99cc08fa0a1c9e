"""Flask as this console needs it: what is the same for every request is not worked out for every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Server(Flask):
    """The console's Flask. Its views and hooks are plain functions, so Flask need not look whether one is async.

    Attributes:
        fixed_headers: Headers of every answer that does not set them itself.
        uncached_headers: Likewise, but not of what is below `cacheable`.
        cacheable: Beginnings of paths.
        short_way: May answer a request before Flask does, with the JSON of a 200.
    """

    fixed_headers: Mapping[str, str] = {}
    uncached_headers: Mapping[str, str] = {}
    cacheable: tuple[str, ...] = ()
    short_way: Callable[[WSGIEnvironment], bytes | None] | None = None

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request; the fixed headers come last and unchecked, because they are the same every time."""

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
            there = {name for name, _ in headers}
            sets = [self.fixed_headers]
            if not environ.get("PATH_INFO", "").startswith(self.cacheable):
                sets.append(self.uncached_headers)
            headers.extend(each for fixed in sets for each in fixed.items() if each[0] not in there)
            return start_response(status, headers, *more)

        told = self.short_way(environ) if self.short_way is not None else None
        if told is not None:
            start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(told)))])
            return [told]
        return super().wsgi_app(environ, start)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself."""
        return func


class Sessions(SecureCookieSessionInterface):
    """Flask's own sessions, with a signer made once, and none at all for a request that brings no cookie."""

    def __init__(self) -> None:
        self._signer = lru_cache(maxsize=1)(super().get_signing_serializer)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """The signer of the server's secret key, which does not change while it runs."""
        return self._signer(app)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The request's session, empty for senders with a key."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)
