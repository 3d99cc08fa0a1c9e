"""Who may do what: one check before every request, deny by default.

A view says what it needs with `@needs("usage:read")` or that it is `@public`; a view that says nothing is closed to
everyone. Dash's own addresses need a signed-in person; what a callback shows is checked again in the callback.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlsplit

from flask import Flask, Response, current_app, g, redirect, request, session
from werkzeug.wrappers import Response as WerkzeugResponse

from data_sources.principal import Permission, Principal
from data_sources.state.links import is_cli_key
from data_sources.state.store import State, StateUnavailableError
from routes.errors import from_problem, problem_response, respond, wants_json

log = logging.getLogger(__name__)
View = TypeVar("View", bound=Callable[..., Any])

CSRF_COOKIE, CSRF_HEADER = "ops_csrf", "X-CSRFToken"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Files that everyone may have: they hold no figure and no name.
_PUBLIC_PREFIXES = ("/assets/", "/_dash-component-suites/")
_PUBLIC_PATHS = frozenset({"/_favicon.ico", "/healthz"})


def needs(permission: Permission) -> Callable[[View], View]:
    """Mark a view with the permission it needs."""

    def mark(view: View) -> View:
        view.needs = permission  # type: ignore[attr-defined]
        return view

    return mark


def public(view: View) -> View:
    """Mark a view as open to everyone."""
    view.public = True  # type: ignore[attr-defined]
    return view


def signed(view: View) -> View:
    """Mark a public view that takes POSTs from other services, which prove themselves by a signature instead."""
    view.signed = True  # type: ignore[attr-defined]
    return public(view)


def principal() -> Principal:
    """Who asks. Only valid behind the gate, on a view that is not public."""
    return cast(Principal, g.principal)


class Gate:
    """The check itself.

    Args:
        secret_key: Signs sessions, links and CSRF tokens.
        ingest_token: Bearer key of senders.
        read_token: Bearer key of readers, None when there is none.
        page_needs: Permission of each page by its path.
        state: Knows which sessions were signed out.
    """

    def __init__(
        self,
        secret_key: str,
        ingest_token: str,
        read_token: str | None,
        page_needs: Callable[[], dict[str, Permission]],
        state: State,
    ) -> None:
        self._secret_key = secret_key
        self._ingest_token = ingest_token
        self._read_token = read_token
        self._page_needs = page_needs
        self._state = state

    def install(self, server: Flask) -> None:
        """Put the check before every request and the CSRF cookie on every answer."""
        server.before_request(self.check)
        server.after_request(self.give_csrf_cookie)

    def check(self) -> WerkzeugResponse | None:
        """Let the request pass, or answer it."""
        g.principal = None
        path = request.path
        if path.startswith(_PUBLIC_PREFIXES) or path in _PUBLIC_PATHS:
            return None if request.method in SAFE else _closed(405, "method-not-allowed", "Only reading is possible")
        view = current_app.view_functions.get(request.endpoint or "")
        if getattr(view, "signed", False):
            return None
        try:
            who = self.find_principal()
        except StateUnavailableError as error:
            # Without it nobody can tell a session from a copy of one that was signed out.
            return from_problem(error.problem) if wants_json() else respond(503, "state", error.problem.title, "")
        g.principal = who
        if getattr(view, "public", False):
            return self._check_origin() if request.method not in SAFE else None
        if who is None:
            return self._unsigned()
        if request.method not in SAFE and g.by_session:
            refused = self._check_origin() or self._check_csrf()
            if refused:
                return refused
        wanted = self._needed(view)
        if not wanted or not all(who.may(each) for each in wanted):
            return _closed(403, "forbidden", "Your role may not do this")
        return None

    def find_principal(self) -> Principal | None:
        """Who the bearer key or the session says it is; sets `g.by_session`."""
        g.by_session = False
        header = request.headers.get("Authorization", "")
        scheme, _, key = header.partition(" ")
        if header:
            return self._by_key(key.strip()) if scheme.lower() == "bearer" else None
        said = session.get("principal")
        if isinstance(said, dict) and not self._state.has_ended(str(session.get("sid"))):
            g.by_session = True
            return Principal(**said)
        return None

    def _by_key(self, key: str) -> Principal | None:
        # A browser may send anything in a header, bytes beyond ASCII included: compare bytes.
        given = key.encode()
        if hmac.compare_digest(given, self._ingest_token.encode()):
            return Principal("key:ingest", "ingest")
        if self._read_token and hmac.compare_digest(given, self._read_token.encode()):
            return Principal("key:read", "reader")
        if is_cli_key(self._secret_key, key):
            return Principal("key:cli", "admin")
        return None

    def _needed(self, view: Any) -> tuple[Permission, ...]:
        """What the view needs; nothing named means that nobody may."""
        marked = getattr(view, "needs", None)
        if marked is not None:
            return (cast(Permission, marked),)
        if view is not None and getattr(view, "__module__", "").startswith("dash"):
            # Pages are for people: a bearer key reads the API.
            return ("session", self._page_needs().get(request.path, "session"))
        return ()

    def _unsigned(self) -> WerkzeugResponse:
        if wants_json() or request.method not in SAFE:
            answer = problem_response(
                "signed-out", "You are signed out", 401, "Sign in, or send a bearer key that is valid here."
            )
            answer.headers["WWW-Authenticate"] = 'Bearer realm="ops-center"'
            return answer
        query = request.query_string.decode("latin-1")
        target = request.path + (f"?{query}" if query else "")
        return redirect("/login" if target == "/" else f"/login?next={quote(target, safe='')}", 302)

    def _check_origin(self) -> Response | None:
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get("Origin")
        # A browser sends Origin "null" also for its own pages under some policies: then only Sec-Fetch-Site can tell.
        foreign = origin is not None and urlsplit(origin).netloc != request.host and site != "same-origin"
        if foreign or site in ("cross-site", "same-site"):
            return _closed(403, "cross-site", "This came from another site")
        return None

    def _check_csrf(self) -> Response | None:
        given = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode(), self.csrf_token().encode()):
            return _closed(403, "csrf", "The page is out of date; load it again")
        return None

    def csrf_token(self) -> str:
        """The token bound to this session."""
        return hmac.new(self._secret_key.encode(), f"csrf {session['sid']}".encode(), "sha256").hexdigest()

    def sign_in(self, who: Principal) -> None:
        """Begin a session; a session that was there before is ended."""
        session.clear()
        session["sid"] = secrets.token_hex(16)
        session["principal"] = asdict(who)
        session.permanent = True
        log.info("signed in: %s as %s", who.id, who.role)

    def give_csrf_cookie(self, answer: Response) -> Response:
        """Give a signed-in browser the token that its own pages must send back."""
        if not (g.get("by_session") or session.modified):  # a key, a visitor: there is no session to look into
            return answer
        if "sid" in session and request.cookies.get(CSRF_COOKIE) != (token := self.csrf_token()):
            answer.set_cookie(
                CSRF_COOKIE,
                token,
                secure=current_app.config["SESSION_COOKIE_SECURE"],
                samesite="Lax",
                httponly=False,
                path="/",
            )
        return answer


def _closed(status: int, kind: str, title: str) -> Response:
    return respond(status, kind, title, "")
