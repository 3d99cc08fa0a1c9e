"""Sign-in by link or token, and sign-out."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response as WerkzeugResponse

from data_sources.principal import Principal
from data_sources.result import utc_now
from data_sources.state.links import read_link_token
from data_sources.state.store import State, StateUnavailableError
from routes.errors import from_problem
from routes.gate import CSRF_COOKIE, Gate, needs, public


def safe_next(target: str | None) -> str:
    """Where to go after sign-in: an address of this console, never another site."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or "\\" in target:
        return "/"
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or any(ord(character) < 32 for character in target):
        return "/"
    return target


def blueprint(gate: Gate, state: State, *, secret_key: str, login_token: str | None) -> Blueprint:
    """The routes of sign-in and sign-out.

    Args:
        gate: Begins sessions.
        state: Remembers which one-time links were used.
        secret_key: Signs the links.
        login_token: A fixed admin token, where the operator set one.
    """
    made = Blueprint("auth", __name__)

    def try_token(token: str) -> Principal | str:
        if login_token and hmac.compare_digest(token.encode(), login_token.encode()):
            return Principal("token:admin", "admin")
        link = read_link_token(secret_key, token)
        if isinstance(link, str):
            return link
        try:
            fresh = state.spend_link(link.jti, link.expires_at)
        except StateUnavailableError as error:
            return error.problem.detail
        return link.principal if fresh else "This sign-in link has been used. Ask for another."

    def form(message: str | None, status: int) -> Response:
        page = render_template("login.html", message=message, next=safe_next(request.values.get("next")))
        answer = make_response(page, status)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @made.get("/login")
    @public
    def login() -> WerkzeugResponse:
        """Sign in by the link that was printed, or show the form."""
        token = request.args.get("token", "").strip()
        # Flask answers HEAD here too: a look at the address, as mail scanners take, must not use up a one-time link
        return enter(token) if token and request.method != "HEAD" else form(None, 200)

    @made.post("/login")
    @public
    def login_by_form() -> WerkzeugResponse:
        """Sign in with a token typed or pasted into the form; a whole link is taken too."""
        token = request.form.get("token", "").strip()
        if "token=" in token:
            token = token.rsplit("token=", 1)[1].split("&", 1)[0]
        return enter(token) if token else form("Paste the token or the whole link.", 400)

    def enter(token: str) -> WerkzeugResponse:
        who = try_token(token)
        if isinstance(who, str):
            return form(who, 403)
        gate.sign_in(who)
        # 303: the address with the token leaves the history and is not sent again.
        answer = redirect(safe_next(request.values.get("next")), 303)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @made.post("/logout")
    @needs("session")
    def logout() -> WerkzeugResponse:
        """End the session, here and wherever a copy of its cookie is."""
        try:
            state.end_session(session["sid"], utc_now() + current_app.permanent_session_lifetime)
        except StateUnavailableError as error:
            return from_problem(error.problem)
        session.clear()
        answer = make_response("", 204)
        answer.delete_cookie(CSRF_COOKIE, path="/")
        return answer

    return made
