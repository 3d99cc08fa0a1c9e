"""What administrators do with the usage store as a whole: check it, copy it, forget a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any, TypeVar

import duckdb
import msgspec
from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest
from werkzeug.wsgi import FileWrapper

from data_sources.usage import audit, backup, forget, verify
from data_sources.usage.console_client import NOTE
from data_sources.usage.store import StoreError, UsageStore
from data_sources.usage.writer import Writer, now_us
from routes.errors import from_problem, problem_response
from routes.gate import needs, principal
from routes.usage_api import ROOT
from routes.usage_json import amount, time
from routes.wire import query_params

T = TypeVar("T")
OWN_STORE = "This console shows the usage of OPS_USAGE_API_URL. This is its own store, which no page shows."


class _Forget(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    apply: bool = False
    keep_figures: bool = False


def blueprint(store: Callable[[], UsageStore], writer: Callable[[], Writer]) -> Blueprint:
    """The routes of the store's upkeep.

    Args:
        store: Gives the usage store.
        writer: Gives its started writer.
    """
    made = Blueprint("usage_upkeep", __name__)

    def snapshot(read: Callable[[duckdb.DuckDBPyConnection], T], encode: Callable[[T], Any]) -> Response:
        try:
            with store().cursor() as cursor:
                cursor.begin()
                return jsonify(encode(read(cursor)))
        except StoreError as error:
            return from_problem(error.problem)

    @made.get(f"{ROOT}/verify")
    @needs("admin")
    def verify_whole() -> Response:
        """What there is to check, and what can be said of the whole at once."""
        query_params(())
        return snapshot(verify.overview, _plain)

    @made.get(f"{ROOT}/verify/part")
    @needs("admin")
    def verify_part() -> Response:
        """Count one part anew, beginning with the quarter-hour `from`; `next_slot` of the answer begins the next."""
        given = query_params(("from",)).get("from", [])
        if len(given) != 1 or not (given[0].isascii() and given[0].isdigit() and len(given[0]) < 10):
            raise BadRequest("from: name the quarter-hour to begin with, as first_slot or next_slot named it.")
        return snapshot(lambda cursor: verify.part(cursor, int(given[0])), _plain)

    @made.get(f"{ROOT}/backup")
    @needs("admin")
    def back_up() -> Response:
        """A copy of the store as it is now, checked before it is sent."""
        query_params(())
        try:
            copy = backup.make(store(), writer())
        except StoreError as error:
            return from_problem(error.problem)
        except backup.BadCopyError as error:
            return problem_response("store", "The store was not backed up", 503, str(error))
        answer = Response(FileWrapper(copy.file), mimetype="application/octet-stream", direct_passthrough=True)
        answer.content_length = copy.size_bytes
        answer.headers["X-Total-Attempts"] = str(copy.attempts)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @made.get(f"{ROOT}/audit")
    @needs("admin")
    def audit_rows() -> Response:
        """The newest changes by hand, newest first."""
        query_params(())
        return snapshot(
            audit.rows,
            lambda rows: {
                "changes": [
                    {"at": time(row.at), "actor": row.actor, "action": row.action, "detail": json.loads(row.detail)}
                    for row in rows
                ]
            },
        )

    @made.post(f"{ROOT}/forget")
    @needs("admin")
    def forget_user() -> Response:
        """Tell what is held of a person, and with `apply` take it out."""
        query_params(())
        try:
            asked = msgspec.json.decode(request.get_data(), type=_Forget)
        except msgspec.DecodeError as error:
            raise BadRequest(f"The body is not right: {error}.") from None
        actor = principal().id
        try:
            if asked.apply:
                found = writer().change(
                    lambda cursor: forget.forget(
                        cursor, asked.user, keep_figures=asked.keep_figures, actor=actor, now_us=now_us()
                    )
                )
            else:
                with store().cursor() as cursor:
                    found = forget.held(cursor, asked.user)
        except StoreError as error:
            return from_problem(error.problem)
        left = _bytes_left(store()) if asked.apply else None
        cost = None if found.cost_usd is None else amount(found.cost_usd)
        return jsonify(attempts=found.attempts, calls=found.calls, cost_usd=cost, applied=asked.apply, bytes_left=left)

    return made


def tell_apart(blueprint: Blueprint) -> None:
    """Say with every answer that it is of the console's own store, where its pages show another's usage."""

    def note(answer: Response) -> Response:
        answer.headers[NOTE] = OWN_STORE
        return answer

    blueprint.after_request(note)


def _bytes_left(store: UsageStore) -> str | None:
    """Take what was deleted out of the file, too; why that could not be done, None when it is."""
    try:
        store.rewrite()
    except StoreError as error:
        return f"{error.problem.title}: {error.problem.detail}"
    return None


def _plain(found: Any) -> Any:
    told = asdict(found)
    for difference in told["differences"]:
        for name in ("kept", "counted"):
            if isinstance(difference[name], Decimal):
                difference[name] = amount(difference[name])
    return told
