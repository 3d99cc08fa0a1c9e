"""What administrators and the command line do with the usage store as a whole: check it, and more beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any, TypeVar

import duckdb
from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import BadRequest

from data_sources.usage import verify
from data_sources.usage.store import StoreError, UsageStore
from routes.errors import from_problem
from routes.gate import needs
from routes.usage_api import ROOT
from routes.usage_json import amount
from routes.wire import query_params

T = TypeVar("T")


def blueprint(store: Callable[[], UsageStore]) -> Blueprint:
    """The routes of the store's upkeep.

    Args:
        store: Gives the usage store.
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

    return made


def _plain(found: Any) -> Any:
    told = asdict(found)
    for difference in told["differences"]:
        for name in ("kept", "counted"):
            if isinstance(difference[name], Decimal):
                difference[name] = amount(difference[name])
    return told
