"""Counts requests with events that were refused whole, whoever refused them: the gate, the body's limits, the store."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, g, request

from data_sources.usage.refused import RefusedRequests
from data_sources.usage.writer import now_us

DOORS = ("/api/v1/llm/usage/events", "/v1/traces")
_BY_STATUS = {
    400: "Not understood",
    401: "No valid ingest key",
    403: "A key that may not send events",
    408: "The sender fell silent",
    409: "Its batch was taken out",
    413: "Too large, or too many events",
    415: "Not a content type that is taken",
    500: "The console made a mistake",
    503: "The usage store could not be used",
}
_BY_CODE = {  # of a store that cannot take events now
    "disk-full": "The disk was nearly full",
    "busy": "More came than could be stored",
    "slow": "Storing took too long; it may have been stored later",
    "stopping": "The console was stopping",
}


def install(server: Flask, refused: Callable[[], RefusedRequests]) -> None:
    """Count every answer to a sender that says no.

    Args:
        server: The application.
        refused: Where to count.
    """

    @server.after_request
    def _count(answer: Response) -> Response:
        status = answer.status_code
        if status >= 400 and request.method == "POST" and request.path in DOORS:
            reason = _BY_CODE.get(g.get("problem_code", ""), "") if status == 503 else ""
            refused().note(request.path, status, reason or _BY_STATUS.get(status, "Refused"), now_us())
        return answer
