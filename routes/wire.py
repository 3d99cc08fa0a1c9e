"""From a `Result` to HTTP and from a query string to values, the same way in every route."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import msgspec
from flask import Response, jsonify, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from data_sources.result import Failed, NotConfigured, Ready, Result
from routes.errors import from_problem, problem_response

T = TypeVar("T")
Body = TypeVar("Body")
MAX_BODY_BYTES = 16_384


def answer(result: Result[T], encode: Callable[[T], object], *, empty: object = None) -> Response:
    """Answer a result: Ready and Empty 200, not configured 503, failed by its problem's kind.

    Args:
        result: What the source answered.
        encode: Turns the value into JSON-ready data; decimals as strings.
        empty: Body for Empty.
    """
    if isinstance(result, Ready):
        response = jsonify(encode(result.value))
        if result.stale is not None:
            response.headers["Warning"] = f'110 ops-center "{result.stale.title}"'.encode("ascii", "replace").decode()
    elif isinstance(result, NotConfigured):
        response = problem_response(
            "not-configured", result.title, 503, result.detail, more={"settings": list(result.settings)}
        )
    elif isinstance(result, Failed):
        response = from_problem(result.problem)
    else:
        response = jsonify(empty)
    response.headers["Cache-Control"] = "no-store"
    return response


def query_params(allowed: Collection[str]) -> dict[str, list[str]]:
    """The query string as lists of values.

    Args:
        allowed: Names this route knows.

    Raises:
        BadRequest: A name is unknown (answered 400): a filter that is silently ignored would show wrong figures.
    """
    given = request.args.to_dict(flat=False)
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        known = ", ".join(sorted(allowed)) or "none"
        raise BadRequest(f"Unknown parameter {unknown[0]!r}. Known here: {known}.")
    return given


def body_of(kind: type[Body]) -> Body:
    """A small JSON body of exactly this kind.

    Raises:
        BadRequest: It has another form (answered 400; 415 for another type, 413 for too large a one).
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send JSON (Content-Type: application/json).")
    if (request.content_length or MAX_BODY_BYTES + 1) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge(f"Send at most {MAX_BODY_BYTES} bytes, with their length.")
    try:
        return msgspec.json.decode(request.get_data(), type=kind)
    except msgspec.MsgspecError as error:
        raise BadRequest(str(error)) from None
