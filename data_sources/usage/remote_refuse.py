"""What an answer that cannot be shown means to the reader: not offered, a wrong question, a failure, a wrong field."""

from __future__ import annotations

from data_sources.http import Answer, refused
from data_sources.result import Failed, Kind, Problem
from data_sources.usage.remote_confirm import NotConfirmedError
from data_sources.usage.types import FAILED

SOURCE = "Usage API"
NOT_RIGHT = "The question is not right"
NOT_OFFERED = (404, 405, 410, 501)
_PRIVATE = Problem(
    Kind.FORBIDDEN,
    FAILED,
    "This usage API does not confirm that its answer is limited to your organization, so nothing of it is shown.",
    code="organization-not-confirmed",
)


def problem_of(answer: Answer) -> Problem:
    """The problem of an answer that is no success."""
    return refused(answer.status, answer.headers, source=SOURCE, what=FAILED)


def bad_query(detail: str) -> Failed:
    """The question was wrong, and how."""
    return Failed(Problem(Kind.BAD_QUERY, NOT_RIGHT, detail))


def _cut(text: object) -> str | None:
    return text[:300] if isinstance(text, str) and text else None


def refusal(status: int, body: object, problem: Problem, offers: str) -> Failed:
    """What an answer that is no success means to the reader.

    Args:
        status: Its HTTP status.
        body: Its decoded JSON, None where it has none.
        problem: What it is where nothing better can be said.
        offers: What an API without this address does not offer.
    """
    if status in NOT_OFFERED:
        detail = f"This usage API does not offer {offers}."
        return Failed(Problem(Kind.NOT_FOUND, "Not offered by this usage API", detail, code=f"HTTP {status}"))
    if status in (400, 422):
        told = body if isinstance(body, dict) and body.get("type") == "bad-query" else {}
        title = _cut(told.get("title")) or NOT_RIGHT
        said = _cut(told.get("detail")) or "The usage API does not take this question."
        return Failed(Problem(Kind.BAD_QUERY, title, said, _cut(told.get("code"))))
    return Failed(problem)


def unreadable(error: Exception) -> Failed:
    """An answer that is not what was agreed, or not confirmed to be for who asked."""
    if isinstance(error, NotConfirmedError):
        return Failed(_PRIVATE)
    return Failed(Problem(Kind.UPSTREAM, FAILED, str(error), code="unreadable"))
