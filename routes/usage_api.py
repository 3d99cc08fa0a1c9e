"""The read API of LLM usage: the same questions as the page asks, answered by the same source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast

from flask import Blueprint, Response
from werkzeug.exceptions import BadRequest, Forbidden

from data_sources.result import Ready, Result, utc_now
from data_sources.usage.query import CALL_PARAMETERS, PARAMETERS, BadQueryError, parse, parse_call
from data_sources.usage.types import (
    DIMENSIONS,
    GRANULARITIES,
    Coverage,
    Dimension,
    Grain,
    Granularity,
    UsageQuery,
    UsageSource,
)
from data_sources.usage.windows import windows
from routes import intake_json, usage_export, usage_json
from routes.gate import needs, principal
from routes.wire import answer, query_params

T = TypeVar("T")
ROOT = "/api/v1/llm/usage"
MAX_GROUPS = 10_000
NOT_OF_ONE = "What was received is counted for all organizations together, and told to nobody of one."
BY: Mapping[str, Dimension] = {
    "by-provider": "provider",
    "by-model": "model",
    "by-power-level": "power_level",
    "by-user": "user",
    "by-team": "team",
    "by-status": "status",
    "by-source": "source",
}


def blueprint(
    usage: Callable[[], UsageSource], *, default_tz: str = "UTC", now: Callable[[], datetime] = utc_now
) -> Blueprint:
    """The read routes.

    Args:
        usage: Gives the usage source.
        default_tz: Zone of a question that names none.
        now: The clock, aware.
    """
    made = Blueprint("usage_api", __name__)

    def ask(more: Collection[str] = ()) -> tuple[UsageQuery, Mapping[str, list[str]]]:
        given = query_params(PARAMETERS | {"organization", *more})
        try:
            query = parse(given, default_tz=default_tz, organization_id=scope(_one(given, "organization")))
        except BadQueryError as error:
            raise BadRequest(str(error)) from None
        return query, given

    @made.get(f"{ROOT}/summary")
    @needs("usage:read")
    def summary() -> Response:
        """All figures of a window beside those of the period before."""
        query, _ = ask()
        return _answer(usage().summary(query), query, usage_json.summary)

    def by(dimension: Dimension) -> Callable[[], Response]:
        @needs("usage:read")
        def breakdown() -> Response:
            """A window by the values of one dimension."""
            query, given = ask({"limit"})
            limit = _whole(given, "limit", MAX_GROUPS)
            result = usage().breakdown(query, dimension, limit=limit)
            return _answer(result, query, usage_json.breakdown)

        return breakdown

    for name, dimension in BY.items():
        made.add_url_rule(f"{ROOT}/{name}", name, by(dimension))

    @made.get(f"{ROOT}/unpriced")
    @needs("usage:read")
    def unpriced() -> Response:
        """The models of a window with usage that has no price."""
        query, given = ask({"limit"})
        result = usage().unpriced(query, limit=_whole(given, "limit", MAX_GROUPS))
        return _answer(result, query, usage_json.unpriced)

    @made.get(f"{ROOT}/timeseries")
    @needs("usage:read")
    def timeseries() -> Response:
        """A window in buckets that tile it."""
        query, given = ask({"granularity", "group_by", "limit"})
        result = usage().timeseries(
            query,
            granularity=cast(Granularity | None, _choice(given, "granularity", GRANULARITIES)),
            group_by=cast(Dimension | None, _choice(given, "group_by", DIMENSIONS)),
            limit=_whole(given, "limit", MAX_GROUPS),
        )
        return _answer(result, query, usage_json.timeseries)

    @made.get(f"{ROOT}/recent")
    @needs("usage:read")
    def recent() -> Response:
        """The newest calls, page by page."""
        query, given = ask({"limit", "cursor"})
        limit = _whole(given, "limit", 500) or 50
        result = usage().recent(query, limit=limit, cursor=_one(given, "cursor"))
        return _answer(result, query, usage_json.requests)

    @made.get(f"{ROOT}/call")
    @needs("usage:read")
    def call() -> Response:
        """Everything that is kept of one call."""
        given = query_params({*CALL_PARAMETERS, "organization"})
        organization = scope(_one(given, "organization"))
        try:
            key = parse_call(given)
        except BadQueryError as error:
            raise BadRequest(str(error)) from None
        found = usage().call(key, organization_id=organization)
        return _answer(found, UsageQuery(organization_id=organization), usage_json.call)

    @made.get(f"{ROOT}/coverage")
    @needs("usage:read")
    def coverage() -> Response:
        """For how much of a window we listened, and what became of what was received."""
        query, _ = ask()
        if query.organization_id is None and principal().may("usage:intake"):
            return _answer(usage().intake(query), query, intake_json.whole)
        found = usage().coverage(query)

        def encode(value: Coverage) -> dict[str, Any]:
            confirmed = isinstance(found, Ready) and "window" not in found.provenance.unconfirmed
            window = replace(windows(query, now())[0], confirmed=confirmed)
            told = {**usage_json.coverage(value), "window": usage_json.window(window)}
            return told | {"intake": None, "reasons": {"intake": NOT_OF_ONE}}

        return _answer(found, query, encode)

    @made.get(f"{ROOT}/version")
    @needs("usage:read")
    def version() -> Response:
        """Whether anything changed; cheap enough to ask every two seconds."""
        query_params(())
        return _answer(usage().version(), None, usage_json.version)

    @made.get(f"{ROOT}/export")
    @needs("usage:read")
    def export() -> Response:
        """Every row of a window as a file: each attempt unless asked otherwise, so that its sums equal the figures."""
        query, given = ask({"format", "grain"})
        form = _choice(given, "format", usage_export.FORMATS) or "csv"
        grain = _choice(given, "grain", ("calls", "attempts")) or "attempts"
        found = usage().export(query, grain=cast(Grain, grain))
        return _file(found, form, query)

    return made


def _answer(found: Result[T], query: UsageQuery | None, encode: Callable[[T], dict[str, Any]]) -> Response:
    """Answer a result, with what it is limited to and what to know about it: another console relies on that."""
    beside = usage_json.told(found, query) if isinstance(found, Ready) else {}
    return answer(found, lambda value: {**encode(value), **beside})


def _file(found: Result[Any], form: str, query: UsageQuery) -> Response:
    if isinstance(found, Ready):
        return usage_export.response(found.value, form, beside=usage_json.told(found, query))
    return answer(found, lambda value: value)


def scope(asked: str | None = None) -> str | None:
    """The organization that an answer is limited to, None for all of them.

    Args:
        asked: The organization that the reader asks for. The console's own people and keys may ask for any.

    Raises:
        Forbidden: A member of no organization, or one that asks for another's usage.
        BadRequest: An empty name.
    """
    if asked == "":
        raise BadRequest("organization: name one, or leave it away.")
    who = principal()
    if who.role != "member":
        return asked
    if who.organization_id is None:
        raise Forbidden("You belong to no organization, so there is no usage to see.")
    if asked is not None and asked != who.organization_id:
        raise Forbidden("You may see your own organization's usage only.")
    return who.organization_id


def _one(given: Mapping[str, list[str]], name: str) -> str | None:
    values = given.get(name, [])
    if len(values) > 1:
        raise BadRequest(f"{name}: give it once.")
    return values[0] if values else None


def _choice(given: Mapping[str, list[str]], name: str, choices: Collection[str]) -> str | None:
    value = _one(given, name)
    if value is not None and value not in choices:
        raise BadRequest(f"{name}: use one of {', '.join(choices)}.")
    return value


def _whole(given: Mapping[str, list[str]], name: str, most: int) -> int | None:
    text = _one(given, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise BadRequest(f"{name}: use a whole number from 1 to {most:,}.")
    return int(text)
