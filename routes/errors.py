"""Errors as RFC 9457 problem details for programs and as a plain page for people, each with a request id."""

from __future__ import annotations

import logging
import secrets

from dash.exceptions import DashException
from flask import Flask, Response, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from data_sources.result import Problem

log = logging.getLogger(__name__)


def request_id() -> str:
    """The id of this request, also in the log and in the answer's `X-Request-Id`."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(4)
    return str(g.request_id)


def problem_response(
    kind: str,
    title: str,
    status: int,
    detail: str = "",
    *,
    code: str | None = None,
    retry_after_s: float | None = None,
    more: dict[str, object] | None = None,
) -> Response:
    """An `application/problem+json` answer."""
    body: dict[str, object] = {
        "type": kind,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id(),
        **({"code": code} if code else {}),
        **(more or {}),
    }
    g.problem_code = code
    answer = jsonify(body)
    answer.status_code = status
    answer.mimetype = "application/problem+json"
    if retry_after_s is not None:
        answer.headers["Retry-After"] = str(max(1, round(retry_after_s)))
    if status >= 500:
        log.warning("request %s: %s %s: %s", request_id(), status, kind, title)
    return answer


def from_problem(problem: Problem) -> Response:
    """The answer for a `Problem`; its kind decides the status."""
    return problem_response(
        str(problem.kind),
        problem.title,
        problem.status,
        problem.detail,
        code=problem.code,
        retry_after_s=problem.retry_after_s,
    )


def wants_json() -> bool:
    """Whether a program asks: an API, a callback, or anything that does not accept HTML."""
    return request.path.startswith(("/api/", "/_", "/v1/", "/metrics")) or not request.accept_mimetypes.accept_html


def page(status: int, title: str, detail: str) -> Response:
    """An error page for people."""
    html = render_template("error.html", status=status, title=title, detail=detail, request_id=request_id())
    return Response(html, status=status, mimetype="text/html")


def respond(status: int, kind: str, title: str, detail: str) -> Response:
    """A problem for programs, a page for people."""
    return problem_response(kind, title, status, detail) if wants_json() else page(status, title, detail)


_WORDS = {
    400: ("bad-query", "This request is not understood"),
    404: ("not-found", "There is nothing at this address"),
    405: ("method-not-allowed", "This address does not take that method"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "This content type is not taken here"),
}


def install(server: Flask) -> None:
    """Register the handlers of every error."""

    @server.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        kind, title = _WORDS.get(status, ("error", error.name))
        answer = respond(status, kind, title, error.description or "")
        if status == 405 and "Allow" in (headers := dict(error.get_headers())):
            answer.headers["Allow"] = headers["Allow"]
        return answer

    @server.errorhandler(DashException)
    def _asked_dash_wrongly(error: DashException) -> Response:
        # A component file that is not there, a callback that does not exist: the client's mistake, in one log line.
        if request.path == "/_dash-update-component":
            log.warning("request %s: %s", request_id(), type(error).__name__)
            return respond(400, "bad-query", _WORDS[400][1], "There is no such callback.")
        return respond(404, *_WORDS[404], "")

    @server.errorhandler(Exception)
    def _bug(error: Exception) -> Response:
        log.exception("request %s: %s %s", request_id(), request.method, request.path, exc_info=error)
        return respond(500, "internal", "The console made a mistake", "It is in the log under the request id.")

    @server.after_request
    def _id(answer: Response) -> Response:
        answer.headers["X-Request-Id"] = request_id()
        return answer
